//! Ctrl-C: the first asks the running stage to stop when its files are whole, the second ends the process.

use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Starts to listen. Outputs are written aside and renamed, so that even the second Ctrl-C leaves only whole files.
pub fn listen() {
    let listening = ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::SeqCst) {
            #[expect(clippy::exit, reason = "the second Ctrl-C must not wait for anything")]
            std::process::exit(130);
        }
        tracing::warn!("stopping after the current step; press Ctrl-C again to stop at once");
    });
    if let Err(error) = listening {
        tracing::debug!("Ctrl-C keeps its usual meaning: {error}");
    }
}

/// Whether the user asked to stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}
