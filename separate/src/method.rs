//! Separation methods: fitted to a station, then applied to regions of its record.
//!
//! A [`Method`] fits itself to a station's [`TrainingSet`]. The [`FittedModel`] is a value that can be saved and
//! applied day by day: [`Method::separator`] builds a [`Separator`] from it, which separates one [`Region`] after the
//! other. All methods are listed in the [registry](crate::METHODS).

use seismix_core::progress::Progress;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::channel::{Channel, ChannelSeparation};
use crate::error::Error;
use crate::region::{Region, Snippets};
use crate::separation::Separation;

/// Way of separating, not yet fitted to a station.
pub trait Method: Send + Sync {
    /// Name on the command line and in results.
    fn name(&self) -> &'static str;

    /// Regions that the method learns from; `None` if it learns nothing.
    fn training(&self, _window_samples: usize) -> Option<TrainingPlan> {
        None
    }

    /// Fits the method to a station.
    ///
    /// # Errors
    /// Settings that do not fit the station; [`Error::Interrupted`].
    fn fit(&self, station: TrainingSet, progress: &dyn Progress) -> Result<Fit, Error>;

    /// Builds the separator of a model that [`fit`](Self::fit) of this method has given.
    ///
    /// # Errors
    /// [`Error::Model`] if the model is of another method or version.
    fn separator(&self, model: &FittedModel) -> Result<Box<dyn Separator>, Error>;
}

/// Method fitted to a station.
pub trait Separator: Send + Sync {
    /// Samples of the record wanted on either side of a target.
    fn margin(&self) -> usize;

    /// Record that each region must hold; by default each target by itself with the [margin](Self::margin).
    fn context(&self) -> RecordContext {
        RecordContext::alone(self.margin())
    }

    /// False for a region that [`Fit::Partial`] leaves to the next method.
    fn accepts(&self, _region: &Region) -> bool {
        true
    }

    /// Separates a region; one result for each of its targets. The same region gives the same bits on any number of
    /// threads.
    ///
    /// # Errors
    /// The fault of a region that cannot be used; [`Error::Interrupted`] if `progress` is cancelled.
    fn separate(&self, region: &Region, progress: &dyn Progress) -> Result<Vec<Separation>, Error>;

    /// Separates arrays whose whole length is the target; by default as a region without record around it.
    ///
    /// # Errors
    /// As [`separate`](Self::separate).
    fn separate_arrays(
        &self,
        channels: &[Channel],
        progress: &dyn Progress,
    ) -> Result<Vec<ChannelSeparation>, Error> {
        let region = Region::of_channels(channels);
        let separated = self.separate(&region, progress)?.into_iter().next();
        let separated = separated.unwrap_or_default();
        if separated.channels.len() < channels.len() {
            return Err(Error::Skipped(separated.skipped.join("; ")));
        }
        Ok(separated.into_channels())
    }
}

/// Result of fitting a method to a station.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Fit {
    /// The method suits the station.
    Ready(FittedModel),
    /// The method suits those regions that its separator [accepts](Separator::accepts); others need the next method.
    Partial(FittedModel),
    /// The evidence is against the method; the model is used only if the user names the method.
    Unsuitable(FittedModel),
}

impl Fit {
    /// The model, whatever the evidence.
    pub fn model(&self) -> &FittedModel {
        match self {
            Self::Ready(model) | Self::Partial(model) | Self::Unsuitable(model) => model,
        }
    }
}

/// Method fitted to a station, as a value that can be saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedModel {
    /// Name of the method.
    pub method: String,
    /// Evidence for or against it, in words; empty if none is needed.
    pub evidence: String,
    /// Parameters, in the method's own form.
    pub parameters: serde_json::Value,
}

impl FittedModel {
    /// Model of a method with its parameters.
    ///
    /// # Errors
    /// [`Error::Model`] if they cannot be saved.
    pub fn new(
        method: &dyn Method,
        evidence: impl Into<String>,
        parameters: &impl Serialize,
    ) -> Result<Self, Error> {
        let parameters =
            serde_json::to_value(parameters).map_err(|e| Error::Model(e.to_string()))?;
        Ok(Self {
            method: method.name().to_owned(),
            evidence: evidence.into(),
            parameters,
        })
    }

    /// Parameters of the model, in the method's own type.
    ///
    /// # Errors
    /// [`Error::Model`] if they are not of this type.
    pub fn parameters<T: DeserializeOwned>(&self) -> Result<T, Error> {
        T::deserialize(&self.parameters).map_err(|e| Error::Model(e.to_string()))
    }
}

/// Data of one station that a method is fitted to.
#[derive(Debug, Default)]
pub struct TrainingSet {
    /// Usual length of a target, samples.
    pub window_samples: usize,
    /// Length of the snippets, samples.
    pub snippet_samples: usize,
    /// Regions, if [`Method::training`] requires some.
    pub regions: Vec<Region>,
}

/// Regions that a method learns from.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingPlan {
    /// Record that each region must hold.
    pub context: RecordContext,
    /// Most groups of targets, spread evenly over the record.
    pub max_regions: usize,
}

/// Record that a region must hold around its targets.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordContext {
    /// Samples wanted on either side of the targets.
    pub margin: usize,
    /// Grouping of targets into regions.
    pub grouping: Grouping,
    /// Samples of a target that may change.
    pub extent: TargetExtent,
    /// Snippets that the separator uses.
    pub snippets: SnippetUse,
}

impl RecordContext {
    /// Each target by itself, without snippets.
    pub fn alone(margin: usize) -> Self {
        Self {
            margin,
            grouping: Grouping::Single,
            extent: TargetExtent::AsGiven,
            snippets: SnippetUse::None,
        }
    }
}

/// Grouping of targets into regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// One region for each target.
    Single,
    /// Targets that are at most this number of samples apart share a region, which is at least as long.
    Block(usize),
}

/// Samples of a target that may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetExtent {
    /// Those of the target.
    AsGiven,
    /// Half a window more on either side of windows of clusters, since a source may continue past its window.
    Widened,
}

/// Snippets that a separator uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SnippetUse {
    /// None.
    None,
    /// Windows of the background.
    Background,
    /// Windows of the background, and windows around other targets.
    BackgroundAndSource,
}

impl Region {
    /// Region without record around its target, from arrays.
    pub fn of_channels(channels: &[Channel]) -> Self {
        let n = channels.first().map_or(0, |c| c.mixture.len());
        Self {
            channels: (0..channels.len())
                .map(|c| format!("channel {c}"))
                .collect(),
            samples: channels.iter().map(|c| c.mixture.clone()).collect(),
            targets: std::iter::once(0..n).collect(),
            snippets: channels
                .iter()
                .map(|c| Snippets {
                    background: c.snippets.clone(),
                    source: c.source_snippets.clone(),
                })
                .collect(),
            ..Self::default()
        }
    }
}
