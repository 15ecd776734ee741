//! Failures of a command: exit code, message and advice.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use seismix::arrays::ArrayError;
use seismix::arrays::npy::{NpyError, NpyFault};
use seismix::config::ConfigError;
use seismix::stage::PipelineError;

/// Reason for which a command stopped; it decides the exit code and the message on stderr.
#[derive(Debug)]
pub enum Failure {
    /// The command line, an environment variable or the configuration file is wrong: exit code 2.
    Usage {
        /// The fault.
        message: String,
        /// The remedy, if the message does not contain it.
        help: Option<String>,
    },
    /// Something failed: exit code 1.
    Failed {
        /// The fault, and where it is.
        message: String,
        /// The remedy, if the message does not contain it.
        help: Option<String>,
    },
    /// Number of inputs that failed and were named; the others are complete: exit code 1.
    Partial(usize),
    /// A signal requested the command to stop: exit code 130.
    Interrupted,
    /// Likewise for a command with `--fresh`, which would begin anew if it were repeated.
    InterruptedFresh,
    /// The reader of stdout closed it, as `head` does: exit code 0 without a message.
    BrokenPipe,
}

/// Result of a command.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Failure with exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            help: None,
        }
    }

    /// Usage failure with exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            help: None,
        }
    }

    /// Failure of an array function on the arrays of `path`.
    pub fn of_array(path: &Path, error: &ArrayError) -> Self {
        let file = path.display();
        let message = match error {
            ArrayError::Interrupted => return Self::Interrupted,
            ArrayError::Channel { .. } => format!("{file} {error}"),
            _ => format!("{file}: {error}"),
        };
        match error {
            _ if error.is_setting() => Self::usage(message),
            ArrayError::NotFinite { .. } => {
                Self::new(message).with_help("cut the samples around it out, or fill the gap")
            }
            _ => Self::new(message),
        }
    }

    /// Adds the remedy for arrays of other axes.
    pub fn with_help_for_shape(self, error: &ArrayError, text: &str) -> Self {
        match error {
            ArrayError::Shape { .. } => self.with_help(text),
            _ => self,
        }
    }

    /// Adds the remedy.
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
            Self::Interrupted | Self::InterruptedFresh => {
                ExitCode::from(super::interrupt::EXIT_CODE)
            }
            Self::BrokenPipe => ExitCode::SUCCESS,
        }
    }

    /// Lines for stderr: `error: ...`, and `help: ...` where there is advice.
    pub fn lines(&self) -> Vec<String> {
        let (message, help) = match self {
            Self::Usage { message, help } | Self::Failed { message, help } => {
                (message.clone(), help.clone())
            }
            Self::Partial(1) => ("1 input could not be used".into(), None),
            Self::Partial(n) => (format!("{n} inputs could not be used"), None),
            Self::Interrupted => (
                "interrupted".into(),
                Some("completed files are intact; run the same command to resume".into()),
            ),
            Self::InterruptedFresh => (
                "interrupted".into(),
                Some(
                    "completed files are intact; run the same command without --fresh to resume"
                        .into(),
                ),
            ),
            Self::BrokenPipe => return Vec::new(),
        };
        let help = help.map(|help| format!("help: {help}"));
        std::iter::once(format!("error: {message}"))
            .chain(help)
            .collect()
    }
}

/// A setting that does not fit the data is a usage failure, too.
impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

/// Errors of array files, with advice.
impl From<NpyError> for Failure {
    fn from(error: NpyError) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            NpyError::Content { fault, .. } if !matches!(fault, NpyFault::Empty(_)) => {
                failure.with_help("save the array with numpy.save as float64, float32 or integers")
            }
            NpyError::NotAFile { .. } => failure.with_help("copy it to a file first"),
            _ => failure,
        }
    }
}

/// Errors of readers and writers.
impl From<seismix_core::Error> for Failure {
    fn from(error: seismix_core::Error) -> Self {
        PipelineError::from(error).into()
    }
}

impl From<seismix::data::Error> for Failure {
    fn from(error: seismix::data::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// Errors of a stage, with their advice.
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
