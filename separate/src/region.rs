//! Stretches of a record around targets, and the windows and events that belong to them.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Gap-free stretch of a record around one or more targets.
#[derive(Debug, Clone, Default)]
pub struct Region {
    /// Name of each channel, such as `NET.STA.LOC.CHA`.
    pub channels: Vec<String>,
    /// Samples, `[channel][sample]`, all channels of one length.
    pub samples: Vec<Vec<f64>>,
    /// Targets: samples in which a source may begin and the record may change, ascending.
    pub targets: Vec<Range<usize>>,
    /// Targets of other regions that lie within this one: sources in them are not background.
    pub neighbours: Vec<Range<usize>>,
    /// Snippets of each channel; empty unless the separator [wants them](crate::SnippetUse).
    pub snippets: Vec<Snippets>,
    /// Events that a detector has found in the region, by onset.
    pub events: Vec<Event>,
}

/// Windows of one channel from elsewhere in the record, all of one length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snippets {
    /// Windows of the background.
    pub background: Vec<Vec<f64>>,
    /// Windows around other targets.
    pub source: Vec<Vec<f64>>,
}

/// Source that a detector has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Onset, in samples of the region.
    pub onset: f64,
    /// Samples that it covers.
    pub interval: Range<usize>,
    /// Family or class that the detector assigns.
    pub kind: String,
}

impl Region {
    /// Samples a channel.
    pub fn n_samples(&self) -> usize {
        self.samples.first().map_or(0, Vec::len)
    }

    /// True if no sample is NaN or infinite.
    pub fn is_finite(&self) -> bool {
        self.samples.iter().flatten().all(|v| v.is_finite())
    }
}
