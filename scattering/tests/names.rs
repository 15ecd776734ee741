//! Names of option values: one text on the command line, in files and in errors.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use seismix_scattering::{
    ChannelPairs, CoefficientSet, EnvelopeMean, Error, FilterNorm, Normalization, Oversampling,
    Padding, PowerRows, Wavelet,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn round_trip<T>(names: &[&str])
where
    T: FromStr<Err = Error> + Display + Debug + PartialEq + Serialize + DeserializeOwned,
{
    for name in names {
        let value: T = name.parse().unwrap();
        assert_eq!(value.to_string(), *name);
        let json = serde_json::to_string(&value).unwrap();
        assert_eq!(json, format!("\"{name}\""));
        assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value);
    }
    for wrong in ["", "Wrong", "scat +cov"] {
        let error = wrong.parse::<T>().unwrap_err().to_string();
        assert!(error.contains(&format!("is `{wrong}`")), "{error}");
        assert!(error.contains("give"), "{error}");
        assert!(serde_json::from_str::<T>(&format!("\"{wrong}\"")).is_err());
    }
}

#[test]
fn every_option_has_one_text() {
    round_trip::<Wavelet>(Wavelet::NAMES);
    round_trip::<FilterNorm>(FilterNorm::NAMES);
    round_trip::<Padding>(Padding::NAMES);
    round_trip::<CoefficientSet>(CoefficientSet::NAMES);
    round_trip::<ChannelPairs>(ChannelPairs::NAMES);
    round_trip::<Normalization>(Normalization::NAMES);
    round_trip::<EnvelopeMean>(EnvelopeMean::NAMES);
    round_trip::<PowerRows>(PowerRows::NAMES);
    round_trip::<Oversampling>(&["exact", "2", "16"]);
}

#[test]
fn errors_list_the_choices() {
    let error = "haar".parse::<Wavelet>().unwrap_err().to_string();
    assert_eq!(
        error,
        "`wavelet` is `haar`: give one of battle-lemarie, morlet, bump-steerable, meyer, shannon"
    );
    assert!("1".parse::<Oversampling>().is_err());
}
