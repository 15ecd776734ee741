//! Inventories from StationXML.

use std::path::Path;

use seismix_core::regular_file;

use super::error::{MetadataError, Remark, RemarkKind};
use super::inventory::{ChannelEpoch, Inventory, Network, Position, Station};
use super::response_xml::response;
use crate::id::StreamId;
use crate::instant::{parse_epoch_end, parse_instant};
use crate::time::TimeSpan;
use crate::xml::{self, Element, MAX_XML_BYTES, XmlResult};

/// Most remarks; a file with more channels that have faults is refused at the next.
const MAX_REMARKS: usize = 10_000;
/// Versions of the schema that are read.
const VERSIONS: [&str; 3] = ["1.0", "1.1", "1.2"];

/// Reads a StationXML file of at most 256 MiB.
///
/// # Errors
/// [`MetadataError::Io`] if it cannot be read, or is larger; otherwise as [`parse_station_xml`].
pub fn read_station_xml(path: &Path) -> Result<Inventory, MetadataError> {
    let bytes = regular_file::read(path, MAX_XML_BYTES).map_err(|source| MetadataError::Io {
        path: path.to_owned(),
        source,
    })?;
    parse_station_xml(&bytes, path)
}

/// Reads StationXML; `path` only names it in errors.
///
/// # Errors
/// [`MetadataError::Content`] with the line of what is not XML, not StationXML, or of a network or station that lacks
/// what the schema requires. Channels with a fault are left out, with a remark.
pub fn parse_station_xml(bytes: &[u8], path: &Path) -> Result<Inventory, MetadataError> {
    parse(bytes).map_err(|error| MetadataError::content(path, error))
}

fn is_station_xml(namespace: &str) -> bool {
    namespace.starts_with("http://www.fdsn.org/xml/station/")
}

fn parse(bytes: &[u8]) -> XmlResult<Inventory> {
    let document = xml::parse(bytes, is_station_xml)?;
    let root = document.root();
    if root.name() != "FDSNStationXML" {
        return Err(root.error(format!(
            "the root element is `{}`; StationXML has `FDSNStationXML`",
            root.name()
        )));
    }
    let mut remarks = Vec::new();
    let found = root.attribute("schemaVersion").unwrap_or_default();
    if !VERSIONS.contains(&found.as_str()) {
        remarks.push(Remark {
            line: root.line(),
            id: None,
            kind: RemarkKind::SchemaVersion { found },
        });
    }
    let networks = root.all("Network").map(|e| network(e, &mut remarks));
    let networks = networks.collect::<XmlResult<Vec<_>>>()?;
    Ok(Inventory { networks, remarks })
}

fn network(element: Element, remarks: &mut Vec<Remark>) -> XmlResult<Network> {
    let code = element.required_attribute("code")?;
    let epoch = epoch(element, TimeSpan::ALL)?;
    let stations = element
        .all("Station")
        .map(|e| station(e, &code, epoch, remarks));
    Ok(Network {
        stations: stations.collect::<XmlResult<_>>()?,
        description: element.child_text("Description").map(Into::into),
        code,
        epoch,
    })
}

fn station(
    element: Element,
    network: &str,
    outer: TimeSpan,
    remarks: &mut Vec<Remark>,
) -> XmlResult<Station> {
    let code = element.required_attribute("code")?;
    let epoch = epoch(element, outer)?;
    let site = element.child("Site").and_then(|s| s.child_text("Name"));
    let mut channels = Vec::new();
    for element in element.all("Channel") {
        let id = stream(element, network, &code);
        match channel(element, id.as_ref(), epoch, remarks) {
            Ok(channel) => channels.push(channel),
            // One channel with a fault, often of state of health, must not make the others unusable.
            Err(error) if remarks.len() >= MAX_REMARKS => return Err(error),
            Err(error) => remarks.push(Remark {
                line: error.line,
                id,
                kind: RemarkKind::Channel {
                    reason: error.reason,
                },
            }),
        }
    }
    Ok(Station {
        channels,
        position: position(element)?,
        site: site.map(Into::into),
        code,
        epoch,
    })
}

/// Stream of a channel; `None` if it has no code.
fn stream(element: Element, network: &str, station: &str) -> Option<StreamId> {
    let location = element.attribute("locationCode").unwrap_or_default();
    let location = if location == "--" { "" } else { &location };
    let channel = element.attribute("code")?;
    Some(StreamId::new(network, station, location, channel))
}

fn channel(
    element: Element,
    id: Option<&StreamId>,
    outer: TimeSpan,
    remarks: &mut Vec<Remark>,
) -> XmlResult<ChannelEpoch> {
    let missing = || element.error("`Channel` has no attribute `code`");
    let id = id.ok_or_else(missing)?;
    let sensor = element.child("Sensor");
    let sensor = sensor.and_then(|s| s.child_text("Type").or_else(|| s.child_text("Description")));
    let response = match element.child("Response") {
        Some(element) => response(element, id, remarks)?,
        None => None,
    };
    Ok(ChannelEpoch {
        epoch: epoch(element, outer)?,
        position: position(element)?,
        depth_m: element.required("Depth")?.number()?,
        azimuth_deg: element.child_number("Azimuth")?,
        dip_deg: element.child_number("Dip")?,
        sampling_rate_hz: element.child_number("SampleRate")?,
        sensor: sensor.map(Into::into),
        response,
        line: element.line(),
        id: id.clone(),
    })
}

fn position(element: Element) -> XmlResult<Position> {
    Ok(Position {
        latitude_deg: element.required("Latitude")?.number()?,
        longitude_deg: element.required("Longitude")?.number()?,
        elevation_m: element.required("Elevation")?.number()?,
    })
}

/// Epoch of an element; a date that is missing is that of the element around it.
fn epoch(element: Element, outer: TimeSpan) -> XmlResult<TimeSpan> {
    let time = |name: &str, parse: fn(&str) -> Result<i64, seismix_core::Error>, default: i64| {
        let Some(text) = element.attribute(name) else {
            return Ok(default);
        };
        parse(&text).map_err(|e| element.error(format!("`{name}`: {e}")))
    };
    let epoch = TimeSpan::new(
        time("startDate", parse_instant, outer.start_ns)?,
        time("endDate", parse_epoch_end, outer.end_ns)?,
    );
    if epoch.end_ns < epoch.start_ns {
        let text = format!("`{}` ends before it starts", element.name());
        return Err(element.error(text));
    }
    Ok(epoch)
}
