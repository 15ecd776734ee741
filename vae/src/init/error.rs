//! What can go wrong while first clusters are sought.

/// Why clustering could not start; each text says what to change.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// Fewer rows than clusters.
    #[error(
        "{rows} windows cannot fill {clusters} clusters; ask for fewer clusters or give more records"
    )]
    TooFewRows {
        /// Rows given.
        rows: usize,
        /// Clusters asked for.
        clusters: usize,
    },
    /// No cluster was asked for, or no feature given.
    #[error("{clusters} clusters of {features} features: both must be at least 1")]
    Empty {
        /// Clusters asked for.
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
        /// What was counted.
        what: &'static str,
        /// Number given.
        found: usize,
        /// Number expected.
        expected: usize,
    },
    /// The shared covariance cannot be inverted.
    #[error(
        "the clusters' shared covariance is singular; drop constant features or raise its ridge"
    )]
    Singular,
}
