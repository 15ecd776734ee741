//! The facts of real InSight records, where they are found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use seismix_data::archive::{Archive, Selection};
use seismix_data::mseed::{read_file, read_headers};
use seismix_data::time::{parse_utc, steps_ns};
use seismix_data::{Encoding, Quality, Samples, TimeSpan};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/insight");
    if folder.join("expected.json").is_file() {
        return Some(folder);
    }
    eprintln!("skipped: ../shared/data is absent");
    None
}

#[test]
fn segments_times_and_samples_of_all_days() {
    let Some(folder) = folder() else { return };
    let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let files = expected["files"].as_object().unwrap();
    assert_eq!(files.len(), 9);
    for (name, facts) in files {
        let content = read_file(&folder.join(name)).unwrap();
        assert_eq!(content.faults, []);
        assert_eq!(content.n_records as u64, facts["records"].as_u64().unwrap());
        let headers = read_headers(&folder.join(name)).unwrap();
        let segments = facts["segments"].as_array().unwrap();
        assert_eq!(
            (content.segments.len(), headers.spans.len()),
            (segments.len(), segments.len())
        );

        let mut hash = Sha256::new();
        let mut steps = [0_u64; 3];
        for ((segment, span), fact) in content.segments.iter().zip(&headers.spans).zip(segments) {
            assert_eq!(segment.id.to_string(), facts["id"]);
            assert_eq!(
                (segment.encoding, segment.quality),
                (Encoding::Steim2, Quality::R)
            );
            assert_eq!(segment.timing_quality, Some(99));
            for (found, key) in [
                (segment.start_ns(), "start_ns"),
                (segment.end_ns(), "end_ns"),
                (segment.npts() as i64, "npts"),
            ] {
                assert_eq!(found, fact[key], "{name} {key}");
            }
            let by_headers = (span.start_ns, span.end_ns, span.npts);
            assert_eq!(
                by_headers,
                (segment.start_ns(), segment.end_ns(), segment.npts())
            );
            let Samples::I32(values) = &segment.samples else {
                panic!("no integers")
            };
            for value in values {
                hash.update(value.to_le_bytes());
            }
            for pair in segment.anchors.windows(2) {
                let due = pair[0].time_ns + steps_ns(pair[1].index - pair[0].index, 20.0);
                steps[((pair[1].time_ns - due) / 1_000_000 + 1) as usize] += 1;
            }
        }
        let hex: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, facts["sha256_int32le"], "{name}");
        for (count, step) in steps.into_iter().zip(["-1000000", "0", "1000000"]) {
            assert_eq!(count, facts["record_step_error_ns"][step], "{name} {step}");
        }
    }
}

#[test]
fn the_day_with_a_gap_is_cut_into_two_clean_runs() {
    let Some(folder) = folder() else { return };
    let archive = Archive::open(&[&folder], Selection::default()).unwrap();
    assert_eq!(archive.faults(), []);
    let days = archive.station_days();
    assert_eq!(days.len(), 3);
    let key = &days[2].key;
    assert_eq!(key.to_string(), "XB.ELYSE.02.BH");

    let data = archive.load(key, TimeSpan::day_of(days[2].day_start_ns));
    assert_eq!(data.channels.len(), 3);
    // Without the sentinel, the last sample before the gap; the day ends at midnight, one sample before the file.
    let lengths: Vec<_> = data.segments.iter().map(|s| s.npts()).collect();
    assert_eq!(lengths, [1_269_033, 455_989]);
    assert_eq!(
        data.segments[0].end_ns(),
        parse_utc("2019-10-21T17:37:31.539").unwrap()
    );
    assert_eq!(
        data.segments[1].start_ns(),
        parse_utc("2019-10-21T17:40:00.638").unwrap()
    );
    for segment in &data.segments {
        assert!(segment.samples.iter().all(|x| x.abs() < 111_258.0));
        assert!(
            segment
                .sub_sample_offsets_ns
                .iter()
                .all(|ns| ns.abs() <= 1_000_000)
        );
    }
    let raw = archive.load_raw(&data.channels[0], TimeSpan::day_of(days[2].day_start_ns));
    let lengths: Vec<_> = raw.segments.iter().map(|s| s.npts()).collect();
    assert_eq!(lengths, [1_269_034, 455_989]);
    let Samples::I32(values) = &raw.segments[0].samples else {
        panic!("no integers")
    };
    assert_eq!(values.last(), Some(&-8_388_607));

    let day = archive.load(key, TimeSpan::day_of(days[0].day_start_ns));
    assert_eq!(day.segments.len(), 1);
    assert_eq!(day.segments[0].npts(), 1_728_003);
    assert_eq!(
        day.segments[0].end_ns(),
        parse_utc("2019-06-05T23:59:59.997").unwrap()
    );
}

#[test]
fn three_channels_in_one_file() {
    let Some(folder) = folder() else { return };
    let archive = Archive::open(
        &[folder.join("../seisglitch-example")],
        Selection::default(),
    )
    .unwrap();
    assert_eq!(archive.faults(), []);
    let days = archive.station_days();
    assert_eq!(days.len(), 2);
    let data = archive.load(&days[0].key, TimeSpan::ALL);
    assert_eq!(data.segments.len(), 1);
    assert_eq!(data.segments[0].samples.dim(), (3, 110_965));
    assert_eq!(data.segments[0].sampling_rate, 10.0);
}
