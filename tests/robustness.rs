//! What `info`, `features` and `run` make of inputs that are not as they should be.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::{Path, PathBuf};

use common::records::{N, SMALL, TRANSFORM, integers, ordinary, samples, three, write};
use common::{Outcome, finish, seismix};
use seismix::data::archive::Archive;
use seismix::data::{Samples, TimeSpan};
use seismix::separate::SeparationFile;
use tempfile::TempDir;

/// A folder with inputs, and what the commands make of them.
struct Case {
    folder: TempDir,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        Self { folder }
    }

    fn input(&self, name: &str) -> PathBuf {
        self.folder.path().join("in").join(name)
    }

    fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join("RUN").join(name)
    }

    fn command(&self, arguments: &[&str]) -> Outcome {
        let mut command = seismix();
        command.current_dir(self.folder.path()).args(arguments);
        finish(&mut command)
    }

    fn info(&self) -> Outcome {
        self.command(&["info", "in"])
    }

    fn features(&self) -> Outcome {
        let arguments = ["features", "in", "-o", "F", "--json"];
        self.command(&[&arguments, &TRANSFORM[..]].concat())
    }

    fn run(&self, more: &[&str]) -> Outcome {
        let arguments = ["run", "in", "-o", "RUN"];
        self.command(&[&arguments, &SMALL[..], more].concat())
    }

    /// Background and source add up to the input on each channel; the number of channels.
    fn check_sum(&self) -> usize {
        let open = |path: PathBuf| Archive::open(&[path], Default::default()).unwrap();
        let input = open(self.folder.path().join("in"));
        let separated = self.out("separated");
        let (background, source) = (
            open(separated.join("background")),
            open(separated.join("source")),
        );
        let streams = input.streams();
        for stream in &streams {
            let [i, b, s] = [&input, &background, &source]
                .map(|archive| archive.load_raw(&stream.id, TimeSpan::ALL).segments);
            assert_eq!((i.len(), i.len()), (b.len(), s.len()), "{}", stream.id);
            for ((i, b), s) in i.iter().zip(&b).zip(&s) {
                assert_eq!((i.npts(), i.start_ns()), (b.npts(), b.start_ns()));
                assert_eq!((i.npts(), i.start_ns()), (s.npts(), s.start_ns()));
                for at in 0..i.npts() {
                    let (i, b, s) = (i.samples.get(at), b.samples.get(at), s.samples.get(at));
                    let fits = if i.is_finite() {
                        (b + s - i).abs() <= 1e-6 * (b.abs() + s.abs())
                    } else {
                        b.to_bits() == i.to_bits() && s == 0.0
                    };
                    assert!(fits, "{} sample {at}: {b} + {s} is not {i}", stream.id);
                }
            }
        }
        streams.len()
    }
}

fn assert_ends(what: &str, outcome: &Outcome, code: i32, says: &[&str]) {
    assert_eq!(outcome.code, Some(code), "{what}: {}", outcome.stderr);
    for text in says {
        let found = outcome.stderr.contains(text);
        assert!(found, "{what} must say `{text}`: {}", outcome.stderr);
    }
}

/// Each of the three commands ends with 1, names the file and why, and leaves no result behind.
fn assert_all_refuse(case: &Case, says: &[&str]) {
    for (what, outcome) in [
        ("info", case.info()),
        ("features", case.features()),
        ("run", case.run(&[])),
    ] {
        assert_ends(what, &outcome, 1, says);
    }
    assert!(!case.out("model.safetensors").exists());
    assert!(!case.out("report.html").exists());
}

#[test]
fn an_empty_file_is_named() {
    let case = Case::new();
    std::fs::write(case.input("empty.mseed"), "").unwrap();
    assert_all_refuse(&case, &["empty.mseed", "the file is empty"]);
}

#[test]
fn a_text_file_is_named() {
    let case = Case::new();
    std::fs::write(case.input("letter.mseed"), "no record at all\n".repeat(99)).unwrap();
    assert_all_refuse(&case, &["letter.mseed", "no miniSEED record header"]);
}

#[test]
fn what_stands_before_a_cut_record_is_used() {
    let case = Case::new();
    let path = write(&case.input("cut.mseed"), &three("CUT"));
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
    assert_ends(
        "info",
        &case.info(),
        1,
        &["cut.mseed", "the record is cut off"],
    );
    let features = case.features();
    assert_ends(
        "features",
        &features,
        1,
        &["cut.mseed", "the record is cut off"],
    );
    assert!(features.stdout.contains("XX.CUT.00.2020.002.h5"));
    let run = case.run(&[]);
    assert_ends("run", &run, 1, &["cut.mseed", "1 input could not be used"]);
    assert!(case.out("report.html").exists());
    assert_eq!(case.check_sum(), 3);
    let again = case.run(&[]);
    assert_ends("again", &again, 1, &["cut.mseed", "up to date"]);
}

#[test]
fn good_files_beside_a_bad_one_are_processed() {
    let case = Case::new();
    write(&case.input("a.mseed"), &three("GOOD"));
    std::fs::write(case.input("b.mseed"), [0x55; 4096]).unwrap();
    assert_ends("info", &case.info(), 1, &["b.mseed"]);
    let run = case.run(&[]);
    assert_ends("run", &run, 1, &["b.mseed", "1 input could not be used"]);
    assert_eq!(case.check_sum(), 3);
    // The report tells it too.
    let report = std::fs::read_to_string(case.out("report.html")).unwrap();
    assert!(report.contains("b.mseed"));
}

#[test]
fn a_channel_alone_is_enough() {
    let case = Case::new();
    write(&case.input("a.mseed"), &[ordinary("XX.ALONE..BHZ", 1)]);
    assert_ends("info", &case.info(), 0, &[]);
    assert_ends("features", &case.features(), 0, &[]);
    let run = case.run(&[]);
    assert_ends("run", &run, 0, &[]);
    assert!(run.stdout.contains("184 windows"), "{}", run.stdout);
    assert_eq!(case.check_sum(), 1);
}

#[test]
fn a_record_shorter_than_a_window_has_no_window() {
    let case = Case::new();
    let short = integers("XX.S..BHZ", 20.0, "2020-01-02T00:00:00Z", &samples(200, 1));
    write(&case.input("short.mseed"), &[short]);
    assert_ends("info", &case.info(), 0, &[]);
    let why = "no window: the longest gap-free stretch with a signal has 200 samples";
    assert_ends("features", &case.features(), 0, &[why]);
    assert_ends("run", &case.run(&[]), 1, &[why, "help: use longer records"]);
}

#[test]
fn a_record_of_one_sample_is_a_record() {
    let case = Case::new();
    let one = integers("XX.ONE..BHZ", 20.0, "2020-01-02T00:00:00Z", &[5.0]);
    write(&case.input("one.mseed"), &[one]);
    assert_ends("info", &case.info(), 0, &[]);
    assert_ends("features", &case.features(), 0, &["no window"]);
    assert_ends("run", &case.run(&[]), 1, &["no window"]);
}

#[test]
fn a_constant_record_has_no_window() {
    for value in [0.0, 7.0] {
        let case = Case::new();
        let flat = integers("XX.FLAT..BHZ", 20.0, "2020-01-02T00:00:00Z", &[value; N]);
        write(&case.input("flat.mseed"), &[flat]);
        assert_ends("info", &case.info(), 0, &[]);
        let why = "12000 samples in constant stretches are treated as gaps";
        assert_ends("features", &case.features(), 0, &[why]);
        assert_ends("run", &case.run(&[]), 1, &[why]);
    }
}

#[test]
fn a_dead_channel_beside_good_ones_is_left_out_and_stays() {
    let case = Case::new();
    let mut segments = three("DEAD");
    segments[1].samples = Samples::I32(vec![0; N]);
    write(&case.input("a.mseed"), &segments);
    let run = case.run(&[]);
    assert_ends("run", &run, 0, &["BHV is left out", "BHV: 12000 samples"]);
    assert_eq!(case.check_sum(), 3);
    let file = SeparationFile::load(&case.out("separated/separation.json")).unwrap();
    assert!(!file.targets.is_empty());
    for target in &file.targets {
        let ids: Vec<&str> = target.channels.iter().map(|c| c.id.as_str()).collect();
        assert_eq!(ids, ["XX.DEAD.00.BHU", "XX.DEAD.00.BHW"]);
    }
    assert!(
        run.stdout.contains(", 0 left as they are"),
        "{}",
        run.stdout
    );
}

#[test]
fn samples_that_are_not_finite_are_gaps_and_stay() {
    let case = Case::new();
    let mut segment = ordinary("XX.NAN..BHZ", 1);
    let mut values: Vec<f32> = samples(N, 1).iter().map(|v| *v as f32).collect();
    values[5000..5003].fill(f32::NAN);
    values[9000] = f32::INFINITY;
    segment.samples = Samples::F32(values);
    segment.encoding = seismix::data::Encoding::Float32;
    write(&case.input("nan.mseed"), &[segment]);
    let info = case.info();
    assert_ends("info", &info, 0, &[]);
    assert!(
        info.stdout.lines().any(|line| line.trim().ends_with(" 4")),
        "{}",
        info.stdout
    );
    let run = case.run(&[]);
    assert_ends("run", &run, 0, &[]);
    // (5000 - 256) / 64 + 1 = 75, (9000 - 5003 - 256) / 64 + 1 = 59, (12000 - 9001 - 256) / 64 + 1 = 43, rounded down.
    assert!(run.stdout.contains("177 windows"), "{}", run.stdout);
    assert_eq!(case.check_sum(), 1);
}

#[test]
fn stations_of_different_rates_are_not_mixed() {
    let case = Case::new();
    write(&case.input("a.mseed"), &three("AAA"));
    let slow = integers("XX.BBB..BHZ", 10.0, "2020-01-02T00:00:00Z", &samples(N, 4));
    write(&case.input("b.mseed"), &[slow]);
    assert_ends("features", &case.features(), 0, &[]);
    let run = case.run(&[]);
    assert_ends(
        "run",
        &run,
        1,
        &["XX.BBB..2020.002.h5", "sampling rates differ"],
    );
    assert_eq!(case.check_sum(), 4);
}

#[test]
fn channels_of_different_rates_are_refused_by_name() {
    let case = Case::new();
    write(&case.input("a.mseed"), &three("GOOD"));
    let fast = ordinary("XX.BAD..BHU", 5);
    let slow = integers("XX.BAD..BHV", 10.0, "2020-01-02T00:00:00Z", &samples(N, 6));
    write(&case.input("b.mseed"), &[fast, slow]);
    let says = [
        "XX.BAD..BH 2020.002",
        "different sampling rates",
        "--channel",
    ];
    assert_ends("features", &case.features(), 1, &says);
    assert_ends("run", &case.run(&[]), 1, &says);
    assert_eq!(case.check_sum(), 5);
    assert_ends(
        "selected",
        &case.run(&["--station", "GOOD", "--fresh"]),
        0,
        &[],
    );
}

#[test]
fn a_day_without_one_of_the_channels_is_left_out_by_name() {
    let case = Case::new();
    // The short day comes first: it must not set the tone.
    let mut early = three("MISS");
    early.pop();
    for segment in &mut early {
        let id = segment.id.to_string();
        *segment = integers(&id, 20.0, "2020-01-01T00:00:00Z", &samples(N, 9));
    }
    write(&case.input("1.mseed"), &early);
    write(&case.input("2.mseed"), &three("MISS"));
    let third = ["BHU", "BHV", "BHW"].map(|code| {
        let id = format!("XX.MISS.00.{code}");
        integers(&id, 20.0, "2020-01-03T00:00:00Z", &samples(N, 8))
    });
    write(&case.input("3.mseed"), &third);
    let run = case.run(&[]);
    let says = [
        "XX.MISS.00.BH 2020.001: no sample of BHW",
        "2020.001.h5",
        "2 here and 3 in most files",
        "--channel",
    ];
    assert_ends("run", &run, 1, &says);
    assert!(run.stdout.contains("368 windows"), "{}", run.stdout);
    assert_eq!(case.check_sum(), 3);
    let other = case.run(&["--channel", "BHU,BHV"]);
    assert_ends(
        "other settings",
        &other,
        1,
        &["selection.channel", "--fresh"],
    );
    let selected = case.run(&["--channel", "BHU,BHV", "--fresh"]);
    assert_ends("selected", &selected, 0, &[]);
}

#[test]
fn duplicated_files_count_once_and_are_told() {
    let case = Case::new();
    let path = write(&case.input("a.mseed"), &three("DUP"));
    std::fs::copy(path, case.input("b.mseed")).unwrap();
    let run = case.run(&[]);
    assert_ends(
        "run",
        &run,
        0,
        &["XX.DUP.00.BHU: 12000", "overlapping samples"],
    );
    assert!(run.stdout.contains("184 windows"), "{}", run.stdout);
    assert_eq!(case.check_sum(), 3);
}

#[test]
fn a_second_band_of_a_location_is_left_out_by_name() {
    let case = Case::new();
    write(&case.input("a.mseed"), &three("BAND"));
    let long = integers(
        "XX.BAND.00.LHU",
        1.0,
        "2020-01-02T00:00:00Z",
        &samples(N, 4),
    );
    write(&case.input("b.mseed"), &[long]);
    let says = ["XX.BAND.00.LH: left out", "--channel"];
    assert_ends("features", &case.features(), 1, &says);
    let run = case.run(&[]);
    assert_ends("run", &run, 1, &says);
    assert_eq!(case.check_sum(), 4);
}

#[test]
fn another_selection_is_another_run() {
    let case = Case::new();
    write(&case.input("a.mseed"), &three("SEL"));
    let all = case.features();
    assert_ends("all", &all, 0, &[]);
    let some = |more: &[&str]| {
        let arguments = ["features", "in", "-o", "F", "--json"];
        let outcome = case.command(&[&arguments, &TRANSFORM[..], more].concat());
        assert_ends("some", &outcome, 0, &[]);
        let told: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        (
            told["windows"].as_u64().unwrap(),
            told["up_to_date"].as_u64().unwrap(),
        )
    };
    assert_eq!(some(&[]), (184, 1));
    let refused = case.command(
        &[
            &["features", "in", "-o", "F", "--channel", "BHU"],
            &TRANSFORM[..],
        ]
        .concat(),
    );
    assert_ends("refused", &refused, 1, &["selection.channel", "--fresh"]);
    assert_eq!(some(&["--channel", "BHU", "--fresh"]), (184, 0));
    assert_eq!(
        some(&["--starttime", "2020-01-02T00:05:00Z", "--fresh"]),
        (90, 0)
    );
    assert_eq!(some(&["--starttime", "2020-01-02T00:05:00Z"]), (90, 1));
    assert_eq!(
        some(&["--starttime", "2020-01-02T00:05:00Z", "--fresh"]),
        (90, 0)
    );
}

#[test]
fn no_selected_record_says_so() {
    let case = Case::new();
    write(&case.input("a.mseed"), &three("SEL"));
    let none = case.run(&["--station", "NOBODY"]);
    assert_ends(
        "none",
        &none,
        1,
        &["no selected miniSEED record", "seismix info"],
    );
    assert!(none.stdout.is_empty());
}

#[test]
fn a_rate_that_cannot_be_is_named() {
    let case = Case::new();
    let bad = integers("XX.BAD..BHZ", 20.0, "2020-01-02T00:00:00Z", &samples(50, 4));
    let path = write(&case.input("a.mseed"), &[bad]);
    // The header of its one record claims a sample every 11 days.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[32..36].copy_from_slice(&[-1000_i16, -1000].map(i16::to_be_bytes).concat());
    std::fs::write(&path, bytes).unwrap();
    write(&case.input("b.mseed"), &three("GOOD"));
    let features = case.features();
    let says = ["XX.BAD..BH: left out", "lasts longer than 30 days"];
    assert_ends("features", &features, 1, &says);
    assert!(features.stdout.contains("XX.GOOD.00.2020.002.h5"));
}

#[test]
fn memory_is_counted_for_what_is_there() {
    let case = Case::new();
    write(&case.input("a.mseed"), &three("MEM"));
    // A whole day in blocks of 4 samples would take 6 GiB; ten minutes take far less than the 2 GiB allowed.
    let tiny = [
        "features",
        "in",
        "-o",
        "F",
        "--scales",
        "16,64",
        "--octaves",
        "2",
    ];
    assert_ends("tiny", &case.command(&tiny), 0, &[]);
    let none = case.run(&["--memory", "1MiB"]);
    let says = [
        "XX.MEM.00.BH 2020.002",
        "--memory allows 1MiB",
        "none of the 1 days",
    ];
    assert_ends("none", &none, 1, &says);
}

#[test]
fn a_file_that_is_no_model_is_not_replaced_unasked() {
    let case = Case::new();
    write(&case.input("a.mseed"), &three("MODEL"));
    assert_ends("features", &case.features(), 0, &[]);
    let path = case.folder.path().join("M");
    std::fs::write(&path, "a letter").unwrap();
    let train = ["train", "F", "-o", "M", "--clusters", "4", "--epochs", "1"];
    assert_ends(
        "train",
        &case.command(&train),
        1,
        &["M` is in the way", "--fresh"],
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a letter");
    let fresh = case.command(&[&train[..], &["--fresh"]].concat());
    assert_ends("fresh", &fresh, 0, &[]);
}

#[test]
fn two_writers_of_one_folder_are_told_apart() {
    let case = Case::new();
    write(&case.input("a.mseed"), &three("LOCK"));
    let folder = case.out("");
    std::fs::create_dir_all(folder.join(".seismix")).unwrap();
    let lock = std::fs::File::create(folder.join(".seismix/lock")).unwrap();
    lock.lock().unwrap();
    assert_ends(
        "run",
        &case.run(&[]),
        1,
        &["another seismix is writing into"],
    );
    lock.unlock().unwrap();
    assert_ends("run", &case.run(&[]), 0, &[]);
}

#[test]
fn the_stages_one_by_one_make_what_a_run_makes() {
    let case = Case::new();
    write(&case.input("a.mseed"), &three("STEP"));
    let run = case.run(&["--json", "--quiet"]);
    assert_ends("run", &run, 0, &[]);
    assert_eq!(run.stderr, "", "--quiet leaves only errors");
    let told: Vec<serde_json::Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let target = &told[1]["target"];
    let target = format!("{}:{}", target["scale"], target["clusters"][0]);
    let step = |arguments: &[&str]| {
        let outcome = case.command(arguments);
        assert_ends(arguments[0], &outcome, 0, &[]);
        assert_eq!(outcome.stdout.lines().count(), 1, "{}", outcome.stdout);
    };
    assert_ends("features", &case.features(), 0, &[]);
    let train = ["train", "F", "-o", "M", "--clusters", "4", "--epochs", "2"];
    step(&[&train[..], &["--json"]].concat());
    step(&["cluster", "F", "-m", "M", "-o", "c.csv", "--json"]);
    let separate = ["separate", "in", "-c", "c.csv", "-o", "S", "--json"];
    let options = ["--octaves", "4", "--target", &target];
    step(&[&separate[..], &options, &SMALL[8..]].concat());
    step(&["report", "RUN", "-o", "r.html", "--json"]);

    let root = case.folder.path();
    let same = |ours: &str, of_run: &str| {
        let [a, b] = [root.join(ours), case.out(of_run)].map(|path| std::fs::read(path).unwrap());
        assert!(a == b, "{ours} differs from the run's {of_run}");
    };
    same("M", "model.safetensors");
    same("c.csv", "clusters.csv");
    same("r.html", "report.html");
    assert!(Path::new(&root.join("S/background/2020/XX/STEP/BHU.D")).exists());

    // Separated otherwise, the run's own report is out of date.
    let again = [
        "separate",
        "in",
        "-c",
        "RUN/clusters.csv",
        "-o",
        "RUN/separated",
    ];
    let fewer = [
        &options[..],
        &SMALL[10..],
        &["--max-targets", "1", "--fresh"],
    ]
    .concat();
    assert_ends(
        "separate",
        &case.command(&[&again[..], &fewer].concat()),
        0,
        &[],
    );
    let anew = case.command(&["report", "RUN", "-o", "anew.html"]);
    assert_ends("report", &anew, 0, &["was made from other files"]);
    let [before, anew] = ["r.html", "anew.html"].map(|name| std::fs::read(root.join(name)));
    assert!(before.unwrap() != anew.unwrap(), "it tells of the new one");
}
