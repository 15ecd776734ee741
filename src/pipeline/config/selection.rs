//! Which records are used.

use serde::{Deserialize, Serialize};

/// Which records are used, as in FDSN web services.
///
/// Codes are lists separated by commas with the wildcards `*` and `?`; `--` is the empty location; `None` is
/// everything. The span is half-open: `starttime <= t < endtime`, i64 nanoseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelectionConfig {
    /// Network codes.
    pub network: Option<String>,
    /// Station codes.
    pub station: Option<String>,
    /// Location codes.
    pub location: Option<String>,
    /// Channel codes.
    pub channel: Option<String>,
    /// First instant, included.
    pub starttime_ns: Option<i64>,
    /// Last instant, excluded.
    pub endtime_ns: Option<i64>,
}

impl SelectionConfig {
    /// Whether these codes are selected.
    pub fn matches(&self, network: &str, station: &str, location: &str, channel: &str) -> bool {
        let location = if location.is_empty() { "--" } else { location };
        let wanted = [
            (&self.network, network),
            (&self.station, station),
            (&self.location, location),
            (&self.channel, channel),
        ];
        wanted.iter().all(|(patterns, code)| match patterns {
            None => true,
            Some(list) => list.split(',').any(|pattern| {
                let pattern = pattern.trim();
                let blank = pattern.is_empty() && *code == "--";
                blank || wildcard(pattern.as_bytes(), code.as_bytes())
            }),
        })
    }
}

/// Whether `text` matches `pattern` with `*` (any run) and `?` (any one character).
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    p = star + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("BH?", "BHU", true),
            ("BH?", "BH", false),
            ("*", "", true),
            ("*Z", "BHZ", true),
            ("B*Z*", "BHZZ1", true),
            ("B*Y", "BHZ", false),
            ("", "X", false),
        ] {
            let found = wildcard(pattern.as_bytes(), text.as_bytes());
            assert_eq!(found, expected, "{pattern} {text}");
        }
    }

    #[test]
    fn lists_and_blank_locations() {
        let mut selection = SelectionConfig {
            channel: Some("BHU, BHV".into()),
            ..Default::default()
        };
        assert!(selection.matches("XB", "ELYSE", "02", "BHV"));
        assert!(!selection.matches("XB", "ELYSE", "02", "BHW"));
        selection.location = Some("--".into());
        assert!(selection.matches("XB", "ELYSE", "", "BHV"));
        assert!(!selection.matches("XB", "ELYSE", "02", "BHV"));
    }
}
