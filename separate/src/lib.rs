//! Separation of a chosen source from a record, in the time domain.
//!
//! A [`Method`] is fitted to a station and gives a [`FittedModel`], a value that can be saved. The [`Separator`]
//! built from it separates a [`Region`] of the record into background and sources: a [`Separation`] for each target.
//! [`METHODS`] lists them all:
//!
//! - [`TemplateMethod`]: sources that repeat a waveform, learned from a whole record ([`template`]).
//! - [`LocalMethod`]: a local Gaussian model of both clusters, which estimates its own SNR.
//! - [`ScatteringMethod`]: optimises the background n until its scattering covariance, and the independence of the
//!   source x - n, match the snippets n_k (arXiv 2301.11981, 2305.16189).
//! - [`WienerMethod`]: shrinks cells of time and frequency to the snippets' spectrum.
//!
//! Below these: [`ChannelMethod`] separates one channel given its snippets. [`AcceptanceTest`] tests the result by
//! leaving out snippets. [`ScatteringObjective`] is the loss L1 + L2 + L3 with its exact gradient; [`Lbfgs`]
//! minimises it, or any other [`Objective`]. [`Synthesis`] makes new signals with a given scattering covariance.

mod baseline;
mod channel;
pub mod detection;
mod error;
mod local;
mod method;
mod region;
mod registry;
mod scaling;
mod scattering;
mod separation;
mod short_time;
mod snippets;
mod synthesis;
pub mod template;
#[cfg(test)]
mod test_noise;
mod wiener;
mod window_method;
mod windowing;
mod zero_runs;

pub use baseline::Baseline;
pub use channel::{
    Assessment, Channel, ChannelMethod, ChannelSeparation, Optimization, Outcome, RejectionReason,
};
pub use error::Error;
pub use local::{ExpectedSnr, LocalMethod, LocalResult, MethodScore, SourceSnippets};
pub use method::{
    Fit, FittedModel, Grouping, Method, RecordContext, Separator, SnippetUse, TargetExtent,
    TrainingPlan, TrainingSet,
};
pub use region::{Event, Region, Snippets};
pub use registry::{METHODS, MethodOptions, Registration, methods, separate_arrays};
pub use scattering::acceptance::{AcceptanceTest, AcceptanceTestIn, LeaveOneOutTerms};
pub use scattering::lbfgs::Lbfgs;
pub use scattering::loss::{ScatteringLoss, ScatteringObjective};
pub use scattering::method::{ScatteringMethod, StartingPoint, Stop, TransformPrecision};
pub use scattering::optimize::{Minimum, Objective, Observer, OptimizerStop, State};
pub use scattering::terms::{ObjectiveOptions, ObjectiveTerms};
pub use seismix_core::progress::{CancelWhen, NoProgress, Progress};
pub use separation::{
    ChannelOutcome, Diagnostics, EstimateKind, FoundSource, Separation, SourceAmplitudes,
    SourceComponent, WindowReport,
};
pub use snippets::{SnippetCandidate, SnippetRules, choose_snippets};
pub use synthesis::{Mismatch, Synthesis, SynthesisOptions, Synthetic};
pub use template::TemplateMethod;
pub use wiener::{LocalWiener, WienerMethod, local_wiener};
pub use windowing::{FADE_SAMPLES, cross_fade, pieces};
