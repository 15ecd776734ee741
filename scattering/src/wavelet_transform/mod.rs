//! Wavelet transforms of one window, one for each kind of border.

pub(crate) mod padded;
pub(crate) mod periodic;
pub(crate) mod reflected;
