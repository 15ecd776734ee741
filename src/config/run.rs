//! Settings of a run that do not change what is computed, and the seed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, Result, serde_as_text};

/// One part of the days of an archive: `i/n`, with `1 <= i <= n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1.
    pub index: usize,
    /// How many parts.
    pub count: usize,
}

impl Shard {
    /// True if the `position`th day (from 0) of the sorted days belongs to this part.
    pub const fn contains(self, position: usize) -> bool {
        position % self.count == self.index - 1
    }
}

impl FromStr for Shard {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once('/').and_then(|(i, n)| {
            let (index, count) = (i.trim().parse().ok()?, n.trim().parse().ok()?);
            (1 <= index && index <= count).then_some(Self { index, count })
        });
        parts.ok_or_else(|| {
            ConfigError::new(format!(
                "`{text}` is not a valid shard; write i/n with 1 <= i <= n, such as `2/8`"
            ))
        })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// An amount of memory: `2GiB`, `512MiB`, `2GB` or a number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory {
    /// The amount in bytes.
    pub bytes: u64,
}

impl Memory {
    /// `n` GiB (of 2^30 bytes).
    pub const fn gib(n: u64) -> Self {
        Self { bytes: n << 30 }
    }
}

const UNITS: [(&str, u64); 10] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("B", 1),
];

impl FromStr for Memory {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let (number, unit) = UNITS
            .iter()
            .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)))
            .unwrap_or((text, 1));
        match number.trim().parse::<f64>() {
            Ok(n) if n > 0.0 && n * (unit as f64) < 2f64.powi(63) => Ok(Self {
                bytes: (n * unit as f64) as u64,
            }),
            _ => Err(ConfigError::new(format!(
                "`{text}` is not a valid amount of memory; write `2GiB`, `512MiB` or bytes"
            ))),
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (suffix, unit) in [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20)] {
            if self.bytes >= unit && self.bytes.is_multiple_of(unit) {
                return write!(f, "{}{suffix}", self.bytes / unit);
            }
        }
        write!(f, "{}", self.bytes)
    }
}

serde_as_text!(Shard, Memory);

/// Settings of a run that do not change the method: seed, threads, memory, which part of the work, and whether
/// finished work is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunControl {
    /// Seed of everything random.
    pub seed: u64,
    /// Threads; `None` is one a core. Results do not depend on it, so it is not recorded.
    #[serde(skip_serializing)]
    pub threads: Option<usize>,
    /// Peak memory to plan for.
    pub memory: Memory,
    /// Report the work to be done, and write nothing.
    pub dry_run: bool,
    /// Part of the days to work on; `None` is all.
    pub shard: Option<Shard>,
    /// Discard finished parts and make everything again; otherwise they are kept. Not recorded.
    #[serde(skip_serializing)]
    pub fresh: bool,
    /// Read every input again, also where size, time of modification and inode are unchanged. Not recorded.
    #[serde(skip_serializing)]
    pub verify: bool,
}

impl Default for RunControl {
    fn default() -> Self {
        Self {
            seed: 0,
            threads: None,
            memory: Memory::gib(2),
            dry_run: false,
            shard: None,
            fresh: false,
            verify: false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn shards() {
        let shard: Shard = "2/3".parse().unwrap();
        let mine: Vec<_> = (0..7).filter(|&day| shard.contains(day)).collect();
        assert_eq!(mine, [1, 4]);
        for wrong in ["", "0/3", "4/3", "1", "a/b", "-1/2"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn memory() {
        for (text, bytes) in [
            ("2GiB", 2 << 30),
            ("1.5 GiB", 3 << 29),
            ("500MB", 500_000_000),
            ("4096", 4096),
            ("2G", 2 << 30),
        ] {
            assert_eq!(text.parse::<Memory>().unwrap().bytes, bytes, "{text}");
        }
        assert_eq!(Memory::gib(2).to_string(), "2GiB");
        for wrong in ["", "GiB", "-1GiB", "0", "infGiB", "1e300GiB", "2 giga"] {
            assert!(wrong.parse::<Memory>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn configuration_round_trips_through_json() {
        let run = RunControl {
            shard: "2/3".parse().ok(),
            ..Default::default()
        };
        let json = serde_json::to_string(&run).unwrap();
        assert_eq!(serde_json::from_str::<RunControl>(&json).unwrap(), run);
        let other = RunControl {
            threads: Some(2),
            fresh: true,
            verify: true,
            ..run.clone()
        };
        assert_eq!(serde_json::to_string(&other).unwrap(), json);
        // As earlier versions wrote it.
        let old = json.replace('{', r#"{"threads":2,"fresh":true,"verify":true,"#);
        assert_eq!(serde_json::from_str::<RunControl>(&old).unwrap(), other);
    }
}
