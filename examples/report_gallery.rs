//! A report on invented data, to look at: `cargo run --example report_gallery -- report.html picture.png`.
//!
//! Three days of noise on three channels with a daily rhythm, bursts, one-sided pulses and a gap,
//! "clustered" by what was put in.

use std::f64::consts::{PI, TAU};
use std::path::Path;

use seismix::report::{
    ChannelOverview, ChannelRecord, ClusterReport, GalleryWindow, Gap, InputFile, LossTerm,
    Overview, PictureData, Problem, Provenance, ReportData, Role, ScaleReport, ScaleScore, Scores,
    SeparatedChannel, Separation, SnrScore, StationRecord, Strip, Trace, Training, TrainingPanel,
    TrainingSeries, TransientScore, WindowCluster, render_picture, write_report,
};

const RATE: f64 = 2.0;
const DAYS: usize = 3;
const N: usize = DAYS * 172_800;
const START_NS: i64 = 1_559_692_800_000_000_000;
const CHANNELS: [&str; 3] = ["XB.ELYSE.02.BHU", "XB.ELYSE.02.BHV", "XB.ELYSE.02.BHW"];
/// Samples without data: a quarter of an hour on the second day.
const GAP: std::ops::Range<usize> = 238_000..239_800;
/// Window lengths in samples of the page, and in samples of this example's slower clock.
const SCALES: [(u32, usize); 4] = [(1024, 102), (4096, 409), (16_384, 1638), (65_536, 6553)];

/// A small generator of random numbers; examples need no more.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().max(1e-12).ln()).sqrt() * (TAU * self.uniform()).cos()
    }
}

fn time_ns(sample: usize) -> i64 {
    START_NS + (sample as f64 / RATE * 1e9) as i64
}

/// Loudness of the wind over the day.
fn wind(sample: usize) -> f64 {
    let day = sample as f64 / 172_800.0;
    60.0 + 420.0 * (0.5 - 0.5 * (TAU * (day - 0.08)).cos()).powi(3)
}

/// Noise, and the pulses apart from it, for one channel.
fn records(channel: usize, pulses: &[(usize, f64)], bursts: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let mut random = Random(88_172_645_463_325_252 + channel as u64);
    let (mut slow, mut background) = (0.0, vec![0.0; N]);
    for (i, value) in background.iter_mut().enumerate() {
        slow = 0.9 * slow + 0.44 * random.normal();
        *value = wind(i) * slow - 1200.0 + 300.0 * channel as f64;
    }
    for &at in bursts {
        for i in 0..2400 {
            let hann = 0.5 - 0.5 * (TAU * i as f64 / 2400.0).cos();
            background[at + i] += 900.0 * hann * random.normal();
        }
    }
    let gain = [1.0, -0.6, 0.75][channel];
    let mut source = vec![0.0; N];
    for &(at, size) in pulses {
        for i in 0..140 {
            let t = i as f64;
            source[at + i] += gain * size * (t / 8.0) * (1.0 - t / 8.0).exp() * (1.0 - t / 140.0);
        }
    }
    (background, source)
}

/// Which cluster a window belongs to, from what was put in.
fn cluster_of(scale: usize, start: usize, end: usize, pulses: &[usize], bursts: &[usize]) -> u32 {
    let daytime = wind((start + end) / 2);
    let level = match daytime {
        w if w < 90.0 => 0,
        w if w < 240.0 => 1,
        _ => 2,
    };
    let overlap = |at: usize, n: usize| end.min(at + n).saturating_sub(start.max(at));
    let has_pulse = pulses.iter().any(|p| overlap(*p, 30) > 12);
    let has_burst = bursts.iter().any(|b| overlap(*b, 2400) * 3 > end - start);
    match (scale, has_pulse, has_burst) {
        (0, true, _) => 3,
        (0 | 1, _, true) => 5,
        (1, true, _) => 6,
        (2, _, true) => 4,
        (2, ..) => [0, 7, 2][level as usize],
        (3, ..) => [1, 0, 8][level as usize],
        _ => level,
    }
}

fn trace(samples: &[f64], from: usize, max_bins: usize) -> Trace {
    Trace::from_samples(time_ns(from), RATE, samples.iter().copied(), max_bins)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let page = arguments.next().unwrap_or_else(|| "report.html".into());
    let image = arguments.next().unwrap_or_else(|| "picture.png".into());

    let mut random = Random(42);
    let mut pulses: Vec<(usize, f64)> = (0..150)
        .map(|_| {
            let at = (random.uniform() * (N - 200) as f64) as usize;
            (at, 700.0 * (1.6 * random.normal()).exp().clamp(0.5, 12.0))
        })
        .filter(|(at, _)| !(GAP.start - 200..GAP.end).contains(at))
        .collect();
    pulses.sort_by_key(|p| p.0);
    let places: Vec<usize> = pulses.iter().map(|p| p.0).collect();
    let bursts = [62_000, 150_500, 233_000, 300_000, 421_000];
    let recorded: Vec<(Vec<f64>, Vec<f64>)> =
        (0..3).map(|c| records(c, &pulses, &bursts)).collect();
    let mixture: Vec<Vec<f64>> = recorded
        .iter()
        .map(|(b, s)| b.iter().zip(s).map(|(b, s)| b + s).collect())
        .collect();

    let mut scales = Vec::new();
    let mut strips = Vec::new();
    for (number, (window_samples, length)) in SCALES.into_iter().enumerate() {
        let mut windows = Vec::new();
        let mut end = 6553;
        while end <= N {
            let start = end - length;
            if end <= GAP.start || end - 6553 >= GAP.end {
                windows.push(WindowCluster {
                    start_ns: time_ns(start),
                    end_ns: time_ns(end),
                    cluster: cluster_of(number, start, end, &places, &bursts),
                    probability: 1.0 - 0.5 * random.uniform().powi(4),
                });
            }
            end += 102;
        }
        scales.push(scale_report(
            number,
            window_samples,
            length,
            &windows,
            &mixture[0],
        ));
        strips.push(Strip {
            window_samples,
            windows,
        });
    }

    let channels: Vec<ChannelRecord> = CHANNELS
        .iter()
        .zip(&mixture)
        .map(|(id, samples)| ChannelRecord {
            id: (*id).into(),
            pieces: vec![
                trace(&samples[..GAP.start], 0, 24_000),
                trace(&samples[GAP.end..], GAP.end, 28_000),
            ],
        })
        .collect();
    let separations: Vec<Separation> = pulses
        .iter()
        .filter(|(at, size)| *size > 1500.0 && *at > 400 && *at + 500 < N)
        .take(50)
        .map(|(at, size)| separation(*at, *size, &recorded, &mut random))
        .collect();
    let first = separations.first().cloned().unwrap_or_default();

    let data = ReportData {
        title: "Invented record, 2019-06-05 to 2019-06-07".into(),
        remarks: vec!["The data are invented: this page shows what a report looks like.".into()],
        transient_measure:
            "kurtosis of the largest sample over the window's median absolute deviation, above 1".into(),
        overview: overview(),
        scores: Some(scores()),
        stations: vec![StationRecord {
            station: "XB.ELYSE".into(),
            channels: channels.clone(),
            strips: strips.clone(),
        }],
        scales,
        training: Some(training(&mut random)),
        separations,
        provenance: Provenance {
            version: env!("CARGO_PKG_VERSION").into(),
            command: "seismix run archive -o RUN --seed 7".into(),
            seed: 7,
            configuration: "[scattering]\noctaves = 8\nwavelet = \"battle-lemarie\"\n\n[train]\nclusters = 9\nepochs = 60\n".into(),
            inputs: (156..159)
                .map(|day| InputFile {
                    path: format!("archive/2019/XB/ELYSE/BHU.D/XB.ELYSE.02.BHU.D.2019.{day}"),
                    bytes: 5_242_880,
                    sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
                })
                .collect(),
            facts: vec![("wall time".into(), "4 min 12 s".into())],
        },
        ..ReportData::default()
    };
    write_report(Path::new(&page), &data)?;

    let zoom = first.channels.into_iter().next().unwrap_or_default();
    render_picture(
        Path::new(&image),
        &PictureData {
            title: "seismix: one record, clusters at four time scales, and a pulse taken out of it"
                .into(),
            start_ns: first.start_ns - 3 * 3_600_000_000_000,
            end_ns: first.start_ns + 5 * 3_600_000_000_000,
            channel: channels.into_iter().next().unwrap_or_default(),
            strips,
            separated: zoom,
            target_start_ns: first.start_ns,
            target_end_ns: first.end_ns,
            ..PictureData::default()
        },
    )?;
    Ok(())
}

fn scale_report(
    number: usize,
    window_samples: u32,
    length: usize,
    windows: &[WindowCluster],
    samples: &[f64],
) -> ScaleReport {
    let of = |cluster: u32| windows.iter().filter(move |w| w.cluster == cluster);
    let clusters = (0..9)
        .map(|cluster| {
            let n = of(cluster).count();
            let mut hours = vec![0; 24];
            for window in of(cluster) {
                hours[((window.end_ns - START_NS) / 3_600_000_000_000 % 24) as usize] += 1;
            }
            let mut best: Vec<&WindowCluster> = of(cluster).collect();
            best.sort_by(|a, b| b.probability.total_cmp(&a.probability));
            let gallery = best.iter().take(14).map(|w| {
                let from = ((w.start_ns - START_NS) as f64 * RATE / 1e9) as usize;
                // Short windows come with what is around them, so that moving them leaves no blanks.
                let context = if number == 0 { length / 2 } else { 0 };
                let (from, to) = (from.saturating_sub(context), from + length + context);
                GalleryWindow {
                    probability: w.probability,
                    trace: trace(&samples[from..to.min(N)], from, 500),
                }
            });
            let is_transient = (number, cluster) == (0, 3) || (number, cluster) == (1, 6);
            ClusterReport {
                cluster,
                n_windows: n as u64,
                mean_probability: of(cluster).map(|w| w.probability).sum::<f64>() / n as f64,
                transient_score: (n > 0).then_some(if is_transient { 3.71 } else { 0.21 }),
                is_transient,
                role: match (number, cluster) {
                    (0, 3) => Some(Role::Target),
                    (0, 0 | 1) => Some(Role::Background),
                    _ => None,
                },
                hours,
                gallery: gallery.collect(),
                ..ClusterReport::default()
            }
        })
        .collect();
    ScaleReport {
        window_samples,
        window_s: f64::from(window_samples) / 20.0,
        stride_s: 51.2,
        gallery_channel: CHANNELS[0].into(),
        clusters,
        ..ScaleReport::default()
    }
}

fn separation(
    at: usize,
    size: f64,
    recorded: &[(Vec<f64>, Vec<f64>)],
    random: &mut Random,
) -> Separation {
    let range = at - 200..at + 400;
    let channels = CHANNELS
        .iter()
        .zip(recorded)
        .map(|(id, (background, source))| {
            let mut error = 0.0;
            let mut found = Vec::new();
            for i in range.clone() {
                error = 0.95 * error + 0.02 * size * random.normal();
                let taper = if (at - 20..at + 160).contains(&i) {
                    1.0
                } else {
                    0.0
                };
                found.push((source[i] + 0.3 * error) * taper);
            }
            let left: Vec<f64> = range
                .clone()
                .zip(&found)
                .map(|(i, s)| background[i] + source[i] - s)
                .collect();
            let mixture: Vec<f64> = range.clone().map(|i| background[i] + source[i]).collect();
            SeparatedChannel {
                id: (*id).into(),
                mixture: trace(&mixture, range.start, 600),
                background: trace(&left, range.start, 600),
                source: trace(&found, range.start, 600),
                source_deviation: Some(trace(&vec![0.02 * size; 600], range.start, 600)),
                true_source: Some(trace(&source[range.clone()], range.start, 600)),
            }
        })
        .collect();
    let before = -20.0 * (size / 900.0).log10();
    Separation {
        station: "XB.ELYSE".into(),
        target: "1024:3".into(),
        start_ns: time_ns(at - 20),
        end_ns: time_ns(at + 160),
        probability: 0.98,
        stop: "loss reached its expected value".into(),
        iterations: 84,
        n_snippets: 40,
        loss: [
            ("background", 41.2, 0.94, 1.02),
            ("mixture", 0.0, 0.41, 0.39),
            ("independence", 8.8, 0.31, 0.36),
            ("total", 50.0, 1.66, 1.77),
        ]
        .map(|(name, start, end, expected)| LossTerm {
            name: name.into(),
            start,
            end,
            expected: Some(expected),
        })
        .into(),
        windows: Vec::new(),
        snr_before_db: Some(before),
        snr_after_db: Some(before + 13.0 + 4.0 * random.normal()),
        snr_expected_db: None,
        channels,
    }
}

fn overview() -> Overview {
    Overview {
        channels: CHANNELS
            .iter()
            .map(|id| ChannelOverview {
                id: (*id).into(),
                sampling_rate: RATE,
                start_ns: START_NS,
                end_ns: time_ns(N),
                n_samples: (N - GAP.len()) as u64,
            })
            .collect(),
        gaps: CHANNELS
            .iter()
            .map(|id| Gap {
                id: (*id).into(),
                start_ns: time_ns(GAP.start),
                end_ns: time_ns(GAP.end),
            })
            .collect(),
        problems: vec![Problem {
            input: "archive/notes.txt".into(),
            message: "is not miniSEED: it starts with <html>, neither a sequence number nor `MS`"
                .into(),
        }],
    }
}

fn scores() -> Scores {
    Scores {
        scales: [
            (1024, 0.82, 0.78, 0.44),
            (4096, 0.71, 0.66, 0.52),
            (16_384, 0.93, 0.9, 0.95),
            (65_536, 0.97, 0.94, 0.88),
        ]
        .map(|(window_samples, ari, nmi, kmeans)| ScaleScore {
            window_samples,
            ari,
            nmi,
            kmeans_ari: kmeans,
            kmeans_nmi: kmeans - 0.03,
        })
        .into(),
        transient: Some(TransientScore {
            window_samples: 1024,
            clusters: vec![3],
            precision: 0.93,
            recall: 0.87,
            f1: 0.9,
        }),
        snr: vec![
            SnrScore {
                label: "all targets".into(),
                n_windows: 50,
                before_median_db: -8.1,
                before_p10_db: -17.3,
                after_median_db: 6.2,
                after_p10_db: 1.1,
            },
            SnrScore {
                label: "pulses of 10 times the background and more".into(),
                n_windows: 21,
                before_median_db: -12.9,
                before_p10_db: -19.0,
                after_median_db: 4.4,
                after_p10_db: 0.8,
            },
        ],
    }
}

fn training(random: &mut Random) -> Training {
    let epochs: Vec<u32> = (1..=60).collect();
    let mut curve = |from: f64, to: f64, label: &str| {
        let mut values = |above: f64| {
            epochs
                .iter()
                .map(|e| {
                    let fall = (-f64::from(*e) / 9.0).exp();
                    to + above + (from - to) * fall + 0.01 * (from - to) * random.normal()
                })
                .collect::<Vec<f64>>()
        };
        TrainingSeries {
            label: label.into(),
            train: values(0.0),
            validation: values(0.06 * (from - to).abs()),
        }
    };
    let scales = ["1024", "4096", "16384", "65536"];
    let panels = vec![
        TrainingPanel {
            title: "Loss".into(),
            series: vec![curve(48.0, 20.6, "all scales")],
        },
        TrainingPanel {
            title: "Reconstruction".into(),
            series: scales
                .map(|s| curve(9.0 + s.len() as f64, 3.0 + 0.5 * s.len() as f64, s))
                .into(),
        },
        TrainingPanel {
            title: "KL divergence of the latent".into(),
            series: scales
                .map(|s| curve(0.3, 2.0 + 0.3 * s.len() as f64, s))
                .into(),
        },
        TrainingPanel {
            title: "KL divergence of the cluster".into(),
            series: scales
                .map(|s| curve(0.1, 0.4 + 0.2 * (s.len() as f64 * PI).sin(), s))
                .into(),
        },
        TrainingPanel {
            title: "Effective number of clusters".into(),
            series: scales
                .map(|s| curve(8.8, 4.0 + 0.3 * s.len() as f64, s))
                .into(),
        },
    ];
    Training {
        epochs,
        kept_epoch: Some(57),
        panels,
        remark: "Training ended after the 60 epochs asked for.".into(),
    }
}
