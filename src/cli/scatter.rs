//! `seismix scatter`: coefficients of arrays.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ndarray::{Array1, Array4, ArrayD, Axis, Ix3};
use ndarray_npy::WritableElement;
use rayon::prelude::*;
use seismix::pipeline::config::{Layers, Precision, Wavelet};
use seismix::scattering::{
    self, CoefficientKind, CoefficientSet, Complex, Normalization, Real, ScatteringCovariance,
    ScatteringPath,
};
use serde_json::json;

use super::arrays::{self, Name};
use super::failure::{Failure, Result};
use super::options::positive;
use super::{Context, interrupt};

/// Compute the scattering covariance of arrays
///
/// OUT holds `coefficients` (batch, coefficient, block, 2), the last axis real and imaginary part, and the index of the
/// coefficients: `kind` (a position in `kind_names`), `channel`, `j1_left`, `j1_right`, `j2` (-1: none; J: the low-pass) and `real`.
/// Channels stand one after the other within each kind.
#[derive(Debug, Args)]
pub struct Scatter {
    /// Array (T,), (B,T) or (B,C,T) of real numbers
    #[arg(value_name = "IN.npy")]
    input: PathBuf,
    /// File for the result
    #[arg(long, short, value_name = "OUT.npz")]
    output: PathBuf,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Transform")]
struct Options {
    /// Octaves J of the first and of the second layer; this version needs the same in both
    #[arg(long, value_name = "J[,J]", default_value = "8")]
    octaves: Layers,
    /// Wavelets per octave Q of the first and of the second layer; this version has 1
    #[arg(long, value_name = "Q[,Q]", default_value = "1")]
    quality: Layers,
    /// Wavelet family; this version has battle-lemarie
    #[arg(
        long,
        value_name = "NAME",
        default_value = "battle-lemarie",
        hide_possible_values = true
    )]
    wavelet: Wavelet,
    /// Which coefficients; this version has cov and scat+cov
    #[arg(
        long,
        value_name = "SET",
        default_value = "scat+cov",
        hide_possible_values = true
    )]
    coefficients: Coefficients,
    /// What the first layer is divided by: nothing, or the root of its own mean power; this version has none and each-ps
    #[arg(
        long,
        value_name = "BY",
        default_value = "none",
        hide_possible_values = true
    )]
    normalize: Normalize,
    /// Pairs of channels; this version has diag: each channel alone
    #[arg(
        long,
        value_name = "PAIRS",
        default_value = "diag",
        hide_possible_values = true
    )]
    channels: Channels,
    /// Average over blocks of K samples [default: all of T, one block]
    #[arg(long, value_name = "K", value_parser = positive)]
    pool: Option<usize>,
    /// What lies beyond the ends; this version has reflect
    #[arg(
        long,
        value_name = "NAME",
        default_value = "reflect",
        hide_possible_values = true
    )]
    padding: Padding,
    /// Grid of the layers; this version has exact: every sample
    #[arg(long, value_name = "N|exact", default_value = "exact")]
    oversampling: String,
    /// Floating-point type of the transform and of the result
    #[arg(long, value_name = "TYPE", default_value = "f64")]
    precision: Precision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Coefficients {
    Raw,
    Scat,
    Cov,
    #[value(name = "scat+cov")]
    ScatCov,
    #[value(name = "covreduced")]
    CovReduced,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Normalize {
    None,
    EachPs,
    BatchPs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Channels {
    Diag,
    Full,
    Offdiag,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Padding {
    Reflect,
    Periodic,
}

/// What is checked and can run.
struct Plan {
    octaves: usize,
    set: CoefficientSet,
    normalization: Normalization,
    pool: Option<usize>,
}

impl Options {
    fn plan(&self) -> Result<Plan> {
        if self.octaves.first != self.octaves.second {
            return Err(refused(
                "octaves",
                &self.octaves,
                "the same number of octaves in both layers, such as 8",
            ));
        }
        if self.quality != (Layers::both(1)) {
            return Err(refused("quality", &self.quality, "1"));
        }
        if self.wavelet != Wavelet::BattleLemarie {
            return Err(refused("wavelet", &self.wavelet, "battle-lemarie"));
        }
        let set = match self.coefficients {
            Coefficients::Cov => CoefficientSet::Cov,
            Coefficients::ScatCov => CoefficientSet::ScatCov,
            other => {
                return Err(refused(
                    "coefficients",
                    &name_of(&other),
                    "cov and scat+cov",
                ));
            }
        };
        let normalization = match self.normalize {
            Normalize::None => Normalization::None,
            Normalize::EachPs => Normalization::EachPowerSpectrum,
            Normalize::BatchPs => return Err(refused("normalize", &"batch-ps", "none, each-ps")),
        };
        if self.channels != Channels::Diag {
            return Err(refused("channels", &name_of(&self.channels), "diag"));
        }
        if self.padding != Padding::Reflect {
            return Err(refused("padding", &name_of(&self.padding), "reflect"));
        }
        match self.oversampling.as_str() {
            "exact" => {}
            n if positive(n).is_ok() => return Err(refused("oversampling", &n, "exact")),
            wrong => {
                return Err(Failure::usage(format!(
                    "invalid value '{wrong}' for '--oversampling <N|exact>'"
                ))
                .with_help("write `exact`"));
            }
        }
        Ok(Plan {
            octaves: self.octaves.first,
            set,
            normalization,
            pool: self.pool,
        })
    }
}

fn refused(option: &str, value: &impl std::fmt::Display, has: &str) -> Failure {
    Failure::usage(format!("`--{option} {value}` is not in this version"))
        .with_help(format!("this version has: {has}"))
}

fn name_of(value: &impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

impl Scatter {
    /// Runs the command.
    pub fn run(&self, context: &mut Context) -> Result<()> {
        let plan = self.options.plan()?;
        let input = arrays::read_npy(&self.input)?;
        let signals = self.as_batch(input.values)?;
        let provenance = json!({
            "program": "seismix",
            "version": env!("CARGO_PKG_VERSION"),
            "command": "scatter",
            "input": { "file": self.input.display().to_string(), "sha256": input.sha256 },
            "configuration": {
                "octaves": self.options.octaves,
                "quality": self.options.quality,
                "wavelet": self.options.wavelet,
                "coefficients": name_of(&self.options.coefficients),
                "normalize": name_of(&self.options.normalize),
                "channels": name_of(&self.options.channels),
                "pool": self.options.pool,
                "padding": name_of(&self.options.padding),
                "oversampling": self.options.oversampling,
                "precision": self.options.precision,
            },
        });
        let shape = match self.options.precision {
            Precision::F32 => self.compute::<f32>(&plan, &signals, &provenance)?,
            Precision::F64 => self.compute::<f64>(&plan, &signals, &provenance)?,
        };
        let output = self.output.display();
        let said = json!({ "output": output.to_string(), "coefficients": shape });
        context.printer.record(&said)?;
        context
            .printer
            .text(format!("{output}: coefficients {shape:?}"))?;
        Ok(())
    }

    fn as_batch(&self, mut values: ArrayD<f64>) -> Result<ndarray::Array3<f64>> {
        let rank = values.ndim();
        if rank == 1 {
            values.insert_axis_inplace(Axis(0));
        }
        if rank <= 2 {
            values.insert_axis_inplace(Axis(values.ndim() - 1));
        }
        let shape = values.shape().to_vec();
        values.into_dimensionality::<Ix3>().map_err(|_| {
            let file = self.input.display();
            Failure::new(format!(
                "{file}: an array of shape {shape:?} is not (T,), (B,T) or (B,C,T)"
            ))
            .with_help("reshape it so that time is the last of at most three axes")
        })
    }

    /// Computes, writes, and returns the shape of the result.
    fn compute<F: Real + WritableElement>(
        &self,
        plan: &Plan,
        signals: &ndarray::Array3<f64>,
        provenance: &serde_json::Value,
    ) -> Result<[usize; 4]> {
        let (n_batch, n_channels, n_samples) = signals.dim();
        let mut builder = ScatteringCovariance::<F>::plan(n_samples)
            .octaves(plan.octaves)
            .coefficients(plan.set)
            .normalization(plan.normalization);
        if let Some(pool) = plan.pool {
            builder = builder.pool(pool);
        }
        let covariance = builder
            .check()
            .map_err(|error| Failure::usage(format!("{}: {error}", self.input.display())))?;
        let per_signal: Vec<Vec<Complex<F>>> = (0..n_batch * n_channels)
            .into_par_iter()
            .map_init(
                || covariance.make_scratch(),
                |scratch, position| {
                    if interrupt::asked() {
                        return Err(Failure::Interrupted);
                    }
                    let (b, c) = (position / n_channels, position % n_channels);
                    let channels = signals.index_axis(Axis(0), b);
                    let signal = channels.index_axis(Axis(0), c);
                    let signal: Vec<F> = signal.iter().map(|&x| F::of(x)).collect();
                    let mut out = covariance.make_output();
                    covariance
                        .process(&signal, &mut out, scratch)
                        .map_err(|error| self.bad_signal(&error, b, c))?;
                    Ok(out)
                },
            )
            .collect::<Result<_>>()?;

        let order = channels_within_kinds(covariance.paths(), n_channels);
        let n_blocks = covariance.n_blocks();
        let shape = [n_batch, order.len(), n_blocks, 2];
        let coefficients = Array4::from_shape_fn(shape, |(b, k, block, part)| {
            let (channel, path) = order[k];
            let value = per_signal[b * n_channels + channel][path * n_blocks + block];
            if part == 0 { value.re } else { value.im }
        });
        write(
            &self.output,
            &coefficients,
            covariance.paths(),
            &order,
            provenance,
        )?;
        Ok(shape)
    }

    fn bad_signal(&self, error: &scattering::Error, batch: usize, channel: usize) -> Failure {
        let file = self.input.display();
        Failure::new(format!(
            "{file}: signal (batch {batch}, channel {channel}): {error}"
        ))
    }
}

/// (channel, path) of each coefficient: kinds in the order of the paths, with sparsity and mean as one,
/// and within a kind one channel after the other.
fn channels_within_kinds(paths: &[ScatteringPath], n_channels: usize) -> Vec<(usize, usize)> {
    let group = |path: &ScatteringPath| match path.kind {
        CoefficientKind::Mean => CoefficientKind::Sparsity,
        kind => kind,
    };
    let mut order = Vec::with_capacity(paths.len() * n_channels);
    let mut start = 0;
    for same in paths.chunk_by(|a, b| group(a) == group(b)) {
        for channel in 0..n_channels {
            order.extend((start..start + same.len()).map(|path| (channel, path)));
        }
        start += same.len();
    }
    order
}

fn write<F: WritableElement>(
    output: &std::path::Path,
    coefficients: &Array4<F>,
    paths: &[ScatteringPath],
    order: &[(usize, usize)],
    provenance: &serde_json::Value,
) -> Result<()> {
    let mut kind_names: Vec<&str> = Vec::new();
    for path in paths {
        if !kind_names.contains(&path.kind.name()) {
            kind_names.push(path.kind.name());
        }
    }
    let column = |value: &dyn Fn(&ScatteringPath) -> Option<usize>| {
        let cells = order
            .iter()
            .map(|&(_, path)| value(&paths[path]).map_or(-1, |j| j as i32));
        Array1::from_iter(cells)
    };
    let kind = |path: &ScatteringPath| kind_names.iter().position(|&name| name == path.kind.name());
    let real = Array1::from_iter(order.iter().map(|&(_, path)| paths[path].real));
    let channel = Array1::from_iter(order.iter().map(|&(channel, _)| channel as i32));
    let names = Array1::from_iter(kind_names.iter().map(|&name| Name::from(name)));
    let provenance = Array1::from(provenance.to_string().into_bytes());
    arrays::write_npz(output, |archive| {
        archive.add_array("coefficients", coefficients)?;
        archive.add_array("kind", &column(&kind))?;
        archive.add_array("kind_names", &names)?;
        archive.add_array("channel", &channel)?;
        archive.add_array("j1_left", &column(&|path| Some(path.j1_left)))?;
        archive.add_array("j1_right", &column(&|path| path.j1_right))?;
        archive.add_array("j2", &column(&|path| path.j2))?;
        archive.add_array("real", &real)?;
        archive.add_array("provenance", &provenance)
    })
}
