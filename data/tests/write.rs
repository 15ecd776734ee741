//! What is written is read back bit for bit, by us and by ObsPy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use seismix_data::mseed::{WriteOptions, read_bytes, read_file, write_mseed, write_mseed_file};
use seismix_data::{Anchor, Encoding, Error, Quality, Samples, Segment, StreamId};

const START_NS: i64 = 1_559_692_800_010_000_000; // 2019-06-05T00:00:00.010Z

fn id() -> StreamId {
    "XX.TEST.00.BHZ".parse().unwrap()
}

fn counts(n: usize) -> Vec<i32> {
    let mut state = 1_u64;
    (0..n)
        .scan(-9000_i32, |level, index| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let width = [20, 24, 28][index / 500 % 3];
            *level += ((state >> 32) as u32 as i32) >> width;
            Some(*level)
        })
        .collect()
}

/// A segment with an anchor each 300 samples, the clock jittering by a millisecond and losing 20 us each time.
fn jittered(samples: Samples) -> Segment {
    let mut segment = Segment::new(id(), 20.0, START_NS, samples);
    segment.quality = Quality::R;
    segment.timing_quality = Some(99);
    segment.anchors = (0..segment.npts().div_ceil(300))
        .map(|record| Anchor {
            index: record * 300,
            time_ns: START_NS
                + record as i64 * (15_000_000_000 - 20_000)
                + [0, 1_000_000, -1_000_000, 0][record % 4],
        })
        .collect();
    segment
}

fn round_trip(segment: &Segment, options: &WriteOptions) -> Segment {
    let mut bytes = Vec::new();
    let summary = write_mseed(&mut bytes, std::slice::from_ref(segment), options).unwrap();
    assert_eq!(bytes.len(), summary.n_records * options.record_bytes);
    assert_eq!(summary.n_samples, segment.npts());
    let content = read_bytes(&bytes);
    assert_eq!(content.faults, []);
    assert_eq!(content.segments.len(), 1);
    content.segments.into_iter().next().unwrap()
}

#[test]
fn integers_survive_every_encoding_and_length_with_all_times() {
    let small: Vec<i32> = counts(5000).iter().map(|x| x % 30_000).collect();
    let segment = jittered(Samples::I32(small));
    for encoding in [
        Encoding::Steim2,
        Encoding::Steim1,
        Encoding::Int32,
        Encoding::Int16,
        Encoding::Float32,
        Encoding::Float64,
    ] {
        for record_bytes in [128, 512, 4096, 65_536] {
            let options = WriteOptions {
                encoding: Some(encoding),
                record_bytes,
            };
            let back = round_trip(&segment, &options);
            assert_eq!(back.encoding, encoding);
            assert_eq!(back.samples.to_f64(), segment.samples.to_f64());
            assert_eq!((back.quality, back.timing_quality), (Quality::R, Some(99)));
            for index in 0..segment.npts() {
                assert_eq!(back.time_of(index), segment.time_of(index), "{index}");
            }
        }
    }
}

#[test]
fn floats_survive_with_their_bits() {
    let values = vec![
        0.1_f32,
        f32::NAN,
        f32::INFINITY,
        -0.0,
        f32::MIN_POSITIVE / 8.0,
    ];
    let back = round_trip(
        &jittered(Samples::F32(values.clone())),
        &WriteOptions::default(),
    );
    let Samples::F32(read) = back.samples else {
        panic!("type changed")
    };
    let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&read), bits(&values));

    let values = vec![0.1_f64, f64::NAN, -f64::INFINITY, 1e300, -0.0];
    let back = round_trip(
        &jittered(Samples::F64(values.clone())),
        &WriteOptions::default(),
    );
    let Samples::F64(read) = back.samples else {
        panic!("type changed")
    };
    let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&read), bits(&values));
}

#[test]
fn large_differences_fall_back() {
    for (values, encoding) in [
        (vec![0, 1 << 29], Encoding::Steim1),
        (vec![i32::MAX, i32::MIN, 0], Encoding::Int32),
        (vec![0, (1 << 29) - 1], Encoding::Steim2),
    ] {
        let segment = jittered(Samples::I32(values));
        let back = round_trip(&segment, &WriteOptions::default());
        assert_eq!((&back.samples, back.encoding), (&segment.samples, encoding));
    }
}

#[test]
fn nominal_times_need_no_extra_records() {
    let mut segment = jittered(Samples::I32(counts(5000)));
    for anchor in &mut segment.anchors {
        anchor.time_ns = START_NS + anchor.index as i64 * 50_000_000;
    }
    let mut merged = Vec::new();
    write_mseed(&mut merged, &[segment.clone()], &WriteOptions::default()).unwrap();
    segment.anchors.truncate(1);
    let mut plain = Vec::new();
    write_mseed(&mut plain, &[segment], &WriteOptions::default()).unwrap();
    assert_eq!(merged, plain);
}

#[test]
fn what_cannot_be_written_is_refused_with_the_cure() {
    let good = jittered(Samples::F64(vec![0.5]));
    let refuse = |segment: &Segment, encoding, record_bytes| -> Error {
        let options = WriteOptions {
            encoding,
            record_bytes,
        };
        write_mseed(&mut Vec::new(), std::slice::from_ref(segment), &options).unwrap_err()
    };
    let text = refuse(&good, Some(Encoding::Steim2), 512).to_string();
    assert_eq!(
        text,
        "cannot write XX.TEST.00.BHZ as STEIM2: some samples are no 32-bit integers; use FLOAT64"
    );
    assert!(
        refuse(&good, Some(Encoding::Cdsn), 512)
            .to_string()
            .contains("only read")
    );
    assert!(
        refuse(&good, None, 500)
            .to_string()
            .contains("power of two")
    );
    let mut long = good.clone();
    long.id.station = "ELYSEE".into();
    assert!(refuse(&long, None, 512).to_string().contains("at most 5"));
    let mut odd = good;
    odd.sampling_rate = 1e12;
    assert!(
        refuse(&odd, None, 512)
            .to_string()
            .contains("sampling rate")
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_integers_and_any_anchors_come_back(
        values in prop::collection::vec(any::<i32>(), 1..2000),
        cuts in prop::collection::vec((1_usize..2000, -9_000_000_i64..9_000_000), 0..20),
        power in 7_u32..13,
    ) {
        let mut segment = Segment::new(id(), 20.0, START_NS, Samples::I32(values));
        let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| cut.0 < segment.npts()).collect();
        cuts.sort();
        cuts.dedup_by_key(|cut| cut.0);
        let anchors = cuts.into_iter().map(|(index, jitter_ns)| Anchor {
            index,
            time_ns: START_NS + index as i64 * 50_000_000 + jitter_ns / 1000 * 1000,
        });
        segment.anchors.extend(anchors);
        let options = WriteOptions { encoding: None, record_bytes: 1 << power };
        let back = round_trip(&segment, &options);
        prop_assert_eq!(&back.samples, &segment.samples);
        for index in 0..segment.npts() {
            prop_assert_eq!(back.time_of(index), segment.time_of(index));
        }
    }
}

#[test]
fn obspy_reads_the_same() {
    let script = "import sys\nfrom obspy import read\nt = read(sys.argv[1])\nassert len(t) == 1, t\nt = t[0]\n\
                  print(t.id, t.stats.npts, t.stats.starttime.ns, t.stats.sampling_rate, t.stats.mseed.encoding, t.stats.mseed.dataquality, int(t.data.astype('int64').sum()), int(t.data[-1]))";
    let importable = Command::new("python3")
        .args(["-c", "import obspy"])
        .output();
    if !importable.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: python3 with obspy is absent");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let values = counts(20_000);
    let (sum, last) = (
        values.iter().map(|&x| i64::from(x)).sum::<i64>(),
        values[19_999],
    );
    let mut segment = Segment::new(id(), 20.0, START_NS + 123_000, Samples::I32(values));
    segment.quality = Quality::M;
    for encoding in [
        Encoding::Steim2,
        Encoding::Steim1,
        Encoding::Int32,
        Encoding::Float64,
    ] {
        let path = folder.path().join(encoding.name());
        let options = WriteOptions {
            encoding: Some(encoding),
            ..WriteOptions::default()
        };
        write_mseed_file(&path, std::slice::from_ref(&segment), &options).unwrap();
        let output = Command::new("python3")
            .args(["-c", script])
            .arg(&path)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let start = START_NS + 123_000;
        let expected = format!("XX.TEST.00.BHZ 20000 {start} 20.0 {encoding} M {sum} {last}\n");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}

#[test]
fn real_day_keeps_samples_and_times() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data/insight/2019/XB/ELYSE/BHU.D/XB.ELYSE.02.BHU.D.2019.294");
    if !path.is_file() {
        eprintln!("skipped: ../shared/data is absent");
        return;
    }
    let original = read_file(&path).unwrap();
    let mut bytes = Vec::new();
    let summary = write_mseed(&mut bytes, &original.segments, &WriteOptions::default()).unwrap();
    let back = read_bytes(&bytes);
    assert_eq!(back.segments.len(), 2);
    for (a, b) in original.segments.iter().zip(&back.segments) {
        assert_eq!(
            (&a.samples, a.encoding, a.quality),
            (&b.samples, b.encoding, b.quality)
        );
        for anchor in &a.anchors {
            assert_eq!(b.time_of(anchor.index), anchor.time_ns);
        }
        assert_eq!(a.end_ns(), b.end_ns());
    }
    eprintln!("6002 records became {}", summary.n_records);
    assert!(summary.n_records < 6002 * 5 / 4, "{}", summary.n_records);
}
