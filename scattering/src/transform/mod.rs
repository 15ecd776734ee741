//! The scattering transform with all its options: builder, plan, forward steps, adjoint and normalisation.

pub(crate) mod adjoint;
pub(crate) mod builder;
pub(crate) mod forward;
pub(crate) mod normalization;
pub(crate) mod plan;
