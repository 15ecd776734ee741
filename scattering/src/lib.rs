//! Wavelet scattering covariances of time series, with their exact adjoint.
//!
//! A scattering covariance is a small set of statistics (210 complex numbers at eight octaves) that separates
//! non-Gaussian processes: the energy of each octave, its sparsity, and the correlation of its envelope and phase with
//! those of the other octaves (arXiv 2204.10177, 2305.16189).
//!
//! ```
//! use seismix_scattering::{CoefficientSet, ScatteringTransform};
//! let signal: Vec<f64> = (0..1024).map(|t| (t as f64 * 0.1).sin()).collect();
//! let covariance = ScatteringTransform::<f64>::plan(1024).octaves(5).coefficients(CoefficientSet::Cov).check()?;
//! let phi = covariance.process_vec(&signal)?;
//! assert_eq!(phi.len(), covariance.paths().len());
//! # Ok::<(), seismix_scattering::Error>(())
//! ```
//!
//! # Plan, then execute
//! [`ScatteringTransform::plan`] takes the parameters, `check` turns them into an immutable plan (filters, FFT
//! plans, coefficient table) that is `Send + Sync`; [`ScatteringTransform::process`] and
//! [`ScatteringTransform::adjoint`] run it on buffers that the caller owns. [`BlockTransform`] averages over the blocks
//! of a record of any length, [`BlockStream`] while it arrives. [`ScatteringCovariance`], [`Layers`] and
//! [`Correlations`] are single steps, for objectives that share layers between several sets of coefficients.
//!
//! # Definitions
//! A window x of T samples is extended beyond its ends ([`Padding`]) to a period of N, and filtered in Fourier by the
//! band-passes psi_j, j = 0 (finest) .. JQ - 1, and the low-pass phi, j = JQ ([`FilterBank`]):
//! `W_j x = IFFT(FFT(x) . psi_hat_j)`, first T samples. The second layer filters the moduli: `W_j2 |W_j1 x|` for
//! floor(j1/Q1) < floor(j2/Q2). With E the mean over time:
//!
//! | kind | coefficient | number at J = 8, Q = 1 |
//! |---|---|---|
//! | `spars` | `E abs(W_j x)`, band-passes | 8 |
//! | `mean` | `E (x * phi)` | 1 |
//! | `scat` | `E abs(W_j2 abs(W_j1 x))` | 36 |
//! | `ps` | `E abs(W_j x)^2`, low-pass included | 9 |
//! | `phaseenv` | `E (W_j2 x . conj(W_j2 abs(W_j1 x)))` | 36 |
//! | `envelope` | `E (W_j2 abs(W_j1 x) . conj(W_j2 abs(W_j1' x)))`, j1 >= j1' | 120 |
//!
//! Moduli have no gradient at 0; everywhere in this crate it is defined as 0.
//!
//! # Normalisation
//! None by default: `Sparsity`, `Mean` and `Scattering` are in the unit of the signal, the others in its square.
//! [`Normalization::EachPowerSpectrum`] divides the first layer by the root of its own mean power in the window,
//! [`Normalization::BatchPowerSpectrum`] by that of a batch, [`Normalization::Given`] by that given with the plan. A
//! band that holds rounding errors only (below 4 epsilon of the signal) becomes 0. Blocks are not normalised.
//!
//! # Order
//! Coefficients are in the order of [`ScatteringTransform::paths`]: sparsity, mean, (scattering,) power spectrum,
//! phase-envelope, envelope; the block index varies fastest with pooling. Channels follow one another within each kind
//! (sparsity and mean together are one kind here), pairs of channels in lexicographic order.
//!
//! # Accuracy
//! [`Oversampling::Exact`] computes everything at the window's own samples: in `f64` it agrees with the published
//! reference to rounding (1e-12 of the largest coefficient), in `f32` to a few 1e-6 (steep spectra lose more: 1e-3
//! for the weakest bands of twice integrated noise). The default, [`Oversampling::Times`]`(8)`, keeps each `W_j` on a
//! grid of eight times its filter's edge. The aliasing of a modulus on it averages out: over a window of many periods
//! of the lowest filter, errors remain below 1e-4 of the natural scale of each coefficient, the root of the product
//! of its factors' energies (2e-4 for bump-steerable and Shannon). The worst and, in brackets, the root mean square
//! of the worst coefficient, over all windows of a day of real data, J = 8:
//!
//! | times | 1024 samples | 4096 | 16,384 | 65,536 |
//! |---|---|---|---|---|
//! | 8 | 3e-3 (1e-4) | 9e-4 (6e-5) | 3e-4 (4e-5) | 7e-5 (2e-5) |
//! | 16 | 1e-3 (3e-5) | 3e-4 (1e-5) | 1e-4 (9e-6) | 2e-5 (4e-6) |
//! | 32 | 1e-4 (4e-6) | 5e-5 (2e-6) | 1e-5 (9e-7) | 2e-6 (5e-7) |
//!
//! The medians are below 1e-7.

mod block;
mod coefficients;
mod error;
mod filter_bank;
mod fourier;
mod layers;
mod names;
mod transform;
mod wavelet;
mod wavelet_transform;

pub use block::stream::BlockStream;
pub use block::transform::{BlockTransform, BlockTransformBuilder};
pub use coefficients::path::{
    CoefficientKind, CoefficientSet, ScaleDistance, ScatteringPath, envelope_count,
    scattering_paths,
};
pub use coefficients::table::{ChannelPairs, LayerScales};
pub use error::Error;
pub use filter_bank::{BandPass, FilterBank, FilterBankBuilder};
pub use fourier::grid::Oversampling;
pub use fourier::real::Real;
pub use layers::Layers;
pub use layers::correlation::Correlations;
pub use layers::covariance::ScatteringCovariance;
pub use num_complex::Complex;
pub use transform::builder::{EnvelopeMean, PowerRows, ScatteringTransformBuilder};
pub use transform::normalization::Normalization;
pub use transform::plan::{ScatteringScratch, ScatteringTransform};
pub use wavelet::{FilterNorm, Wavelet};
pub use wavelet_transform::padded::Padding;
pub use wavelet_transform::reflected::{Spectrum, TransformScratch, WaveletTransform};
