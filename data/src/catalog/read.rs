//! Catalogues from QuakeML.

use std::path::Path;

use seismix_core::regular_file;

use super::error::CatalogError;
use super::event::{Catalog, CatalogEvent, Magnitude, Origin, Pick};
use crate::id::StreamId;
use crate::xml::{self, Element, MAX_XML_BYTES, XmlResult};

/// Reads a QuakeML file of at most 256 MiB.
///
/// # Errors
/// [`CatalogError::Io`] if it cannot be read, or is larger; otherwise as [`parse_quakeml`].
pub fn read_quakeml(path: &Path) -> Result<Catalog, CatalogError> {
    let bytes = regular_file::read(path, MAX_XML_BYTES).map_err(|source| CatalogError::Io {
        path: path.to_owned(),
        source,
    })?;
    parse_quakeml(&bytes, path)
}

/// Reads QuakeML 1.2; `path` only names it in errors.
///
/// # Errors
/// [`CatalogError::Content`] with the line of what is not XML, not QuakeML, or lacks what the schema requires; only
/// latitude and longitude may be absent.
pub fn parse_quakeml(bytes: &[u8], path: &Path) -> Result<Catalog, CatalogError> {
    parse(bytes).map_err(|error| CatalogError::content(path, error))
}

fn is_quakeml(namespace: &str) -> bool {
    namespace.starts_with("http://quakeml.org/xmlns/")
}

fn parse(bytes: &[u8]) -> XmlResult<Catalog> {
    let document = xml::parse(bytes, is_quakeml)?;
    let root = document.root();
    if root.name() != "quakeml" {
        return Err(root.error(format!(
            "the root element is `{}`; QuakeML has `quakeml`",
            root.name()
        )));
    }
    let parameters = root.required("eventParameters")?;
    let events = parameters.all("event").map(event);
    Ok(Catalog {
        events: events.collect::<XmlResult<_>>()?,
        public_id: parameters.required_attribute("publicID")?,
        description: parameters.child_text("description").map(Into::into),
        comments: comments(parameters),
    })
}

fn event(element: Element) -> XmlResult<CatalogEvent> {
    let text = |name| element.child_text(name).map(str::to_owned);
    let descriptions = element.all("description");
    let descriptions = descriptions.filter_map(|d| d.child_text("text"));
    Ok(CatalogEvent {
        public_id: element.required_attribute("publicID")?,
        kind: text("type"),
        descriptions: descriptions.map(Into::into).collect(),
        comments: comments(element),
        preferred_origin_id: text("preferredOriginID"),
        preferred_magnitude_id: text("preferredMagnitudeID"),
        origins: element
            .all("origin")
            .map(origin)
            .collect::<XmlResult<_>>()?,
        magnitudes: element
            .all("magnitude")
            .map(magnitude)
            .collect::<XmlResult<_>>()?,
        picks: element.all("pick").map(pick).collect::<XmlResult<_>>()?,
        line: element.line(),
    })
}

fn comments(element: Element) -> Vec<String> {
    let texts = element.all("comment").filter_map(|c| c.child_text("text"));
    texts.map(Into::into).collect()
}

fn time(element: Element) -> XmlResult<i64> {
    element.required("time")?.required("value")?.time()
}

/// Number of an element with a `value`, if there is one.
fn quantity(element: Element, name: &'static str) -> XmlResult<Option<f64>> {
    let value = element.child(name).map(|e| e.required("value")?.number());
    value.transpose()
}

fn origin(element: Element) -> XmlResult<Origin> {
    Ok(Origin {
        public_id: element.required_attribute("publicID")?,
        time_ns: time(element)?,
        latitude_deg: quantity(element, "latitude")?,
        longitude_deg: quantity(element, "longitude")?,
        depth_m: quantity(element, "depth")?,
    })
}

fn magnitude(element: Element) -> XmlResult<Magnitude> {
    Ok(Magnitude {
        public_id: element.required_attribute("publicID")?,
        value: element.required("mag")?.required("value")?.number()?,
        kind: element.child_text("type").map(Into::into),
    })
}

fn pick(element: Element) -> XmlResult<Pick> {
    let stream = element.required("waveformID")?;
    let code = |name| stream.attribute(name).unwrap_or_default();
    let location = code("locationCode");
    let location = if location == "--" {
        String::new()
    } else {
        location
    };
    Ok(Pick {
        public_id: element.required_attribute("publicID")?,
        time_ns: time(element)?,
        id: StreamId::new(
            code("networkCode"),
            code("stationCode"),
            location,
            code("channelCode"),
        ),
        phase: element.child_text("phaseHint").map(Into::into),
        comments: comments(element),
        line: element.line(),
    })
}
