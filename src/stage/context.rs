//! Settings and services that every stage shares.

use crate::config::{Memory, RunControl, Shard};
use crate::stage::inputs::Inputs;
use crate::stage::progress::Observer;

/// Treatment of an output that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// Intact files of the same settings and inputs are kept; other settings are refused.
    #[default]
    Resume,
    /// Intact files of the same settings and inputs are kept; an output of other settings is replaced. For the stages
    /// of a run, which compares the settings of all of them itself.
    Update,
    /// Everything is made again.
    Fresh,
}

/// Settings and services that every stage shares.
pub struct StageContext<'a> {
    /// Receives progress, remarks and problems, and says when to stop.
    pub progress: &'a dyn Observer,
    /// Seed of everything random.
    pub seed: u64,
    /// Treatment of outputs that exist.
    pub existing: Existing,
    /// Read every input again, also where size, time of modification and inode are unchanged.
    pub verify: bool,
    /// Peak memory to plan for.
    pub memory: Memory,
    /// Part of the days to work on; `None` is all.
    pub shard: Option<Shard>,
    /// Inputs used so far, with their hashes.
    pub inputs: Inputs,
}

impl<'a> StageContext<'a> {
    /// The context of one command.
    pub fn new(control: &RunControl, progress: &'a dyn Observer) -> Self {
        Self {
            progress,
            seed: control.seed,
            existing: if control.fresh {
                Existing::Fresh
            } else {
                Existing::Resume
            },
            verify: control.verify,
            memory: control.memory,
            shard: control.shard,
            inputs: Inputs::default(),
        }
    }

    /// Recalls the hashes of inputs that an earlier command kept in an output's state.
    pub fn recall(&self, state: &std::path::Path) {
        if !self.verify {
            self.inputs.recall(state);
        }
    }
}
