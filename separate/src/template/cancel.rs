//! Cancellation of a long computation.

use std::sync::atomic::{AtomicBool, Ordering};

/// Request to stop, which remains set once it was seen.
///
/// Loops end early when it is set, with whatever they have; the public functions then return an error in place of that
/// result. So a request that is withdrawn must not be forgotten, or half a result would be returned as a whole one.
pub(crate) struct Cancel<'a> {
    requested: &'a (dyn Fn() -> bool + Sync),
    seen: AtomicBool,
}

impl<'a> Cancel<'a> {
    pub(crate) fn new(requested: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self {
            requested,
            seen: AtomicBool::new(false),
        }
    }

    /// True once the caller wants to stop.
    pub(crate) fn is_set(&self) -> bool {
        if !self.seen.load(Ordering::Relaxed) && (self.requested)() {
            self.seen.store(true, Ordering::Relaxed);
        }
        self.seen.load(Ordering::Relaxed)
    }
}
