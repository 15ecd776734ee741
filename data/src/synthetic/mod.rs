//! Synthetic archives with known sources at three time scales, and the truth beside them.
//!
//! What a record holds, in counts, on three channels at 20 samples a second:
//!
//! - **background**, in states of 2 to 5 hours: Gaussian noise of one of two spectral slopes, or the increments of a
//!   multifractal random walk; three sources mixed into the channels; its rms follows a quiet and a windy part of the
//!   day;
//! - **bursts** of 10 to 30 minutes: band noise, steady or modulated in amplitude, 2 to 5 times the background's rms;
//! - **pulses** of about a minute: a seismometer's response to a step in acceleration, one-sided, with the response
//!   to a step in displacement (a short precursor) at the onset, 5 to 100 times the background's rms, in spells;
//! - one **gap** on the second day with a full-scale sample before it, as real records have.
//!
//! Each of the first three is rounded to integers before they are added, so the parts sum to the record exactly.
//! Every random number comes from a stream keyed by (seed, purpose, number): neither the number of threads nor the
//! number of days changes what a given day holds.
//!
//! ```no_run
//! use seismix_data::synthetic::{Archive, SyntheticConfig};
//! let truth = Archive::generate("run".as_ref(), &SyntheticConfig::default())?;
//! println!("{} pulses", truth.pulses.len()); // run/archive is an SDS tree, run/truth holds the parts
//! # Ok::<(), seismix_data::synthetic::SyntheticError>(())
//! ```

mod archive;
mod config;
mod labels;
mod noise;
mod plan;
mod pulse;
mod random;
mod schedule;
mod truth;

pub use archive::Archive;
pub use config::{SyntheticConfig, SyntheticError};
pub use labels::{BurstLabel, Label, WindowLabels};
pub use noise::{MultifractalRandomWalk, coloured_noise, fractional_gaussian_noise};
pub use plan::{DaySources, SyntheticPlan};
pub use pulse::Seismometer;
pub use truth::{BackgroundInterval, BackgroundKind, Burst, BurstClass, Pulse, Truth};
