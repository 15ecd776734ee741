#![doc = include_str!("../README.md")]

pub mod atomic_file;
pub mod checksum;
pub mod coefficient;
mod error;
pub mod id;
pub mod progress;
pub mod regular_file;
pub mod stats;
pub mod time;
pub mod window;

pub use error::{Error, Result};
pub use id::{StationKey, StreamId};
pub use time::TimeSpan;
