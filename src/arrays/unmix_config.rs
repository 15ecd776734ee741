//! Parameters of a separation of arrays, and the choice of its method.

use crate::arrays::ArrayError;
use crate::config::{Objective, Precision, SeparationMethod};

/// Parameters of [`unmix`](super::unmix::unmix) and [`evaluate`](super::unmix::evaluate).
#[derive(Debug, Clone, PartialEq)]
pub struct UnmixConfig {
    /// Octaves J of the coefficients.
    pub octaves: usize,
    /// Snippets to use, the first ones; `None` is all.
    pub snippets: Option<usize>,
    /// Most iterations of an optimisation.
    pub max_iter: usize,
    /// Separation method; see [`UnmixConfig::resolve`].
    pub method: SeparationMethod,
    /// Objective of the scattering method; `None` is [`Objective::Seismix`], in [`evaluate`](super::unmix::evaluate)
    /// [`Objective::Paper`].
    pub objective: Option<Objective>,
    /// Floating-point type of the transforms.
    pub precision: Precision,
    /// Parameters of the local model.
    pub local: LocalConfig,
}

/// Parameters of the local model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalConfig {
    /// True if the source snippets contain background as well, as windows of a cluster do.
    pub with_background: bool,
    /// True to refine the estimate to one plausible realisation as well.
    pub realisation: bool,
    /// Backgrounds to draw from the posterior.
    pub n_draws: usize,
    /// Mixtures of held-out snippets for weights and calibration.
    pub n_mixtures: usize,
    /// Seed of mixtures and draws.
    pub seed: u64,
}

impl Default for LocalConfig {
    fn default() -> Self {
        Self {
            with_background: false,
            realisation: false,
            n_draws: 0,
            n_mixtures: 40,
            seed: 0,
        }
    }
}

impl Default for UnmixConfig {
    fn default() -> Self {
        Self {
            octaves: 8,
            snippets: None,
            max_iter: 500,
            method: SeparationMethod::AUTO,
            objective: None,
            precision: Precision::F64,
            local: LocalConfig::default(),
        }
    }
}

/// Method and objective that a configuration leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved {
    /// Never [`SeparationMethod::AUTO`].
    pub method: SeparationMethod,
    /// Objective, of the scattering method only.
    pub objective: Objective,
}

impl Resolved {
    /// True if the loss is the published one, which takes the arrays without removing a baseline.
    pub fn is_as_published(self) -> bool {
        self.method == SeparationMethod::SCATTERING && self.objective == Objective::Paper
    }
}

impl UnmixConfig {
    /// Chooses the method of `auto`: the local model if there are source snippets, else the scattering method with the
    /// objective `seismix`. A given objective implies the scattering method.
    ///
    /// # Errors
    /// [`ArrayError::Setting`] for [`SeparationMethod::TEMPLATE`], which needs a record, for an objective of a method
    /// that has none, and for source snippets of a method that does not use them.
    pub fn resolve(&self, has_source_snippets: bool) -> Result<Resolved, ArrayError> {
        let method = match (self.method, self.objective) {
            (SeparationMethod::AUTO, None) if has_source_snippets => SeparationMethod::LOCAL,
            (SeparationMethod::AUTO, _) => SeparationMethod::SCATTERING,
            (method, _) => method,
        };
        let refuse = |text: String| Err(ArrayError::Setting(text));
        match method {
            SeparationMethod::TEMPLATE => refuse(
                "the method `template` learns its waveforms from the windows of a record: use `seismix separate`, or \
                 another method"
                    .into(),
            ),
            SeparationMethod::LOCAL if !has_source_snippets => {
                refuse("the method `local` needs source snippets".into())
            }
            SeparationMethod::SCATTERING | SeparationMethod::WIENER if has_source_snippets => {
                refuse(format!("the method `{method}` does not use source snippets"))
            }
            SeparationMethod::LOCAL | SeparationMethod::WIENER if self.objective.is_some() => {
                refuse(format!("the method `{method}` has no objective"))
            }
            _ => Ok(Resolved {
                method,
                objective: self.objective.unwrap_or(Objective::Seismix),
            }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn auto_takes_the_method_that_the_arrays_allow() {
        let resolved = |method, objective, sources| {
            let config = UnmixConfig {
                method,
                objective,
                ..Default::default()
            };
            config.resolve(sources).map(|r| (r.method, r.objective))
        };
        let (paper, seismix) = (Objective::Paper, Objective::Seismix);
        assert_eq!(
            resolved(SeparationMethod::AUTO, None, false).unwrap(),
            (SeparationMethod::SCATTERING, seismix)
        );
        assert_eq!(
            resolved(SeparationMethod::AUTO, None, true).unwrap(),
            (SeparationMethod::LOCAL, seismix)
        );
        assert_eq!(
            resolved(SeparationMethod::AUTO, Some(paper), false).unwrap(),
            (SeparationMethod::SCATTERING, paper)
        );
        for (method, objective, sources) in [
            (SeparationMethod::LOCAL, None, false),
            (SeparationMethod::WIENER, Some(paper), false),
            (SeparationMethod::WIENER, None, true),
            (SeparationMethod::AUTO, Some(paper), true),
            (SeparationMethod::TEMPLATE, None, false),
        ] {
            assert!(
                resolved(method, objective, sources)
                    .unwrap_err()
                    .is_setting()
            );
        }
    }
}
