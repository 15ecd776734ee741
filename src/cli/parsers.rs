//! Parsers of option values.

use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use seismix::config::{ConfigError, SeparationMethod};
use seismix::data::time;
use seismix::vae::features::InputsOptions;

/// Parser of an option with these names; the help and the errors list them.
pub fn named<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

/// Parser of a separation method, with its aliases.
pub fn method_parser() -> impl TypedValueParser<Value = SeparationMethod> {
    let value = |(name, alias)| match alias {
        Some(alias) => PossibleValue::new(name).alias(alias),
        None => PossibleValue::new(name),
    };
    let values: Vec<PossibleValue> = SeparationMethod::names().map(value).collect();
    PossibleValuesParser::new(values).try_map(|name| name.parse::<SeparationMethod>())
}

/// A whole number of at least 1.
pub fn positive(text: &str) -> Result<usize, ConfigError> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(ConfigError::new("write a whole number of at least 1")),
    }
}

/// A whole number from `LEAST` to `MOST`.
pub fn whole<const LEAST: usize, const MOST: usize>(text: &str) -> Result<usize, ConfigError> {
    match text.parse() {
        Ok(n) if (LEAST..=MOST).contains(&n) => Ok(n),
        _ => Err(ConfigError::new(format!(
            "write a whole number from {LEAST} to {MOST}"
        ))),
    }
}

/// A whole number of at least 2: a standard deviation needs two.
pub fn at_least_two(text: &str) -> Result<usize, ConfigError> {
    match text.parse() {
        Ok(n) if n > 1 => Ok(n),
        _ => Err(ConfigError::new("write a whole number of at least 2")),
    }
}

pub fn positive_real(text: &str) -> Result<f64, ConfigError> {
    match text.parse::<f64>() {
        Ok(x) if x > 0.0 && x.is_finite() => Ok(x),
        _ => Err(ConfigError::new("write a positive number")),
    }
}

pub fn weight(text: &str) -> Result<f64, ConfigError> {
    let most = InputsOptions::MAX_WEIGHT;
    match text.parse::<f64>() {
        Ok(x) if (0.0..=most).contains(&x) => Ok(x),
        _ => Err(ConfigError::new(format!("write a number from 0 to {most}"))),
    }
}

pub fn instant(text: &str) -> Result<i64, ConfigError> {
    time::parse_utc(text).map_err(|error| ConfigError::new(error.to_string()))
}
