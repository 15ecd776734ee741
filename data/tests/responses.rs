//! Responses against those of ObsPy, and what cannot be evaluated.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use num_complex::Complex64;
use proptest::prelude::*;
use seismix_data::StreamId;
use seismix_data::metadata::{
    ChannelEpoch, Inventory, MetadataError, OutputUnit, ResponseError, StageFilter,
    parse_station_xml, read_station_xml,
};
use seismix_data::time::parse_utc;

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
