//! From a model's samples back to scattering covariances in physical units.
//!
//! The network's inputs are reduced features, from which coefficients cannot be computed. [`Coordinates`] are numbers
//! without bounds that describe one channel's coefficients completely; a [`LinearDecoder`] says what they are for a
//! cluster and the network's inputs, and how much of them the inputs do not know. [`DecoderFit`] fits one and
//! measures it on windows held out.

mod coordinates;
mod fit;
mod linear;

pub use coordinates::{CoordinateKind, Coordinates};
pub use fit::{DecoderFit, KindError};
pub use linear::LinearDecoder;
pub use nalgebra::Complex;
