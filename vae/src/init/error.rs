//! Error of the initial clusters.

/// Cause of a failed clustering; each text says what to change.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitError {
    /// Fewer rows than clusters.
    #[error("{rows} windows cannot fill {clusters} clusters; use fewer clusters or more records")]
    TooFewRows {
        /// Rows given.
        rows: usize,
        /// Clusters requested.
        clusters: usize,
    },
    /// No cluster, or no feature.
    #[error("{clusters} clusters of {features} features: both must be at least 1")]
    Empty {
        /// Clusters requested.
        clusters: usize,
        /// Features given.
        features: usize,
    },
    /// A value is NaN or infinite.
    #[error("row {row} holds a value that is not finite")]
    NotFinite {
        /// The first such row.
        row: usize,
    },
    /// Arrays that belong together differ in length.
    #[error("{what}: {found} given, {expected} expected")]
    Length {
        /// The arrays.
        what: &'static str,
        /// Number given.
        found: usize,
        /// Number expected.
        expected: usize,
    },
    /// The user stopped the fit.
    #[error("the fit was cancelled")]
    Cancelled,
    /// The shared covariance cannot be inverted.
    #[error(
        "the clusters' shared covariance is singular; drop constant features or raise its ridge"
    )]
    Singular,
}
