//! Separation of a chosen source from a record, in the time domain.
//!
//! Given a mixture x and snippets n_k of the background, the background n inside x is found; the source is x - n.
//!
//! - [`Problem`] goes in, [`Separation`] comes out, a [`Method`] lies between: [`ScatteringMethod`] optimises n until its
//!   scattering covariance, and the independence of what is removed, match the snippets (arXiv 2301.11981, 2305.16189);
//!   [`WienerMethod`] shrinks what stands out of the snippets' spectrum, cell by cell; [`LocalMethod`] knows the
//!   source's snippets too, and tells how good it expects to be.
//! - [`template`]: sources that repeat a shape, learned from a whole record and fitted by its background's spectrum.
//! - [`AcceptanceTest`]: what each term of the loss is at the truth, by leaving out snippets, and the [`Outcome`] that follows.
//! - [`ScatteringObjective`]: the loss L1 + L2 + L3 and its exact gradient. [`Lbfgs`] minimises it, or any other
//!   [`Objective`], watched by an [`Observer`].
//! - [`Synthesis`]: new signals with a given scattering covariance, by the same optimiser.
//! - [`choose_snippets`], [`cross_fade`], [`pieces`]: what ties windows to a record.

mod baseline;
mod error;
mod local;
mod method;
mod methods;
mod scaling;
mod scattering;
mod short_time;
mod snippets;
mod stitch;
mod synthesis;
pub mod template;
#[cfg(test)]
mod test_noise;
mod wiener;

pub use baseline::Baseline;
pub use error::Error;
pub use local::{ExpectedSnr, LocalMethod, LocalResult, MethodScore, SourceSnippets};
pub use method::{
    Assessment, Channel, ChannelSeparation, Method, Optimization, Outcome, Problem,
    RejectionReason, Separation,
};
pub use methods::{Precision, ScatteringMethod, Start, Stop, WienerMethod};
pub use scattering::acceptance::{AcceptanceTest, AcceptanceTestIn, LeaveOneOutTerms};
pub use scattering::lbfgs::Lbfgs;
pub use scattering::loss::{ScatteringLoss, ScatteringObjective};
pub use scattering::optimize::{Minimum, Objective, Observer, State, StopReason};
pub use scattering::terms::{ObjectiveOptions, Terms};
pub use snippets::{Candidate, choose_snippets};
pub use stitch::{cross_fade, pieces};
pub use synthesis::{Mismatch, Synthesis, SynthesisOptions, Synthetic};
pub use wiener::{LocalWiener, local_wiener};
