//! List of all separation methods: one line each.

use seismix_core::progress::Progress;

use crate::channel::{Channel, ChannelSeparation, check_finite};
use crate::error::Error;
use crate::local::LocalMethod;
use crate::method::{Fit, Method, Separator, TrainingSet};
use crate::region::Region;
use crate::scattering::method::ScatteringMethod;
use crate::scattering::terms::ObjectiveOptions;
use crate::template::TemplateMethod;
use crate::wiener::WienerMethod;

/// Separation methods. `auto` tries those that are automatic in this order.
pub const METHODS: &[Registration] = &[
    Registration::automatic("template", |_| Box::new(TemplateMethod)).alias("family"),
    Registration::automatic("local", |options| Box::new(options.local)),
    Registration::automatic("scattering", |options| Box::new(options.scattering)),
    Registration::named("wiener", |options| Box::new(options.wiener)),
];

/// One entry of the list of methods.
#[derive(Debug, Clone, Copy)]
pub struct Registration {
    /// Name of the method.
    pub name: &'static str,
    /// Former name, still understood.
    pub alias: Option<&'static str>,
    /// True if `auto` tries the method.
    pub is_automatic: bool,
    build: fn(&MethodOptions) -> Box<dyn Method>,
}

impl Registration {
    /// Method that is used only if it is named.
    pub const fn named(name: &'static str, build: fn(&MethodOptions) -> Box<dyn Method>) -> Self {
        Self {
            name,
            alias: None,
            is_automatic: false,
            build,
        }
    }

    /// Method that `auto` tries too.
    pub const fn automatic(
        name: &'static str,
        build: fn(&MethodOptions) -> Box<dyn Method>,
    ) -> Self {
        Self {
            is_automatic: true,
            ..Self::named(name, build)
        }
    }

    /// Understands a former name.
    pub const fn alias(self, alias: &'static str) -> Self {
        Self {
            alias: Some(alias),
            ..self
        }
    }

    /// Entry of a name or a former name.
    ///
    /// # Errors
    /// [`Error::UnknownMethod`] with the names that exist.
    pub fn find(name: &str) -> Result<&'static Self, Error> {
        let is = |r: &&Self| r.name == name || r.alias == Some(name);
        METHODS.iter().find(is).ok_or_else(|| Error::UnknownMethod {
            name: name.to_owned(),
            known: METHODS
                .iter()
                .map(|r| r.name)
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    /// Builds the method.
    pub fn build(&self, options: &MethodOptions) -> Box<dyn Method> {
        (self.build)(options)
    }
}

/// Settings of the methods that have some.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MethodOptions {
    /// Scattering objective.
    pub scattering: ScatteringMethod,
    /// Local model.
    pub local: LocalMethod,
    /// Local Wiener filter.
    pub wiener: WienerMethod,
}

impl MethodOptions {
    /// Settings for records: `octaves` of the coefficients compared, and at most `max_iterations` of the optimiser.
    pub fn new(octaves: usize, max_iterations: usize) -> Self {
        Self {
            scattering: ScatteringMethod::to_expectation(octaves, max_iterations),
            local: LocalMethod::new(octaves),
            wiener: WienerMethod {
                objective: ObjectiveOptions::floored(octaves),
            },
        }
    }
}

/// Methods to try in order: all automatic ones for `auto`, else the one of this name.
///
/// # Errors
/// [`Error::UnknownMethod`].
pub fn methods(name: &str, options: &MethodOptions) -> Result<Vec<Box<dyn Method>>, Error> {
    if name == "auto" {
        let automatic = METHODS.iter().filter(|r| r.is_automatic);
        return Ok(automatic.map(|r| r.build(options)).collect());
    }
    Ok(vec![Registration::find(name)?.build(options)])
}

/// Separates arrays by the first suitable of these methods. Returns its name and one result for each channel.
///
/// # Errors
/// Arrays that the method cannot use; [`Error::Interrupted`].
pub fn separate_arrays(
    methods: &[Box<dyn Method>],
    channels: &[Channel],
    progress: &dyn Progress,
) -> Result<(&'static str, Vec<ChannelSeparation>), Error> {
    for channel in channels {
        check_finite("the mixture", &channel.mixture)?;
    }
    let region = Region::of_channels(channels);
    let mut suitable: Option<(&'static str, Box<dyn Separator>)> = None;
    for method in methods {
        // Arrays are one target: there is nothing to learn a template from.
        let station = TrainingSet {
            window_samples: region.n_samples(),
            snippet_samples: channels
                .first()
                .and_then(|c| c.snippets.first())
                .map_or(0, Vec::len),
            regions: Vec::new(),
        };
        let fit = method.fit(station, progress)?;
        let separator = method.separator(fit.model())?;
        let suits = match fit {
            Fit::Ready(_) => true,
            Fit::Partial(_) => separator.accepts(&region),
            Fit::Unsuitable(_) => false,
        };
        if suits || methods.len() == 1 {
            suitable = Some((method.name(), separator));
            break;
        }
    }
    let (name, separator) =
        suitable.ok_or_else(|| Error::Skipped("no method suits them".into()))?;
    Ok((name, separator.separate_arrays(channels, progress)?))
}
