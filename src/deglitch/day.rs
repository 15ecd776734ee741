//! One station and day: the search for finds, their judgement, and the removal of those that are sure.

use std::collections::BTreeMap;

use ndarray::Array1;
use seismix_data::archive::{AlignedSegment, Archive, StationDay};
use seismix_data::{StreamId, TimeSpan};
use seismix_separate::detection::{BlockFinds, Calibration, Detector, NoiseHours, Scored, remove};
use serde::{Deserialize, Serialize};

use crate::config::DeglitchConfig;
use crate::deglitch::catalogue::Glitch;
use crate::deglitch::judgement::judge;
use crate::deglitch::outputs::RemovedSpan;
use crate::deglitch::rows::{StretchPlace, rows};
use crate::deglitch::station::StationTemplate;
use crate::records::fault_text;
use crate::stage::progress::Observer;
use crate::stage::{Checkpoint, Result};

/// Finds of a day.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct DaySearch {
    /// Gap-free stretches, in order of time.
    pub(super) stretches: Vec<StretchSearch>,
    /// Hours that were not searched, since the stretch is too short or its channels are not the template's.
    pub(super) hours_left_out: f64,
}

/// Finds of a gap-free stretch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StretchSearch {
    pub(super) start_ns: i64,
    pub(super) n_samples: usize,
    pub(super) sampling_rate: f64,
    pub(super) found: BlockFinds,
}

/// A day as it is kept: its catalogue, and the spans of each channel.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct DayResult {
    pub(super) glitches: Vec<Glitch>,
    spans: Vec<SpanPlace>,
}

/// Place of a removed span; its samples are in an array.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SpanPlace {
    id: StreamId,
    start_ns: i64,
    sampling_rate: f64,
    first: usize,
    n_samples: usize,
}

/// Detectors of a template by the channels that a stretch has, each planned once.
pub(super) struct Detectors<'a> {
    pub(super) template: &'a StationTemplate,
    planned: BTreeMap<(Vec<StreamId>, u64), Option<Detector>>,
}

impl<'a> Detectors<'a> {
    pub(super) fn new(template: &'a StationTemplate) -> Self {
        Self {
            template,
            planned: BTreeMap::new(),
        }
    }

    fn of(&mut self, channels: &[StreamId], rate: f64) -> Option<&Detector> {
        let template = self.template;
        let key = (channels.to_vec(), rate.to_bits());
        let planned = self.planned.entry(key);
        let plan = || Some(Detector::new(&template.matched(channels, rate)?));
        planned.or_insert_with(plan).as_ref()
    }
}

/// Gap-free stretches of a station on a day; the record of the day alone, so that other days change nothing.
pub(super) fn load(
    archive: &Archive,
    day: &StationDay,
    observer: &dyn Observer,
) -> Vec<AlignedSegment> {
    let data = archive.load(&day.key, TimeSpan::day_of(day.day_start_ns));
    for fault in &data.faults {
        let (file, message) = fault_text(fault);
        observer.problem(&file, &message);
    }
    for left_out in &data.left_out {
        observer.remark(&format!(
            "{}: not searched on {}, since the other channels have more in common without it",
            left_out.id,
            seismix_data::time::format_utc(day.day_start_ns)
        ));
    }
    data.segments
}

/// Samples of a stretch, `[channel][sample]`.
pub(super) fn channels(segment: &AlignedSegment) -> Vec<Vec<f64>> {
    segment
        .samples
        .outer_iter()
        .map(|row| row.to_vec())
        .collect()
}

/// Searches a day.
pub(super) fn search(
    segments: &[AlignedSegment],
    detectors: &mut Detectors,
    observer: &dyn Observer,
) -> Result<DaySearch> {
    let mut day = DaySearch::default();
    for segment in segments {
        let hours = segment.npts() as f64 / segment.sampling_rate / 3600.0;
        let Some(detector) = detectors.of(&segment.channels, segment.sampling_rate) else {
            day.hours_left_out += hours;
            continue;
        };
        let found = detector.search_record(&channels(segment), observer)?;
        if found.noise.is_empty() {
            day.hours_left_out += hours;
        }
        day.stretches.push(StretchSearch {
            start_ns: segment.start_ns(),
            n_samples: segment.npts(),
            sampling_rate: segment.sampling_rate,
            found,
        });
    }
    Ok(day)
}

impl StretchSearch {
    /// Finds and decoys as the calibration sees them; onsets in seconds from `origin_ns`.
    pub(super) fn scored(&self, origin_ns: i64) -> (Vec<Scored>, Vec<Scored>) {
        let begin_s = (self.start_ns - origin_ns) as f64 * 1e-9;
        let of = |find: &seismix_separate::detection::Find| Scored {
            onset_s: begin_s + find.onset / self.sampling_rate,
            score: find.score(),
            noise: self.noise(find.onset),
        };
        let found = &self.found;
        (
            found.finds.iter().map(of).collect(),
            found.decoys.iter().map(|(_, find)| of(find)).collect(),
        )
    }

    /// Largest deviation of the channels around a sample.
    pub(super) fn noise(&self, sample: f64) -> f64 {
        let after = self
            .found
            .noise
            .partition_point(|n| n.samples.start as f64 <= sample);
        let here = self.found.noise.get(after.saturating_sub(1));
        here.map_or(0.0, largest)
    }

    /// Noise of the stretch's parts.
    pub(super) fn parts(&self) -> impl Iterator<Item = NoiseHours> {
        self.found.noise.iter().map(|part| NoiseHours {
            noise: largest(part),
            hours: part.samples.len() as f64 / self.sampling_rate / 3600.0,
        })
    }
}

fn largest(noise: &seismix_separate::detection::Noise) -> f64 {
    noise.deviations.iter().copied().fold(0.0, f64::max)
}

/// Calibrates a template with the finds of some days.
pub(super) fn calibrate(days: &[DaySearch]) -> Calibration {
    let (mut finds, mut decoys, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    let stretches = || days.iter().flat_map(|day| &day.stretches);
    let origin = stretches().map(|s| s.start_ns).min().unwrap_or(0);
    for stretch in stretches() {
        let (own_finds, own_decoys) = stretch.scored(origin);
        finds.extend(own_finds);
        decoys.extend(own_decoys);
        parts.extend(stretch.parts());
    }
    Calibration::new(&finds, &decoys, &parts)
}

/// Removes the sure finds of a day; its result is kept under `name`.
pub(super) fn remove_sure(
    segments: &[AlignedSegment],
    searched: &DaySearch,
    template: &StationTemplate,
    config: &DeglitchConfig,
    observer: &dyn Observer,
) -> Result<(DayResult, Array1<f64>)> {
    let mut result = DayResult::default();
    let mut samples = Vec::new();
    for stretch in &searched.stretches {
        let place = segments.iter().find(|s| s.start_ns() == stretch.start_ns);
        let Some(segment) = place else { continue };
        let Some(matched) = template.matched(&segment.channels, segment.sampling_rate) else {
            continue;
        };
        let judged = judge(stretch, &template.calibration, config);
        let at = |wanted: bool| -> Vec<f64> {
            let of = judged.iter().filter(|j| j.remove == wanted);
            of.map(|j| j.find.onset).collect()
        };
        let record = channels(segment);
        let removal = remove(&matched, &record, &at(true), &at(false), observer)?;
        let place = StretchPlace {
            segment,
            record: &record,
            template: &matched,
        };
        result.glitches.extend(rows(&place, &judged, &removal));
        for span in &removal.spans {
            for (c, id) in segment.channels.iter().enumerate() {
                result.spans.push(SpanPlace {
                    id: id.clone(),
                    start_ns: segment.time_of(span.start) + offset(segment, c),
                    sampling_rate: segment.sampling_rate,
                    first: samples.len(),
                    n_samples: span.len(),
                });
                samples.extend_from_slice(&removal.removed[c][span.clone()]);
                samples.extend_from_slice(&removal.deviation[c][span.clone()]);
            }
        }
    }
    Ok((result, Array1::from(samples)))
}

/// How much later than the first channel another one is sampled, ns.
fn offset(segment: &AlignedSegment, channel: usize) -> i64 {
    segment
        .sub_sample_offsets_ns
        .get(channel)
        .copied()
        .unwrap_or(0)
}

/// Keeps the result of a day.
pub(super) fn keep(
    checkpoint: &Checkpoint,
    name: &str,
    result: &DayResult,
    samples: &Array1<f64>,
) -> Result<()> {
    checkpoint.write_array(name, samples)?;
    // Written last: if the result exists, so do the samples.
    checkpoint.write(name, result)
}

/// Spans of a stream on a kept day that meet a span of time; `None` if the day is not there or damaged.
pub(super) fn kept_spans(
    checkpoint: &Checkpoint,
    name: &str,
    id: &StreamId,
    within: TimeSpan,
) -> Option<Vec<RemovedSpan>> {
    let result: DayResult = checkpoint.read(name)?;
    let samples: Array1<f64> = checkpoint.read_array(name)?;
    let samples = samples.as_slice()?;
    let meets = |span: &&SpanPlace| {
        let end_ns =
            span.start_ns + seismix_data::time::steps_ns(span.n_samples, span.sampling_rate);
        span.id == *id && span.start_ns < within.end_ns && end_ns >= within.start_ns
    };
    let of = |span: &SpanPlace| {
        let end = span.first + span.n_samples;
        Some(RemovedSpan {
            start_ns: span.start_ns,
            sampling_rate: span.sampling_rate,
            values: samples.get(span.first..end)?.to_vec(),
            deviations: samples.get(end..end + span.n_samples)?.to_vec(),
        })
    };
    result.spans.iter().filter(meets).map(of).collect()
}
