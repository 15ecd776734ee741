//! StationXML: epochs, responses against ObsPy, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use num_complex::Complex64;
use proptest::prelude::*;
use seismix_data::metadata::{
    ChannelEpoch, FirSymmetry, Inventory, MetadataError, OutputUnit, RemarkKind, ResponseError,
    StageFilter, parse_station_xml, read_station_xml,
};
use seismix_data::time::parse_utc;
use seismix_data::{StreamId, TimeSpan};

const INSTRUMENTS: &str = include_str!("metadata/responses.xml");
/// `get_evalresp_response_for_frequencies` of ObsPy 1.5.1 on the same file.
const REFERENCE: &str = include_str!("metadata/responses.csv");
/// Rounding alone: products of some ten factors and sums of some hundred terms, each good to 1e-16.
const TOLERANCE: f64 = 1e-12;

const UNITS: [OutputUnit; 3] = [
    OutputUnit::Displacement,
    OutputUnit::Velocity,
    OutputUnit::Acceleration,
];

fn parse(text: &str) -> Result<Inventory, MetadataError> {
    parse_station_xml(text.as_bytes(), Path::new("s.xml"))
}

fn id(channel: &str) -> StreamId {
    StreamId::new("XX", "TEST", "00", channel)
}

fn channel(code: &str) -> ChannelEpoch {
    let inventory = parse(INSTRUMENTS).unwrap();
    let time_ns = parse_utc("2019-06-01").unwrap();
    inventory.channel_at(&id(code), time_ns).unwrap().clone()
}

/// Largest deviation from the reference, relative to its modulus.
fn deviation(found: &[Complex64], expected: &[Complex64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let each = found
        .iter()
        .zip(expected)
        .map(|(f, e)| (f - e).norm() / e.norm());
    each.fold(0.0, f64::max)
}

#[test]
fn every_kind_of_stage_agrees_with_evalresp() {
    let mut rows = csv::Reader::from_reader(REFERENCE.as_bytes());
    let mut n = 0;
    for row in rows.records() {
        let row = row.unwrap();
        let number = |at: usize| row[at].parse::<f64>().unwrap();
        let channel = channel(&row[0]);
        for (index, unit) in UNITS.into_iter().enumerate() {
            let expected = Complex64::new(number(2 + 2 * index), number(3 + 2 * index));
            let found = channel.response_at(&[number(1)], unit).unwrap();
            let off = deviation(&found, &[expected]);
            assert!(off < TOLERANCE, "{row:?} {unit:?}: {} {off:e}", found[0]);
            n += 1;
        }
    }
    assert_eq!(n, 11 * 7 * 3);
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

/// Error of the response of a channel after a replacement in the file.
fn broken(code: &str, from: &str, to: &str) -> ResponseError {
    let begin = INSTRUMENTS.find(&format!("code=\"{code}\"")).unwrap();
    let (before, after) = INSTRUMENTS.split_at(begin);
    assert!(after.contains(from), "{from}");
    let text = format!("{before}{}", after.replacen(from, to, 1));
    let inventory = parse(&text).unwrap();
    let channel = inventory.channels().find(|c| c.id == id(code)).unwrap();
    let response = channel.response.as_ref().unwrap();
    response.evaluate(&[1.0], OutputUnit::Velocity).unwrap_err()
}

#[test]
fn responses_that_cannot_be_evaluated_say_why() {
    let gain = "<StageGain>\n                <Value>1020.5</Value>\n                <Frequency>1.0</Frequency>\n              </StageGain>";
    for (error, expected) in [
        (
            broken("AAZ", "<Value>1020.5</Value>", "<Value>0</Value>"),
            "stage 1 cannot be normalised at 1 Hz: the gain is 0",
        ),
        (
            broken(
                "ABZ",
                "<Frequency>0.3</Frequency>",
                "<Frequency>0</Frequency>",
            ),
            "stage 1 cannot be normalised at 0 Hz: the filter is 0 or infinite there",
        ),
        (
            broken("AAZ", "<Stage number=\"2\">", "<Stage number=\"3\">"),
            "stage 3 occurs twice",
        ),
        (
            broken(
                "AAZ",
                "<Name>COUNTS</Name></OutputUnits>\n                <CfT",
                "<Name>M/S</Name></OutputUnits>\n                <CfT",
            ),
            "stage 3 takes `COUNTS`, but the stage before it gives `M/S`",
        ),
        (
            broken(
                "AAZ",
                "<InputUnits><Name>M/S</Name></InputUnits>\n                <OutputUnits><Name>V<",
                "<InputUnits><Name>PA</Name></InputUnits>\n                <OutputUnits><Name>V<",
            ),
            "its input unit is `PA`, which is not ground motion",
        ),
        (broken("AAZ", gain, ""), "stage 1 has no `StageGain`"),
        (
            broken(
                "AEZ",
                "<CfTransferFunctionType>DIGITAL</CfTransferFunctionType>\n                <Num",
                "<CfTransferFunctionType>ANALOG (HERTZ)</CfTransferFunctionType>\n                <Num",
            ),
            "stage 3 is given by coefficients of an analogue filter",
        ),
    ] {
        let text = error.to_string();
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn frequencies_that_are_no_numbers_or_poles_are_errors() {
    let channel = channel("AAZ");
    let error = channel
        .response_at(&[f64::NAN], OutputUnit::Velocity)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "the response of `XX.TEST.00.AAZ` in the epoch 2019-01-01T00:00:00.000000000Z to 2020-01-01T00:00:00.000000000Z: \
         NaN is not a frequency; give finite frequencies in Hz"
    );
    let mut response = channel.response.unwrap();
    let StageFilter::PolesZeros(stage) = &mut response.stages[0].filter else {
        panic!()
    };
    stage.zeros.clear();
    stage.poles[0] = Complex64::ZERO;
    let error = response
        .evaluate(&[1.0, 0.0], OutputUnit::Velocity)
        .unwrap_err();
    assert_eq!(error, ResponseError::NotFinite { frequency_hz: 0.0 });
}

#[test]
fn at_0_hz_an_integral_is_0() {
    let response = channel("AIZ").response.unwrap();
    for unit in UNITS {
        assert_eq!(response.evaluate(&[0.0], unit).unwrap(), [Complex64::ZERO]);
    }
    assert_eq!(response.evaluate(&[], OutputUnit::Input).unwrap(), []);
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

proptest! {
    /// Whatever is changed in a file, reading and evaluating end.
    #[test]
    fn changed_files_are_read_or_refused(at in 0..INSTRUMENTS.len(), n in 0_usize..40, new in "[ -~]{0,12}") {
        let mut bytes = INSTRUMENTS.as_bytes().to_vec();
        let end = (at + n).min(bytes.len());
        bytes.splice(at..end, new.bytes());
        match parse_station_xml(&bytes, Path::new("s.xml")) {
            Ok(inventory) => for channel in inventory.channels() {
                if let Ok(values) = channel.response_at(&[0.0, 0.1, 20.0], OutputUnit::Velocity) {
                    prop_assert!(values.iter().all(|v| v.is_finite()));
                }
            },
            Err(error) => prop_assert!(error.to_string().contains("line"), "{error}"),
        }
    }
}

fn shared() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if folder.join("mars-metadata").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: ../shared/data is absent");
    None
}

#[test]
fn real_metadata_of_a_planet() {
    let Some(folder) = shared() else { return };
    let inventory =
        read_station_xml(&folder.join("mars-metadata/XB.ELYSE.VBB.stationxml.xml")).unwrap();
    assert_eq!(inventory.remarks, []);
    assert_eq!(inventory.channels().count(), 84);
    for channel in inventory.channels() {
        let sensitivity = channel
            .response
            .as_ref()
            .unwrap()
            .sensitivity
            .as_ref()
            .unwrap();
        let at = channel
            .response_at(&[sensitivity.frequency_hz], OutputUnit::Velocity)
            .unwrap();
        let ratio = at[0].norm() / sensitivity.value;
        // The stages of these files give the stated sensitivity to the precision of their decimals.
        assert!((ratio - 1.0).abs() < 0.02, "{} {ratio}", channel.id);
    }
    let mut rows = csv::Reader::from_reader(include_str!("metadata/elyse.csv").as_bytes());
    let mut n = 0;
    for row in rows.records() {
        let row = row.unwrap();
        let [frequency, re, im] = [2, 3, 4].map(|at| row[at].parse::<f64>().unwrap());
        let epoch = inventory.channel_at(&row[0].parse().unwrap(), parse_utc(&row[1]).unwrap());
        let found = epoch
            .unwrap()
            .response_at(&[frequency], OutputUnit::Velocity)
            .unwrap();
        let off = deviation(&found, &[Complex64::new(re, im)]);
        assert!(off < TOLERANCE, "{row:?}: {} {off:e}", found[0]);
        n += 1;
    }
    assert_eq!(n, 35);
    let bhu: StreamId = "XB.ELYSE.02.BHU".parse().unwrap();
    let day = inventory
        .channel_at(&bhu, parse_utc("2019-06-05").unwrap())
        .unwrap();
    assert_eq!(
        day.epoch.start_ns,
        parse_utc("2019-06-01T12:24:11.169").unwrap()
    );
    let error = inventory
        .channel_at(&bhu, parse_utc("2019-06-01").unwrap())
        .unwrap_err();
    let MetadataError::NoEpoch {
        missing, epochs, ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(missing.end_ns, day.epoch.start_ns);
    assert_eq!(
        missing.start_ns,
        parse_utc("2019-05-30T16:59:51.519").unwrap()
    );
    assert!(epochs.len() > 10);
}
