#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;

use seismix_core::progress::{CancelWhen, NoProgress};
use seismix_data::mseed::{FileContent, WriteOptions, read_bytes, read_file, write_mseed};
use seismix_data::{Anchor, Encoding, Samples, Segment};

use super::*;

/// Start of the records, 2019-06-05.
const START_NS: i64 = 1_559_692_800_010_000_000;
const RATE: f64 = 20.0;
const U: &str = "XB.ELYSE.02.BHU";
const V: &str = "XB.ELYSE.02.BHV";

/// Removes given spans; only BH channels are processed.
#[derive(Default)]
struct Planned(BTreeMap<StreamId, Vec<RemovedSpan>>);

impl Planned {
    fn of(id: &str, spans: Vec<RemovedSpan>) -> Self {
        Self(BTreeMap::from([(id.parse().unwrap(), spans)]))
    }
}

impl Removal for Planned {
    fn processes(&self, id: &StreamId) -> bool {
        id.channel.starts_with("BH")
    }

    fn removed(&mut self, id: &StreamId, span: TimeSpan) -> Result<Vec<RemovedSpan>> {
        let mut spans = self.0.get(id).cloned().unwrap_or_default();
        spans.retain(|s| TimeSpan::new(s.start_ns, s.end_ns() + 1).overlaps(&span));
        Ok(spans)
    }
}

/// Problems that were reported.
#[derive(Default)]
struct Problems(Mutex<Vec<String>>);

impl Observer for Problems {
    fn problem(&self, subject: &str, reason: &str) {
        self.0.lock().unwrap().push(format!("{subject}: {reason}"));
    }
}

/// An input folder `in` and an output folder `out`.
struct Folders(tempfile::TempDir);

impl Folders {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        Self(folder)
    }

    fn input(&self, name: &str) -> PathBuf {
        self.0.path().join("in").join(name)
    }

    fn output(&self) -> PathBuf {
        self.0.path().join("out")
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.input(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn tree(&self) -> FileTree {
        FileTree::new(&[self.input("")], &self.output()).unwrap()
    }

    fn write(&self, removal: &mut dyn Removal) -> FileCounts {
        self.write_within(TimeSpan::ALL, removal, &NoProgress)
            .unwrap()
    }

    fn write_within(
        &self,
        span: TimeSpan,
        removal: &mut dyn Removal,
        observer: &dyn Observer,
    ) -> Result<FileCounts> {
        let artifact = Artifact::folder(&self.output()).unwrap();
        self.tree().write(span, removal, &artifact, observer)
    }

    fn written(&self, tree: &str, name: &str) -> Vec<u8> {
        fs::read(self.output().join(tree).join(name)).unwrap()
    }

    fn content(&self, tree: &str, name: &str) -> FileContent {
        read_file(&self.output().join(tree).join(name)).unwrap()
    }

    /// Files of a tree, sorted.
    fn names(&self, tree: &str) -> Vec<String> {
        let root = self.output().join(tree);
        let found = find_files(&[root]).unwrap_or_default();
        let mut names: Vec<String> = found
            .files
            .iter()
            .map(|file| file.name.to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }
}

fn noise(n: usize) -> Vec<i32> {
    let mut state = 12_345_u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 20) as i32 - 2048
    };
    (0..n).map(|_| draw()).collect()
}

fn segment(id: &str, samples: Samples) -> Segment {
    Segment::new(id.parse().unwrap(), RATE, START_NS, samples)
}

fn bytes_of(segments: &[Segment]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_mseed(&mut bytes, segments, &WriteOptions::default()).unwrap();
    bytes
}

/// Span of `n` values from a sample on.
fn span(first: usize, n: usize) -> RemovedSpan {
    RemovedSpan {
        start_ns: START_NS + steps_ns(first, RATE),
        sampling_rate: RATE,
        values: (0..n).map(|i| 3000.4 / (1.0 + i as f64)).collect(),
        deviations: (0..n).map(|i| 2.0 + i as f64).collect(),
    }
}

fn integers(segment: &Segment) -> &[i32] {
    match &segment.samples {
        Samples::I32(values) => values,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_folder_becomes_the_same_tree() {
    let folders = Folders::new();
    let names = [
        "2019/XB/ELYSE/BHU.D/XB.ELYSE.02.BHU.D.2019.156",
        "2019/XB/ELYSE/BHV.D/XB.ELYSE.02.BHV.D.2019.156",
        "2019/XB/ELYSE/LHU.D/XB.ELYSE.02.LHU.D.2019.156",
        "dataless.xml",
        "notes",
    ];
    for (name, id) in names.iter().zip([U, V, "XB.ELYSE.02.LHU"]) {
        folders.put(name, &bytes_of(&[segment(id, Samples::I32(noise(3000)))]));
    }
    folders.put("dataless.xml", b"<xml/>");
    folders.put("notes", b"no records");
    folders.put(".hidden/x", b"");
    let counts = folders.write(&mut Planned::of(U, vec![span(1000, 50)]));
    assert_eq!(folders.names("background"), names);
    for tree in ["source", "deviation"] {
        assert_eq!(folders.names(tree), names[..2]);
    }
    for name in &names[1..] {
        let input = fs::read(folders.input(name)).unwrap();
        assert_eq!(folders.written("background", name), input, "{name}");
    }
    assert_eq!((counts.n_changed, counts.n_unchanged), (1, 1));
    assert_eq!((counts.n_copied, counts.n_unreadable), (3, 0));
    assert!(counts.n_records > 10 && (1..=2).contains(&counts.n_records_changed));
}

#[test]
fn files_and_matches_of_globs_keep_their_names() {
    let folders = Folders::new();
    for name in ["a/x.mseed", "b/y.mseed", "b/z.txt"] {
        folders.put(name, b"");
    }
    let paths = [folders.input("a/x.mseed"), folders.input("b/*")];
    let tree = FileTree::new(&paths, &folders.output()).unwrap();
    let names: Vec<&str> = tree.files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x.mseed", "y.mseed", "z.txt"]);
    assert_eq!(tree.paths().next(), Some(paths[0].as_path()));
}

#[test]
fn two_files_of_one_name_are_refused() {
    let folders = Folders::new();
    for name in ["a/x.mseed", "b/x.mseed", "c/x.mseed/y"] {
        folders.put(name, b"");
    }
    for other in ["b/x.mseed", "b", "c"] {
        let paths = [folders.input("a/x.mseed"), folders.input(other)];
        let error = FileTree::new(&paths, &folders.output()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("a/x.mseed`") && text.contains(other),
            "{text}"
        );
        assert!(error.help().unwrap().contains("-o"));
    }
    assert!(!folders.output().exists());
    let same = [folders.input("a/x.mseed"), folders.input("a")];
    assert_eq!(
        FileTree::new(&same, &folders.output()).unwrap().files.len(),
        1
    );
}

#[test]
fn outputs_inside_of_inputs_are_refused() {
    let folders = Folders::new();
    folders.put("a/x.mseed", b"");
    for (input, output) in [("in", "in/out"), ("in", "in"), ("in/a", "in/a/b")] {
        let [input, output] = [input, output].map(|name| folders.0.path().join(name));
        let error = FileTree::new(&[input], &output).unwrap_err();
        assert!(error.to_string().contains("input folder"), "{error}");
    }
    fs::create_dir_all(folders.output().join("background")).unwrap();
    let own = [folders.output().join("background")];
    assert!(FileTree::new(&own, &folders.output()).is_err());
}

#[test]
fn background_and_source_add_up_to_the_input() {
    let folders = Folders::new();
    let mut input = segment(U, Samples::I32(noise(4000)));
    // A clock that drifts: every record has a time of its own.
    input.anchors = (0..20)
        .map(|i| Anchor {
            index: 200 * i,
            time_ns: START_NS + steps_ns(200 * i, RATE) - 1_000_000 * i as i64,
        })
        .collect();
    folders.put("x", &bytes_of(&[input.clone()]));
    let spans = vec![span(990, 700), span(1200, 100)];
    folders.write(&mut Planned::of(U, spans.clone()));
    let trees = ["background", "source", "deviation"].map(|tree| folders.content(tree, "x"));
    let [background, source, deviation] = trees.each_ref().map(|content| &content.segments[0]);
    for written in [background, source, deviation] {
        assert_eq!(written.id, input.id);
        assert_eq!(written.npts(), 4000);
        assert!((0..4000).all(|i| written.time_of(i) == input.time_of(i)));
    }
    let Samples::F32(deviation) = &deviation.samples else {
        panic!("{deviation:?}");
    };
    let [removed, second] = [&spans[0], &spans[1]];
    for (i, &value) in integers(&input).iter().enumerate() {
        let (rest, taken) = (integers(background)[i], integers(source)[i]);
        assert_eq!(rest + taken, value);
        let at = |span: &RemovedSpan, values: &[f64], first: usize| {
            let index = i.checked_sub(first).filter(|at| *at < span.values.len());
            index.map_or(0.0, |at| values[at])
        };
        let wanted = at(removed, &removed.values, 990) + at(second, &second.values, 1200);
        assert!((f64::from(taken) - wanted).abs() <= 0.5, "{i}");
        let wanted =
            at(removed, &removed.deviations, 990).hypot(at(second, &second.deviations, 1200));
        assert_eq!(deviation[i], wanted as f32, "{i}");
    }
}

#[test]
fn other_records_of_a_file_remain_byte_for_byte() {
    let folders = Folders::new();
    let [u, v, log] = [U, V, "XB.ELYSE.02.LHU"].map(|id| {
        let bytes = bytes_of(&[segment(id, Samples::I32(noise(2000)))]);
        bytes.chunks(512).map(<[u8]>::to_vec).collect::<Vec<_>>()
    });
    let mut u = u;
    // Flags of clock and data quality, and an own sequence number.
    for record in &mut u {
        record[..6].copy_from_slice(b"000777");
        record[36..39].copy_from_slice(&[0b110, 0b10_0000, 0b1000]);
    }
    let damaged = vec![b'x'; 640];
    let mut bytes = Vec::new();
    for ((u, v), other) in u.iter().zip(&v).zip(&log) {
        bytes.extend([u.as_slice(), &damaged, v, other].concat());
    }
    bytes.extend(b"end");
    folders.put("x", &bytes);
    let counts = folders.write(&mut Planned::of(U, vec![span(500, 20)]));
    assert_eq!(counts.n_records, u.len() + v.len());
    let written = folders.written("background", "x");
    let changed: Vec<usize> = (0..u.len())
        .filter(|i| {
            let record = read_bytes(&u[*i]).segments.remove(0);
            let first = ((record.start_ns() - START_NS) as f64 * RATE / 1e9).round() as usize;
            first < 520 && first + record.npts() > 500
        })
        .collect();
    assert_eq!(changed.len(), counts.n_records_changed);
    // Every other byte of the input is there, in order.
    let mut rest = written.as_slice();
    for index in 0..u.len() {
        let mut kept = [damaged.as_slice(), &v[index], &log[index]].concat();
        if changed.contains(&index) {
            assert!(!rest.starts_with(&kept), "record {index} is missing");
            while !rest.starts_with(&kept) {
                assert_eq!(rest[..6], *b"000777");
                assert_eq!(rest[36..39], [0b100, 0b10_0000, 0b1000]);
                rest = &rest[512..];
            }
        } else {
            kept.splice(0..0, u[index].iter().copied());
        }
        rest = rest.strip_prefix(kept.as_slice()).unwrap();
    }
    assert_eq!(rest, b"end");
    let ids: Vec<String> = folders
        .content("source", "x")
        .segments
        .iter()
        .map(|s| s.id.to_string())
        .collect();
    assert_eq!(ids, [U, V]);
}

#[test]
fn nothing_removed_is_the_same_file() {
    let folders = Folders::new();
    let bytes = bytes_of(&[segment(U, Samples::I32(noise(2000)))]);
    folders.put("x", &bytes);
    let mut small = span(100, 50);
    small.values = vec![0.3; 50];
    let mut elsewhere = span(100, 50);
    elsewhere.start_ns -= 1_000_000_000_000;
    let mut slower = span(100, 50);
    slower.sampling_rate = 10.0;
    for spans in [vec![], vec![small], vec![elsewhere], vec![slower]] {
        let counts = folders.write(&mut Planned::of(U, spans));
        assert_eq!((counts.n_unchanged, counts.n_records_changed), (1, 0));
        assert_eq!(folders.written("background", "x"), bytes);
        let source = folders.content("source", "x").segments.remove(0);
        assert_eq!(integers(&source), vec![0; 2000]);
    }
}

#[test]
fn samples_that_are_not_data_remain() {
    let folders = Folders::new();
    let mut values: Vec<f32> = noise(1000).into_iter().map(|x| x as f32 / 3.0).collect();
    values[510] = f32::NAN;
    values[511] = f32::INFINITY;
    values[512] = -8_388_608.0;
    let mut counts = noise(1000);
    counts[510] = 8_388_607;
    counts[511] = i32::MIN;
    let mut floats = segment(U, Samples::F32(values.clone()));
    floats.encoding = Encoding::Float32;
    folders.put("f", &bytes_of(&[floats]));
    folders.put("i", &bytes_of(&[segment(U, Samples::I32(counts.clone()))]));
    folders.write(&mut Planned::of(U, vec![span(500, 100)]));
    let written = folders.content("background", "f").segments.remove(0);
    let Samples::F32(written) = written.samples else {
        panic!("no FLOAT32");
    };
    for i in (0..500).chain(510..513).chain(600..1000) {
        assert_eq!(written[i].to_bits(), values[i].to_bits(), "{i}");
    }
    // Half of 3000.4, to the rounding of single precision.
    assert!((written[501] - values[501] + 1500.2).abs() < 1e-3);
    let written = folders.content("background", "i").segments.remove(0);
    assert_eq!(integers(&written)[510..512], counts[510..512]);
    assert_ne!(integers(&written)[509], counts[509]);
}

#[test]
fn a_time_span_leaves_other_files_as_they_are() {
    let folders = Folders::new();
    let bytes = bytes_of(&[segment(U, Samples::I32(noise(1000)))]);
    folders.put("x", &bytes);
    let mut removal = Planned::of(U, vec![span(100, 50)]);
    let before = TimeSpan::new(0, START_NS);
    let counts = folders.write_within(before, &mut removal, &NoProgress);
    assert_eq!(counts.unwrap().n_copied, 1);
    assert_eq!(folders.written("background", "x"), bytes);
    assert!(folders.names("source").is_empty());
    let stopped = folders.write_within(before, &mut removal, &CancelWhen(|| true));
    assert!(matches!(stopped, Err(PipelineError::Interrupted)));
}

#[test]
fn a_record_that_does_not_decode_is_reported_and_copied() {
    let folders = Folders::new();
    let mut bytes = bytes_of(&[segment(U, Samples::I32(noise(2000)))]);
    // The last sample of the third record as its first frame states it.
    bytes[2 * 512 + 64 + 8] ^= 0x55;
    folders.put("x", &bytes);
    let problems = Problems::default();
    let mut removal = Planned::of(U, vec![span(0, 2000)]);
    let counts = folders.write_within(TimeSpan::ALL, &mut removal, &problems);
    let problems = problems.0.into_inner().unwrap();
    assert!(problems[0].contains("at byte 1024"), "{problems:?}");
    assert!(counts.unwrap().n_records_changed > 1);
    let written = folders.written("background", "x");
    let record = &bytes[1024..1536];
    assert!(written.chunks(512).any(|chunk| chunk == record));
}

#[test]
fn streams_beyond_miniseed_2_name_their_file() {
    let folders = Folders::new();
    folders.put("x.mseed", &version3("FDSN:XB_ELYSE1_02_B_H_U", 3));
    let error = folders
        .write_within(TimeSpan::ALL, &mut Planned::default(), &NoProgress)
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("x.mseed`") && text.contains("station"),
        "{text}"
    );
    assert!(error.help().unwrap().contains("--station"));
    // With codes of version 2 the rest of the file is copied, and the changed record becomes version 2.
    let bytes = version3("FDSN:XB_ELYSE_02_B_H_U", 3);
    let quiet = version3("FDSN:XB_ELYSE_02_L_H_U", 3);
    folders.put("x.mseed", &[bytes.as_slice(), &quiet].concat());
    let mut removal = Planned::of(U, vec![span(0, 1)]);
    folders
        .write_within(TimeSpan::ALL, &mut removal, &NoProgress)
        .unwrap();
    let written = folders.written("background", "x.mseed");
    assert!(written.ends_with(&quiet) && written.starts_with(b"000001"));
    let content = folders.content("background", "x.mseed");
    assert_eq!(integers(&content.segments[0]), [-3000, 1, 2]);
    assert_eq!(content.segments[0].start_ns(), START_NS);
}

/// A record of miniSEED 3 with the samples 0, 1, 2 ... as INT32.
fn version3(id: &str, n: u32) -> Vec<u8> {
    let mut bytes = b"MS\x03\x00".to_vec();
    bytes.extend(10_000_000_u32.to_le_bytes()); // ns
    bytes.extend(2019_u16.to_le_bytes());
    bytes.extend(156_u16.to_le_bytes());
    bytes.extend([0, 0, 0, Encoding::Int32.code()]);
    bytes.extend(RATE.to_le_bytes());
    bytes.extend(n.to_le_bytes());
    bytes.extend([0; 4]); // checksum, below
    bytes.extend([1, id.len() as u8, 0, 0]);
    bytes.extend((4 * n).to_le_bytes());
    bytes.extend(id.as_bytes());
    bytes.extend((0..n).flat_map(u32::to_le_bytes));
    let checksum = crc32c(&bytes);
    bytes[28..32].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    !bytes
        .iter()
        .fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}
