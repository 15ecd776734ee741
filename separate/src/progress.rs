//! Progress of a long computation, and the way in which it learns that it should stop.

/// Observer of a stage: its steps, and the user's wish to stop. Methods may be called from several threads.
pub trait Progress: Sync {
    /// Begins a stage of `total` steps (0 if unknown); `unit` names a step.
    fn begin(&self, stage: &str, total: u64, unit: &str) {
        let _ = (stage, total, unit);
    }

    /// Reports `steps` more steps of the current stage.
    fn advance(&self, steps: u64) {
        let _ = steps;
    }

    /// Ends the current stage.
    fn end(&self) {}

    /// True once the user wants to stop.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Progress that ignores everything and never stops.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {}

/// Progress that ignores everything and stops when the function returns true.
#[derive(Debug, Clone, Copy)]
pub struct CancelWhen<F>(pub F);

impl<F: Fn() -> bool + Sync> Progress for CancelWhen<F> {
    fn cancelled(&self) -> bool {
        (self.0)()
    }
}
