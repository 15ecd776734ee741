use std::iter::Sum;

/// The two floating-point types that the transform runs in, `f32` and `f64`.
pub trait Real:
    realfft::FftNum + num_traits::Float + num_traits::NumAssign + Sum + Default
{
    /// The nearest value of this type to an `f64`.
    fn of(value: f64) -> Self;
    /// This value as an `f64`.
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
