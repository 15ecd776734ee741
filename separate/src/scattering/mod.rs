//! The scattering objective: the loss, its gradient, its optimiser, and the test that accepts a result.

pub(crate) mod acceptance;
pub(crate) mod expected_terms;
pub(crate) mod lbfgs;
pub(crate) mod loss;
pub(crate) mod method;
pub(crate) mod optimize;
pub(crate) mod reference;
pub(crate) mod spread;
pub(crate) mod terms;
mod vector;
pub(crate) mod workspace;
