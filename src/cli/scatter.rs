//! `seismix scatter`: coefficients of arrays.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ndarray::{Array1, Array3, Array4, ArrayD, Axis, Ix3};
use ndarray_npy::WritableElement;
use rayon::prelude::*;
use seismix::config::{Oversampling, PerLayer, Precision, Wavelet};
use seismix::scattering::{
    self, ChannelPairs, CoefficientSet, Complex, Normalization, Real, ScatteringPath,
    ScatteringTransform,
};
use serde_json::json;

use super::arrays::{self, Name};
use super::context::Context;
use super::exit::{Failure, Result};
use super::options::positive;
use super::{interrupt, output_guard};

/// Compute the scattering covariance of arrays
///
/// OUT holds `coefficients` (batch, coefficient, block, 2), the last axis real and imaginary part, and the index of the
/// coefficients: `kind` (a position in `kind_names`), `channel` and `channel_right`, `j1_left`, `j1_right`, `j2` (-1: none;
/// J Q: the low-pass), `exponent`, `real`, and for means over scales (covreduced) their distances `a` (-1: none) and `b` (0: none) in
/// place of j. With --sampling-rate also the centre frequencies `f1_left_hz`, `f1_right_hz`, `f2_hz` (0: the low-pass, -1: none).
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
    /// Octaves J of the first and of the second layer
    #[arg(long, value_name = "J[,J]", default_value = "8")]
    octaves: PerLayer,
    /// Wavelets per octave Q of the first and of the second layer
    #[arg(long, value_name = "Q[,Q]", default_value = "1")]
    quality: PerLayer,
    /// Wavelet family
    #[arg(long, value_name = "NAME", default_value = "battle-lemarie")]
    wavelet: Wavelet,
    /// Which coefficients: both layers as series of time, moments of their moduli, covariances without and with moments
    /// of the second layer, covariances averaged over scales
    #[arg(long, value_name = "SET", default_value = "scat+cov")]
    coefficients: Coefficients,
    /// Exponents of the moments in `--coefficients scat`
    #[arg(
        long,
        value_name = "Q,...",
        value_delimiter = ',',
        default_value = "1,2"
    )]
    moments: Vec<f64>,
    /// What the first layer is divided by: nothing, or the root of its mean power in each signal or over the batch
    #[arg(long, value_name = "BY", default_value = "none")]
    normalize: Normalize,
    /// Divide by the root of these powers instead: an array (C, JQ + 1) or (JQ + 1,), in the square of the signals' unit
    #[arg(long, value_name = "POWER.npy", conflicts_with = "normalize")]
    given_power: Option<PathBuf>,
    /// Normalisation of the filters: peaks near 1, or unit energy
    #[arg(long, value_name = "NORM", default_value = "l1")]
    filter_norm: FilterNorm,
    /// Take the mean off each modulus before the second layer, as the cross covariances of a separation do
    #[arg(long)]
    center_envelopes: bool,
    /// Leave the power spectrum of each channel as it is when normalising
    #[arg(long)]
    keep_power: bool,
    /// Sampling rate of the signals, to add the centre frequencies of every coefficient's filters
    #[arg(long, value_name = "HZ")]
    sampling_rate: Option<f64>,
    /// Pairs of channels: each with itself, all, or all different
    #[arg(long, value_name = "PAIRS", default_value = "diag")]
    channels: Channels,
    /// Average over blocks of K samples [default: all of T, one block; raw: 1]
    #[arg(long, value_name = "K", value_parser = positive)]
    pool: Option<usize>,
    /// What lies beyond the ends: their mirror image, or the signal again
    #[arg(long, value_name = "NAME", default_value = "reflect")]
    padding: Padding,
    /// Grids of the layers: every sample, or at least N times the upper edge of each filter (faster; 8 keeps errors of
    /// long windows below 1e-4 of a coefficient's natural scale; raw layers and periodic borders are always exact)
    #[arg(long, value_name = "N|exact", default_value = "exact")]
    oversampling: Oversampling,
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
enum FilterNorm {
    L1,
    L2,
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

impl Options {
    fn set(&self) -> CoefficientSet {
        match self.coefficients {
            Coefficients::Raw => CoefficientSet::Raw,
            Coefficients::Scat => CoefficientSet::Scat,
            Coefficients::Cov => CoefficientSet::Cov,
            Coefficients::ScatCov => CoefficientSet::ScatCov,
            Coefficients::CovReduced => CoefficientSet::CovReduced,
        }
    }

    fn normalization(&self) -> Normalization {
        match self.normalize {
            Normalize::None => Normalization::None,
            Normalize::EachPs => Normalization::EachPowerSpectrum,
            Normalize::BatchPs => Normalization::BatchPowerSpectrum,
        }
    }

    /// The plan for signals of `n_channels` of `n_samples`.
    fn transform<F: Real>(
        &self,
        n_channels: usize,
        n_samples: usize,
        given_power: Option<&[f64]>,
    ) -> std::result::Result<ScatteringTransform<F>, scattering::Error> {
        let pairs = match self.channels {
            Channels::Diag => ChannelPairs::Diag,
            Channels::Full => ChannelPairs::Full,
            Channels::Offdiag => ChannelPairs::OffDiag,
        };
        let padding = match self.padding {
            Padding::Reflect => scattering::Padding::Reflect,
            Padding::Periodic => scattering::Padding::Periodic,
        };
        let mut builder = ScatteringTransform::plan(n_samples)
            .octaves_by_layer(self.octaves.first, self.octaves.second)
            .wavelets_per_octave_by_layer(self.quality.first, self.quality.second)
            .wavelet(self.wavelet.family())
            .padding(padding)
            .channels(n_channels, pairs)
            .coefficients(self.set())
            .moments(&self.moments)
            .normalization(self.normalization())
            .filter_norm(match self.filter_norm {
                FilterNorm::L1 => scattering::FilterNorm::L1,
                FilterNorm::L2 => scattering::FilterNorm::L2,
            })
            .oversampling(self.oversampling.0);
        if self.center_envelopes {
            builder = builder.envelope_mean(scattering::EnvelopeMean::Removed);
        }
        if self.keep_power {
            builder = builder.power_rows(scattering::PowerRows::Kept);
        }
        if let Some(power) = given_power {
            builder = builder.given_power(power);
        }
        if let Some(pool) = self.pool {
            builder = builder.pool(pool);
        }
        builder.check()
    }
}

/// What is written.
struct Outcome<F> {
    /// (batch, coefficient, block).
    values: Vec<Complex<F>>,
    paths: Vec<ScatteringPath>,
    n_blocks: usize,
    /// (coefficient) centre frequencies of left, right and second filter; 0 for the low-pass, -1 for none.
    frequencies: Option<[Vec<f64>; 3]>,
}

fn name_of(value: &impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

impl Scatter {
    /// Runs the command.
    pub fn run(&self, context: &mut Context) -> Result<()> {
        context.open_first(&self.output);
        let inputs = [Some(&self.input), self.options.given_power.as_ref()];
        let inputs = inputs.into_iter().flatten();
        output_guard::file(&self.output, inputs.map(PathBuf::as_path))?;
        let input = arrays::read_npy(&self.input)?;
        let signals = self.as_batch(input.values)?;
        if let Some(rate) = self.options.sampling_rate
            && !(rate.is_finite() && rate > 0.0)
        {
            return Err(
                Failure::usage(format!("`--sampling-rate {rate}` is no rate"))
                    .with_help("give a positive number of samples a second"),
            );
        }
        let given = match &self.options.given_power {
            None => None,
            Some(file) => {
                let power = arrays::read_npy(file)?;
                Some((
                    power.values.iter().copied().collect::<Vec<f64>>(),
                    power.sha256,
                ))
            }
        };
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
                "moments": self.options.moments,
                "normalize": name_of(&self.options.normalize),
                "given_power": given.as_ref().map(|(_, sha256)| sha256),
                "filter_norm": name_of(&self.options.filter_norm),
                "center_envelopes": self.options.center_envelopes,
                "keep_power": self.options.keep_power,
                "channels": name_of(&self.options.channels),
                "pool": self.options.pool,
                "padding": name_of(&self.options.padding),
                "oversampling": self.options.oversampling,
                "precision": self.options.precision,
            },
        });
        let power = given.as_ref().map(|(power, _)| &power[..]);
        let shape = match self.options.precision {
            Precision::F32 => self.compute::<f32>(&signals, power, &provenance)?,
            Precision::F64 => self.compute::<f64>(&signals, power, &provenance)?,
        };
        let output = self.output.display();
        let said = json!({ "output": output.to_string(), "coefficients": shape });
        context.printer.record(&said)?;
        context
            .printer
            .text(format!("{output}: coefficients {shape:?}"))?;
        Ok(())
    }

    fn as_batch(&self, mut values: ArrayD<f64>) -> Result<Array3<f64>> {
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
        signals: &Array3<f64>,
        given_power: Option<&[f64]>,
        provenance: &serde_json::Value,
    ) -> Result<[usize; 4]> {
        let samples = self.converted::<F>(signals)?;
        let outcome = self.coefficients(&samples, signals.dim(), given_power)?;
        let (n_paths, n_blocks) = (outcome.paths.len(), outcome.n_blocks);
        let shape = [signals.dim().0, n_paths, n_blocks, 2];
        let coefficients = Array4::from_shape_fn(shape, |(b, k, block, part)| {
            let value = outcome.values[(b * n_paths + k) * n_blocks + block];
            if part == 0 { value.re } else { value.im }
        });
        write(&self.output, &coefficients, &outcome, provenance)?;
        Ok(shape)
    }

    /// The samples `(batch, channel, T)`, all finite in the type of the transform.
    fn converted<F: Real>(&self, signals: &Array3<f64>) -> Result<Vec<F>> {
        let samples: Vec<F> = signals.iter().map(|&x| F::of(x)).collect();
        let (_, n_channels, n_samples) = signals.dim();
        match samples.iter().position(|x| !x.is_finite()) {
            None => Ok(samples),
            Some(at) => {
                let (signal, index) = (at / n_samples, at % n_samples);
                let value = format!("{}", samples[at].to_double());
                let error = scattering::Error::NotFinite { index, value };
                Err(self.bad_signal(&error, signal / n_channels, signal % n_channels))
            }
        }
    }

    fn refused(&self, error: &scattering::Error) -> Failure {
        Failure::usage(format!("{}: {error}", self.input.display()))
    }

    fn coefficients<F: Real>(
        &self,
        samples: &[F],
        (_, n_channels, n_samples): (usize, usize, usize),
        given_power: Option<&[f64]>,
    ) -> Result<Outcome<F>> {
        let plan = self
            .options
            .transform::<F>(n_channels, n_samples, given_power)
            .map_err(|error| self.refused(&error))?;
        let values = if self.options.normalize == Normalize::BatchPs {
            let n_batch = samples.len() / plan.signal_len();
            let mut values = plan.make_output().repeat(n_batch);
            plan.process_batch(samples, &mut values)
                .map_err(|error| self.refused(&error))?;
            values
        } else {
            let members = samples
                .par_chunks(plan.signal_len())
                .map_init(
                    || plan.make_forward_scratch(),
                    |scratch, signal| {
                        if interrupt::asked() {
                            return Err(Failure::Interrupted);
                        }
                        let mut out = plan.make_output();
                        plan.process(signal, &mut out, scratch)
                            .map_err(|error| self.refused(&error))?;
                        Ok(out)
                    },
                )
                .collect::<Result<Vec<_>>>()?;
            members.concat()
        };
        Ok(Outcome {
            values,
            paths: plan.paths().to_vec(),
            n_blocks: plan.n_blocks(),
            frequencies: self
                .options
                .sampling_rate
                .map(|rate| frequencies(&plan, rate)),
        })
    }

    fn bad_signal(&self, error: &scattering::Error, batch: usize, channel: usize) -> Failure {
        let file = self.input.display();
        Failure::new(format!(
            "{file}: signal (batch {batch}, channel {channel}): {error}"
        ))
    }
}

/// Centre frequencies in Hz of the left, right and second filter of each coefficient: 0 for the low-pass, -1 for none, and
/// for means over scales.
fn frequencies<F: Real>(plan: &ScatteringTransform<F>, sampling_rate_hz: f64) -> [Vec<f64>; 3] {
    let mut columns = [const { Vec::new() }; 3];
    for path in plan.paths() {
        let hz = match path.distance {
            Some(_) => [-1.0; 3],
            None => {
                let (left, right, second) = plan.center_frequencies_hz(path, sampling_rate_hz);
                [left, right.unwrap_or(-1.0), second.unwrap_or(-1.0)]
            }
        };
        for (column, hz) in columns.iter_mut().zip(hz) {
            column.push(hz);
        }
    }
    columns
}

fn write<F: WritableElement>(
    output: &std::path::Path,
    coefficients: &Array4<F>,
    outcome: &Outcome<F>,
    provenance: &serde_json::Value,
) -> Result<()> {
    let paths = &outcome.paths;
    let mut kind_names: Vec<&str> = Vec::new();
    for path in paths {
        if !kind_names.contains(&path.kind.name()) {
            kind_names.push(path.kind.name());
        }
    }
    let column = |value: &dyn Fn(&ScatteringPath) -> Option<i32>| {
        Array1::from_iter(paths.iter().map(|path| value(path).unwrap_or(-1)))
    };
    // A mean over scales has distances between scales, and no scale.
    let scale = |path: &ScatteringPath, j: Option<usize>| match path.distance {
        None => j.map(|j| j as i32),
        Some(_) => None,
    };
    let kind = |path: &ScatteringPath| {
        let position = kind_names.iter().position(|&name| name == path.kind.name());
        position.map(|position| position as i32)
    };
    let real = Array1::from_iter(paths.iter().map(|path| path.real));
    let exponent = Array1::from_iter(paths.iter().map(|path| path.exponent));
    let distance_b = |path: &ScatteringPath| path.distance.and_then(|distance| distance.b);
    let names = Array1::from_iter(kind_names.iter().map(|&name| Name::from(name)));
    let provenance = Array1::from(provenance.to_string().into_bytes());
    arrays::write_npz(output, |archive| {
        archive.add_array("coefficients", coefficients)?;
        archive.add_array("kind", &column(&kind))?;
        archive.add_array("kind_names", &names)?;
        archive.add_array("channel", &column(&|path| Some(path.channel_left as i32)))?;
        archive.add_array(
            "channel_right",
            &column(&|path| Some(path.channel_right as i32)),
        )?;
        archive.add_array("j1_left", &column(&|path| scale(path, Some(path.j1_left))))?;
        archive.add_array("j1_right", &column(&|path| scale(path, path.j1_right)))?;
        archive.add_array("j2", &column(&|path| scale(path, path.j2)))?;
        archive.add_array("exponent", &exponent)?;
        archive.add_array(
            "a",
            &column(&|path| path.distance.map(|distance| distance.a as i32)),
        )?;
        // An envelope's b is below 0, so 0 says that there is none.
        archive.add_array("b", &column(&|path| Some(distance_b(path).unwrap_or(0))))?;
        archive.add_array("real", &real)?;
        if let Some([left, right, second]) = &outcome.frequencies {
            archive.add_array("f1_left_hz", &Array1::from(left.clone()))?;
            archive.add_array("f1_right_hz", &Array1::from(right.clone()))?;
            archive.add_array("f2_hz", &Array1::from(second.clone()))?;
        }
        archive.add_array("provenance", &provenance)
    })
}
