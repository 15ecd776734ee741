//! Transform from feature files to the network's inputs, as a model file keeps it.

use ndarray::Axis;
use seismix_vae as vae;
use seismix_vae::features::paper::{PaperFeatures, PaperScaler};
use seismix_vae::features::{CoefficientTable, FeaturePipeline, ScaleWindows, WindowLayout};
use serde::{Deserialize, Serialize};

use crate::stage::{PipelineError, Result};
use crate::train::decoding::Decoding;
use crate::train::feature_dataset::DatasetDay;
use crate::train::stability::Stability;

/// Fitted transform from feature files to the network's inputs; kept in the model file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "preset", rename_all = "kebab-case")]
pub enum ModelInputs {
    /// Log features, whitened in time, deflated from the largest scale down (the default).
    Compact {
        /// Parameters fitted on training windows.
        fitted: Box<FeaturePipeline>,
        /// Stability of its clusters, where it was measured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stability: Option<Box<Stability>>,
        /// Decoder of samples.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decoding: Option<Box<Decoding>>,
    },
    /// The published features: `scat+cov`, each_ps, standardised.
    Paper {
        /// Coefficient table of the files.
        table: CoefficientTable,
        /// Blocks, scales and stride.
        layout: WindowLayout,
        /// One a scale.
        #[serde(rename = "standardisers")]
        scalers: Vec<PaperScaler>,
        /// Decoder of samples.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decoding: Option<Box<Decoding>>,
    },
}

impl ModelInputs {
    /// Blocks, scales and stride that the model was trained on.
    pub fn layout(&self) -> &WindowLayout {
        match self {
            Self::Compact { fitted, .. } => &fitted.layout,
            Self::Paper { layout, .. } => layout,
        }
    }

    /// Decoder of samples; `None` in files of older versions.
    pub fn decoding(&self) -> Option<&Decoding> {
        match self {
            Self::Compact { decoding, .. } | Self::Paper { decoding, .. } => decoding.as_deref(),
        }
    }

    pub(super) fn set_decoding(&mut self, found: Decoding) {
        match self {
            Self::Compact { decoding, .. } | Self::Paper { decoding, .. } => {
                *decoding = Some(Box::new(found));
            }
        }
    }

    /// Coefficient table that the model was trained on.
    pub fn table(&self) -> &CoefficientTable {
        match self {
            Self::Compact { fitted, .. } => &fitted.table,
            Self::Paper { table, .. } => table,
        }
    }
}

/// Transform that a model file keeps.
///
/// # Errors
/// [`PipelineError::Unusable`] if the file was made by another version.
pub fn model_inputs(model: &vae::ModelFile) -> Result<ModelInputs> {
    serde_json::from_value(model.inputs.clone()).map_err(|error| {
        PipelineError::unusable(
            format!("the model's inputs cannot be read: {error}"),
            "train the model again with this version",
        )
    })
}

/// The network's inputs for the windows of one day.
pub(crate) fn network_inputs(inputs: &ModelInputs, day: &DatasetDay) -> Result<vae::TrainingData> {
    match inputs {
        ModelInputs::Compact { fitted, .. } => Ok(compact_data(&fitted.transform(&day.segments)?)),
        ModelInputs::Paper {
            table,
            layout,
            scalers,
            ..
        } => {
            let plan = PaperFeatures::plan(table, layout)?;
            let mut scales = Vec::new();
            for (scale, scaler) in scalers.iter().enumerate() {
                let mut parts = Vec::new();
                for (index, segment) in day.segments.iter().enumerate() {
                    let mut part =
                        plan.process(segment, index, scale, 0..day.windows[index].len())?;
                    scaler.apply(&mut part)?;
                    parts.push(part);
                }
                let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
                scales
                    .push(ndarray::concatenate(Axis(0), &views).map_err(PipelineError::internal)?);
            }
            Ok(vae::TrainingData { scales })
        }
    }
}

/// Inputs of all scales as the network takes them, one channel.
pub(crate) fn compact_data(scales: &[ScaleWindows]) -> vae::TrainingData {
    vae::TrainingData {
        scales: scales
            .iter()
            .map(|scale| scale.inputs.clone().insert_axis(Axis(1)))
            .collect(),
    }
}
