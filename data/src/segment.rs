//! Contiguous samples of one stream, with the time of every sample.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::id::StreamId;
use crate::time::{TimeSpan, steps_ns};
use crate::usable::{UsableSamples, is_full_scale};

/// How samples are coded in a record. The numbers are those of the SEED manual and of miniSEED 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)] // the names say all
pub enum Encoding {
    Text,
    Int16,
    Int24,
    Int32,
    Float32,
    Float64,
    Steim1,
    Steim2,
    #[serde(rename = "GEOSCOPE24")]
    Geoscope24,
    #[serde(rename = "GEOSCOPE16_3")]
    Geoscope16Exp3,
    #[serde(rename = "GEOSCOPE16_4")]
    Geoscope16Exp4,
    Cdsn,
    Sro,
    Dwwssn,
}

impl Encoding {
    const TABLE: [(Self, u8, &'static str); 14] = [
        (Self::Text, 0, "TEXT"),
        (Self::Int16, 1, "INT16"),
        (Self::Int24, 2, "INT24"),
        (Self::Int32, 3, "INT32"),
        (Self::Float32, 4, "FLOAT32"),
        (Self::Float64, 5, "FLOAT64"),
        (Self::Steim1, 10, "STEIM1"),
        (Self::Steim2, 11, "STEIM2"),
        (Self::Geoscope24, 12, "GEOSCOPE24"),
        (Self::Geoscope16Exp3, 13, "GEOSCOPE16_3"),
        (Self::Geoscope16Exp4, 14, "GEOSCOPE16_4"),
        (Self::Cdsn, 16, "CDSN"),
        (Self::Sro, 30, "SRO"),
        (Self::Dwwssn, 32, "DWWSSN"),
    ];

    /// The encoding of a code in blockette 1000 or a miniSEED 3 header.
    pub fn from_code(code: u8) -> Option<Self> {
        let row = Self::TABLE.iter().find(|row| row.1 == code);
        row.map(|row| row.0)
    }

    /// The code in blockette 1000 or a miniSEED 3 header.
    pub fn code(self) -> u8 {
        Self::TABLE[self as usize].1
    }

    /// Name as printed, `STEIM2`.
    pub fn name(self) -> &'static str {
        Self::TABLE[self as usize].2
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Data quality of a miniSEED 2 record.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum Quality {
    /// `D`: quality not known.
    #[default]
    D,
    /// `R`: raw, as telemetered.
    R,
    /// `Q`: quality controlled.
    Q,
    /// `M`: modified or merged by a data centre.
    M,
}

impl Quality {
    /// The letter in a record header.
    pub fn letter(self) -> u8 {
        match self {
            Self::D => b'D',
            Self::R => b'R',
            Self::Q => b'Q',
            Self::M => b'M',
        }
    }

    /// The quality of a letter.
    pub fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'D' => Some(Self::D),
            b'R' => Some(Self::R),
            b'Q' => Some(Self::Q),
            b'M' => Some(Self::M),
            _ => None,
        }
    }
}

/// Samples in the type in which they were recorded, any unit (counts).
#[derive(Debug, Clone, PartialEq)]
pub enum Samples {
    /// Integers of any encoding.
    I32(Vec<i32>),
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
}

impl Samples {
    /// Number of samples.
    pub fn len(&self) -> usize {
        match self {
            Self::I32(values) => values.len(),
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    /// True if there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One sample as f64 (exact).
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len), as a slice does.
    pub fn get(&self, index: usize) -> f64 {
        match self {
            Self::I32(values) => f64::from(values[index]),
            Self::F32(values) => f64::from(values[index]),
            Self::F64(values) => values[index],
        }
    }

    /// All samples as f64 (exact).
    pub fn to_f64(&self) -> Vec<f64> {
        self.range_to_f64(0..self.len())
    }

    /// The samples of a range as f64 (exact).
    ///
    /// # Panics
    /// If the range does not lie inside, as a slice does.
    pub fn range_to_f64(&self, range: Range<usize>) -> Vec<f64> {
        match self {
            Self::I32(values) => values[range].iter().map(|&x| f64::from(x)).collect(),
            Self::F32(values) => values[range].iter().map(|&x| f64::from(x)).collect(),
            Self::F64(values) => values[range].to_vec(),
        }
    }

    /// The samples of a range, same type.
    ///
    /// # Panics
    /// If the range does not lie inside, as a slice does.
    pub fn slice(&self, range: Range<usize>) -> Self {
        match self {
            Self::I32(values) => Self::I32(values[range].to_vec()),
            Self::F32(values) => Self::F32(values[range].to_vec()),
            Self::F64(values) => Self::F64(values[range].to_vec()),
        }
    }

    /// Appends `other`. Different types become f64, which holds every i32 and f32 exactly.
    pub fn append(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::I32(mine), Self::I32(theirs)) => mine.extend(theirs),
            (Self::F32(mine), Self::F32(theirs)) => mine.extend(theirs),
            (Self::F64(mine), Self::F64(theirs)) => mine.extend(theirs),
            (_, other) => {
                let mut all = self.to_f64();
                all.extend(other.to_f64());
                *self = Self::F64(all);
            }
        }
    }

    /// True if the single value can be data: finite, and not a full-scale value (see [`is_full_scale`]).
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len), as a slice does.
    pub fn is_usable(&self, index: usize) -> bool {
        let x = self.get(index);
        x.is_finite() && !is_full_scale(x)
    }
}

/// A sample whose time is known from a record header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Index of the sample in the segment.
    pub index: usize,
    /// Its time, ns UTC.
    pub time_ns: i64,
}

/// Samples of one stream without a gap.
///
/// Times come from the record headers: `anchors` is never empty, starts at index 0 and rises in index; between
/// anchors the nominal rate counts. So a clock that drifts against the nominal rate leaves no error behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// The stream.
    pub id: StreamId,
    /// Nominal rate in Hz, positive and finite.
    pub sampling_rate: f64,
    /// The samples; at least one.
    pub samples: Samples,
    /// Encoding of the (first) record, or the one to write with.
    pub encoding: Encoding,
    /// First sample of each record and its header time.
    pub anchors: Vec<Anchor>,
    /// Data quality of the (first) record.
    pub quality: Quality,
    /// Lowest timing quality of the records in percent (blockette 1001), if they have it.
    pub timing_quality: Option<u8>,
}

impl Segment {
    /// A segment with one anchor at its start, to be written losslessly: Steim-2, FLOAT32 or FLOAT64.
    pub fn new(id: StreamId, sampling_rate: f64, start_ns: i64, samples: Samples) -> Self {
        let encoding = match samples {
            Samples::I32(_) => Encoding::Steim2,
            Samples::F32(_) => Encoding::Float32,
            Samples::F64(_) => Encoding::Float64,
        };
        Self {
            id,
            sampling_rate,
            samples,
            encoding,
            anchors: vec![Anchor {
                index: 0,
                time_ns: start_ns,
            }],
            quality: Quality::D,
            timing_quality: None,
        }
    }

    /// Number of samples.
    pub fn npts(&self) -> usize {
        self.samples.len()
    }

    /// Time of the first sample, ns UTC.
    pub fn start_ns(&self) -> i64 {
        self.time_of(0)
    }

    /// Time of the last sample, ns UTC.
    pub fn end_ns(&self) -> i64 {
        self.time_of(self.npts().saturating_sub(1))
    }

    /// From the first sample to one ns after the last.
    pub fn span(&self) -> TimeSpan {
        TimeSpan::new(self.start_ns(), self.end_ns().saturating_add(1))
    }

    /// Time of a sample in ns UTC, from the anchor at or before it; indices past the end extrapolate.
    pub fn time_of(&self, index: usize) -> i64 {
        time_at(&self.anchors, self.sampling_rate, index)
    }

    /// The sample nearest to a time, if one lies within half a sample of it.
    pub fn index_near(&self, time_ns: i64) -> Option<usize> {
        let index = self.first_index_at(time_ns);
        let half_ns = steps_ns(1, self.sampling_rate).saturating_add(1) / 2;
        let candidates = index.saturating_sub(1)..=index.min(self.npts().saturating_sub(1));
        candidates
            .map(|i| (self.time_of(i).abs_diff(time_ns), i))
            .filter(|&(distance, _)| distance <= half_ns.unsigned_abs())
            .min()
            .map(|(_, i)| i)
    }

    /// The first sample at or after a time; [`npts`](Self::npts) if all are before it.
    pub fn first_index_at(&self, time_ns: i64) -> usize {
        let (mut low, mut high) = (0, self.npts());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.time_of(middle) < time_ns {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The samples of a half-open span of time, as indices; may be empty.
    pub fn index_range(&self, span: TimeSpan) -> Range<usize> {
        let start = self.first_index_at(span.start_ns);
        start..self.first_index_at(span.end_ns).max(start)
    }

    /// A part of the segment with the anchors that lie in it; every sample keeps its time.
    ///
    /// # Panics
    /// If the range does not lie inside, as a slice does.
    pub fn slice(&self, range: Range<usize>) -> Self {
        Self {
            id: self.id.clone(),
            samples: self.samples.slice(range.clone()),
            anchors: slice_anchors(&self.anchors, self.sampling_rate, range),
            ..*self
        }
    }

    /// Usable and unusable samples, by the rule of [`UsableSamples`].
    ///
    /// Processing uses the usable runs only; the values between them are never averaged or interpolated.
    pub fn usable(&self) -> UsableSamples {
        UsableSamples::of(&self.samples, self.sampling_rate)
    }
}

/// Time of a sample in ns UTC, from the anchor at or before it; `anchors` rise in index.
///
/// Without an anchor the answer is 0.
pub fn time_at(anchors: &[Anchor], sampling_rate: f64, index: usize) -> i64 {
    let after = anchors.partition_point(|anchor| anchor.index <= index);
    match anchors.get(after.saturating_sub(1)) {
        Some(anchor) => anchor
            .time_ns
            .saturating_add(steps_ns(index.saturating_sub(anchor.index), sampling_rate)),
        None => 0,
    }
}

/// The anchors of a part: one at its first sample, then those inside, counted from the part's start.
pub fn slice_anchors(anchors: &[Anchor], sampling_rate: f64, range: Range<usize>) -> Vec<Anchor> {
    let first = Anchor {
        index: 0,
        time_ns: time_at(anchors, sampling_rate, range.start),
    };
    let inside = anchors
        .iter()
        .filter(|anchor| anchor.index > range.start && anchor.index < range.end)
        .map(|anchor| Anchor {
            index: anchor.index - range.start,
            time_ns: anchor.time_ns,
        });
    std::iter::once(first).chain(inside).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn segment(samples: Samples) -> Segment {
        let id = "XX.TEST.00.BHZ".parse().unwrap();
        Segment::new(id, 20.0, 1_000, samples)
    }

    #[test]
    fn codes_and_names_agree_with_the_table() {
        for (encoding, code, name) in Encoding::TABLE {
            assert_eq!(Encoding::from_code(code), Some(encoding));
            assert_eq!((encoding.code(), encoding.name()), (code, name));
            let json = serde_json::to_string(&encoding).unwrap();
            assert_eq!(json, format!("\"{name}\""));
        }
        assert_eq!(Encoding::from_code(99), None);
    }

    #[test]
    fn time_comes_from_the_anchor_before() {
        let mut segment = segment(Samples::I32(vec![0; 100]));
        segment.anchors.push(Anchor {
            index: 50,
            time_ns: 1_000 + 2_500_000_000 - 1_000_000,
        });
        assert_eq!(segment.time_of(49), 1_000 + 2_450_000_000);
        assert_eq!(segment.time_of(50), 1_000 + 2_499_000_000);
        assert_eq!(segment.end_ns(), 1_000 + 4_949_000_000);
        assert_eq!(
            segment.index_near(segment.time_of(50) + 20_000_000),
            Some(50)
        );
        assert_eq!(
            segment.index_near(segment.time_of(50) - 24_000_000),
            Some(50)
        );
        assert_eq!(segment.index_near(segment.end_ns() + 26_000_000), None);
        assert_eq!(segment.index_near(segment.start_ns() - 26_000_000), None);

        let part = segment.slice(40..60);
        assert_eq!(part.anchors.len(), 2);
        for index in 0..20 {
            assert_eq!(part.time_of(index), segment.time_of(40 + index));
        }
    }

    #[test]
    fn ranges_are_half_open() {
        let segment = segment(Samples::I32(vec![0; 100]));
        let span = TimeSpan::new(segment.time_of(10), segment.time_of(20));
        assert_eq!(segment.index_range(span), 10..20);
        assert_eq!(segment.index_range(TimeSpan::ALL), 0..100);
        assert!(segment.index_range(TimeSpan::new(0, 500)).is_empty());
    }

    #[test]
    fn runs_leave_sentinels_out() {
        let values = vec![
            1,
            2,
            -8_388_607,
            3,
            i32::MIN,
            i32::MAX,
            8_388_606,
            -8_388_608,
        ];
        assert_eq!(
            segment(Samples::I32(values)).usable().runs,
            [0..2, 3..4, 6..7]
        );
        let values = vec![f32::NAN, 1.0, f32::INFINITY, 2.0, 8_388_607.0, 2.5];
        assert_eq!(
            segment(Samples::F32(values)).usable().runs,
            [1..2, 3..4, 5..6]
        );
        assert!(
            segment(Samples::F64(vec![f64::NAN]))
                .usable()
                .runs
                .is_empty()
        );
    }

    #[test]
    fn different_types_join_exactly() {
        let mut samples = Samples::I32(vec![i32::MAX - 1]);
        samples.append(Samples::F32(vec![0.1]));
        assert_eq!(
            samples,
            Samples::F64(vec![2_147_483_646.0, f64::from(0.1_f32)])
        );
    }
}
