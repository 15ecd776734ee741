//! Progress bars and logs, on stderr.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use log::LevelFilter;
use seismix::stage::Observer;

use super::exit::Failure;
use super::interrupt;
use super::log_lines;

/// Observer of the command line: progress bars on a terminal, log lines elsewhere, and the set of failed inputs.
#[derive(Debug)]
pub struct Terminal {
    bars: MultiProgress,
    stage: Mutex<Option<Stage>>,
    problems: Mutex<BTreeSet<(String, String)>>,
}

#[derive(Debug)]
struct Stage {
    name: String,
    total: u64,
    unit: String,
    bar: ProgressBar,
    began: Instant,
    logged: Instant,
}

/// Use of colours on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Colours, into files and pipes as well.
    Always,
    /// No colours.
    Never,
}

impl Color {
    /// True if lines on stderr are coloured.
    fn is_on(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                io::stderr().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}

/// Interval between the log lines of a stage without a bar.
const HEARTBEAT: Duration = Duration::from_secs(30);

impl Stage {
    /// `12 of 288 windows`.
    fn position(&self) -> String {
        let done = self.bar.position();
        let of = if self.total > 0 && done != self.total {
            format!(" of {}", self.total)
        } else {
            String::new()
        };
        format!("{done}{of} {}", self.unit)
    }
}

impl Terminal {
    /// Starts logging (once) and returns the observer. `verbose` is the number of `-v`.
    pub fn start(quiet: bool, verbose: u8, color: Color) -> Self {
        let target = if quiet || !io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::term_like(Box::new(StderrTerm(console::Term::stderr())))
        };
        let bars = MultiProgress::with_draw_target(target);
        let level = match (quiet, verbose) {
            (true, _) => LevelFilter::Error,
            (false, 0) => LevelFilter::Info,
            (false, 1) => LevelFilter::Debug,
            (false, _) => LevelFilter::Trace,
        };
        log_lines::start(level, color.is_on(), bars.clone());
        Self {
            bars,
            stage: Mutex::new(None),
            problems: Mutex::new(BTreeSet::new()),
        }
    }

    /// Fails if inputs failed or a signal requested the command to stop.
    pub fn verdict(&self) -> Result<(), Failure> {
        if interrupt::asked() {
            return Err(Failure::Interrupted);
        }
        match locked(&self.problems).len() {
            0 => Ok(()),
            n => Err(Failure::Partial(n)),
        }
    }

    fn with_stage(&self, act: impl FnOnce(&mut Option<Stage>)) {
        let mut stage = locked(&self.stage);
        act(&mut stage);
    }
}

/// A panic of another thread must not hide the progress of this one.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Observer for Terminal {
    fn begin(&self, stage: &str, total: u64, unit: &str) {
        self.end();
        let bar = if total > 0 {
            let template =
                "{prefix:12} {bar:30} {pos}/{len} {unit}  {per_sec}  ETA {eta}  {wide_msg}"
                    .replace("{unit}", unit);
            let style = ProgressStyle::with_template(&template);
            ProgressBar::new(total)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        } else {
            let template = "{prefix:12} {spinner} {pos} {unit}  {wide_msg}".replace("{unit}", unit);
            let style = ProgressStyle::with_template(&template);
            ProgressBar::new_spinner()
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        };
        let bar = self.bars.add(bar.with_prefix(stage.to_owned()));
        if self.bars.is_hidden() {
            log::debug!("{stage}: {total} {unit}");
        }
        self.with_stage(|current| {
            *current = Some(Stage {
                name: stage.to_owned(),
                total,
                unit: unit.to_owned(),
                bar,
                began: Instant::now(),
                logged: Instant::now(),
            });
        });
    }

    fn advance(&self, steps: u64) {
        self.with_stage(|stage| {
            if let Some(stage) = stage {
                stage.bar.inc(steps);
                if self.bars.is_hidden() && stage.logged.elapsed() > HEARTBEAT {
                    stage.logged = Instant::now();
                    let left = stage.bar.eta().as_secs();
                    log::info!("{}: {}, ETA {left} s", stage.name, stage.position());
                }
            }
        });
    }

    fn remark(&self, text: &str) {
        log::info!("{text}");
    }

    fn end(&self) {
        self.with_stage(|stage| {
            if let Some(stage) = stage.take() {
                let position = stage.position();
                stage.bar.finish_and_clear();
                self.bars.remove(&stage.bar);
                let seconds = stage.began.elapsed().as_secs_f64();
                let name = &stage.name;
                if seconds < 1.0 {
                    log::debug!("{name}: {position} in {seconds:.1} s");
                } else {
                    log::info!("{name}: {position} in {seconds:.1} s");
                }
            }
        });
    }

    fn problem(&self, subject: &str, reason: &str) {
        // Several stages may meet the same bad file; it is reported once.
        let new = locked(&self.problems).insert((subject.to_owned(), reason.to_owned()));
        if new {
            log::error!("{subject}: {reason}");
        }
    }

    fn cancelled(&self) -> bool {
        interrupt::asked()
    }
}

/// Terminal whose drawing never fails: `MultiProgress::suspend` panics on an error, as of a terminal that was closed.
#[derive(Debug)]
struct StderrTerm(console::Term);

impl TermLike for StderrTerm {
    fn width(&self) -> u16 {
        self.0.size().1
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        let _ = self.0.move_cursor_up(n);
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        let _ = self.0.move_cursor_down(n);
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        let _ = self.0.move_cursor_right(n);
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        let _ = self.0.move_cursor_left(n);
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        let _ = self.0.write_line(text);
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let _ = self.0.write_str(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        let _ = self.0.clear_line();
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}
