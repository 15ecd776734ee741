//! Detection of a repeating source in a whole record, by the waveform that it repeats.
//!
//! A [`Detector`] is planned from a template: one waveform per channel with a common onset. It searches gap-free blocks
//! of a record for `a (h * box(ramp)) + b h''`, the response h of the template to a ramp and its second derivative,
//! with free a and b on each channel. The statistic D(t) is the decrease of chi-square that the best of these brings
//! at an onset t, after whitening by the block's own spectrum and with weights that follow the noise in each octave
//! and minute. A find is scored by `F = D / max(q, 1)`, where q is the reduced chi-square that the fit leaves around
//! it.
//!
//! The same search with waveforms that no source has ([`Decoy`]) supplies the finds that chance and other signals
//! produce; [`compete`] turns both into false discovery rates.

mod block;
mod calibration;
mod candidate;
mod competition;
mod octaves;
mod record;
mod removal;
mod search;
mod spectrum;
mod transients;
mod waveform;

pub use calibration::{
    COMPETITION_S, Calibration, NoiseHours, PriorDecoys, Scored, Stratum, winners,
};
pub use candidate::Find;
pub use competition::{Competition, RankedFind, compete};
pub use record::{record_transients, training_segments};
pub use removal::{Removal, RemovedSource, remove};
pub use search::{BlockFinds, Detector, Noise};
pub use transients::{Transient, transients};
pub use waveform::Decoy;
