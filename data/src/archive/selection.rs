//! Which streams and times to take, as in FDSN web services.

use std::str::FromStr;

use crate::error::Error;
use crate::id::StreamId;
use crate::time::TimeSpan;

/// Codes with wildcards, comma-separated: `*` any text, `?` one character, `--` an empty location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcards {
    patterns: Vec<String>,
}

impl Wildcards {
    /// True if any of the patterns matches the whole code.
    pub fn matches(&self, code: &str) -> bool {
        self.patterns
            .iter()
            .any(|pattern| code_matches(pattern, code))
    }
}

impl Default for Wildcards {
    /// Matches everything.
    fn default() -> Self {
        Self {
            patterns: vec!["*".to_owned()],
        }
    }
}

impl FromStr for Wildcards {
    type Err = Error;

    /// Reads `BH?,HHZ`.
    ///
    /// # Errors
    /// [`Error::Selector`] if there is anything but letters, digits, `_`, `-`, `*` and `?`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-*?".contains(&byte);
        let patterns = text.split(',').map(str::trim);
        if !patterns.clone().all(|pattern| pattern.bytes().all(allowed)) {
            return Err(Error::Selector {
                text: text.to_owned(),
                expected: "list of codes; write letters and digits with * and ?, comma-separated, as in BH?,HHZ",
            });
        }
        let patterns =
            patterns.map(|pattern| if pattern == "--" { "" } else { pattern }.to_owned());
        Ok(Self {
            patterns: patterns.collect(),
        })
    }
}

/// True if a code matches a pattern with `*` for any text and `?` for one character.
pub(crate) fn code_matches(pattern: &str, code: &str) -> bool {
    is_match(pattern.as_bytes(), code.as_bytes())
}

/// Wildcard match in linear memory and at most `pattern * text` steps.
fn is_match(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((star_p, star_t)) => {
                    star = Some((star_p, star_t + 1));
                    p = star_p + 1;
                    t = star_t + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// Which streams and times to take; the default takes all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Network codes.
    pub network: Wildcards,
    /// Station codes.
    pub station: Wildcards,
    /// Location codes.
    pub location: Wildcards,
    /// Channel codes.
    pub channel: Wildcards,
    /// From `starttime` to `endtime`, half-open.
    pub span: TimeSpan,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            network: Wildcards::default(),
            station: Wildcards::default(),
            location: Wildcards::default(),
            channel: Wildcards::default(),
            span: TimeSpan::ALL,
        }
    }
}

impl Selection {
    /// True if all four codes match.
    pub fn matches(&self, id: &StreamId) -> bool {
        self.network.matches(&id.network)
            && self.station.matches(&id.station)
            && self.location.matches(&id.location)
            && self.channel.matches(&id.channel)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        let list: Wildcards = "BH?, HH*,LHZ".parse().unwrap();
        for (code, expected) in [
            ("BHU", true),
            ("BH", false),
            ("HH", true),
            ("HHZ", true),
            ("LHZ", true),
            ("LHZX", false),
            ("", false),
        ] {
            assert_eq!(list.matches(code), expected, "{code}");
        }
        assert!(Wildcards::default().matches(""));
        let empty: Wildcards = "--".parse().unwrap();
        assert!(empty.matches("") && !empty.matches("00"));
        assert!("B[H]".parse::<Wildcards>().is_err());
        let stars: Wildcards = "*a*b*".parse().unwrap();
        assert!(stars.matches("xxaxxbxx") && !stars.matches("xxbxxaxx"));
    }

    #[test]
    fn all_four_codes_count() {
        let selection = Selection {
            channel: "BH?".parse().unwrap(),
            ..Selection::default()
        };
        assert!(selection.matches(&"XB.ELYSE.02.BHU".parse().unwrap()));
        assert!(!selection.matches(&"XB.ELYSE.02.HHU".parse().unwrap()));
    }
}
