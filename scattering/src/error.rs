use thiserror::Error as ThisError;

/// Refusal of a plan or of a call on it; each text states the remedy.
#[derive(Debug, Clone, PartialEq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A parameter of the plan lies outside its range.
    #[error("`{name}` is `{value}`: {reason}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// Its value, as text.
        value: String,
        /// The range or the remedy.
        reason: String,
    },
    /// A buffer differs in length from the plan; nothing was written.
    #[error(
        "`{name}` has {found} elements, the plan requires {expected}; plan for this length or make the buffer with the plan"
    )]
    Length {
        /// Name of the buffer.
        name: &'static str,
        /// Its length.
        found: usize,
        /// The length that the plan requires.
        expected: usize,
    },
    /// The signal holds a NaN or an infinity; nothing was written.
    #[error("sample {index} is `{value}`, which has no average; split the record at such samples")]
    NotFinite {
        /// Index of the first such sample.
        index: usize,
        /// `NaN`, `inf` or `-inf`.
        value: String,
    },
    /// A coefficient exceeds the range of the floating-point type. The output was written and is unusable.
    #[error(
        "coefficient {coefficient} exceeds the range of the floating-point type; scale the signal towards 1 (other units) or use f64"
    )]
    OutOfRange {
        /// Index of the first such coefficient in the table.
        coefficient: usize,
    },
    /// The caller's check requested a stop; the output is incomplete.
    #[error("interrupted")]
    Interrupted,
}

/// [`Error::Parameter`] from its parts.
pub(crate) fn parameter(
    name: &'static str,
    value: impl ToString,
    reason: impl Into<String>,
) -> Error {
    Error::Parameter {
        name,
        value: value.to_string(),
        reason: reason.into(),
    }
}

/// Refuses a buffer of the wrong length.
pub(crate) fn check_length(name: &'static str, found: usize, expected: usize) -> Result<(), Error> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::Length {
            name,
            found,
            expected,
        })
    }
}
