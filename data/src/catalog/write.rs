//! Catalogues as QuakeML.

use std::io::{self, Write};

use quick_xml::events::{BytesDecl, BytesText, Event};
use quick_xml::{ElementWriter, Writer};

use super::error::CatalogError;
use super::event::{Catalog, CatalogEvent, Magnitude, Origin, Pick};
use super::event_type::is_event_type;
use super::public_id::is_valid;
use crate::time::format_utc;

const QUAKEML: &str = "http://quakeml.org/xmlns/quakeml/1.2";
const BASIC_EVENT_DESCRIPTION: &str = "http://quakeml.org/xmlns/bed/1.2";

/// Writes a catalogue as QuakeML 1.2, one that [`parse_quakeml`](super::parse_quakeml) and ObsPy read.
///
/// Times have nanoseconds. Control characters, which XML cannot hold, become `U+FFFD`.
///
/// # Errors
/// [`CatalogError::PublicId`], [`CatalogError::EventType`] and [`CatalogError::NotFinite`] before anything is written,
/// [`CatalogError::Write`] while it is written.
pub fn write_quakeml(catalog: &Catalog, out: impl Write) -> Result<(), CatalogError> {
    check(catalog)?;
    let mut writer = Writer::new_with_indent(out, b' ', 2);
    let declaration = BytesDecl::new("1.0", Some("UTF-8"), None);
    writer.write_event(Event::Decl(declaration))?;
    let root = writer.create_element("q:quakeml");
    let root = root.with_attribute(("xmlns:q", QUAKEML));
    let root = root.with_attribute(("xmlns", BASIC_EVENT_DESCRIPTION));
    root.write_inner_content(|w| {
        object(w, "eventParameters", &catalog.public_id).write_inner_content(|w| {
            catalog.events.iter().try_for_each(|e| event(w, e))?;
            optional(w, "description", catalog.description.as_deref())?;
            comments(w, &catalog.comments)
        })?;
        Ok(())
    })?;
    let mut out = writer.into_inner();
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Refuses identifiers and numbers that a reader would refuse.
fn check(catalog: &Catalog) -> Result<(), CatalogError> {
    valid(&catalog.public_id)?;
    for event in &catalog.events {
        valid(&event.public_id)?;
        if let Some(kind) = event.kind.as_ref().filter(|kind| !is_event_type(kind)) {
            return Err(CatalogError::EventType {
                kind: kind.clone(),
                public_id: event.public_id.clone(),
            });
        }
        let preferred = [&event.preferred_origin_id, &event.preferred_magnitude_id];
        preferred
            .into_iter()
            .flatten()
            .try_for_each(|id| valid(id))?;
        event.picks.iter().try_for_each(|p| valid(&p.public_id))?;
        for origin in &event.origins {
            let id = &origin.public_id;
            valid(id)?;
            finite("latitude", id, origin.latitude_deg)?;
            finite("longitude", id, origin.longitude_deg)?;
            finite("depth", id, origin.depth_m)?;
        }
        for magnitude in &event.magnitudes {
            valid(&magnitude.public_id)?;
            finite("magnitude", &magnitude.public_id, Some(magnitude.value))?;
        }
    }
    Ok(())
}

fn valid(id: &str) -> Result<(), CatalogError> {
    if is_valid(id) {
        return Ok(());
    }
    Err(CatalogError::PublicId {
        text: id.to_owned(),
    })
}

fn finite(what: &'static str, id: &str, value: Option<f64>) -> Result<(), CatalogError> {
    match value {
        Some(value) if !value.is_finite() => Err(CatalogError::NotFinite {
            what,
            public_id: id.to_owned(),
            value,
        }),
        _ => Ok(()),
    }
}

fn object<'a, W: Write>(w: &'a mut Writer<W>, name: &'a str, id: &'a str) -> ElementWriter<'a, W> {
    w.create_element(name).with_attribute(("publicID", id))
}

fn event<W: Write>(w: &mut Writer<W>, event: &CatalogEvent) -> io::Result<()> {
    object(w, "event", &event.public_id).write_inner_content(|w| {
        optional(w, "preferredOriginID", event.preferred_origin_id.as_deref())?;
        optional(
            w,
            "preferredMagnitudeID",
            event.preferred_magnitude_id.as_deref(),
        )?;
        optional(w, "type", event.kind.as_deref())?;
        let descriptions = event.descriptions.iter();
        descriptions
            .into_iter()
            .try_for_each(|d| text_in(w, "description", d))?;
        comments(w, &event.comments)?;
        event.picks.iter().try_for_each(|p| pick(w, p))?;
        event.origins.iter().try_for_each(|o| origin(w, o))?;
        event.magnitudes.iter().try_for_each(|m| magnitude(w, m))
    })?;
    Ok(())
}

fn origin<W: Write>(w: &mut Writer<W>, origin: &Origin) -> io::Result<()> {
    object(w, "origin", &origin.public_id).write_inner_content(|w| {
        quantity(w, "time", Some(format_utc(origin.time_ns)))?;
        quantity(w, "longitude", origin.longitude_deg)?;
        quantity(w, "latitude", origin.latitude_deg)?;
        quantity(w, "depth", origin.depth_m)
    })?;
    Ok(())
}

fn magnitude<W: Write>(w: &mut Writer<W>, magnitude: &Magnitude) -> io::Result<()> {
    object(w, "magnitude", &magnitude.public_id).write_inner_content(|w| {
        quantity(w, "mag", Some(magnitude.value))?;
        optional(w, "type", magnitude.kind.as_deref())
    })?;
    Ok(())
}

fn pick<W: Write>(w: &mut Writer<W>, pick: &Pick) -> io::Result<()> {
    object(w, "pick", &pick.public_id).write_inner_content(|w| {
        quantity(w, "time", Some(format_utc(pick.time_ns)))?;
        let network = clean(&pick.id.network);
        let station = clean(&pick.id.station);
        let location = clean(&pick.id.location);
        let channel = clean(&pick.id.channel);
        let mut stream = w.create_element("waveformID");
        stream = stream.with_attribute(("networkCode", network.as_str()));
        stream = stream.with_attribute(("stationCode", station.as_str()));
        stream = stream.with_attribute(("locationCode", location.as_str()));
        if !channel.is_empty() {
            stream = stream.with_attribute(("channelCode", channel.as_str()));
        }
        stream.write_empty()?;
        optional(w, "phaseHint", pick.phase.as_deref())?;
        comments(w, &pick.comments)
    })?;
    Ok(())
}

fn comments<W: Write>(w: &mut Writer<W>, comments: &[String]) -> io::Result<()> {
    comments.iter().try_for_each(|c| text_in(w, "comment", c))
}

/// `<name><text>content</text></name>`.
fn text_in<W: Write>(w: &mut Writer<W>, name: &str, content: &str) -> io::Result<()> {
    let element = w.create_element(name);
    element.write_inner_content(|w| optional(w, "text", Some(content)))?;
    Ok(())
}

/// `<name><value>value</value></name>`, if there is a value.
fn quantity<W: Write>(
    w: &mut Writer<W>,
    name: &str,
    value: Option<impl ToString>,
) -> io::Result<()> {
    let Some(value) = value else { return Ok(()) };
    let element = w.create_element(name);
    element.write_inner_content(|w| optional(w, "value", Some(&value.to_string())))?;
    Ok(())
}

/// `<name>content</name>`, if there is content.
fn optional<W: Write>(w: &mut Writer<W>, name: &str, content: Option<&str>) -> io::Result<()> {
    let Some(content) = content else {
        return Ok(());
    };
    let content = clean(content);
    let element = w.create_element(name);
    element.write_text_content(BytesText::new(&content))?;
    Ok(())
}

/// The text without characters that XML 1.0 does not allow.
fn clean(text: &str) -> String {
    let allowed = |c: char| !c.is_control() || "\t\n\r".contains(c) || c >= '\u{7f}';
    let replace = |c: char| match allowed(c) && !matches!(c, '\u{fffe}' | '\u{ffff}') {
        true => c,
        false => '\u{fffd}',
    };
    text.chars().map(replace).collect()
}
