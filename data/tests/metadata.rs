//! StationXML: fields, epochs, and what is left out or refused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use seismix_data::metadata::{
    FirSymmetry, Inventory, MetadataError, OutputUnit, RemarkKind, StageFilter, parse_station_xml,
    read_station_xml,
};
use seismix_data::time::parse_utc;
use seismix_data::{StreamId, TimeSpan};

const INSTRUMENTS: &str = include_str!("metadata/responses.xml");

fn parse(text: &str) -> Result<Inventory, MetadataError> {
    parse_station_xml(text.as_bytes(), Path::new("s.xml"))
}

fn id(channel: &str) -> StreamId {
    StreamId::new("XX", "TEST", "00", channel)
}

#[test]
fn fields_of_a_channel() {
    let inventory = parse(INSTRUMENTS).unwrap();
    assert_eq!(inventory.remarks, []);
    let network = &inventory.networks[0];
    assert_eq!((network.code.as_str(), network.stations.len()), ("XX", 1));
    assert_eq!(network.epoch.end_ns, i64::MAX);
    let station = &network.stations[0];
    assert_eq!(station.site.as_deref(), Some("Nowhere & never"));
    assert_eq!(station.epoch.end_ns, i64::MAX);
    let channel = &station.channels[0];
    assert_eq!(channel.id, id("AAZ"));
    let expected = TimeSpan::new(
        parse_utc("2019-01-01").unwrap(),
        parse_utc("2020-01-01").unwrap(),
    );
    assert_eq!(channel.epoch, expected);
    let position = channel.position;
    let numbers = [
        position.latitude_deg,
        position.longitude_deg,
        position.elevation_m,
        channel.depth_m,
    ];
    assert_eq!(numbers, [4.5, 135.6, -2600.0, 1.5]);
    assert_eq!(
        (channel.azimuth_deg, channel.dip_deg),
        (Some(135.1), Some(-29.4))
    );
    assert_eq!(channel.sampling_rate_hz, Some(50.0));
    assert_eq!(channel.sensor.as_deref(), Some("Invented sensor"));
    let response = channel.response.as_ref().unwrap();
    assert_eq!(
        response.sensitivity.as_ref().unwrap().input_unit.as_deref(),
        Some("M/S")
    );
    let StageFilter::Fir {
        symmetry,
        coefficients,
    } = &response.stages[2].filter
    else {
        panic!("{:?}", response.stages[2].filter)
    };
    assert_eq!((*symmetry, coefficients.len()), (FirSymmetry::Odd, 5));
    let decimation = response.stages[2].decimation.unwrap();
    assert_eq!((decimation.input_rate_hz, decimation.factor), (100.0, 2));
}

/// A station whose channels have the epochs, all with the same content.
fn station(epochs: &[(&str, &str, &str)]) -> String {
    let channels: String = epochs
        .iter()
        .map(|(start, end, rate)| {
            format!(
                "<Channel code='BHZ' locationCode='00' startDate='{start}' endDate='{end}'><Latitude>0</Latitude>\
                 <Longitude>0</Longitude><Elevation>0</Elevation><Depth>0</Depth><SampleRate>{rate}</SampleRate></Channel>\n"
            )
        })
        .collect();
    format!(
        "<FDSNStationXML xmlns='http://www.fdsn.org/xml/station/1' schemaVersion='1.2'>\n<Network code='XX'>\n\
         <Station code='TEST'><Latitude>0</Latitude><Longitude>0</Longitude><Elevation>0</Elevation>\n{channels}\
         </Station></Network></FDSNStationXML>"
    )
}

fn lookup(text: &str, time: &str) -> Result<f64, String> {
    let inventory = parse(text).unwrap();
    let found = inventory.channel_at(&id("BHZ"), parse_utc(time).unwrap());
    found
        .map(|c| c.sampling_rate_hz.unwrap())
        .map_err(|e| e.to_string())
}

#[test]
fn epochs_are_found_by_time() {
    let text = station(&[
        ("2019-03-01", "2019-05-01", "20"),
        ("2019-01-01", "2019-02-01", "10"),
        ("2019-05-01", "2500-01-01", "40"),
    ]);
    assert_eq!(lookup(&text, "2019-01-01"), Ok(10.0));
    assert_eq!(lookup(&text, "2019-04-30T23:59:59.999999999"), Ok(20.0));
    // The end of an epoch belongs to the next one.
    assert_eq!(lookup(&text, "2019-05-01"), Ok(40.0));
    assert_eq!(lookup(&text, "2200-01-01"), Ok(40.0));
    assert_eq!(
        lookup(&text, "2019-02-10").unwrap_err(),
        "the metadata of `XX.TEST.00.BHZ` have no epoch for 2019-02-10T00:00:00.000000000Z: missing is \
         2019-02-01T00:00:00.000000000Z to 2019-03-01T00:00:00.000000000Z; there are \
         2019-01-01T00:00:00.000000000Z to 2019-02-01T00:00:00.000000000Z, \
         2019-03-01T00:00:00.000000000Z to 2019-05-01T00:00:00.000000000Z, from 2019-05-01T00:00:00.000000000Z on; \
         give StationXML that covers this time"
    );
    assert!(
        lookup(&text, "2018-01-01")
            .unwrap_err()
            .contains("missing is before 2019-01-01T00:00:00.000000000Z;")
    );
}

#[test]
fn epochs_that_overlap_must_agree() {
    let alike = station(&[
        ("2019-01-01", "2019-03-01", "20"),
        ("2019-02-01", "2019-05-01", "20"),
    ]);
    assert_eq!(lookup(&alike, "2019-02-10"), Ok(20.0));
    let differ = alike.replacen(">20<", ">40<", 1);
    assert_eq!(lookup(&differ, "2019-01-10"), Ok(40.0));
    let error = lookup(&differ, "2019-02-10").unwrap_err();
    assert!(
        error.contains("several epochs for 2019-02-10T00:00:00.000000000Z that differ"),
        "{error}"
    );
}

#[test]
fn unknown_streams_name_the_known_ones() {
    let inventory = parse(&station(&[("2019-01-01", "2019-03-01", "20")])).unwrap();
    let error = inventory.channel_at(&id("BHE"), 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the metadata have no channel `XX.TEST.00.BHE`; they have XX.TEST.00.BHZ; give StationXML with this channel"
    );
    let none = Inventory::default().channel_at(&id("BHE"), 0).unwrap_err();
    assert!(matches!(none, MetadataError::NoStream { known, .. } if known.is_empty()));
}

#[test]
fn lists_and_polynomials_are_remarks() {
    let units =
        "<InputUnits><Name>M/S</Name></InputUnits><OutputUnits><Name>V</Name></OutputUnits>";
    let text = station(&[("2019-01-01", "2019-03-01", "20")]).replace(
        "</SampleRate>",
        &format!(
            "</SampleRate><Response>\n<InstrumentPolynomial/>\n<Stage number='1'><ResponseList>{units}\
             <ResponseListElement/></ResponseList></Stage>\n<Stage number='2'><Polynomial/></Stage></Response>"
        ),
    );
    let inventory = parse(&text).unwrap();
    let kinds: Vec<&RemarkKind> = inventory.remarks.iter().map(|r| &r.kind).collect();
    assert_eq!(
        kinds,
        [
            &RemarkKind::Polynomial { stage: None },
            &RemarkKind::ResponseList { stage: 1 },
            &RemarkKind::Polynomial { stage: Some(2) }
        ]
    );
    assert_eq!(
        inventory.remarks[1].to_string(),
        "line 6: XX.TEST.00.BHZ: stage 1 is a response list, which is not read; this response cannot be evaluated"
    );
    let channel = inventory.channels().next().unwrap();
    let error = channel
        .response_at(&[1.0], OutputUnit::Velocity)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("stage 1 is a response list, which is not evaluated"),
        "{error}"
    );
    let old = parse(&station(&[]).replace("'1.2'", "'2.0'")).unwrap();
    assert_eq!(
        old.remarks[0].kind,
        RemarkKind::SchemaVersion {
            found: "2.0".into()
        }
    );
}

#[test]
fn faults_have_their_lines() {
    let good = station(&[("2019-01-01", "2019-03-01", "20")]);
    for (from, to, expected) in [
        (
            "FDSNStationXML",
            "q",
            "`s.xml`, line 1: the root element is `q`; StationXML has `FDSNStationXML`",
        ),
        (
            "<Network code='XX'>",
            "<Network>",
            "`s.xml`, line 2: `Network` has no attribute `code`",
        ),
        (
            "code='TEST'",
            "",
            "`s.xml`, line 3: `Station` has no attribute `code`",
        ),
        (
            "<Elevation>0</Elevation>\n",
            "",
            "`s.xml`, line 3: `Station` has no element `Elevation`",
        ),
        (
            "'TEST'",
            "'TEST' endDate='soon'",
            "`s.xml`, line 3: `endDate`: `soon` is not a valid time",
        ),
        (
            "</Station>",
            "",
            "`s.xml`, line 5: ill-formed document: expected `</Station>`",
        ),
    ] {
        let error = parse(&good.replace(from, to)).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let error = read_station_xml(Path::new("/nonexistent/s.xml")).unwrap_err();
    assert!(matches!(error, MetadataError::Io { .. }));
}

#[test]
fn channels_with_a_fault_are_left_out() {
    let good = station(&[
        ("2019-01-01", "2019-03-01", "20"),
        ("2019-03-01", "2019-05-01", "40"),
    ]);
    let stream = "XX.TEST.00.BHZ";
    let many = format!(
        "</SampleRate><Response><Stage number='1'><FIR><Symmetry>NONE</Symmetry>{}</FIR></Stage></Response>",
        "<NumeratorCoefficient>1</NumeratorCoefficient>".repeat(65_537)
    );
    for (from, to, expected) in [
        (
            "<Depth>0</Depth>",
            "",
            format!("line 4: {stream}: the channel is left out: `Channel` has no element `Depth`"),
        ),
        (
            ">20<",
            ">fast<",
            format!(
                "line 4: {stream}: the channel is left out: `SampleRate` is `fast`, not a finite number"
            ),
        ),
        (
            ">20<",
            ">inf<",
            format!(
                "line 4: {stream}: the channel is left out: `SampleRate` is `inf`, not a finite number"
            ),
        ),
        (
            "2019-01-01",
            "2019-13-01",
            format!(
                "line 4: {stream}: the channel is left out: `startDate`: `2019-13-01` is not a valid time: the month"
            ),
        ),
        (
            "2019-01-01",
            "2019-04-01",
            format!("line 4: {stream}: the channel is left out: `Channel` ends before it starts"),
        ),
        (
            "code='BHZ'",
            "",
            "line 4: the channel is left out: `Channel` has no attribute `code`".into(),
        ),
        (
            "</SampleRate>",
            "</SampleRate><Response><Stage number='1'><FIR/></Stage></Response>",
            format!("line 4: {stream}: the channel is left out: `FIR` has no element `Symmetry`"),
        ),
        (
            "</SampleRate>",
            "</SampleRate><Response><Stage number='x'/></Response>",
            format!(
                "line 4: {stream}: the channel is left out: the stage number is `x`, not a whole number"
            ),
        ),
        (
            "</SampleRate>",
            &many,
            format!(
                "line 4: {stream}: the channel is left out: the response has 65537 coefficients, poles and zeros; at most 65536"
            ),
        ),
    ] {
        let inventory = parse(&good.replacen(from, to, 1)).unwrap();
        let remark = inventory.remarks[0].to_string();
        assert!(
            remark.starts_with(&expected) && inventory.remarks.len() == 1,
            "{remark}"
        );
        let left: Vec<Option<f64>> = inventory.channels().map(|c| c.sampling_rate_hz).collect();
        assert_eq!(left, [Some(40.0)]);
    }
}

#[test]
fn the_number_of_remarks_is_bounded() {
    let text = station(&[("2019-01-01", "soon", "20"); 10_001]);
    let error = parse(&text).unwrap_err().to_string();
    assert!(
        error.starts_with("`s.xml`, line 10004: `endDate`: `soon` is not a valid time"),
        "{error}"
    );
}
