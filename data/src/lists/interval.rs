//! The entry of every list.

use std::fmt;

use crate::archive::code_matches;
use crate::id::StreamId;

/// An event, glitch or other interval of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedInterval {
    /// The streams that the entry is about, as far as the list says.
    pub id: Option<ListedId>,
    /// The channel, where the list names it apart from the stream.
    pub channel: Option<ListedChannel>,
    /// Begin, ns UTC.
    pub onset_ns: i64,
    /// End, ns UTC, not before the onset; `None` where the list has onsets only.
    pub end_ns: Option<i64>,
    /// Kind of the entry, such as a type or a phase.
    pub kind: Option<String>,
    /// Line of the entry in its file, from 1. Entries for the channels of one line share it.
    pub row: u64,
}

impl ListedInterval {
    /// True if the entry is about a stream; codes that the list leaves out match all.
    pub fn matches(&self, id: &StreamId) -> bool {
        self.id.as_ref().is_none_or(|own| own.matches(id))
            && self
                .channel
                .as_ref()
                .is_none_or(|own| own.matches(&id.channel))
    }
}

/// Codes of a stream, some of which may be unknown; `*` and `?` are wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ListedId {
    /// Network code.
    pub network: Option<String>,
    /// Station code.
    pub station: Option<String>,
    /// Location code, may be empty.
    pub location: Option<String>,
    /// Channel code, or its first two letters.
    pub channel: Option<String>,
}

impl ListedId {
    /// Reads `NET.STA`, `NET.STA.LOC`, `NET.STA.LOC.BAND` or `NET.STA.LOC.CHA`; `--` for the location means empty.
    /// `None` for other text, such as the number of an event.
    pub fn parse(text: &str) -> Option<Self> {
        let codes: Vec<&str> = text.trim().split('.').collect();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_-*?".contains(&b);
        let is_code = |code: &&str| code.bytes().all(allowed);
        // A number with decimals is no stream.
        let is_number = text.trim().parse::<f64>().is_ok();
        if !(2..=4).contains(&codes.len()) || !codes.iter().all(is_code) || is_number {
            return None;
        }
        let code = |at: usize| {
            codes
                .get(at)
                .filter(|c| **c != "*")
                .map(|c| (*c).to_owned())
        };
        let location = code(2).map(|l| if l == "--" { String::new() } else { l });
        Some(Self {
            network: code(0),
            station: code(1),
            location,
            channel: code(3),
        })
    }

    /// All codes of a stream, without those that are empty; an empty location is kept.
    pub(super) fn of(id: &StreamId) -> Option<Self> {
        let code = |code: &str| (!code.is_empty()).then(|| code.to_owned());
        let own = Self {
            network: code(&id.network),
            station: code(&id.station),
            location: Some(id.location.clone()),
            channel: code(&id.channel),
        };
        (own.network.is_some() || own.station.is_some() || own.channel.is_some()).then_some(own)
    }

    /// True if all known codes match those of a stream; a channel of two letters is a band.
    pub fn matches(&self, id: &StreamId) -> bool {
        let matches = |own: &Option<String>, code: &str| {
            own.as_ref().is_none_or(|own| code_matches(own, code))
        };
        let band = self.channel.as_ref().filter(|c| c.len() == 2);
        let channel = match band {
            Some(band) => id.channel.starts_with(band.as_str()),
            None => matches(&self.channel, &id.channel),
        };
        channel
            && matches(&self.network, &id.network)
            && matches(&self.station, &id.station)
            && matches(&self.location, &id.location)
    }
}

impl fmt::Display for ListedId {
    /// `NET.STA.LOC.CHA` with `*` for unknown codes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes = [&self.network, &self.station, &self.location, &self.channel];
        let codes = codes.map(|c| c.as_deref().unwrap_or("*"));
        f.write_str(&codes.join("."))
    }
}

/// A channel as lists name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListedChannel {
    /// The whole code, `BHU`; `*` and `?` are wildcards.
    Code(String),
    /// The last letter of the code, `U`.
    Component(char),
}

impl ListedChannel {
    /// Channel from its name in a list: one letter is a component. `None` for an empty name and for `*`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut letters = text.chars();
        match (letters.next(), letters.next()) {
            (None, _) | (Some('*'), None) => None,
            (Some(letter), None) => Some(Self::Component(letter)),
            _ => Some(Self::Code(text.to_owned())),
        }
    }

    /// True if the name is that of a channel code.
    pub fn matches(&self, code: &str) -> bool {
        match self {
            Self::Code(own) => code_matches(own, code),
            Self::Component(letter) => code.ends_with(*letter),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ids_match_as_far_as_they_are_known() {
        let bhu: StreamId = "XB.ELYSE.02.BHU".parse().unwrap();
        for (text, expected) in [
            ("XB.ELYSE", true),
            ("XB.ELYSE.02", true),
            ("XB.ELYSE.03", false),
            ("XB.ELYSE.02.BH", true),
            ("XB.ELYSE.02.BHU", true),
            ("XB.ELYSE.02.BH?", true),
            ("*.ELYSE.*.*", true),
            ("XB.ELYSE..BHU", false),
            ("XB.ELYSE.02.BHV", false),
            ("XB.ELYSE.02.HH", false),
            ("YB.ELYSE", false),
        ] {
            assert_eq!(
                ListedId::parse(text).unwrap().matches(&bhu),
                expected,
                "{text}"
            );
        }
        for text in ["", "12", "12.5", "S0235b", "a b.c", "A.B.C.D.E"] {
            assert_eq!(ListedId::parse(text), None, "{text}");
        }
        assert_eq!(
            ListedId::parse("XB.ELYSE.--").unwrap().to_string(),
            "XB.ELYSE..*"
        );
    }

    #[test]
    fn channels_are_codes_or_components() {
        for (text, code, expected) in [
            ("BHU", "BHU", true),
            ("BHU", "BHV", false),
            ("U", "BHU", true),
            ("U", "BHV", false),
            ("BH?", "BHV", true),
        ] {
            assert_eq!(
                ListedChannel::parse(text).unwrap().matches(code),
                expected,
                "{text} {code}"
            );
        }
        assert_eq!(
            (ListedChannel::parse(""), ListedChannel::parse("*")),
            (None, None)
        );
    }
}
