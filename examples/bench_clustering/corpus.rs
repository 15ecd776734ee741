//! Coefficients of the sets, kept on disk by set and seed, and the known state of each window.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, Array4, ArrayD, Axis};
use seismix::config::{RunControl, SelectionConfig, TransformConfig};
use seismix::data::TimeSpan;
use seismix::data::synthetic::{Archive, SyntheticConfig, Truth};
use seismix::scattering::{Padding, ScatteringTransform};
use seismix::stage::{NoProgress, StageContext};
use seismix::train::feature_dataset::FeatureDataset;
use seismix::vae::features::{
    BlockSegment, CoefficientKind, CoefficientRow, CoefficientTable, EnergySegment, WindowLayout,
};

use super::Outcome;
use super::records::{GRID, N_RECORDS, RECORD_SAMPLES, Record, SETS};

/// Octaves of the transform of nested sets.
const OCTAVES: usize = 7;
/// Samples of their smallest block.
const BLOCK: usize = 64;
/// Bands of the plain spectrogram.
const BANDS: usize = 16;
/// A window has a state if at least so much of it is in one.
const LEAST_FRACTION: f64 = 0.75;

/// Energies and what is known.
pub struct Set {
    /// Rows of the energies.
    pub table: CoefficientTable,
    /// Windows.
    pub layout: WindowLayout,
    /// One a record.
    pub segments: Vec<EnergySegment>,
    /// For each scale, ascending: the state of each window, where it has one.
    pub states: Vec<Vec<Option<usize>>>,
    /// Whether the finest states are pulse or none, to be found by a union of clusters.
    pub pulses: bool,
}

/// All coefficients, in blocks of the finest window, for the published features.
pub struct FullSet {
    /// Rows of the coefficients.
    pub table: CoefficientTable,
    /// The same windows in larger blocks.
    pub layout: WindowLayout,
    /// One a record.
    pub segments: Vec<BlockSegment>,
}

impl Set {
    /// The set `name` with this seed, from the cache if it is there.
    pub fn load(name: &str, seed: u64, cache: &Path) -> Outcome<Self> {
        if name == "demo" {
            return demo(seed, &cache.join(format!("demo-{seed}")));
        }
        let folder = nested_folder(name, seed, cache)?;
        let table = CoefficientTable::scat_cov(OCTAVES as u32);
        Ok(Self {
            table,
            layout: nested_layout(BLOCK),
            segments: read_energies(&folder, "energies")?,
            states: read_states(&folder)?,
            pulses: false,
        })
    }

    /// The same windows seen through band powers of a plain spectrogram (Hann windows of a block).
    pub fn spectrogram(name: &str, seed: u64, cache: &Path) -> Outcome<Self> {
        let folder = nested_folder(name, seed, cache)?;
        let rows = (0..BANDS as i32).map(|j| CoefficientRow {
            kind: CoefficientKind::PowerSpectrum,
            j1_left: j,
            j1_right: j,
            j2: -1,
            real: true,
        });
        Ok(Self {
            table: CoefficientTable {
                rows: rows.collect(),
            },
            layout: nested_layout(BLOCK),
            segments: read_energies(&folder, "spectrogram")?,
            states: read_states(&folder)?,
            pulses: false,
        })
    }
}

impl FullSet {
    /// All coefficients of the set.
    pub fn load(name: &str, seed: u64, cache: &Path) -> Outcome<Self> {
        let folder = nested_folder(name, seed, cache)?;
        let segments = (0..N_RECORDS).map(|number| -> Outcome<BlockSegment> {
            let path = folder.join(format!("full-{number}.npy"));
            let coefficients: Array4<f32> = ndarray_npy::read_npy(path)?;
            Ok(BlockSegment { coefficients })
        });
        Ok(Self {
            table: CoefficientTable::scat_cov(OCTAVES as u32),
            layout: nested_layout(GRID),
            segments: segments.collect::<Outcome<_>>()?,
        })
    }
}

fn nested_layout(block_samples: usize) -> WindowLayout {
    WindowLayout {
        block_samples,
        scales: vec![256, 1024, 4096],
        stride_samples: 256,
    }
}

/// Where the coefficients of a nested set lie; makes them if they do not.
fn nested_folder(name: &str, seed: u64, cache: &Path) -> Outcome<PathBuf> {
    let config = SETS
        .iter()
        .find(|set| set.name == name)
        .ok_or_else(|| format!("no set `{name}`"))?;
    let folder = cache.join(format!("{name}-{seed}"));
    if folder.join("done").exists() {
        return Ok(folder);
    }
    std::fs::create_dir_all(&folder)?;
    let plan = ScatteringTransform::<f64>::plan(RECORD_SAMPLES)
        .octaves(OCTAVES)
        .padding(Padding::Periodic)
        .pool(BLOCK)
        .check()?;
    let table = CoefficientTable::scat_cov(OCTAVES as u32);
    if plan.paths().len() != table.len() {
        return Err("the transform has other coefficients than the table".into());
    }
    let mut scratch = plan.make_forward_scratch();
    let mut output = plan.make_output();
    for number in 0..N_RECORDS {
        let record = Record::generate(config, seed, number);
        let n_blocks = plan.n_blocks();
        let mut coefficients = Array4::<f32>::zeros((n_blocks, 3, table.len(), 2));
        let mut spectrogram = Array3::<f32>::zeros((n_blocks, 3, BANDS));
        for (channel, samples) in record.channels.iter().enumerate() {
            plan.process(samples, &mut output, &mut scratch)?;
            for (row, values) in output.chunks(n_blocks).enumerate() {
                for (block, value) in values.iter().enumerate() {
                    coefficients[[block, channel, row, 0]] = value.re as f32;
                    coefficients[[block, channel, row, 1]] = value.im as f32;
                }
            }
            for (block, samples) in samples.chunks(BLOCK).enumerate() {
                for (band, power) in band_powers(samples).into_iter().enumerate() {
                    spectrogram[[block, channel, band]] = power as f32;
                }
            }
        }
        let segment = BlockSegment { coefficients };
        let energies = segment.energies(&table, number)?.energies;
        let per_grid = GRID / BLOCK;
        let mut full = Array4::<f32>::zeros((n_blocks / per_grid, 3, table.len(), 2));
        for (block, values) in segment.coefficients.outer_iter().enumerate() {
            let mut sum = full.index_axis_mut(Axis(0), block / per_grid);
            sum.scaled_add(1.0 / per_grid as f32, &values);
        }
        let states = Array2::from_shape_fn((3, RECORD_SAMPLES / GRID), |(scale, unit)| {
            record.states[scale][unit] as u8
        });
        ndarray_npy::write_npy(folder.join(format!("energies-{number}.npy")), &energies)?;
        ndarray_npy::write_npy(
            folder.join(format!("spectrogram-{number}.npy")),
            &spectrogram,
        )?;
        ndarray_npy::write_npy(folder.join(format!("full-{number}.npy")), &full)?;
        ndarray_npy::write_npy(folder.join(format!("states-{number}.npy")), &states)?;
    }
    std::fs::write(folder.join("done"), "")?;
    Ok(folder)
}

/// Power of a Hann-windowed block in equal bands of frequency.
fn band_powers(samples: &[f64]) -> [f64; BANDS] {
    use std::f64::consts::TAU;
    let n = samples.len();
    let per_band = n / 2 / BANDS;
    let mut powers = [0.0; BANDS];
    for bin in 0..n / 2 {
        let (mut re, mut im) = (0.0, 0.0);
        for (t, x) in samples.iter().enumerate() {
            let hann = 0.5 - 0.5 * (TAU * (t as f64 + 0.5) / n as f64).cos();
            let phase = TAU * (bin * t % n) as f64 / n as f64;
            re += hann * x * phase.cos();
            im += hann * x * phase.sin();
        }
        powers[bin / per_band] += re * re + im * im;
    }
    powers
}

fn read_energies(folder: &Path, name: &str) -> Outcome<Vec<EnergySegment>> {
    let read = |number: usize| -> Outcome<EnergySegment> {
        let energies: ArrayD<f32> =
            ndarray_npy::read_npy(folder.join(format!("{name}-{number}.npy")))?;
        Ok(EnergySegment {
            energies: energies.into_dimensionality()?,
        })
    };
    (0..N_RECORDS).map(read).collect()
}

fn read_states(folder: &Path) -> Outcome<Vec<Vec<Option<usize>>>> {
    let layout = nested_layout(GRID);
    let mut states = vec![Vec::new(); layout.scales.len()];
    for number in 0..N_RECORDS {
        let units: Array2<u8> = ndarray_npy::read_npy(folder.join(format!("states-{number}.npy")))?;
        for window in 0..layout.n_windows(units.ncols()) {
            for (scale, states) in states.iter_mut().enumerate() {
                let mut counts = [0usize; 3];
                let range = layout.block_range(scale, window);
                for unit in range.clone() {
                    counts[usize::from(units[[scale, unit]])] += 1;
                }
                let least = LEAST_FRACTION * range.len() as f64;
                states.push(counts.iter().position(|&count| count as f64 >= least));
            }
        }
    }
    Ok(states)
}

/// The archive of `seismix demo`, its features and its truth.
fn demo(seed: u64, folder: &Path) -> Outcome<Set> {
    let features = folder.join("features");
    if !folder.join("done").exists() {
        let config = SyntheticConfig {
            seed,
            ..SyntheticConfig::default()
        };
        Archive::generate(folder, &config)?;
        seismix::features::features(
            &[folder.join("archive")],
            &SelectionConfig::default(),
            &TransformConfig::default(),
            &StageContext::new(&RunControl::default(), &NoProgress),
            &features,
        )?;
        std::fs::write(folder.join("done"), "")?;
    }
    let truth = Truth::read(&folder.join("truth/truth.json"))?;
    let corpus = FeatureDataset::open(&[features], &NoProgress)?;
    let (segments, windows) = corpus.load_energies(&NoProgress)?;
    let n_scales = corpus.layout().scales.len();
    let states = (0..n_scales).map(|scale| {
        let spans: Vec<TimeSpan> = windows
            .iter()
            .flatten()
            .map(|window| TimeSpan::new(window.start_ns[scale], window.end_ns + 1))
            .collect();
        let labels = truth.labels(&spans).into_iter().map(|label| {
            let (state, fraction) = match scale {
                0 => (usize::from(label.pulse.state), 1.0),
                _ if scale + 1 == n_scales => {
                    (label.background.state.class(), label.background.fraction)
                }
                _ => (label.burst.state.class(), label.burst.fraction),
            };
            (fraction >= LEAST_FRACTION).then_some(state)
        });
        labels.collect()
    });
    Ok(Set {
        table: corpus.table().clone(),
        layout: corpus.layout().clone(),
        states: states.collect(),
        segments,
        pulses: true,
    })
}
