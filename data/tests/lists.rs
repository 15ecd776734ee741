//! Lists of every format, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use seismix_data::StreamId;
use seismix_data::lists::{
    IntervalList, ListError, ListFormat, ListedChannel, ListedInterval, parse_list, read_list,
};
use seismix_data::time::{SECOND_NS, format_utc, parse_utc};

fn parse(text: &str) -> Result<IntervalList, ListError> {
    parse_list(text.as_bytes(), Path::new("list"))
}

fn fault(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

/// Entries in one line each: row, onset, length in s, stream, channel, kind.
fn shown(list: &IntervalList) -> Vec<String> {
    let show = |i: &ListedInterval| {
        let length = i
            .end_ns
            .map(|end| (end - i.onset_ns) as f64 / SECOND_NS as f64);
        let channel = i.channel.as_ref().map(|c| match c {
            ListedChannel::Code(code) => code.clone(),
            ListedChannel::Component(letter) => letter.to_string(),
        });
        format!(
            "{} {} {} {} {} {}",
            i.row,
            &format_utc(i.onset_ns)[..23],
            length.map_or("-".into(), |l| l.to_string()),
            i.id.as_ref().map_or("-".into(), ToString::to_string),
            channel.unwrap_or("-".into()),
            i.kind.as_deref().unwrap_or("-"),
        )
    };
    list.intervals.iter().map(show).collect()
}

#[test]
fn tables_by_the_names_of_their_columns() {
    let begin = "2019-05-22T23:47:03.500";
    for (text, expected) in [
        (
            "start,end\n2019-05-22T23:47:03.5Z,2019-05-22T23:47:13.5Z\n",
            format!("2 {begin} 10 - - -"),
        ),
        (
            "channel,starttime,endtime\nBHU,2019-05-22T23:47:03.500000,2019-05-22T23:47:04",
            format!("2 {begin} 0.5 - BHU -"),
        ),
        (
            ",start_time,end_time,Type\n0,2019-05-22 23:47:03.500000+00:00,2019-05-22 23:47:05.500000+00:00,x;y\n",
            format!("2 {begin} 2 - - x;y"),
        ),
        (
            "\u{feff}onset;label\n2019-05-23T01:47:03.5+02:00;\"a;b\"\n",
            format!("2 {begin} - - - a;b"),
        ),
        (
            "time\tduration\n2019-05-22 23:47:03.5\t1.25\n",
            format!("2 {begin} 1.25 - - -"),
        ),
        (
            "Time (UTC),Duration (s),network,station,location\r\n2019-05-22 23:47:03.5,3,XB,ELYSE,*\r\n",
            format!("2 {begin} 3 XB.ELYSE.*.* - -"),
        ),
        (
            "utc,lmst_sols\n2019-05-22T23:47:03.500000Z,345.4\n",
            format!("2 {begin} - - - -"),
        ),
        ("onset\n2019-142T23:47:03.5\n", format!("2 {begin} - - - -")),
        (
            "onset,end,id\n2019-05-22T23:47:03.5Z,NaT,XB.ELYSE.02.BH\n",
            format!("2 {begin} - XB.ELYSE.02.BH - -"),
        ),
        (
            "id,time,component\nS0173a,2019-05-22T23:47:03.5Z,U\n",
            format!("2 {begin} - - U -"),
        ),
        (
            "#EventID | Time | Latitude | EventType\n1|2019-05-22T23:47:03.5|4.5|earthquake\n",
            format!("2 {begin} - - - earthquake"),
        ),
        (
            "# made by hand\n\nstart,end\n# morning\n\n2019-05-22T23:47:03.5Z,2019-05-22T23:47:13.5Z\n",
            format!("6 {begin} 10 - - -"),
        ),
        (
            "station,time\nXB.ELYSE,2019-05-22T23:47:03.5Z\n",
            format!("2 {begin} - XB.ELYSE.*.* - -"),
        ),
    ] {
        let list = parse(text).unwrap();
        assert_eq!(
            (shown(&list), list.format),
            (vec![expected], ListFormat::Table),
            "{text}"
        );
    }
    assert_eq!(parse("start,end\n").unwrap().intervals, []);
    let quoted = parse("kind,start\n\"two\nlines\",2019-05-22\n\n\"one\",2019-05-22").unwrap();
    let rows: Vec<u64> = quoted.intervals.iter().map(|i| i.row).collect();
    assert_eq!(rows, [2, 5]);
}

#[test]
fn the_table_of_deglitch() {
    let text = "id,onset,end,kind,template,score,share,stratum,best_decoy_score,sure,q,removed,reason,polarity,snr_in_db,\
                expected_snr_db,amplitude_BHU,deviation_BHU\n\
                XB.ELYSE.02,2019-06-05T02:11:00.123456789Z,2019-06-05T02:11:20.123456789Z,step,learned,100.00,0.900,0,,true,\
                0.01000,true,\"q, with a comma\",-1,3.00,,-1.000000e-9,1.000e-11\n";
    let list = parse(text).unwrap();
    assert_eq!(list.format, ListFormat::Deglitch);
    assert_eq!(
        shown(&list),
        ["2 2019-06-05T02:11:00.123 20 XB.ELYSE.02.* - step"]
    );
    assert_eq!(
        list.intervals[0].onset_ns,
        parse_utc("2019-06-05T02:11:00.123456789Z").unwrap()
    );
    let matches = |id: &str| list.intervals[0].matches(&id.parse::<StreamId>().unwrap());
    assert!(matches("XB.ELYSE.02.BHU") && !matches("XB.ELYSE.03.BHU"));
}

const SEISGLITCH: &str = "\
#    0                    1                    2              3              4           5         6         7\n\
#  NUM         GLITCH-UTC-S         GLITCH-UTC-E  GLITCH-LMST-S  GLITCH-LMST-E    U-GLITCH  V-GLITCH  W-GLITCH\n\
# ------------------------------------------------------------------------------------------------------------\n\
000001  2019-05-22T23:31:39  2019-05-22T23:32:04   173M00:11:52   173M00:12:16           0         1         1\n\
000002  2019-05-22T23:47:03  2019-05-22T23:47:28   173M00:26:51   173M00:27:16           0         0         0\n\
\n\
#   +-----------------------------------------------------------------------------------------+\n\
#   |   IDs:                        XB.ELYSE.03.BHU, XB.ELYSE.03.BHV, XB.ELYSE.03.BHW          |\n\
#   |   UTC start:                  2019-05-22T23:18:50                                        |\n";

#[test]
fn glitch_lists_of_seisglitch() {
    let list = parse(SEISGLITCH).unwrap();
    assert_eq!(list.format, ListFormat::Seisglitch);
    assert_eq!(
        shown(&list),
        [
            "4 2019-05-22T23:31:39.000 25 XB.ELYSE.03.BH V glitch",
            "4 2019-05-22T23:31:39.000 25 XB.ELYSE.03.BH W glitch",
            "5 2019-05-22T23:47:03.000 25 XB.ELYSE.03.BH - glitch",
        ]
    );
    let matches = |id: &str| list.intervals[0].matches(&id.parse::<StreamId>().unwrap());
    assert!(
        matches("XB.ELYSE.03.BHV") && !matches("XB.ELYSE.03.BHU") && !matches("XB.ELYSE.02.BHV")
    );
    let no_comment = SEISGLITCH.replace(" IDs:", " other:");
    assert_eq!(parse(&no_comment).unwrap().intervals[0].id, None);
    let two_stations = SEISGLITCH.replace("XB.ELYSE.03.BHV", "XB.OTHER.03.BHV");
    assert_eq!(parse(&two_stations).unwrap().intervals[0].id, None);
}

const SNUFFLER: &str = "# Snuffler Markers File Version 0.2\n\
2019-05-23 01:00:04.149  2019-05-23 01:00:15.049    10.9  1 XB.ELYSE.03.BHU,XB.ELYSE.03.BHV\n\
2019-05-23 02:00:00.000  0 None\n\
phase: 2019-05-23 03:00:00.000  0 XB.ELYSE.*.BHZ  abcDEF= 2019-05-23 02:58:00.000 P  1 False\n\
phase: 2019-05-23 03:00:00.000 2019-05-23 03:00:02.000 2.0 0 XB.ELYSE..BHZ None None None None None False None\n\
\n\
event: 2019-05-23 02:58:00.000  0 abcDEF= 4.5 135.6 0.0 3.7 None \"S 173a\" \"Elysium\"\n";

#[test]
fn markers_of_snuffler() {
    let list = parse(SNUFFLER).unwrap();
    assert_eq!(list.format, ListFormat::Snuffler);
    assert_eq!(
        shown(&list),
        [
            "2 2019-05-23T01:00:04.149 10.9 XB.ELYSE.03.BHU - 1",
            "2 2019-05-23T01:00:04.149 10.9 XB.ELYSE.03.BHV - 1",
            "3 2019-05-23T02:00:00.000 - - - 0",
            "4 2019-05-23T03:00:00.000 - XB.ELYSE.*.BHZ - P",
            "5 2019-05-23T03:00:00.000 2 XB.ELYSE..BHZ - -",
            "7 2019-05-23T02:58:00.000 - - - event",
        ]
    );
}

const QUAKEML: &str = "<q:quakeml xmlns:q='http://quakeml.org/xmlns/quakeml/1.2' xmlns='http://quakeml.org/xmlns/bed/1.2'>\n\
<eventParameters publicID='smi:local/c'>\n<event publicID='smi:local/1'><type>earthquake</type>\n\
<origin publicID='smi:local/o'><time><value>2019-05-23T02:58:00Z</value></time></origin>\n\
<pick publicID='smi:local/p'><time><value>2019-05-23T03:00:00Z</value></time>\
<waveformID networkCode='XB' stationCode='ELYSE' channelCode='BHZ'/><phaseHint>P</phaseHint></pick>\n\
<pick publicID='smi:local/p'><time><value>2019-05-23T03:02:00Z</value></time><waveformID/></pick></event>\n\
<event publicID='smi:local/2'><origin publicID='smi:local/o2'><time><value>2019-05-24</value></time></origin></event>\n\
<event publicID='smi:local/3'/></eventParameters></q:quakeml>\n";

#[test]
fn picks_and_origins_of_quakeml() {
    let list = parse(QUAKEML).unwrap();
    assert_eq!(list.format, ListFormat::QuakeMl);
    assert_eq!(
        shown(&list),
        [
            "5 2019-05-23T03:00:00.000 - XB.ELYSE..BHZ - P",
            "6 2019-05-23T03:02:00.000 - - - earthquake",
            "7 2019-05-24T00:00:00.000 - - - -",
        ]
    );
}

#[test]
fn unknown_formats_name_the_known_ones() {
    assert_eq!(
        fault("a,b\n1,2\n"),
        "`list`: no list of a known format (it begins with `a,b`); give one of: a table with a header of `start,end`, \
         `starttime,endtime`, `onset[,end]` or `time[,duration]`; the glitches.csv of `seismix deglitch`; a glitch list of \
         seisglitch; Snuffler markers; QuakeML"
    );
    for (text, expected) in [
        ("", "(it is empty)"),
        (
            "2019-05-23T03:00:00Z,2019-05-23T03:00:00Z\n",
            "(it begins with `2019-05-23T03:00:00Z,2019-05-23T03:00:00Z`)",
        ),
        ("{\"a\": 1}", "(it begins with `{\"a\": 1}`)"),
        ("# only a comment\n", "(it begins with `# only a comment`)"),
        (
            "<html><body/></html>",
            "(line 1: the root element is `html`; QuakeML has `quakeml`)",
        ),
        ("#a\n", "(it begins with `#a`)"),
    ] {
        let error = fault(text);
        assert!(error.contains(expected), "{error}");
    }
    // The extension says nothing.
    let named = parse_list(b"a,b\n", Path::new("glitches.csv"));
    assert!(matches!(named, Err(ListError::UnknownFormat { .. })));
}

#[test]
fn faults_have_their_lines() {
    let rows = "start,end,duration\n2019-05-22,2019-05-23,\n";
    for (text, expected) in [
        (
            format!("{rows}\n# x\nsoon,,\n"),
            "`list`, line 5: `soon` is not a valid time",
        ),
        (
            format!("{rows}2019-05-22,2019-05-21,\n"),
            "`list`, line 3: the interval ends before it starts",
        ),
        (
            format!("{rows}2019-05-22,,-1\n"),
            "`list`, line 3: the duration is `-1`; it must be a number of seconds",
        ),
        (
            format!("{rows}2019-05-22,,nano\n"),
            "`list`, line 3: the duration is `nano`",
        ),
        (
            format!("{rows}2019-05-22,,1e300\n"),
            "`list`, line 3: the duration is `1e300`",
        ),
        (
            format!("{rows},2019-05-22,\n"),
            "`list`, line 3: the row has no onset; remove it",
        ),
        (
            format!("{rows}2019-05-22\n"),
            "`list`, line 3: 1 fields instead of the header's 3",
        ),
        (
            format!("{rows}{}\n", "x".repeat(70_000)),
            "`list`, line 3: the line exceeds 65536 bytes",
        ),
        (
            SEISGLITCH.replace("2019-05-22T23:47:03", "soon"),
            "`list`, line 5: `soon` is not a valid time",
        ),
        (
            SEISGLITCH.replace("23:47:28", "23:46:28"),
            "`list`, line 5: the glitch ends before it starts",
        ),
        (
            SEISGLITCH.replace("   173M00:26:51", ""),
            "`list`, line 5: 7 columns instead of the header's 8",
        ),
        (
            SNUFFLER.replace("02:00:00.000  0", "26:00:00.000  0"),
            "`list`, line 3: `2019-05-23 26:00:00.000` is not a valid time",
        ),
        (
            SNUFFLER.replace("XB.ELYSE.*.BHZ", "ELYSE"),
            "`list`, line 4: `ELYSE` is not a stream; write NET.STA.LOC.CHA",
        ),
        (
            SNUFFLER.replace("01:00:15.049", "01:00:03.049"),
            "`list`, line 2: the marker ends before it starts",
        ),
        (
            format!("{SNUFFLER}word\n"),
            "`list`, line 8: a marker begins with a date and a time of day",
        ),
        (
            QUAKEML.replace("2019-05-24", "soon"),
            "`list`, line 7: `value`: `soon` is not a valid time",
        ),
    ] {
        let error = fault(&text);
        assert!(error.starts_with(expected), "{error}");
    }
    assert_eq!(
        fault("start\r2019-05-22\r"),
        "`list`, line 1: lines end with carriage returns only; convert the file to newlines"
    );
    let error = parse_list(b"start\n2019-05-22\n\xff\n", Path::new("list")).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("`list`, line 3: the text is not UTF-8"),
        "{error}"
    );
    assert!(matches!(
        read_list(Path::new("/nonexistent/list")),
        Err(ListError::Io { .. })
    ));
}

#[test]
fn the_number_of_entries_is_bounded() {
    let text = format!("onset\n{}", "2019-05-22\n".repeat(1_000_001));
    assert_eq!(
        fault(&text),
        "`list`, line 1000002: more than 1000000 entries"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = parse_list(&bytes, Path::new("list")) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn changed_lists_are_read_or_refused(which in 0..4_usize, at in any::<proptest::sample::Index>(), n in 0_usize..20, new in "[ -~\n\"é]{0,8}") {
        let text = [SEISGLITCH, SNUFFLER, QUAKEML, "id,start,end,kind\nXB.ELYSE,2019-05-22,2019-05-23,\"a\"\n"][which];
        let mut bytes = text.as_bytes().to_vec();
        let at = at.index(bytes.len());
        let end = (at + n).min(bytes.len());
        bytes.splice(at..end, new.bytes());
        match parse_list(&bytes, Path::new("list")) {
            Ok(list) => for interval in &list.intervals {
                prop_assert!(interval.row >= 1 && interval.end_ns.is_none_or(|end| end >= interval.onset_ns));
            },
            Err(error) => prop_assert!(error.to_string().contains("`list`"), "{}", error),
        }
    }
}

fn shared() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if folder.join("lists").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: ../shared/data is absent");
    None
}

#[test]
fn published_lists() {
    let Some(folder) = shared() else { return };
    for (name, n, first) in [
        (
            "lists/mqs_epochs_shared_days.csv",
            104,
            "2 2019-06-05T02:11:00.000 13 - - ONE-SIDED_PULSE_MULTIPLE_COMPONENTS",
        ),
        (
            "lists/pressure_drops_shared_days.csv",
            83,
            "2 2019-06-05T17:35:42.178 - - - -",
        ),
        (
            "lists/swd_glitches_example.csv",
            41,
            "2 2019-05-22T23:47:03.849 21.3 - BHU -",
        ),
        (
            "lists/lmst_pairs.csv",
            20,
            "2 2019-11-16T03:30:49.019 - - - -",
        ),
        (
            "seisglitch-example/glitches.csv",
            153,
            "2 2019-05-22T23:31:39.000 25 - - -",
        ),
        (
            "seisglitch-example/glitches_XB.ELYSE.03.BHX_20190522T2318_20190523T2359_raw.txt",
            99 + 99 + 94,
            "4 2019-05-22T23:31:39.000 25 XB.ELYSE.03.BH V glitch",
        ),
    ] {
        let list = read_list(&folder.join(name)).unwrap();
        assert_eq!(
            (list.intervals.len(), shown(&list)[0].as_str()),
            (n, first),
            "{name}"
        );
    }
}
