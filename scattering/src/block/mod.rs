//! Averages over the blocks of a record of any length, in memory or as a stream.

pub(crate) mod stream;
pub(crate) mod transform;
