//! Fast transforms of windows on grids of any size, and how filters are applied to their spectra.

pub(crate) mod band;
pub(crate) mod grid;
pub(crate) mod grid_fft;
pub(crate) mod real;
pub(crate) mod simd;
