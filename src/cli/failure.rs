//! How a command ends when it does not end well.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use seismix::config::ConfigError;
use seismix::stage::PipelineError;

/// Why a command stopped; it decides the exit code and what is said on stderr.
#[derive(Debug)]
pub enum Failure {
    /// The command line, an environment variable or the configuration file is wrong: exit code 2.
    Usage {
        /// What was wrong.
        message: String,
        /// What to do, if there is more to say.
        help: Option<String>,
    },
    /// Something failed: exit code 1.
    Failed {
        /// What was wrong, and where.
        message: String,
        /// What to do, if there is more to say.
        help: Option<String>,
    },
    /// This many inputs failed and were named; the others are done: exit code 1.
    Partial(usize),
    /// The user asked to stop: exit code 130.
    Interrupted,
    /// Nobody reads our output any more; that is their choice: exit code 0, and not a word.
    BrokenPipe,
}

/// Result of a command.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Something failed.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            help: None,
        }
    }

    /// The command line is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            help: None,
        }
    }

    /// A file could not be read or written.
    pub fn io(path: &Path, error: &io::Error) -> Self {
        Self::new(format!("{}: {error}", path.display()))
    }

    /// The same failure with what to do about it.
    pub fn with_help(mut self, text: impl Into<String>) -> Self {
        if let Self::Usage { help, .. } | Self::Failed { help, .. } = &mut self {
            *help = Some(text.into());
        }
        self
    }

    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage { .. } => ExitCode::from(2),
            Self::Failed { .. } | Self::Partial(_) => ExitCode::from(1),
            Self::Interrupted => ExitCode::from(130),
            Self::BrokenPipe => ExitCode::SUCCESS,
        }
    }

    /// What is said on stderr: a line `error: ...`, and a line `help: ...` where there is help.
    pub fn lines(&self) -> Vec<String> {
        let (message, help) = match self {
            Self::Usage { message, help } | Self::Failed { message, help } => {
                (message.clone(), help.clone())
            }
            Self::Partial(1) => ("1 input could not be used".into(), None),
            Self::Partial(n) => (format!("{n} inputs could not be used"), None),
            Self::Interrupted => (
                "interrupted".into(),
                Some("what is written is whole; the same command goes on from there".into()),
            ),
            Self::BrokenPipe => return Vec::new(),
        };
        let help = help.map(|help| format!("help: {help}"));
        std::iter::once(format!("error: {message}"))
            .chain(help)
            .collect()
    }
}

/// A setting that only turns out wrong when it meets the data is still a matter of usage.
impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

/// What the readers and writers refused.
impl From<seismix::data::Error> for Failure {
    fn from(error: seismix::data::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// What a stage refused, with its advice.
impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        match error {
            PipelineError::Interrupted => Self::Interrupted,
            PipelineError::Config(error) => error.into(),
            error => {
                let failure = Self::new(error.to_string());
                match error.help() {
                    Some(help) => failure.with_help(help),
                    None => failure,
                }
            }
        }
    }
}

/// Errors of stdout, which have no path.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::BrokenPipe
        } else {
            Self::new(format!("standard output: {error}"))
        }
    }
}
