//! The floating-point types.

use std::iter::Sum;

/// Floating-point type of a transform: `f32` or `f64`.
pub trait Real:
    realfft::FftNum + num_traits::Float + num_traits::NumAssign + Sum + Default
{
    /// Rounds an `f64` to this type.
    fn of(value: f64) -> Self;
    /// Converts the value to `f64`.
    fn to_double(self) -> f64;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn to_double(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn to_double(self) -> f64 {
        self
    }
}
