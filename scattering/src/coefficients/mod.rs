//! Coefficients: their table, and the time averages that define them.

pub(crate) mod averages;
pub(crate) mod operations;
pub(crate) mod path;
pub(crate) mod rows;
pub(crate) mod sums;
pub(crate) mod table;
