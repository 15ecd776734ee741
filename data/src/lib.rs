#![doc = include_str!("../README.md")]

pub mod archive;
pub mod atomic;
pub mod error;
pub mod id;
pub mod mseed;
pub mod segment;
pub mod store;
pub mod summary;
pub mod synthetic;
pub mod time;

pub use error::{Error, Result};
pub use id::{StationKey, StreamId};
pub use segment::{Anchor, Encoding, Quality, Samples, Segment};
pub use time::TimeSpan;
