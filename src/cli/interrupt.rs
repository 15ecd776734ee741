//! SIGINT, SIGTERM and SIGHUP: the first signal stops the running stage once its files are complete, the second ends
//! the process.

use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Exit code of a command that a signal ended.
pub const EXIT_CODE: u8 = 130;

/// Starts to listen. Outputs are written under temporary names and renamed, so that the second signal leaves only
/// complete files as well.
pub fn listen() {
    if let Err(error) = handlers::install() {
        log::debug!("signals keep their default action: {error}");
    }
}

/// True once a signal requested the command to stop.
pub fn asked() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Records a signal; the second one ends the process at once.
fn on_signal() {
    if REQUESTED.swap(true, Ordering::SeqCst) {
        #[expect(clippy::exit, reason = "the second signal must not wait for anything")]
        std::process::exit(EXIT_CODE.into());
    }
    log::warn!("stopping after the current step; press Ctrl-C again to stop at once");
}

#[cfg(unix)]
mod handlers {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    /// Handles the signals in a thread of their own, where logging and exiting are safe.
    pub fn install() -> std::io::Result<()> {
        let ignored = ignored_signals();
        // `nohup` and background shells ignore a signal on purpose: a handler would undo that.
        let handled = [SIGINT, SIGTERM, SIGHUP]
            .into_iter()
            .filter(|signal| ignored >> (signal - 1) & 1 == 0);
        let mut signals = Signals::new(handled)?;
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || signals.forever().for_each(|_| super::on_signal()))?;
        Ok(())
    }

    /// Bit mask of the signals that this process ignores; none where the system does not publish it.
    fn ignored_signals() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .unwrap_or(0)
    }
}

#[cfg(not(unix))]
mod handlers {
    /// Ctrl-C keeps its default action: outputs are complete or absent either way.
    pub fn install() -> std::io::Result<()> {
        Ok(())
    }
}
