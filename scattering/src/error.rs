use thiserror::Error as ThisError;

/// What a plan or a call on it can refuse; each text says what to change.
#[derive(Debug, Clone, PartialEq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A parameter of the plan is outside what the transform allows.
    #[error("`{name}` is `{value}`: {reason}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// Its value, as text.
        value: String,
        /// What to do instead.
        reason: String,
    },
    /// A buffer has not the length that the plan asks for; nothing was written.
    #[error(
        "`{name}` has {found} elements, the plan needs {expected}; plan anew for this length or size the buffer by the plan"
    )]
    Length {
        /// Which buffer.
        name: &'static str,
        /// Its length.
        found: usize,
        /// The length asked for.
        expected: usize,
    },
    /// The signal holds a NaN or an infinity; nothing was written.
    #[error("sample {index} is {value}; cut the record at such samples, they cannot be averaged")]
    NotFinite {
        /// Index of the first such sample.
        index: usize,
        /// `NaN`, `inf` or `-inf`.
        value: String,
    },
    /// A coefficient does not fit the floating-point type. The output has been written and is of no use.
    #[error(
        "coefficient {coefficient} is too large or too small for the floating-point type; bring the signal nearer to 1 (other units), or take f64"
    )]
    OutOfRange {
        /// Index of the first such coefficient in the table.
        coefficient: usize,
    },
}

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
