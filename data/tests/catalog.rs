//! QuakeML: read, written, and read again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use proptest::prelude::*;
use seismix_data::StreamId;
use seismix_data::catalog::{
    Catalog, CatalogError, CatalogEvent, Magnitude, Origin, Pick, parse_quakeml, public_id,
    read_quakeml, write_quakeml,
};
use seismix_data::time::{format_utc, parse_utc};

/// Two events as this crate writes them; ObsPy 1.5.1 reads the file without a warning.
const WRITTEN: &str = include_str!("catalog/glitches.xml");

fn parse(text: &str) -> Result<Catalog, CatalogError> {
    parse_quakeml(text.as_bytes(), Path::new("q.xml"))
}

fn written(catalog: &Catalog) -> String {
    let mut bytes = Vec::new();
    write_quakeml(catalog, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// A glitch with a pick on each channel.
fn glitch(number: &str, time_ns: i64) -> CatalogEvent {
    let pick = |channel: &str| Pick {
        public_id: public_id(&["pick", number, channel]),
        time_ns,
        id: StreamId::new("XB", "ELYSE", "02", channel),
        phase: Some("glitch".into()),
        comments: vec![format!("amplitude on {channel} < 0 & > -1")],
        line: 0,
    };
    CatalogEvent {
        public_id: public_id(&["glitch", number]),
        kind: Some("other event".into()),
        descriptions: vec!["one-sided pulse".into()],
        comments: vec!["end 2019-06-05T02:11:13Z".into()],
        picks: ["BHU", "BHV", "BHW"].map(pick).into(),
        ..CatalogEvent::default()
    }
}

fn catalog() -> Catalog {
    let first = parse_utc("2019-06-05T02:11:00.123456789").unwrap();
    let mut quake = glitch("2", first + 60_000_000_000);
    quake.kind = Some("earthquake".into());
    quake.origins = vec![Origin {
        public_id: public_id(&["origin", "2"]),
        time_ns: first,
        latitude_deg: Some(4.5),
        longitude_deg: Some(135.6),
        depth_m: Some(33_000.0),
    }];
    quake.magnitudes = vec![Magnitude {
        public_id: public_id(&["magnitude", "2"]),
        value: 3.7,
        kind: Some("Mw".into()),
    }];
    quake.preferred_origin_id = Some(public_id(&["origin", "2"]));
    quake.preferred_magnitude_id = Some(public_id(&["magnitude", "2"]));
    quake.picks[0].id = StreamId::new("XB", "ELYSE", "", "");
    Catalog {
        public_id: public_id(&["catalog", "test"]),
        description: Some("Two events".into()),
        comments: vec!["written by a test".into()],
        events: vec![glitch("1", first), quake],
    }
}

/// A catalogue without the lines of its objects.
fn without_lines(mut catalog: Catalog) -> Catalog {
    for event in &mut catalog.events {
        event.line = 0;
        event.picks.iter_mut().for_each(|p| p.line = 0);
    }
    catalog
}

#[test]
fn the_file_is_the_one_that_others_read() {
    let text = written(&catalog());
    assert_eq!(text, WRITTEN);
}

#[test]
fn what_is_written_is_read_again() {
    let read = parse(&written(&catalog())).unwrap();
    assert_eq!(read.events[0].line, 4);
    assert!(read.events[1].picks[2].line > read.events[1].picks[1].line);
    assert_eq!(without_lines(read), catalog());
    let empty = Catalog {
        public_id: public_id(&["empty"]),
        ..Catalog::default()
    };
    assert_eq!(parse(&written(&empty)).unwrap(), empty);
}

/// A catalogue in the spelling of other programs.
const OTHER: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<ns0:quakeml xmlns:ns0="http://quakeml.org/xmlns/quakeml/1.2" xmlns:b="http://quakeml.org/xmlns/bed/1.2" xmlns:c="http://anss.org/xmlns/catalog/0.1">
<b:eventParameters publicID="quakeml:eu.example/catalog">
<b:event publicID="quakeml:eu.example/event/1" c:dataid="x">
  <b:preferredOriginID>
    quakeml:eu.example/origin/b
  </b:preferredOriginID>
  <b:description><b:type>region name</b:type><b:text>Cerberus &amp; Fossae</b:text></b:description>
  <c:origin publicID="lost"><b:time/></c:origin>
  <b:origin publicID="quakeml:eu.example/origin/a"><b:time><b:value>2019-06-05T01:00:00Z</b:value></b:time></b:origin>
  <b:origin publicID="quakeml:eu.example/origin/b"><b:time><b:value>2019-06-05T02:00:00.5+00:00</b:value><b:uncertainty>2</b:uncertainty></b:time>
    <b:latitude><b:value>-11.5</b:value></b:latitude><b:longitude><b:value>1.6e2</b:value></b:longitude><b:depth><b:value>50000</b:value></b:depth></b:origin>
  <b:magnitude publicID="quakeml:eu.example/mag/1"><b:mag><b:value>4.2</b:value></b:mag><b:type>Mw</b:type></b:magnitude>
  <b:pick publicID="quakeml:eu.example/pick/1"><b:time><b:value>2019-06-05T02:03:00</b:value></b:time>
    <b:waveformID networkCode="XB" stationCode="ELYSE" locationCode="--" channelCode="BHZ"/><b:phaseHint>P</b:phaseHint></b:pick>
</b:event></b:eventParameters></ns0:quakeml>"#;

#[test]
fn other_spellings_are_read() {
    let catalog = parse(OTHER).unwrap();
    let event = &catalog.events[0];
    assert_eq!((event.line, event.origins.len()), (4, 2));
    let origin = event.origin().unwrap();
    assert_eq!(format_utc(origin.time_ns), "2019-06-05T02:00:00.500000000Z");
    let place = [origin.latitude_deg, origin.longitude_deg, origin.depth_m];
    assert_eq!(place, [Some(-11.5), Some(160.0), Some(50_000.0)]);
    assert_eq!(event.origins[0].latitude_deg, None);
    assert_eq!(event.magnitude().unwrap().value, 4.2);
    assert_eq!(event.descriptions, ["Cerberus & Fossae"]);
    let pick = &event.picks[0];
    assert_eq!(
        (pick.id.to_string().as_str(), pick.phase.as_deref()),
        ("XB.ELYSE..BHZ", Some("P"))
    );
}

#[test]
fn faults_have_their_lines() {
    for (from, to, expected) in [
        (
            "ns0:quakeml",
            "ns0:catalog",
            "`q.xml`, line 2: the root element is `catalog`; QuakeML has `quakeml`",
        ),
        (
            "b:eventParameters",
            "b:other",
            "`q.xml`, line 2: `quakeml` has no element `eventParameters`",
        ),
        (
            " publicID=\"quakeml:eu.example/event/1\"",
            "",
            "`q.xml`, line 4: `event` has no attribute `publicID`",
        ),
        (
            "2019-06-05T02:03:00",
            "soon",
            "`q.xml`, line 14: `value`: `soon` is not a valid time",
        ),
        (
            "1.6e2",
            "west",
            "`q.xml`, line 12: `value` is `west`, not a finite number",
        ),
        (
            "<b:waveformID networkCode=\"XB\"",
            "<b:other networkCode=\"XB\"",
            "`q.xml`, line 14: `pick` has no element `waveformID`",
        ),
    ] {
        let error = parse(&OTHER.replace(from, to)).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let error = read_quakeml(Path::new("/nonexistent/q.xml")).unwrap_err();
    assert!(matches!(error, CatalogError::Io { .. }));
}

#[test]
fn what_readers_refuse_is_not_written() {
    let refused = |change: fn(&mut Catalog)| {
        let mut catalog = catalog();
        change(&mut catalog);
        let mut bytes = Vec::new();
        let error = write_quakeml(&catalog, &mut bytes).unwrap_err();
        assert_eq!(bytes, b"");
        error.to_string()
    };
    assert_eq!(
        refused(|c| c.events[1].picks[0].public_id = "pick 1".into()),
        "`pick 1` is not a valid QuakeML identifier; make one with `catalog::public_id`, as smi:local/glitch/1"
    );
    assert_eq!(
        refused(|c| c.events[1].magnitudes[0].value = f64::NAN),
        "the magnitude of `smi:local/magnitude/2` is NaN; give a finite number"
    );
    assert!(
        refused(|c| c.events[1].origins[0].depth_m = Some(f64::INFINITY))
            .starts_with("the depth of")
    );
}

proptest! {
    #[test]
    fn any_text_survives(text in "\\PC{0,30}", station in "[A-Z<&\"']{0,6}", time_ns in any::<i64>()) {
        let text = text.trim().to_owned();
        prop_assume!(!text.is_empty());
        let mut catalog = catalog();
        catalog.events[0].comments = vec![text];
        catalog.events[0].picks[0].time_ns = time_ns;
        catalog.events[0].picks[0].id.station = station;
        prop_assert_eq!(without_lines(parse(&written(&catalog)).unwrap()), catalog);
    }

    #[test]
    fn changed_files_are_read_or_refused(at in 0..OTHER.len(), n in 0_usize..40, new in "[ -~]{0,12}") {
        let mut bytes = OTHER.as_bytes().to_vec();
        let end = (at + n).min(bytes.len());
        bytes.splice(at..end, new.bytes());
        if let Err(error) = parse_quakeml(&bytes, Path::new("q.xml")) {
            prop_assert!(error.to_string().contains("line"), "{}", error);
        }
    }
}

#[test]
fn control_characters_do_not_break_the_file() {
    let mut catalog = catalog();
    catalog.events[0].comments = vec!["a\u{0}b\u{1b}c".into()];
    let read = parse(&written(&catalog)).unwrap();
    assert_eq!(read.events[0].comments, ["a\u{fffd}b\u{fffd}c"]);
}
