#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

const S: i64 = 1_000_000_000;
const START: i64 = 1_559_692_800 * S;

fn trace(n: usize) -> Trace {
    let samples: Vec<f64> = (0..n).map(|i| (i as f64 * 0.3).sin() * 100.0).collect();
    Trace::from_samples(START, 20.0, samples.into_iter(), 200)
}

/// A small report with something in every field; two scales of three clusters, the last of them dead.
fn sample() -> ReportData {
    let strip = |window_samples| Strip {
        window_samples,
        windows: (0..20)
            .map(|i| WindowCluster {
                start_ns: START + i * 50 * S,
                end_ns: START + (i + 1) * 50 * S,
                cluster: (i % 2) as u32,
                probability: 0.9,
            })
            .collect(),
    };
    let scale = |window_samples| ScaleReport {
        window_samples,
        window_s: f64::from(window_samples) / 20.0,
        stride_s: 51.2,
        gallery_channel: "XB.ELYSE.02.BHU".into(),
        clusters: (0..3)
            .map(|cluster| ClusterReport {
                cluster,
                n_windows: if cluster == 2 { 0 } else { 10 },
                mean_probability: 0.9,
                transient_score: Some(1.5),
                is_transient: cluster == 1,
                role: (cluster == 1).then_some(Role::Target),
                hours: vec![1; 24],
                gallery: vec![
                    GalleryWindow {
                        probability: 0.99,
                        trace: trace(100),
                        ..GalleryWindow::default()
                    };
                    if cluster == 2 { 0 } else { 3 }
                ],
                fingerprint: vec![FingerprintPanel {
                    title: "Power, dB".into(),
                    along: "octave j".into(),
                    first: 0,
                    data: vec![1.0, 2.0, f64::NAN],
                    data_spread: vec![0.1, 0.2, 0.3],
                    model: vec![1.1, 2.1, 3.0],
                    model_spread: vec![0.1, 0.1, 0.1],
                }],
                is_aligned: cluster == 1,
                repeats: Some([0.99, 0.42]),
            })
            .collect(),
        decoding: vec![DecodingRow {
            kind: "ln ps".into(),
            decoder: 0.5,
            cluster: 0.9,
            constant: 1.5,
            held_out: true,
        }],
    };
    ReportData {
        title: "Two scales".into(),
        overview: InputOverview {
            channels: vec![ChannelOverview {
                id: "XB.ELYSE.02.BHU".into(),
                sampling_rate: 20.0,
                start_ns: START,
                end_ns: START + 1000 * S,
                n_samples: 20_000,
            }],
            gaps: vec![RecordGap {
                id: "XB.ELYSE.02.BHU".into(),
                start_ns: START + 500 * S,
                end_ns: START + 510 * S,
            }],
            problems: vec![InputProblem {
                input: "a.mseed".into(),
                message: "is empty".into(),
            }],
        },
        scores: Some(Scores {
            scales: vec![ScaleScore {
                window_samples: 1024,
                ari: 0.9,
                ..ScaleScore::default()
            }],
            transient: Some(TransientScore::default()),
            snr: vec![SnrScore::default()],
        }),
        stations: vec![StationRecord {
            station: "XB.ELYSE".into(),
            channels: vec![ChannelRecord {
                id: "XB.ELYSE.02.BHU".into(),
                pieces: vec![trace(10_000)],
            }],
            strips: vec![strip(1024), strip(4096)],
        }],
        scales: vec![scale(1024), scale(4096)],
        training: Some(TrainingCurves {
            epochs: vec![1, 2, 3],
            kept_epoch: Some(3),
            panels: vec![TrainingPanel {
                title: "Loss".into(),
                series: vec![TrainingSeries {
                    label: "1024".into(),
                    train: vec![3.0, 2.0, 1.0],
                    validation: vec![3.1, f64::NAN, 1.2],
                }],
            }],
            remark: String::new(),
        }),
        stability: Some(StabilityReport {
            n_clusters: 3,
            scales: vec![1024, 4096],
            repeats: vec![ScaleRepeats {
                seeds: [0.97, 0.91],
                blocks: [0.83, 0.71],
                n_fits: [4, 4],
                clusters: vec![
                    ClusterRepeats {
                        cluster: 0,
                        n_windows: 12,
                        seeds: [0.98, 0.95],
                        blocks: [0.44, 0.21],
                    },
                    ClusterRepeats {
                        cluster: 1,
                        ..ClusterRepeats::default()
                    },
                ],
            }],
            candidates: vec![CandidateRepeats {
                n_clusters: 3,
                blocks: vec![[0.83, 0.71], [0.33, 0.12]],
            }],
            recommended: vec![Some(3), None],
        }),
        separations: vec![SeparatedRegion {
            station: "XB.ELYSE".into(),
            target: "1024:1".into(),
            start_ns: START + 2 * S,
            end_ns: START + 4 * S,
            probability: 0.9,
            method: "scattering".into(),
            estimate: "one plausible realisation".into(),
            outcome: "separated".into(),
            iterations: Some(12),
            n_snippets: Some(30),
            n_sources: None,
            windows: vec![WindowEnd {
                channel: "BHU".into(),
                start_ns: 0,
                is_separated: true,
                why: "expected <loss> reached".into(),
                expected_snr_db: Some(4.0),
                terms: Some([[1.0, 2.0, 3.0], [1.5, 2.5, 3.5]]),
            }],
            snr_before_db: Some(-10.0),
            snr_after_db: Some(5.0),
            channels: vec![SeparatedChannel {
                id: "XB.ELYSE.02.BHU".into(),
                mixture: trace(150),
                background: trace(150),
                source: trace(150),
                deviation: Some(trace(150)),
                true_source: Some(trace(150)),
            }],
        }],
        provenance: ReportProvenance {
            version: "0.1.0".into(),
            command: "seismix run".into(),
            seed: 7,
            configuration: "octaves = 8".into(),
            inputs: vec![ReportedFile {
                path: "a.mseed".into(),
                bytes: 512,
                sha256: "00ff".into(),
            }],
            facts: vec![("wall time".into(), "1 s".into())],
        },
        ..ReportData::default()
    }
}

/// Everything that can be odd, odd.
fn nonsense() -> ReportData {
    let mut data = sample();
    let bad = || Trace {
        start_ns: i64::MAX - 1,
        step_s: f64::NAN,
        low: vec![f32::NAN, f32::INFINITY, f32::MIN, f32::MAX],
        high: vec![1.0],
    };
    let flat = || Trace {
        start_ns: i64::MIN,
        step_s: 1e9,
        low: vec![7.0; 50],
        high: vec![],
    };
    data.overview.channels.push(ChannelOverview {
        sampling_rate: 0.0,
        start_ns: i64::MAX,
        end_ns: i64::MIN,
        n_samples: u64::MAX,
        ..ChannelOverview::default()
    });
    data.stations[0].channels[0].pieces = vec![bad(), flat(), Trace::default(), trace(100)];
    data.stations[0].strips[0].windows.push(WindowCluster {
        start_ns: i64::MIN,
        end_ns: i64::MAX,
        cluster: u32::MAX,
        probability: f64::NAN,
    });
    data.stations.push(StationRecord::default());
    let cluster = &mut data.scales[0].clusters[0];
    cluster.mean_probability = f64::NAN;
    cluster.transient_score = Some(f64::INFINITY);
    cluster.hours = vec![u64::MAX; 40];
    for odd in [bad(), flat(), Trace::default()] {
        cluster.gallery.push(GalleryWindow {
            probability: f64::NAN,
            trace: odd,
            shift_s: f64::NAN,
            ..GalleryWindow::default()
        });
    }
    data.scales[1].window_s = f64::INFINITY;
    data.scales[1].clusters.clear();
    let training = data.training.as_mut().unwrap();
    training.epochs = vec![u32::MAX, 0];
    training.kept_epoch = Some(u32::MAX);
    training.panels[0].series[0].train = vec![f64::NAN, f64::INFINITY, -1e300];
    data.separations[0].channels[0].background = bad();
    data.separations[0].channels[0].source = flat();
    data.separations[0].snr_after_db = Some(f64::NEG_INFINITY);
    data.separations.push(SeparatedRegion {
        start_ns: i64::MAX,
        end_ns: i64::MIN,
        channels: vec![
            SeparatedChannel {
                mixture: bad(),
                ..SeparatedChannel::default()
            },
            SeparatedChannel {
                mixture: flat(),
                ..SeparatedChannel::default()
            },
        ],
        ..SeparatedRegion::default()
    });
    data
}

/// Checks that tags are balanced and attributes quoted; what is inside `style` and `script` is passed over.
fn assert_well_formed(html: &str) {
    let mut open: Vec<String> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if rest.starts_with("!DOCTYPE") {
            continue;
        }
        let end = rest.find('>').expect("a tag ends");
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes of <{tag}>");
        assert!(!tag.contains('<'), "a tag inside <{tag}>");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "</{name}>");
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap().to_owned();
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric()), "<{tag}>");
        if ["input", "meta"].contains(&name.as_str()) || tag.ends_with('/') {
            continue;
        }
        if name == "script" || name == "style" {
            let close = format!("</{name}>");
            rest = &rest[rest.find(&close).expect("closed") + close.len()..];
            continue;
        }
        open.push(name);
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn clusters_that_dissolve_stand_out_one_by_one() {
    let page = render_html(&sample());
    let section = page.split("id=\"stability\"").nth(1).unwrap();
    let section = section.split("</section>").next().unwrap();
    let cell = "title=\"minimum 0.95, 0.21; 12 windows\">0.98, <b>0.44</b></td>";
    assert!(section.contains(cell), "{section}");
    // An empty one has no index.
    assert!(
        section.contains("<tr><th>1</th><td class=\"n\">–</td></tr>"),
        "{section}"
    );
}

#[test]
fn the_page_is_well_formed_whatever_it_shows() {
    for data in [ReportData::default(), sample(), nonsense()] {
        let html = render_html(&data);
        assert_well_formed(&html);
        // Tags aside, numbers that are none must not reach the page or the drawings.
        let text = html.split("</style>").nth(1).unwrap();
        let text = text.split("<script>").next().unwrap();
        assert!(!text.contains("NaN") && !text.contains("inf\"") && !text.contains(">inf"));
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let html = render_html(&sample());
    for reference in ["http:", "https:", "src=", "@import", "url(", "<link"] {
        assert!(!html.contains(reference), "{reference}");
    }
}

#[test]
fn all_clusters_separations_and_facts_are_there() {
    let html = render_html(&sample());
    for name in ["1024:0", "1024:1", "1024:2", "4096:0", "4096:1", "4096:2"] {
        assert!(html.contains(&format!(">{name}</button>")), "{name}");
    }
    assert_eq!(
        html.matches("empty: most probable cluster of no window")
            .count(),
        2
    );
    assert_eq!(html.matches("<article").count(), 4);
    assert_eq!(html.matches("<svg class=\"gallery\"").count(), 4);
    assert_eq!(html.matches("<svg class=\"hours\"").count(), 4);
    assert!(html.contains("id=\"separation-1\""));
    for words in [
        "Transient clusters: <b>1024:1 and 4096:1</b>",
        "a.mseed",
        "is empty",
        "octaves = 8",
        "00ff",
        "expected &lt;loss&gt; reached",
        "<dt>SNR before</dt><dd>−10.0\u{202f}dB</dd>",
        "<dt>SNR after</dt><dd>+5.0\u{202f}dB</dd>",
        "<b>16.7\u{202f}min</b> of record on <b>1 channel</b>, 2019-06-05 00:00:00 to 00:16:40 UTC",
    ] {
        assert!(html.contains(words), "{words}");
    }
}

#[test]
fn text_from_outside_cannot_break_out() {
    let evil = "</script></style><img onerror=\"x\" '&>";
    let mut data = sample();
    data.title = evil.into();
    data.remarks = vec![evil.into()];
    data.amplitude_unit = evil.into();
    data.transient_measure = evil.into();
    data.overview.channels[0].id = evil.into();
    data.overview.gaps[0].id = evil.into();
    data.overview.problems[0] = InputProblem {
        input: evil.into(),
        message: evil.into(),
    };
    data.scores.as_mut().unwrap().snr[0].label = evil.into();
    data.stations[0].station = evil.into();
    data.stations[0].channels[0].id = evil.into();
    data.scales[0].gallery_channel = evil.into();
    let training = data.training.as_mut().unwrap();
    training.remark = evil.into();
    training.panels[0].title = evil.into();
    training.panels[0].series[0].label = evil.into();
    let separation = &mut data.separations[0];
    separation.target = evil.into();
    separation.outcome = evil.into();
    separation.method = evil.into();
    separation.estimate = evil.into();
    separation.windows[0].why = evil.into();
    separation.channels[0].id = evil.into();
    data.provenance = ReportProvenance {
        version: evil.into(),
        command: evil.into(),
        seed: 1,
        configuration: evil.into(),
        inputs: vec![ReportedFile {
            path: evil.into(),
            bytes: 1,
            sha256: evil.into(),
        }],
        facts: vec![(evil.into(), evil.into())],
    };
    let html = render_html(&data);
    assert_well_formed(&html);
    assert!(!html.contains("<img"));
    // One style sheet and two scripts, all ours.
    assert_eq!(html.matches("</style>").count(), 1);
    assert_eq!(html.matches("</script>").count(), 2);
}

#[test]
fn the_same_data_give_the_same_bytes_also_through_json() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let data = sample();
    data.save(&path).unwrap();
    let loaded = ReportData::load(&path).unwrap();
    assert!(render_html(&data) == render_html(&loaded));
    // NaN is not equal to itself, so the odd one is compared by its page.
    nonsense().save(&path).unwrap();
    // JSON has no infinities: they are read back as NaN.
    let once = ReportData::load(&path).unwrap();
    once.save(&path).unwrap();
    let twice = ReportData::load(&path).unwrap();
    assert!(render_html(&once) == render_html(&twice));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_report_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    write_report(&path, &sample()).unwrap();
    write_report(&path, &ReportData::default()).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap() == render_html(&ReportData::default()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // A file where a folder is needed.
    let error = write_report(&path.join("inside.html"), &sample()).unwrap_err();
    assert!(error.to_string().contains("report.html"), "{error}");
    std::fs::write(&path, "{\"stations\": 3}").unwrap();
    let error = ReportData::load(&path).unwrap_err();
    assert!(error.help().unwrap().contains("seismix run"), "{error}");
    std::fs::write(&path, "{\"future\": 1}").unwrap();
    assert_eq!(ReportData::load(&path).unwrap(), ReportData::default());
}

/// Text of the page's section with this id, without the rest of the page.
fn section(page: &str, id: &str) -> String {
    let section = page.split(&format!("<section id=\"{id}\"")).nth(1).unwrap();
    section.split("</section>").next().unwrap().to_owned()
}

#[test]
fn quantities_that_a_method_does_not_have_are_not_shown() {
    let mut data = sample();
    let region = &mut data.separations[0];
    (region.iterations, region.n_snippets) = (Some(0), None);
    region.n_sources = Some(2);
    region.windows[0].terms = None;
    let separations = section(&render_html(&data), "separations");
    for absent in ["iterations", "background snippets", ">L1<"] {
        assert!(!separations.contains(absent), "{absent}");
    }
    assert!(separations.contains("<dt>sources found</dt><dd>2</dd>"));
    // An unchanged window has no separated background whose ratio could be expected.
    data.separations[0].windows[0].is_separated = false;
    let separations = section(&render_html(&data), "separations");
    assert!(!separations.contains("<dt>expected SNR</dt>"));
}

#[test]
fn windows_that_were_not_separated_are_counted_with_their_reason() {
    let mut data = sample();
    data.separation_counts = Some(SeparationCounts {
        target: "1024:5".into(),
        separated: [46, 56],
        unchanged: vec![("already like the background".into(), [3, 4])],
        not_processed: [1, 2],
        max_targets: Some(50),
    });
    let page = render_html(&data);
    for id in ["summary", "separations"] {
        let text = section(&page, id);
        for words in [
            "46 regions (56 windows)",
            "3 regions (4 windows) unchanged: already like the background",
            "1 region (2 windows) not processed",
            "At most 50 regions are processed",
        ] {
            assert!(text.contains(words), "{id}: {words}");
        }
    }
    // Without a rest the limit did not matter.
    data.separation_counts.as_mut().unwrap().not_processed = [0, 0];
    assert!(!render_html(&data).contains("At most 50"));
}

#[test]
fn uncertainty_bands_are_drawn_for_background_and_source_alone() {
    let page = section(&render_html(&sample()), "separations");
    for class in ["background", "source"] {
        assert_eq!(
            page.matches(&format!("class=\"deviation {class} boxes\""))
                .count(),
            1
        );
    }
    assert!(!page.contains("deviation mixture"));
    let mut data = sample();
    data.separations[0].channels[0].deviation = None;
    assert!(!section(&render_html(&data), "separations").contains("class=\"deviation"));
}

#[test]
fn results_of_the_run_survive_when_the_report_is_gathered_again() {
    let mut earlier = sample();
    earlier.separations[0].snr_before_db = Some(-3.0);
    let mut data = sample();
    data.scores = None;
    data.separations[0].snr_before_db = None;
    data.overview.problems.clear();
    assert!(!data.has_current_format());
    data.keep_results_of(&earlier);
    assert_eq!(data.scores, earlier.scores);
    assert_eq!(data.separations[0].snr_before_db, Some(-3.0));
    assert_eq!(data.overview.problems, earlier.overview.problems);
}

#[test]
fn single_stages_are_reported_and_the_page_lists_what_is_missing() {
    use seismix_data::store::{ClusterRow, ClusterTable, write_clusters};
    let folder = tempfile::tempdir().unwrap();
    assert!(ReportSources::in_folder(folder.path()).is_empty());
    let row = |i: i64| ClusterRow {
        start_ns: START + i * 100 * S,
        end_ns: START + i * 100 * S + 100 * S - S / 10,
        scale: 1000,
        cluster: (i % 2) as usize,
        probability: 0.75,
        id: Some("XB.ELYSE.02.BH".into()),
    };
    let probabilities =
        ndarray::Array2::from_shape_fn((6, 2), |(i, k)| if i % 2 == k { 0.75 } else { 0.25 });
    let table = ClusterTable {
        rows: (0..6).map(row).collect(),
        probabilities,
    };
    write_clusters(&folder.path().join("clusters.csv"), &table).unwrap();
    let sources = ReportSources::in_folder(folder.path());
    assert!(!sources.is_empty());
    let data = gather(&sources, &crate::stage::NoProgress).unwrap();
    // 1000 samples of 0.1 s, found from the windows since there is no record.
    assert!((data.scales[0].window_s - 100.0).abs() < 1e-6);
    assert_eq!(data.scales[0].clusters[1].n_windows, 3);
    assert_eq!(data.stations[0].strips[0].windows.len(), 6);
    let page = render_html(&data);
    assert_well_formed(&page);
    for words in [
        "No records were given",
        "No model file",
        "No separation",
        "XB.ELYSE.02.BH",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("No cluster table"));
}
