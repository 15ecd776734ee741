//! Glitches taken out of records.

pub mod outputs;
