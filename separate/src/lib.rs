//! Separation of a chosen source from a record, in the time domain.
//!
//! Given a mixture x and snippets n_k of the background, the background n inside x is found by optimising it until
//! its scattering covariance, and the independence of what is removed, match the snippets (arXiv 2301.11981,
//! 2305.16189). The source is x - n.
//!
//! - [`ScatteringObjective`]: the loss L1 + L2 + L3 and its exact gradient.
//! - [`minimize`]: L-BFGS on it, watched by a [`StopRule`].
//! - [`local_wiener`]: a first estimate that knows where the source is and nothing of its texture.
//! - [`separate_window`]: both, on one window of one channel, with an [`Outcome`] that says how it ended.
//! - [`choose_snippets`], [`cross_fade`], [`pieces`]: what ties windows to a record.

mod error;
mod minimize;
mod objective;
mod snippets;
mod stitch;
mod wiener;
mod window;

pub use error::Error;
pub use minimize::{Minimum, StopReason, StopRule, minimize};
pub use objective::{ObjectiveOptions, ScatteringObjective, Terms};
pub use snippets::{Candidate, choose_snippets};
pub use stitch::{cross_fade, pieces};
pub use wiener::local_wiener;
pub use window::{Outcome, Start, WindowOptions, WindowSeparation, separate_window};
