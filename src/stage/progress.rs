//! What a running stage tells, and how it learns that it should stop.

/// Watches a stage: its progress, its remarks, and the inputs that failed while the rest goes on.
///
/// The binary draws bars and logs with it; a library user may pass [`NoProgress`]. All methods may be called
/// from several threads.
pub trait Observer: Sync {
    /// A stage of `total` steps begins; `unit` names a step (`windows`, `epochs`); 0 when the number is unknown.
    fn begin(&self, stage: &str, total: u64, unit: &str) {
        let _ = (stage, total, unit);
    }

    /// `steps` more steps of the current stage are done.
    fn advance(&self, steps: u64) {
        let _ = steps;
    }

    /// A short remark beside the progress, such as the current loss.
    fn remark(&self, text: &str) {
        let _ = text;
    }

    /// The current stage is over.
    fn end(&self) {}

    /// One input could not be used and the rest goes on; the run then ends with exit code 1.
    ///
    /// `subject` is a file, or a file and channel; `reason` says what was wrong.
    fn problem(&self, subject: &str, reason: &str) {
        let _ = (subject, reason);
    }

    /// True once the user asked to stop; a stage returns as soon as its outputs are whole.
    fn cancelled(&self) -> bool {
        false
    }
}

/// An observer that ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Observer for NoProgress {}
