//! Log lines on stderr, above the progress bars.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Instant;

use indicatif::MultiProgress;
use log::{Level, LevelFilter, Log, Metadata, Record};

/// Starts logging, once in a process: a second call is ignored.
pub fn start(level: LevelFilter, is_colored: bool, bars: MultiProgress) {
    let logger = Logger {
        began: Instant::now(),
        is_colored,
        bars,
    };
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(level);
    }
}

struct Logger {
    began: Instant,
    is_colored: bool,
    bars: MultiProgress,
}

impl Log for Logger {
    /// Libraries log details that a user cannot act on.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("seismix")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let seconds = self.began.elapsed().as_secs_f64();
        let message = record.args().to_string();
        let line = line(seconds, record.level(), &message, self.is_colored);
        // A closed stderr must not end the run: `eprintln!` would panic.
        let _ = self
            .bars
            .suspend(|| io::stderr().write_all(line.as_bytes()));
    }

    fn flush(&self) {
        let _ = io::stderr().flush();
    }
}

/// `    1.5s  INFO message`, with dim seconds and a coloured level if that is wanted.
fn line(seconds: f64, level: Level, message: &str, is_colored: bool) -> String {
    let message = printable(message);
    if !is_colored {
        return format!("{seconds:7.1}s {level:>5} {message}\n");
    }
    let color = match level {
        Level::Error => 31,
        Level::Warn => 33,
        Level::Info => 32,
        Level::Debug => 34,
        Level::Trace => 35,
    };
    format!("\x1b[2m{seconds:7.1}s\x1b[0m \x1b[{color}m{level:>5}\x1b[0m {message}\n")
}

/// The text without characters that a terminal takes for commands: names of files may hold them.
fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        // Writing to a string does not fail.
        let _ = match character {
            '\x1b' | '\x07' | '\x08' | '\x0c' | '\x7f' => {
                write!(safe, "\\x{:02x}", u32::from(character))
            }
            '\u{80}'..='\u{9f}' => write!(safe, "\\u{{{:x}}}", u32::from(character)),
            _ => safe.write_char(character),
        };
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that tracing-subscriber 0.3.23 wrote for the same events.
    #[test]
    fn lines_have_the_layout_of_earlier_versions() {
        assert_eq!(line(1.53, Level::Info, "a", false), "    1.5s  INFO a\n");
        let long = line(12345.67, Level::Error, "a\tb\nc", false);
        assert_eq!(long, "12345.7s ERROR a\tb\nc\n");
        let colored = line(0.0, Level::Warn, "é", true);
        assert_eq!(colored, "\x1b[2m    0.0s\x1b[0m \x1b[33m WARN\x1b[0m é\n");
    }

    #[test]
    fn commands_to_the_terminal_are_escaped() {
        let text = printable("a\x1b[2J\x07\x08\x0c\x7f\u{9b}z");
        assert_eq!(text, "a\\x1b[2J\\x07\\x08\\x0c\\x7f\\u{9b}z");
    }
}
