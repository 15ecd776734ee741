//! State that every command receives next to its own options.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::exit::{Failure, Result};
use super::options::Common;
use super::output::Printer;
use super::output_guard;
use super::progress::Terminal;

/// State that every command receives next to its own options.
pub struct CommandContext {
    /// Options that every command has.
    pub common: Common,
    /// Writer of results to stdout.
    pub printer: Printer,
    /// Progress, logs and failed inputs, on stderr.
    pub observer: Terminal,
    began: Instant,
    result: Option<PathBuf>,
}

impl CommandContext {
    /// Starts logging and progress with the common options.
    ///
    /// # Errors
    /// [`Failure::Failed`] if the threads cannot be started.
    pub fn start(common: Common) -> Result<Self> {
        if let Some(threads) = common.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .map_err(|error| {
                    Failure::new(format!("cannot start {threads} threads: {error}"))
                })?;
        }
        Ok(Self {
            printer: Printer::new(common.json),
            observer: Terminal::start(common.quiet, common.verbose, common.color),
            common,
            began: Instant::now(),
            result: None,
        })
    }

    /// Refuses an output file that is one of the inputs, the configuration file among them.
    ///
    /// # Errors
    /// [`Failure::Usage`].
    pub fn guard_output<'a>(
        &self,
        output: &Path,
        inputs: impl IntoIterator<Item = &'a PathBuf>,
    ) -> Result<()> {
        let inputs = inputs.into_iter().map(PathBuf::as_path);
        output_guard::file(output, inputs)?;
        output_guard::file(output, self.common.config.as_deref())
    }

    /// Names the file or folder to open first; the last line of the command repeats it.
    pub fn open_first(&mut self, path: &Path) {
        self.result = Some(path.to_owned());
    }

    /// Prints the work that a rehearsal found.
    ///
    /// # Errors
    /// Errors of stdout.
    pub fn print_plan(&mut self, output: &Path, unit: &str, n: usize) -> Result<()> {
        let shown = output.display();
        self.printer
            .text(format_args!("{shown}: would be made from {n} {unit}"))?;
        self.printer
            .record(&serde_json::json!({ "output": output, unit: n }))?;
        Ok(())
    }

    /// Logs the last line: the time taken, and the file to open. It goes to stderr, as stdout holds results only, the
    /// same ones each time.
    pub fn finish(&self) {
        let Some(path) = &self.result else {
            return;
        };
        let taken = duration(self.began.elapsed().as_secs_f64());
        log::info!("done in {taken}; open {}", path.display());
    }
}

/// A duration for people: `3.2 s`, `12 min 5 s` or `3 h 20 min`.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        for (seconds, text) in [
            (3.21, "3.2 s"),
            (59.4, "59.4 s"),
            (59.6, "1 min 0 s"),
            (725.0, "12 min 5 s"),
            (12_000.0, "3 h 20 min"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
