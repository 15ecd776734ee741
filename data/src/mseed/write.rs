//! Writing miniSEED 2.

use std::io::Write;
use std::ops::Range;
use std::path::Path;

use super::steim_encode::{Steim, fits_steim1, fits_steim2, pack};
use super::write_record::{DATA_OFFSET, Fields, Rate, put};
use crate::error::{Error, Result};
use crate::segment::{Encoding, Samples, Segment};
use crate::time::{steps_ns, year_day};
use seismix_core::atomic_file::atomic_write;

/// How to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOptions {
    /// The encoding; `None` keeps the segment's where it fits the samples, and else takes a lossless one.
    pub encoding: Option<Encoding>,
    /// Length of a record in bytes: a power of two from 128 to 65536.
    pub record_bytes: usize,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            encoding: None,
            record_bytes: 512,
        }
    }
}

/// Result of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteSummary {
    /// Number of records.
    pub n_records: usize,
    /// Number of samples.
    pub n_samples: usize,
}

/// Writes segments as miniSEED 2, big-endian, with blockette 1000, and 1001 where timing quality or microseconds ask
/// for it.
///
/// Lossless: every sample comes back bit for bit, or there is an error. A new record begins wherever the header times
/// of the segment (its anchors) depart from the nominal rate, so the time of every sample comes back to the
/// microsecond. Steim-2 becomes Steim-1, and Steim-1 INT32, for a segment whose differences do not fit.
///
/// # Errors
/// [`Error::Encode`] if codes are too long for the format, times lie outside 1900 to 2100, the rate cannot be written
/// or the samples do not fit the encoding asked for; [`Error::Request`] for an impossible record length;
/// [`Error::Write`].
pub fn write_mseed(
    writer: &mut impl Write,
    segments: &[Segment],
    options: &WriteOptions,
) -> Result<WriteSummary> {
    let length = options.record_bytes;
    if !length.is_power_of_two() || !(128..=65_536).contains(&length) {
        let text = format!("record length {length} must be a power of two from 128 to 65536");
        return Err(Error::Request(text));
    }
    let mut summary = WriteSummary::default();
    for segment in segments {
        write_segment(writer, segment, options, &mut summary)?;
    }
    Ok(summary)
}

/// Writes a file as [`write_mseed`] does, [atomically](atomic_write).
///
/// # Errors
/// As [`write_mseed`], and [`Error::Io`].
pub fn write_mseed_file(
    path: &Path,
    segments: &[Segment],
    options: &WriteOptions,
) -> Result<WriteSummary> {
    atomic_write(path, |writer| write_mseed(writer, segments, options))
}

fn write_segment(
    writer: &mut impl Write,
    segment: &Segment,
    options: &WriteOptions,
    summary: &mut WriteSummary,
) -> Result<()> {
    let fail = |reason: String| Error::Encode {
        id: segment.id.to_string(),
        encoding: options.encoding.unwrap_or(segment.encoding).to_string(),
        reason,
    };
    check_codes(segment).map_err(fail)?;
    let rate = Rate::from_hz(segment.sampling_rate).ok_or_else(|| {
        let rate = segment.sampling_rate;
        fail(format!(
            "miniSEED 2 cannot express the sampling rate {rate} Hz"
        ))
    })?;
    let payload = choose(segment, options.encoding).map_err(fail)?;

    let mut position = 0;
    while position < segment.npts() {
        let start_ns = to_microseconds(segment.time_of(position));
        let end = break_after(segment, position, start_ns);
        let mut record = vec![0_u8; options.record_bytes];
        let n = payload.put(position..end, &mut record[DATA_OFFSET..]);
        if n == 0 {
            return Err(fail("a record does not hold one sample".to_owned()));
        }
        summary.n_records += 1;
        summary.n_samples += n;
        let fields = Fields {
            sequence_number: summary.n_records as u32,
            id: &segment.id,
            quality: segment.quality,
            start_ns,
            npts: n as u16,
            rate,
            encoding: payload.encoding(),
            length_power: options.record_bytes.trailing_zeros() as u8,
            timing_quality: segment.timing_quality,
            frames: payload.frames(options.record_bytes),
        };
        put(&mut record, &fields);
        writer.write_all(&record)?;
        position += n;
    }
    Ok(())
}

fn check_codes(segment: &Segment) -> std::result::Result<(), String> {
    let id = &segment.id;
    for (name, code, longest) in [
        ("network", &id.network, 2),
        ("station", &id.station, 5),
        ("location", &id.location, 2),
        ("channel", &id.channel, 3),
    ] {
        if code.len() > longest || !code.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "the {name} code `{code}` must be at most {longest} printable ASCII characters in miniSEED 2"
            ));
        }
    }
    let years = [segment.start_ns(), segment.end_ns()].map(|ns| year_day(ns).0);
    if !years.iter().all(|year| (1900..=2100).contains(year)) {
        return Err("miniSEED 2 holds the years 1900 to 2100".to_owned());
    }
    Ok(())
}

fn to_microseconds(ns: i64) -> i64 {
    ns.saturating_add(500)
        .div_euclid(1_000)
        .saturating_mul(1_000)
}

/// The first anchor after `position` whose time is not where a record that starts at `start_ns` puts it.
fn break_after(segment: &Segment, position: usize, start_ns: i64) -> usize {
    let from = segment
        .anchors
        .partition_point(|anchor| anchor.index <= position);
    segment.anchors[from..]
        .iter()
        .take_while(|anchor| anchor.index - position <= usize::from(u16::MAX))
        .find(|anchor| {
            let nominal = start_ns + steps_ns(anchor.index - position, segment.sampling_rate);
            to_microseconds(anchor.time_ns) != to_microseconds(nominal)
        })
        .map_or(segment.npts(), |anchor| anchor.index.min(segment.npts()))
        .min(position + usize::from(u16::MAX))
}

/// Samples in the type of the encoding.
enum Payload {
    Steim(Steim, Vec<i32>),
    Int32(Vec<i32>),
    Int16(Vec<i32>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
}

impl Payload {
    fn encoding(&self) -> Encoding {
        match self {
            Self::Steim(Steim::One, _) => Encoding::Steim1,
            Self::Steim(Steim::Two, _) => Encoding::Steim2,
            Self::Int32(_) => Encoding::Int32,
            Self::Int16(_) => Encoding::Int16,
            Self::Float32(_) => Encoding::Float32,
            Self::Float64(_) => Encoding::Float64,
        }
    }

    /// Number of frames for blockette 1001.
    fn frames(&self, record_bytes: usize) -> u8 {
        match self {
            Self::Steim(..) => u8::try_from((record_bytes - DATA_OFFSET) / 64).unwrap_or(0),
            _ => 0,
        }
    }

    /// Fills the data of a record; returns the number of samples of `range` that fitted.
    fn put(&self, range: Range<usize>, data: &mut [u8]) -> usize {
        match self {
            Self::Steim(steim, values) => {
                let previous = range.start.checked_sub(1).map(|before| values[before]);
                pack(*steim, &values[range], previous, data)
            }
            Self::Int32(values) => fill(&values[range], data, |x| x.to_be_bytes()),
            Self::Int16(values) => fill(&values[range], data, |x| (x as i16).to_be_bytes()),
            Self::Float32(values) => fill(&values[range], data, |x| x.to_be_bytes()),
            Self::Float64(values) => fill(&values[range], data, |x| x.to_be_bytes()),
        }
    }
}

fn fill<T: Copy, const N: usize>(
    values: &[T],
    data: &mut [u8],
    to_bytes: impl Fn(T) -> [u8; N],
) -> usize {
    let (fields, _) = data.as_chunks_mut::<N>();
    for (field, &value) in fields.iter_mut().zip(values) {
        *field = to_bytes(value);
    }
    fields.len().min(values.len())
}

/// The encoding asked for if it holds the samples exactly; without one, the segment's own or a lossless one.
fn choose(segment: &Segment, wanted: Option<Encoding>) -> std::result::Result<Payload, String> {
    let samples = &segment.samples;
    let Some(wanted) = wanted else {
        return Ok(match samples {
            Samples::F32(values) => Payload::Float32(values.clone()),
            Samples::F64(values) => Payload::Float64(values.clone()),
            Samples::I32(values) => match segment.encoding {
                Encoding::Int32 => Payload::Int32(values.clone()),
                Encoding::Int16 | Encoding::Dwwssn if fits_int16(values) => {
                    Payload::Int16(values.clone())
                }
                Encoding::Steim1 => steim(Steim::One, values.clone()),
                _ => steim(Steim::Two, values.clone()),
            },
        });
    };
    match wanted {
        Encoding::Float64 => Ok(Payload::Float64(samples.to_f64())),
        Encoding::Float32 => exact_f32(samples)
            .map(Payload::Float32)
            .ok_or_else(|| "some samples are no single-precision numbers; use FLOAT64".to_owned()),
        Encoding::Int16 | Encoding::Int32 | Encoding::Steim1 | Encoding::Steim2 => {
            let values = exact_i32(samples)
                .ok_or_else(|| "some samples are no 32-bit integers; use FLOAT64".to_owned())?;
            match wanted {
                Encoding::Int32 => Ok(Payload::Int32(values)),
                Encoding::Steim1 => Ok(steim(Steim::One, values)),
                Encoding::Steim2 => Ok(steim(Steim::Two, values)),
                _ if fits_int16(&values) => Ok(Payload::Int16(values)),
                _ => Err("some samples exceed 16 bits; use STEIM2".to_owned()),
            }
        }
        _ => Err(
            "it is only read; write STEIM2, STEIM1, INT32, INT16, FLOAT32 or FLOAT64".to_owned(),
        ),
    }
}

fn steim(wanted: Steim, values: Vec<i32>) -> Payload {
    if wanted == Steim::Two && fits_steim2(&values) {
        Payload::Steim(Steim::Two, values)
    } else if fits_steim1(&values) {
        Payload::Steim(Steim::One, values)
    } else {
        Payload::Int32(values)
    }
}

fn fits_int16(values: &[i32]) -> bool {
    values.iter().all(|&x| i16::try_from(x).is_ok())
}

fn exact_f32(samples: &Samples) -> Option<Vec<f32>> {
    if let Samples::F32(values) = samples {
        return Some(values.clone());
    }
    let values = samples.to_f64().into_iter().map(|x| {
        let narrow = x as f32;
        (f64::from(narrow) == x || x.is_nan()).then_some(narrow)
    });
    values.collect()
}

fn exact_i32(samples: &Samples) -> Option<Vec<i32>> {
    if let Samples::I32(values) = samples {
        return Some(values.clone());
    }
    let values = samples.to_f64().into_iter().map(|x| {
        let narrow = x as i32;
        (f64::from(narrow) == x).then_some(narrow)
    });
    values.collect()
}
