//! Cancellation and progress of a long computation.

use std::sync::atomic::{AtomicBool, Ordering};

use seismix_core::progress::Progress;

/// Request to stop, which remains set once it was seen, and the steps that are reported until then.
///
/// Loops end early when it is set, with whatever they have; the public functions then return an error in place of that
/// result. So a request that is withdrawn must not be forgotten, or half a result would be returned as a whole one.
pub(crate) struct Cancel<'a> {
    progress: &'a dyn Progress,
    seen: AtomicBool,
}

impl<'a> Cancel<'a> {
    pub(crate) fn new(progress: &'a dyn Progress) -> Self {
        Self {
            progress,
            seen: AtomicBool::new(false),
        }
    }

    /// True once the caller wants to stop.
    pub(crate) fn is_set(&self) -> bool {
        // Not asked again once seen: a caller may withdraw its request, but the result is incomplete already.
        if !self.seen.load(Ordering::Relaxed) && self.progress.cancelled() {
            self.seen.store(true, Ordering::Relaxed);
        }
        self.seen.load(Ordering::Relaxed)
    }

    /// Reports one more step of the stage.
    pub(crate) fn advance(&self) {
        self.progress.advance(1);
    }
}
