//! Progress of a running stage, and the way in which it learns that it should stop.

/// Observer of a stage: its steps, remarks, inputs that failed, and the user's wish to stop.
///
/// A program draws bars and logs with it; a library user may pass [`NoProgress`] or [`CancelWhen`]. Methods may be
/// called from several threads.
pub trait Progress: Sync {
    /// Begins a stage of `total` steps (0 if unknown); `unit` names a step (`windows`, `epochs`). See [`Stage`].
    fn begin(&self, stage: &str, total: u64, unit: &str) {
        let _ = (stage, total, unit);
    }

    /// Reports `steps` more steps of the current stage.
    fn advance(&self, steps: u64) {
        let _ = steps;
    }

    /// Reports a short remark next to the progress, such as the current loss.
    fn remark(&self, text: &str) {
        let _ = text;
    }

    /// Ends the current stage.
    fn end(&self) {}

    /// Reports an input that cannot be used while the rest is processed; the run then ends with exit code 1.
    ///
    /// `subject` is a file, or a file and channel; `reason` says what is wrong.
    fn problem(&self, subject: &str, reason: &str) {
        let _ = (subject, reason);
    }

    /// True once the user wants to stop; a stage then returns as soon as its outputs are complete.
    fn cancelled(&self) -> bool {
        false
    }
}

/// A stage in progress; ends when dropped, also by `?` or a panic.
pub struct Stage<'a>(&'a dyn Progress);

impl<'a> Stage<'a> {
    /// Begins a stage of `total` steps (0 if unknown), each a `unit`.
    #[must_use = "the stage ends when this is dropped"]
    pub fn begin(progress: &'a dyn Progress, name: &str, total: u64, unit: &str) -> Self {
        progress.begin(name, total, unit);
        Self(progress)
    }

    /// Reports `steps` more steps.
    pub fn advance(&self, steps: u64) {
        self.0.advance(steps);
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.0.end();
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Recorded(Mutex<Vec<String>>);

    impl Progress for Recorded {
        fn begin(&self, stage: &str, total: u64, unit: &str) {
            self.note(format!("begin {stage} {total} {unit}"));
        }
        fn advance(&self, steps: u64) {
            self.note(format!("advance {steps}"));
        }
        fn end(&self) {
            self.note("end".into());
        }
    }

    impl Recorded {
        fn note(&self, text: String) {
            if let Ok(mut notes) = self.0.lock() {
                notes.push(text);
            }
        }
    }

    #[test]
    fn a_stage_ends_also_on_an_early_return() {
        let progress = Recorded::default();
        let fails = || -> Result<(), &str> {
            let stage = Stage::begin(&progress, "fit", 2, "windows");
            stage.advance(1);
            Err("full")?;
            stage.advance(1);
            Ok(())
        };
        assert!(fails().is_err());
        let notes = progress.0.into_inner().unwrap_or_default();
        assert_eq!(notes, ["begin fit 2 windows", "advance 1", "end"]);
        assert!(!NoProgress.cancelled() && CancelWhen(|| true).cancelled());
    }
}
