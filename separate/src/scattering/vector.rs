//! Vectors of an argmin problem.

use argmin_math::{
    ArgminAdd, ArgminDot, ArgminL1Norm, ArgminL2Norm, ArgminMinMax, ArgminMul, ArgminSignum,
    ArgminSub, ArgminZeroLike,
};

/// A vector with the operations that argmin's L-BFGS requires; sums run in the order of the elements.
///
/// argmin-math has them for `Vec<f64>` as well, but only together with an older version of rand.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Vector(pub(super) Vec<f64>);

impl Vector {
    fn map(&self, value: impl Fn(f64) -> f64) -> Self {
        Self(self.0.iter().map(|&a| value(a)).collect())
    }

    fn zip(&self, other: &Self, value: impl Fn(f64, f64) -> f64) -> Self {
        debug_assert_eq!(self.0.len(), other.0.len());
        let pairs = self.0.iter().zip(&other.0);
        Self(pairs.map(|(&a, &b)| value(a, b)).collect())
    }
}

macro_rules! elementwise {
    ($($operation:ident::$method:ident($operator:tt);)*) => {
        $(impl $operation<Self, Self> for Vector {
            fn $method(&self, other: &Self) -> Self {
                self.zip(other, |a, b| a $operator b)
            }
        }

        impl $operation<f64, Self> for Vector {
            fn $method(&self, other: &f64) -> Self {
                self.map(|a| a $operator other)
            }
        })*
    };
}

elementwise! {
    ArgminAdd::add(+);
    ArgminSub::sub(-);
    ArgminMul::mul(*);
}

impl ArgminMul<Vector, Vector> for f64 {
    fn mul(&self, other: &Vector) -> Vector {
        other.map(|a| a * self)
    }
}

impl ArgminDot<Self, f64> for Vector {
    fn dot(&self, other: &Self) -> f64 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }
}

impl ArgminL1Norm<f64> for Vector {
    fn l1_norm(&self) -> f64 {
        self.0.iter().map(|a| a.abs()).sum()
    }
}

impl ArgminL2Norm<f64> for Vector {
    fn l2_norm(&self) -> f64 {
        self.0.iter().map(|a| a * a).sum::<f64>().sqrt()
    }
}

impl ArgminSignum for Vector {
    fn signum(self) -> Self {
        self.map(f64::signum)
    }
}

impl ArgminZeroLike for Vector {
    fn zero_like(&self) -> Self {
        Self(vec![0.0; self.0.len()])
    }
}

impl ArgminMinMax for Vector {
    fn min(x: &Self, y: &Self) -> Self {
        x.zip(y, |a, b| if a < b { a } else { b })
    }

    fn max(x: &Self, y: &Self) -> Self {
        x.zip(y, |a, b| if a > b { a } else { b })
    }
}
