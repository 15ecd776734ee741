#![doc = include_str!("../README.md")]

pub mod archive;
pub mod catalog;
pub mod error;
mod instant;
pub mod lists;
pub mod metadata;
pub mod mseed;
pub mod segment;
pub mod store;
pub mod summary;
pub mod synthetic;
pub mod usable;
mod xml;

pub use error::{Error, Result};
pub use segment::{Anchor, Encoding, Quality, Samples, Segment};
pub use seismix_core::{StationKey, StreamId, TimeSpan, id, time};
