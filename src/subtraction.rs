//! Subtraction of a part of a record, sample by sample: what remains and what is removed add up to the input.

use seismix_data::{Encoding, Samples, Segment};

/// A segment of deviations, 0 throughout.
pub(crate) fn uncertain(segment: &Segment) -> Segment {
    Segment {
        samples: Samples::F32(vec![0.0; segment.npts()]),
        encoding: Encoding::Float32,
        ..segment.clone()
    }
}

/// Sample `first + i` of a segment is sample `skip + i` of a stretch from `start_ns` to `end_ns`, the times of
/// its first and last sample; `None` if they do not meet.
pub(crate) fn place(segment: &Segment, start_ns: i64, end_ns: i64) -> Option<(usize, usize)> {
    let half = (0.5e9 / segment.sampling_rate) as i64;
    let earliest = segment.start_ns().saturating_sub(half);
    if end_ns < earliest || start_ns > segment.end_ns().saturating_add(half) {
        return None;
    }
    let step = 1e9 / segment.sampling_rate;
    // The segment may start inside the stretch.
    Some(if start_ns < earliest {
        let skip = (segment.start_ns().saturating_sub(start_ns) as f64 / step).round() as usize;
        (skip, 0)
    } else {
        (0, segment.first_index_at(start_ns.saturating_sub(half)))
    })
}

/// A segment of the same times and type, 0 throughout.
pub(crate) fn zeroed(segment: &Segment) -> Segment {
    let n = segment.npts();
    let samples = match &segment.samples {
        Samples::I32(_) => Samples::I32(vec![0; n]),
        Samples::F32(_) => Samples::F32(vec![0.0; n]),
        Samples::F64(_) => Samples::F64(vec![0.0; n]),
    };
    Segment {
        samples,
        ..segment.clone()
    }
}

/// Replaces one sample by its background; a full-scale sample or one that is not finite is never touched.
pub(crate) fn put(samples: &mut Samples, source: &mut Samples, at: usize, background: f64) {
    if !samples.is_usable(at) {
        return;
    }
    match (samples, source) {
        (Samples::I32(samples), Samples::I32(source)) => {
            let input = samples[at];
            let value = background
                .round()
                .clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i32;
            // The source must fit too; then the two add up to the input exactly.
            if let Some(rest) = input.checked_sub(value) {
                samples[at] = value;
                source[at] = rest;
            }
        }
        (Samples::F32(samples), Samples::F32(source)) => {
            source[at] = samples[at] - background as f32;
            samples[at] -= source[at];
        }
        (Samples::F64(samples), Samples::F64(source)) => {
            source[at] = samples[at] - background;
            samples[at] -= source[at];
        }
        _ => {}
    }
}
