//! An archive of synthetic day files: joined, cut, resolved, and robust against bad files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use seismix_data::archive::{Archive, Selection};
use seismix_data::mseed::{WriteOptions, write_mseed_file};
use seismix_data::summary::{BreakKind, Checksum, SamplesText, SummaryOptions, summarize_file};
use seismix_data::time::DAY_NS;
use seismix_data::{Anchor, Samples, Segment, StationKey, StreamId, TimeSpan};

const DAY1_NS: i64 = 18_000 * DAY_NS;
const SECOND_NS: i64 = 1_000_000_000;
const RATE: f64 = 1.0;

fn stream(channel: &str) -> StreamId {
    StreamId::new("XX", "TEST", "00", channel)
}

fn key() -> StationKey {
    "XX.TEST.00.LH".parse().unwrap()
}

/// Samples whose value is their second since the start of day 1, the clock gaining 1 ms in 100 s.
fn seconds(channel: &str, range: std::ops::Range<i64>) -> Segment {
    let values = range
        .clone()
        .map(|second| second as i32 % 1_000_000)
        .collect();
    let start = range.start;
    let time = |second: i64| DAY1_NS + second * SECOND_NS - second / 100 * 1_000_000;
    let mut segment = Segment::new(stream(channel), RATE, time(start), Samples::I32(values));
    segment.anchors = (0..segment.npts())
        .step_by(100)
        .map(|index| Anchor {
            index,
            time_ns: time(start + index as i64),
        })
        .collect();
    segment
}

fn write(root: &Path, name: &str, segments: &[Segment]) -> PathBuf {
    let path = root.join(name);
    write_mseed_file(&path, segments, &WriteOptions::default()).unwrap();
    path
}

/// Two days of three channels: W starts 7 s later, V has a gap, U a sentinel; the last 600 s of day 1 are in both of
/// U's files.
fn archive(root: &Path) {
    let mut u = seconds("LHU", 0..86_500);
    if let Samples::I32(values) = &mut u.samples {
        values[5000] = -8_388_607;
    }
    write(root, "u.1", &[u]);
    write(root, "u.2", &[seconds("LHU", 85_900..172_800)]);
    write(
        root,
        "v",
        &[seconds("LHV", 0..20_000), seconds("LHV", 20_149..172_800)],
    );
    write(root, "w", &[seconds("LHW", 7..172_800)]);
}

#[test]
fn common_runs_span_files_and_days() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    let archive = Archive::open(&[folder.path()], Selection::default()).unwrap();
    assert_eq!(archive.faults(), []);
    assert_eq!(archive.files().len(), 4);
    let days: Vec<_> = archive.station_days();
    let starts: Vec<_> = days.iter().map(|day| day.day_start_ns - DAY1_NS).collect();
    assert_eq!(starts, [0, DAY_NS]);
    assert_eq!(days[0].key, key());

    let data = archive.load(&key(), TimeSpan::ALL);
    assert_eq!(data.channels, ["LHU", "LHV", "LHW"].map(stream));
    assert!(data.faults.is_empty() && data.missing_channels.is_empty());
    assert_eq!(data.overlaps.len(), 1);
    assert!(data.overlaps[0].identical);
    assert_eq!(data.overlaps[0].npts, 600);
    let runs: Vec<_> = data
        .segments
        .iter()
        .map(|s| (s.samples[[0, 0]], s.npts()))
        .collect();
    assert_eq!(
        runs,
        [(7.0, 4993), (5001.0, 14_999), (20_149.0, 172_800 - 20_149)]
    );
    for segment in &data.segments {
        // W's records begin elsewhere, so its clock steps back at other samples.
        assert!(
            segment
                .sub_sample_offsets_ns
                .iter()
                .all(|ns| ns.abs() <= 1_000_000)
        );
        for channel in 1..3 {
            assert_eq!(segment.samples.row(0), segment.samples.row(channel));
        }
        for index in (0..segment.npts()).step_by(997) {
            let second = segment.samples[[0, index]] as i64;
            let expected = DAY1_NS + second * SECOND_NS - second / 100 * 1_000_000;
            assert_eq!(segment.time_of(index), expected);
        }
    }
}

#[test]
fn days_add_up_to_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    let archive = Archive::open(&[folder.path()], Selection::default()).unwrap();
    let whole: usize = archive
        .load(&key(), TimeSpan::ALL)
        .segments
        .iter()
        .map(|s| s.npts())
        .sum();
    let by_day: usize = archive
        .station_days()
        .iter()
        .flat_map(|day| {
            archive
                .load(&day.key, TimeSpan::day_of(day.day_start_ns))
                .segments
        })
        .map(|s| s.npts())
        .sum();
    assert_eq!(whole, by_day);

    let id = stream("LHU");
    let raw = archive.load_raw(&id, TimeSpan::ALL);
    assert_eq!(
        raw.segments.iter().map(Segment::npts).sum::<usize>(),
        86_500 + 86_900
    );
    let by_day: usize = archive
        .station_days()
        .iter()
        .flat_map(|day| {
            archive
                .load_raw_starting(&id, TimeSpan::day_of(day.day_start_ns))
                .segments
        })
        .map(|s| s.npts())
        .sum();
    assert_eq!(by_day, 86_500 + 86_900);
}

#[test]
fn selectors_and_spans_choose_files() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    let selection = Selection {
        channel: "LHU,L?V".parse().unwrap(),
        span: TimeSpan::new(DAY1_NS + 100_000 * SECOND_NS, DAY1_NS + 100_100 * SECOND_NS),
        ..Selection::default()
    };
    let archive = Archive::open(&[folder.path()], selection).unwrap();
    let names: Vec<_> = archive
        .files()
        .iter()
        .map(|f| f.path.file_name().unwrap())
        .collect();
    assert_eq!(names, ["u.2", "v"]);
    assert_eq!(archive.files_of(&key(), TimeSpan::ALL).len(), 2);
    assert_eq!(archive.files()[0].sha256().unwrap().len(), 64);
    let data = archive.load(&key(), TimeSpan::ALL);
    assert_eq!(data.segments.len(), 1);
    // The clock is a second early by then (1 ms in 100 s): sample 100001 falls on 100000 s, and 100101 just before
    // 100100 s.
    assert_eq!(data.segments[0].npts(), 101);
    assert_eq!(data.segments[0].samples[[1, 0]], 100_001.0);
    let streams = archive.streams();
    assert_eq!(streams.len(), 2);
    assert_eq!(streams[0].n_files, 1);
}

#[test]
fn bad_files_are_named_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    let root = folder.path();
    std::fs::write(root.join("empty"), "").unwrap();
    std::fs::write(root.join("letter.mseed"), "Dear reader, this is no record.").unwrap();
    let mut bytes = std::fs::read(root.join("w")).unwrap();
    bytes[512 * 3 + 100..512 * 3 + 200].fill(0x4a); // samples of the fourth record
    bytes.truncate(bytes.len() - 100); // and the last record cut off
    std::fs::write(root.join("w"), bytes).unwrap();

    let archive = Archive::open(&[root], Selection::default()).unwrap();
    let named: Vec<String> = archive
        .faults()
        .iter()
        .map(|fault| {
            let name = fault.path.file_name().unwrap().to_string_lossy();
            format!("{name}: {}", fault.message)
        })
        .collect();
    assert_eq!(named.len(), 3, "{named:?}");
    assert!(
        named[0].starts_with("empty: no record decodes (the file is empty)"),
        "{named:?}"
    );
    assert!(
        named[1].starts_with("letter.mseed: no record decodes (no miniSEED record header"),
        "{named:?}"
    );
    assert!(
        named[2].starts_with("w: the record is cut off: 512 bytes needed, 412 left"),
        "{named:?}"
    );

    let data = archive.load(&key(), TimeSpan::ALL);
    assert_eq!(data.faults.len(), 1, "{:?}", data.faults);
    assert_eq!(data.faults[0].offset, Some(1536));
    assert!(
        data.faults[0].message.contains("STEIM2"),
        "{:?}",
        data.faults
    );
    assert_eq!(data.segments.len(), 4);
    let error = Archive::open(&[root.join("absent")], Selection::default()).unwrap_err();
    assert!(error.to_string().contains("absent"));
}

#[test]
fn a_channel_that_is_away_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "u", &[seconds("LHU", 0..1000)]);
    write(folder.path(), "v", &[seconds("LHV", 5000..6000)]);
    let archive = Archive::open(&[folder.path()], Selection::default()).unwrap();
    let span = TimeSpan::new(DAY1_NS, DAY1_NS + 1000 * SECOND_NS);
    let data = archive.load(&key(), span);
    assert_eq!(data.channels, [stream("LHU")]);
    assert_eq!(data.missing_channels, [stream("LHV")]);
    assert_eq!(data.segments[0].samples.dim(), (1, 1000));
    let nothing = archive.load(&key(), TimeSpan::new(0, 1));
    assert!(nothing.segments.is_empty() && nothing.channels.is_empty());
}

#[test]
fn summaries_say_gaps_duplicates_and_checksums() {
    let folder = tempfile::tempdir().unwrap();
    let parts = [
        seconds("LHU", 0..1000),
        seconds("LHU", 500..700),
        seconds("LHU", 1149..1200),
    ];
    let path = write(folder.path(), "u", &parts);
    let options = SummaryOptions {
        checksum: Checksum::Sha256,
        samples: SamplesText::Base64,
    };
    let summary = summarize_file(&path, &Selection::default(), options);
    assert_eq!(summary.faults, []);
    let npts: Vec<_> = summary.segments.iter().map(|row| row.npts).collect();
    assert_eq!(npts, [1000, 200, 51]);
    let kinds: Vec<_> = summary
        .breaks
        .iter()
        .map(|row| (row.kind, row.samples))
        .collect();
    assert_eq!(kinds, [(BreakKind::Duplicate, -500), (BreakKind::Gap, 149)]);
    let row = &summary.segments[0];
    assert_eq!(
        (row.min, row.max, row.mean),
        (Some(0.0), Some(999.0), Some(499.5))
    );
    assert_eq!(row.starttime, "2019-04-14T00:00:00.000000000Z");
    let json = serde_json::to_value(row).unwrap();
    // python: hashlib.sha256(numpy.arange(1000, dtype='<f8').tobytes())
    assert_eq!(
        json["sha256"],
        "9157058038a1c22be0bcbbd5f835bf299e8598e2e5239a4847be42a27516847a"
    );
    assert!(
        json["samples_b64"]
            .as_str()
            .unwrap()
            .starts_with("AAAAAAAAAAAAAAAAAADwPwAAAAAAAABA")
    );
    let quiet = summarize_file(&path, &Selection::default(), SummaryOptions::default());
    let json = serde_json::to_value(&quiet.segments[0]).unwrap();
    assert!(json.get("sha256").is_none() && json.get("samples_b64").is_none());
}

/// A whole day of two channels, of the third the seconds of `part`.
fn day_with_part(root: &Path, part: std::ops::Range<i64>) -> Archive {
    write(root, "u", &[seconds("LHU", 0..86_400)]);
    write(root, "v", &[seconds("LHV", part)]);
    write(root, "w", &[seconds("LHW", 0..86_400)]);
    Archive::open(&[root], Selection::default()).unwrap()
}

#[test]
fn a_component_with_minutes_does_not_cut_the_day() {
    let folder = tempfile::tempdir().unwrap();
    let archive = day_with_part(folder.path(), 30_000..30_200);
    let data = archive.load(&key(), TimeSpan::day_of(DAY1_NS));
    assert_eq!(data.channels, ["LHU", "LHW"].map(stream));
    let samples: usize = data.segments.iter().map(|s| s.npts()).sum();
    assert_eq!(samples, 86_400);
    assert_eq!(data.left_out.len(), 1);
    assert_eq!(data.left_out[0].id, stream("LHV"));
    assert_eq!(data.left_out[0].spans.len(), 1);
    assert!(data.missing_channels.is_empty());
}

#[test]
fn a_component_with_most_of_the_day_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let archive = day_with_part(folder.path(), 0..70_000);
    let data = archive.load(&key(), TimeSpan::day_of(DAY1_NS));
    assert_eq!(data.channels, ["LHU", "LHV", "LHW"].map(stream));
    assert!(data.left_out.is_empty());
    let samples: usize = data.segments.iter().map(|s| s.npts()).sum();
    assert_eq!(samples, 70_000);
}

#[test]
fn constant_stretches_are_gaps_and_stay_in_the_records() {
    for value in [0, 777, -12_345, 999_999] {
        let folder = tempfile::tempdir().unwrap();
        let mut u = seconds("LHU", 0..2000);
        if let Samples::I32(values) = &mut u.samples {
            values[500..700].fill(value);
            values[900..960].fill(value); // too short for a gap
        }
        let path = write(folder.path(), "u", &[u.clone()]);
        let archive = Archive::open(&[folder.path()], Selection::default()).unwrap();
        let data = archive.load(&key(), TimeSpan::ALL);
        let lengths: Vec<usize> = data.segments.iter().map(|s| s.npts()).collect();
        assert_eq!(lengths, [500, 1300], "{value}");
        assert_eq!(data.unusable[0].1.constant, 200);
        let raw = archive.load_raw(&stream("LHU"), TimeSpan::ALL);
        assert_eq!(raw.segments[0].samples, u.samples);
        let summary = summarize_file(&path, &Selection::default(), SummaryOptions::default());
        assert_eq!(summary.segments[0].unusable, 200);
        assert_eq!(summary.segments[0].unusable_samples.constant, 200);
    }
}

#[cfg(unix)]
#[test]
fn a_fifo_is_refused_without_blocking() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let summary = summarize_file(&fifo, &Selection::default(), SummaryOptions::default());
    assert!(
        summary.faults[0].error.contains("FIFO"),
        "{:?}",
        summary.faults
    );
    let archive = Archive::open(&[&fifo], Selection::default()).unwrap();
    assert!(archive.faults()[0].message.contains("FIFO"));
    assert!(seismix_data::synthetic::Truth::read(&fifo).is_err());
}
