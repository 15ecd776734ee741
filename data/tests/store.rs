//! FEATURES on disk: round trips, h5py's view, damage, sets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::path::Path;
use std::process::Command;

use ndarray::{Array3, Array4};
use seismix_data::store::{
    BlockLayout, CoefficientKind, CoefficientRow, DayFeatures, FORMAT_VERSION, FeatureMeta,
    FeatureSet, Materialised, StoreError, WindowLayout, read_day, read_header, write_day,
    write_day_materialised,
};

const DAY_NS: i64 = 86_400_000_000_000;
const BLOCK_NS: i64 = 12_800_000_000;
/// 2019-06-05, day 156.
const DAY_156: i64 = 18_052 * DAY_NS;

fn index(n: usize) -> Vec<CoefficientRow> {
    (0..n as i32)
        .map(|k| CoefficientRow {
            kind: CoefficientKind::ALL[k as usize % 6],
            j1_left: k % 8,
            j1_right: if k % 3 == 0 { -1 } else { k % 7 },
            j2: k % 5 - 1,
            real: k % 2 == 0,
        })
        .collect()
}

/// What a test does to a sound day.
type Spoil = fn(&mut DayFeatures);

/// A day with `blocks` blocks in each segment; the segments are 1000 s apart.
fn day(day_start_ns: i64, blocks: &[usize], n_coefficients: usize) -> DayFeatures {
    let (mut time, mut segment, mut grid_start) = (Vec::new(), Vec::new(), Vec::new());
    let mut start = day_start_ns + 10_000_000;
    for (number, n) in blocks.iter().enumerate() {
        grid_start.push(time.len());
        time.extend((0..*n as i64).map(|i| start + i * BLOCK_NS));
        segment.extend(std::iter::repeat_n(number as i32, *n));
        start += *n as i64 * BLOCK_NS + 1_000_000_000_000;
    }
    let shape = (time.len(), 3, n_coefficients, 2);
    let coefficients = Array4::from_shape_fn(shape, |(b, c, k, r)| {
        ((b * 1009 + c * 97 + k * 13 + r) as f32).sin() * 10f32.powi((k % 9) as i32 - 3)
    });
    let meta = FeatureMeta {
        format_version: FORMAT_VERSION,
        network: "XB".into(),
        station: "ELYSE".into(),
        location: "02".into(),
        channels: ["BHU", "BHV", "BHW"].map(String::from).to_vec(),
        day_start_ns,
        layout: BlockLayout {
            sampling_rate: 20.0 + 1.0 / 3.0e9,
            windows: WindowLayout {
                block_samples: 256,
                scales: vec![1024, 4096],
                stride_samples: 1024,
            },
        },
        octaves: vec![8, 8],
        wavelets_per_octave: vec![1, 1],
        wavelet: "battle-lemarie".into(),
        coefficients: "scat+cov".into(),
        boundary: "reflect".into(),
        grid_start,
        note: None,
        index: index(n_coefficients),
        provenance: serde_json::json!({"version": "0.1.0", "inputs": [{"file": "a", "sha256": "b"}]}),
    };
    DayFeatures {
        meta,
        time,
        segment,
        coefficients,
    }
}

#[test]
fn a_day_round_trips_and_repeats_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let day = day(DAY_156, &[70, 10, 33], 210);
    assert_eq!(day.meta.file_name(), "XB.ELYSE.02.2019.156.h5");
    assert_eq!(day.meta.station_key().to_string(), "XB.ELYSE.02.BH");
    let path = folder.path().join(day.meta.file_name());
    write_day(&path, &day).unwrap();
    assert_eq!(read_day(&path).unwrap(), day);
    assert_eq!(read_header(&path).unwrap(), day.header());
    // 70 blocks hold ends 16, 20 .. 68; 10 hold none; 33 hold 16 .. 32.
    assert_eq!(day.windows().unwrap().len(), 14 + 5);
    let again = folder.path().join("again.h5");
    write_day(&again, &day).unwrap();
    assert!(
        std::fs::read(&path).unwrap() == std::fs::read(&again).unwrap(),
        "same features, other bytes"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn windows_are_plain_means_of_blocks() {
    let day = day(DAY_156, &[40], 12);
    let grid = day.windows().unwrap();
    let window = grid.windows()[3];
    let found = day.window_coefficients(&grid, &window, 1);
    let blocks = day
        .coefficients
        .slice_axis(ndarray::Axis(0), (12..28).into());
    let expected = blocks.mapv(f64::from).mean_axis(ndarray::Axis(0)).unwrap();
    for (a, b) in found.iter().zip(&expected) {
        // One rounding to f32.
        assert!((f64::from(*a) - b).abs() <= b.abs() * 1e-7 + 1e-30);
    }
}

#[test]
fn a_day_without_windows_or_blocks_is_a_file_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for (name, blocks) in [("short.h5", &[9usize][..]), ("empty.h5", &[])] {
        let path = folder.path().join(name);
        let day = day(DAY_156, blocks, 210);
        write_day(&path, &day).unwrap();
        assert_eq!(read_day(&path).unwrap(), day);
        let set = FeatureSet::open(&[&path]).unwrap();
        assert_eq!(set.n_windows(), 0);
    }
}

#[test]
fn contradictions_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    let spoils: [(&str, Spoil); 8] = [
        ("shape", |d| d.time.truncate(39)),
        ("is NaN", |d| d.coefficients[[3, 1, 2, 0]] = f32::NAN),
        ("not on the file's day", |d| {
            d.time.iter_mut().for_each(|t| *t += DAY_NS);
        }),
        ("apart", |d| d.time[20] += 100_000_000),
        ("grid starts", |d| d.meta.grid_start.clear()),
        ("midnight", |d| d.meta.day_start_ns += 1),
        ("no network", |d| d.meta.station = "../x".into()),
        ("format version", |d| d.meta.format_version = 7),
    ];
    for (expected, spoil) in spoils {
        let mut day = day(DAY_156, &[40], 12);
        spoil(&mut day);
        let error = write_day(&path, &day).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn long_provenance_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    let mut day = day(DAY_156, &[16], 12);
    let inputs: Vec<String> = (0..20_000).map(|i| format!("input number {i}")).collect();
    day.meta.provenance = serde_json::json!({ "inputs": inputs });
    write_day(&path, &day).unwrap();
    assert_eq!(read_day(&path).unwrap(), day);
}

/// True if Python with h5py is there; says so otherwise.
fn h5py() -> bool {
    let found = Command::new("python3")
        .args(["-c", "import h5py, numpy"])
        .output();
    let there = found.is_ok_and(|out| out.status.success());
    if !there {
        eprintln!("skipped: python3 with h5py is absent");
    }
    there
}

fn python(script: &str, path: &Path) {
    let out = Command::new("python3")
        .args(["-c", script])
        .arg(path)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
}

#[test]
fn h5py_reads_the_same() {
    if !h5py() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    let day = day(DAY_156, &[70, 33], 210);
    let n_windows = day.windows().unwrap().len();
    let features =
        Array3::from_shape_fn((n_windows, 3, 5), |(w, c, k)| (w * 100 + c * 10 + k) as f32);
    let extra = Materialised {
        scale: 1024,
        features: features.view(),
    };
    write_day_materialised(&path, &day, &[extra]).unwrap();
    let script = r#"
import sys, json, hashlib, h5py, numpy as np
f = h5py.File(sys.argv[1], "r")
x = f["/coefficients/256"]
assert x.shape == (103, 3, 210, 2) and x.dtype == np.float32 and x.compression == "gzip" and x.shuffle and x.chunks
b, c, k, r = np.meshgrid(*[np.arange(n) for n in x.shape], indexing="ij")
want = np.sin((b * 1009 + c * 97 + k * 13 + r).astype(np.float32)) * np.float32(10) ** ((k % 9) - 3).astype(np.float32)
assert np.allclose(x[:], want, rtol=1e-4, atol=1e-4)
assert hashlib.sha256(x[:].astype("<f4").tobytes()).hexdigest() == x.attrs["sha256"]
t = f["/time"][:]
assert t.dtype == np.int64 and str(t[0].astype("datetime64[ns]")) == "2019-06-05T00:00:00.010000000"
assert f["/segment"].dtype == np.int32 and (np.bincount(f["/segment"][:]) == [70, 33]).all()
i = f["/index"]
assert [s.decode() for s in i["kind"][:6]] == ["spars", "mean", "scat", "ps", "phaseenv", "envelope"]
assert i["real"].dtype == bool and list(i["real"][:3]) == [True, False, True]
assert list(i["j1_left"][:3]) == [0, 1, 2] and list(i["j1_right"][:3]) == [-1, 1, 2] and list(i["j2"][:3]) == [-1, 0, 1]
a = f.attrs
assert (a["network"], a["station"], a["location"], a["day"]) == ("XB", "ELYSE", "02", "2019-06-05")
assert list(a["channels"]) == ["BHU", "BHV", "BHW"] and a["sampling_rate"] == 20 + 1 / 3e9
assert list(a["scales"]) == [1024, 4096] and a["stride_samples"] == 1024 and a["block_samples"] == 256
assert list(a["grid_start"]) == [0, 70] and a["n_windows"] == 19 and list(a["octaves"]) == [8, 8]
assert a["boundary"] == "reflect" and a["wavelet"] == "battle-lemarie" and a["format_version"] == 1
assert json.loads(a["provenance"])["version"] == "0.1.0" and json.loads(a["meta"])["station"] == "ELYSE"
y = f["/features/1024"]
assert y.shape == (19, 3, 5) and y[18, 2, 4] == 1824
"#;
    python(script, &path);
    write_day(&path, &crate::day(DAY_156, &[], 210)).unwrap();
    let script = r#"
import sys, h5py
f = h5py.File(sys.argv[1], "r")
assert f["/coefficients/256"].shape == (0, 3, 210, 2) and f["/coefficients/256"][:].size == 0
assert f["/time"].shape == (0,) and f.attrs["n_windows"] == 0 and "no window" in f.attrs["note"]
"#;
    python(script, &path);
}

/// Every outcome but the right data, a panic or a hang is fine.
fn damaged_is_refused_or_harmless(path: &Path, day: &DayFeatures) -> bool {
    match read_day(path) {
        Ok(found) => {
            assert!(found == *day, "damage went unnoticed and changed the data");
            false
        }
        Err(error) => {
            assert!(error.to_string().contains("x.h5"), "{error}");
            true
        }
    }
}

#[test]
fn damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    let day = day(DAY_156, &[20, 17], 12);
    write_day(&path, &day).unwrap();
    let good = std::fs::read(&path).unwrap();
    let mut refused = 0;
    // A fixed congruential generator: the same bytes each time.
    let mut state = 1u64;
    let mut next = |n: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % n
    };
    for round in 0..800 {
        let mut bytes = good.clone();
        match round % 4 {
            0 => bytes.truncate(next(good.len())),
            1 => bytes[next(good.len())] ^= 1 << next(8),
            2 => {
                let at = next(good.len() - 8);
                bytes[at..at + 8].fill([0, 255, 127][next(3)]);
            }
            _ => {
                for _ in 0..20 {
                    bytes[next(good.len())] = next(256) as u8;
                }
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        refused += usize::from(damaged_is_refused_or_harmless(&path, &day));
    }
    assert!(
        refused > 500,
        "only {refused} of 800 damaged files were refused"
    );
}

#[test]
fn foreign_files_are_refused_with_a_cure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    for bytes in [
        &b""[..],
        b"hello",
        &[0x89, b'H', b'D', b'F', 13, 10, 26, 10],
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = read_day(&path).unwrap_err();
        assert!(
            matches!(error, StoreError::Hdf5 { .. } | StoreError::Io { .. }),
            "{error:?}"
        );
    }
    assert!(read_day(folder.path()).is_err());
    assert!(
        read_day(&folder.path().join("none.h5"))
            .unwrap_err()
            .to_string()
            .contains("none.h5")
    );
}

#[test]
fn sets_sort_check_and_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let write = |name: &str, day: &DayFeatures| write_day(&root.join(name), day).unwrap();
    write("a.h5", &day(DAY_156 + DAY_NS, &[40], 12));
    write("b.h5", &day(DAY_156, &[20], 12));
    write("c.h5", &day(DAY_156, &[20], 12));
    let mut other = day(DAY_156 + 2 * DAY_NS, &[40], 12);
    other.meta.octaves = vec![7, 7];
    write("d.h5", &other);
    std::fs::write(root.join("e.h5"), "no").unwrap();
    std::fs::write(root.join(".f.h5"), "hidden").unwrap();
    std::fs::write(root.join("g.txt"), "other").unwrap();
    let set = FeatureSet::open(&[root]).unwrap();
    let days: Vec<_> = set
        .days()
        .iter()
        .map(|d| d.header.meta.day_name())
        .collect();
    assert_eq!(days, ["2019.156", "2019.157"]);
    assert_eq!(set.n_windows(), 2 + 7);
    assert_eq!(
        set.days()[1].load().unwrap(),
        day(DAY_156 + DAY_NS, &[40], 12)
    );
    let texts: Vec<_> = set.rejected().iter().map(|r| r.error.to_string()).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(
        texts
            .iter()
            .any(|t| t.contains("e.h5: not a readable HDF5 file")),
        "{texts:?}"
    );
    assert!(texts.iter().any(|t| t.contains("d.h5: octaves differ from") && t.contains("[7, 7] against [8, 8]")), "{texts:?}");
    assert!(
        texts
            .iter()
            .any(|t| t.contains("c.h5: the same station and day as") && t.contains("b.h5")),
        "{texts:?}"
    );
    let error = FeatureSet::open(&[root.join("e.h5"), root.join("none")]).unwrap_err();
    assert!(matches!(error, StoreError::NoFeatures { .. }), "{error}");
}
