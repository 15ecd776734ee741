//! Flags that switch steps of the recipe and the course of the training.

use super::parsers::named;
use clap::Args;
use seismix::config::{ConfigError, Cooling, InitialClusters, Levels, Recipe, Schedule};

/// Switches of the recipe's steps.
#[derive(Debug, Args)]
#[command(next_help_heading = "Recipe")]
pub struct RecipeOptions {
    /// First clusters, from which the network starts: hmm looks ahead in time; random: the network starts from random
    /// weights
    #[arg(long, value_name = "NAME", default_value = "hmm", value_parser = named::<InitialClusters>(InitialClusters::NAMES))]
    start: InitialClusters,
    /// Keep all components at the larger scales in place of the slowest
    #[arg(long)]
    no_temporal_whitening: bool,
    /// Leave the means of coarser clusters in the finer features
    #[arg(long)]
    no_deflation: bool,
    /// Loudness among the inputs of the finest scale: tail (weighted by its upper tail), off, or a weight from 0 to 100
    #[arg(long, value_name = "tail|off|WEIGHT", default_value = "tail")]
    finest_levels: Levels,
    /// Course of the learning rate: constant, cosine or cosine:END [default: cosine:0.02; paper: constant]
    #[arg(long, value_name = "COURSE")]
    schedule: Option<Schedule>,
    /// Course of the temperature: X, START:END:PART or exp:RATE:FLOOR, all from 0.01 to 100 [default: 1:0.5:0.5;
    /// paper: exp:0.013862944:0.5]
    #[arg(long, value_name = "COURSE")]
    temperature: Option<Cooling>,
    /// Stop after N epochs without a lower validation loss, and keep the weights of the epoch where it was lowest
    /// [default: never, and the last weights are kept]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    patience: Option<u32>,
    /// Share of the time that is held out for validation, in blocks with a guard of one largest window: 0 to 0.5
    #[arg(long, value_name = "SHARE", default_value = "0.1", value_parser = share)]
    validation: f64,
}

impl RecipeOptions {
    /// For the pipeline.
    pub fn config(&self) -> Recipe {
        Recipe {
            start: self.start,
            temporal_whitening: !self.no_temporal_whitening,
            deflation: !self.no_deflation,
            finest_levels: self.finest_levels,
            schedule: self.schedule,
            temperature: self.temperature,
            patience: self.patience.map(|n| n as usize),
            validation: self.validation,
        }
    }
}

fn share(text: &str) -> Result<f64, ConfigError> {
    match text.parse::<f64>() {
        Ok(x) if (0.0..=0.5).contains(&x) => Ok(x),
        _ => Err(ConfigError::new("write a number from 0 to 0.5")),
    }
}
