//! Settings of the separation.

use std::fmt;
use std::str::FromStr;

use seismix_separate::{METHODS, Registration};
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, Length, Result, option_names, serde_as_text};

/// The objective that the separation minimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Objective {
    /// L1 + L2 + L3 of arXiv 2305.16189.
    Paper,
    /// The project's own choice among its methods.
    Seismix,
}

option_names!(Objective, { Paper => "paper", Seismix => "seismix" });

/// Separation method, in all commands: `auto`, or the name of a registered method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeparationMethod(&'static str);

impl SeparationMethod {
    /// The best applicable method: in records a template where the windows share a waveform, else the local model where
    /// there are enough windows of both clusters, else the scattering objective.
    pub const AUTO: Self = Self("auto");
    /// Waveforms learned from the windows of a record and fitted to each; `family` is an alias.
    pub const TEMPLATE: Self = Self("template");
    /// Local model of both clusters, from windows of each.
    pub const LOCAL: Self = Self("local");
    /// Scattering covariances matched by optimisation.
    pub const SCATTERING: Self = Self("scattering");
    /// Local Wiener filter from the spectrum of the background snippets.
    pub const WIENER: Self = Self("wiener");

    /// Name of the method.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// Names of all methods, `auto` first, each with its former name.
    pub fn names() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
        let all = METHODS.iter().map(|method| (method.name, method.alias));
        std::iter::once((Self::AUTO.0, None)).chain(all)
    }
}

impl FromStr for SeparationMethod {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self> {
        if text == Self::AUTO.0 {
            return Ok(Self::AUTO);
        }
        let found = Registration::find(text);
        found
            .map(|r| Self(r.name))
            .map_err(|e| ConfigError::new(e.to_string()))
    }
}

impl fmt::Display for SeparationMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

serde_as_text!(SeparationMethod);

/// Clusters at one scale: `65536:3` or `1024:0,5`.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The scale, one of those of the clusters' windows.
    pub scale: Length,
    /// Cluster numbers, ascending, at least one, each once.
    pub clusters: Vec<usize>,
}

impl FromStr for Target {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            ConfigError::new(format!(
                "`{text}` is not SCALE:CLUSTER[,CLUSTER..], such as `1024:0,5` or `51.2s:3`"
            ))
        };
        let (scale, clusters) = text.split_once(':').ok_or_else(wrong)?;
        let scale = scale.parse()?;
        let mut clusters = clusters
            .split(',')
            .map(|cluster| cluster.trim().parse().map_err(|_| wrong()))
            .collect::<Result<Vec<usize>>>()?;
        clusters.sort_unstable();
        clusters.dedup();
        Ok(Self { scale, clusters })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scale)?;
        for (i, cluster) in self.clusters.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{cluster}")?;
        }
        Ok(())
    }
}

serde_as_text!(Target);

/// Targets, background and method of a separation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeparateConfig {
    /// The clusters to take out; `None` lets `run` choose.
    pub target: Option<Target>,
    /// The clusters whose windows serve as background; `None` is every other cluster of the target's scale.
    pub background: Option<Target>,
    /// Separation method.
    pub method: SeparationMethod,
    /// Octaves J of the coefficients that the objective compares.
    pub octaves: usize,
    /// Most stretches to separate, the most confident first.
    pub max_targets: usize,
    /// Background snippets R for each stretch.
    pub snippets: usize,
    /// Most iterations per window.
    pub max_iter: usize,
    /// The objective.
    pub objective: Objective,
}

impl SeparateConfig {
    /// Fewest snippets of background that a stretch is separated with.
    pub const LEAST_SNIPPETS: usize = 4;
}

impl Default for SeparateConfig {
    fn default() -> Self {
        Self {
            target: None,
            background: None,
            method: SeparationMethod::AUTO,
            octaves: 8,
            max_targets: 50,
            snippets: 20,
            max_iter: 100,
            objective: Objective::Seismix,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let target: Target = "1024:5,0,5".parse().unwrap();
        assert_eq!(target.scale, Length::Samples(1024));
        assert_eq!(target.clusters, [0, 5]);
        assert_eq!(target.to_string(), "1024:0,5");
        assert_eq!(
            "51.2s:3".parse::<Target>().unwrap().scale,
            Length::Seconds(51.2)
        );
        for wrong in ["", "1024", "1024:", "1024:a", "x:1", "1024:1;2"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }
}
