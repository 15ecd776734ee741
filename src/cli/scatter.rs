//! `seismix scatter`: coefficients of arrays.

use std::path::PathBuf;

use clap::Args;
use ndarray::{Array1, Array4};
use seismix::arrays::npy::Npy;
use seismix::arrays::npz::{Element, Name, write_npz};
use seismix::arrays::scatter::{ScatterConfig, Scattered, scatter};
use seismix::config::{Oversampling, PerLayer, Precision, Wavelet};
use seismix::scattering::{
    ChannelPairs, CoefficientSet, EnvelopeMean, FilterNorm, Normalization, Padding, PowerRows,
    Real, ScatteringPath,
};
use serde_json::{Value, json};

use super::context::CommandContext;
use super::exit::{Failure, Result};
use super::interrupt;
use super::options::Replacing;
use super::parsers::{named, positive};

/// Compute the scattering covariance of arrays
///
/// OUT holds `coefficients` (batch, coefficient, block, 2), the last axis real and imaginary part, and the index of the
/// coefficients: `kind` (a position in `kind_names`), `channel` and `channel_right`, `j1_left`, `j1_right`, `j2` (-1:
/// none; J Q: the low-pass), `exponent`, `real`, and for means over scales (covreduced) their distances `a` (-1:
/// none) and `b` (0: none) in place of j. With --sampling-rate also the centre frequencies `f1_left_hz`,
/// `f1_right_hz`, `f2_hz` (0: the low-pass, -1: none). Channels stand one after the other within each kind.
#[derive(Debug, Args)]
pub struct Scatter {
    /// Array (T,), (B,T) or (B,C,T) of real numbers
    #[arg(value_name = "IN.npy")]
    input: PathBuf,
    /// File for the result
    #[arg(long, short, value_name = "OUT.npz")]
    output: PathBuf,
    #[command(flatten)]
    replacing: Replacing,
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
    #[arg(long, value_name = "NAME", default_value = "battle-lemarie", value_parser = named::<Wavelet>(Wavelet::NAMES))]
    wavelet: Wavelet,
    /// Which coefficients: both layers as series of time, moments of their moduli, covariances without and with moments
    /// of the second layer, covariances averaged over scales
    #[arg(long, value_name = "SET", default_value = "scat+cov", value_parser = named::<CoefficientSet>(CoefficientSet::NAMES))]
    coefficients: CoefficientSet,
    /// Exponents of the moments in `--coefficients scat`
    #[arg(
        long,
        value_name = "Q,...",
        value_delimiter = ',',
        default_value = "1,2"
    )]
    moments: Vec<f64>,
    /// Divisor of the first layer: nothing, or the root of its mean power in each signal or over the batch
    #[arg(long, value_name = "BY", default_value = "none", value_parser = named::<Normalization>(&["none", "each-ps", "batch-ps"]))]
    normalize: Normalization,
    /// Divide by the root of these powers instead: an array (C, JQ + 1) or (JQ + 1,), in the square of the signals'
    /// unit
    #[arg(long, value_name = "POWER.npy", conflicts_with = "normalize")]
    given_power: Option<PathBuf>,
    /// Normalisation of the filters: peaks near 1, or unit energy
    #[arg(long, value_name = "NORM", default_value = "l1", value_parser = named::<FilterNorm>(FilterNorm::NAMES))]
    filter_norm: FilterNorm,
    /// Take the mean off each modulus before the second layer, as the cross covariances of a separation do
    #[arg(long)]
    center_envelopes: bool,
    /// Do not normalise the power spectrum of each channel
    #[arg(long)]
    keep_power: bool,
    /// Sampling rate of the signals, to add the centre frequencies of every coefficient's filters
    #[arg(long, value_name = "HZ")]
    sampling_rate: Option<f64>,
    /// Pairs of channels: each with itself, all, or all different
    #[arg(long, value_name = "PAIRS", default_value = "diag", value_parser = named::<ChannelPairs>(ChannelPairs::NAMES))]
    channels: ChannelPairs,
    /// Average over blocks of K samples [default: all of T, one block; raw: 1]
    #[arg(long, value_name = "K", value_parser = positive)]
    pool: Option<usize>,
    /// Extension beyond the ends: their mirror image, or the signal again
    #[arg(long, value_name = "NAME", default_value = "reflect", value_parser = named::<Padding>(Padding::NAMES))]
    padding: Padding,
    /// Grids of the layers: every sample, or at least N times the upper edge of each filter (faster; 8 keeps errors of
    /// long windows below 1e-4 of a coefficient's natural scale; raw layers and periodic borders are always exact)
    #[arg(long, value_name = "N|exact", default_value = "exact")]
    oversampling: Oversampling,
    /// Floating-point type of the transform and of the result
    #[arg(long, value_name = "TYPE", default_value = "f64", value_parser = named::<Precision>(Precision::NAMES))]
    precision: Precision,
}

impl Options {
    fn config(&self, given_power: Option<Vec<f64>>) -> ScatterConfig {
        ScatterConfig {
            octaves: self.octaves,
            quality: self.quality,
            wavelet: self.wavelet,
            coefficients: self.coefficients,
            moments: self.moments.clone(),
            normalization: self.normalize,
            given_power,
            filter_norm: self.filter_norm,
            envelope_mean: if self.center_envelopes {
                EnvelopeMean::Removed
            } else {
                EnvelopeMean::Kept
            },
            power_rows: if self.keep_power {
                PowerRows::Kept
            } else {
                PowerRows::Normalized
            },
            channels: self.channels,
            pool: self.pool,
            padding: self.padding,
            oversampling: self.oversampling,
            sampling_rate_hz: self.sampling_rate,
        }
    }

    fn provenance(&self, given_power: Option<&str>) -> Value {
        json!({
            "octaves": self.octaves,
            "quality": self.quality,
            "wavelet": self.wavelet,
            "coefficients": self.coefficients,
            "moments": self.moments,
            "normalize": self.normalize,
            "given_power": given_power,
            "filter_norm": self.filter_norm,
            "center_envelopes": self.center_envelopes,
            "keep_power": self.keep_power,
            "channels": self.channels,
            "pool": self.pool,
            "padding": self.padding,
            "oversampling": self.oversampling,
            "precision": self.precision,
        })
    }
}

impl Scatter {
    /// Runs the command.
    pub fn run(&self, context: &mut CommandContext) -> Result<()> {
        context.open_first(&self.output);
        let inputs = [Some(&self.input), self.options.given_power.as_ref()];
        let inputs = inputs.into_iter().flatten();
        context.guard_output(&self.output, inputs)?;
        self.replacing.check(&self.output, "arrays")?;
        let input = Npy::read(&self.input)?;
        let given = self.options.given_power.as_ref();
        let given = given.map(|file| Npy::read(file)).transpose()?;
        let sha256 = given.as_ref().map(|power| power.sha256.as_str());
        let provenance = json!({
            "program": "seismix",
            "version": env!("CARGO_PKG_VERSION"),
            "command": "scatter",
            "input": { "file": self.input.display().to_string(), "sha256": input.sha256 },
            "configuration": self.options.provenance(sha256),
        });
        let power = given.map(|power| power.values.iter().copied().collect());
        let config = self.options.config(power);
        let shape = match self.options.precision {
            Precision::F32 => self.compute::<f32>(&input, &config, &provenance)?,
            Precision::F64 => self.compute::<f64>(&input, &config, &provenance)?,
        };
        let output = self.output.display();
        context
            .printer
            .record(&json!({ "output": output.to_string(), "coefficients": shape }))?;
        context
            .printer
            .text(format!("{output}: coefficients {shape:?}"))?;
        Ok(())
    }

    /// Computes, writes, and returns the shape of the result.
    fn compute<F: Real + Element>(
        &self,
        input: &Npy,
        config: &ScatterConfig,
        provenance: &Value,
    ) -> Result<[usize; 4]> {
        let found =
            scatter::<F>(&input.values.view(), config, &interrupt::asked).map_err(|error| {
                Failure::of_array(&self.input, &error).with_help_for_shape(
                    &error,
                    "reshape it so that time is the last of at most three axes",
                )
            })?;
        let (n_batch, n_paths, n_blocks) = found.coefficients.dim();
        let shape = [n_batch, n_paths, n_blocks, 2];
        let coefficients = Array4::from_shape_fn(shape, |(b, k, block, part)| {
            let value = found.coefficients[[b, k, block]];
            if part == 0 { value.re } else { value.im }
        });
        write(&self.output, &coefficients, &found, provenance)?;
        Ok(shape)
    }
}

fn write<F: Element>(
    output: &std::path::Path,
    coefficients: &Array4<F>,
    found: &Scattered<F>,
    provenance: &Value,
) -> Result<()> {
    let paths = &found.paths;
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
    Ok(write_npz(output, |archive| {
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
        if let Some([left, right, second]) = &found.frequencies_hz {
            archive.add_array("f1_left_hz", &Array1::from(left.clone()))?;
            archive.add_array("f1_right_hz", &Array1::from(right.clone()))?;
            archive.add_array("f2_hz", &Array1::from(second.clone()))?;
        }
        archive.add_array("provenance", &provenance)
    })?)
}
