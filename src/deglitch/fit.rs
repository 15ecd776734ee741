//! Learning of a station's template from its records, told nothing.

use std::collections::BTreeMap;

use seismix_data::archive::{AlignedSegment, Archive, StationDay};
use seismix_data::time::format_utc;
use seismix_data::{StationKey, StreamId};
use seismix_separate::detection::{record_transients, training_segments};
use seismix_separate::template::{RecordSegment, Template};

use crate::config::DeglitchConfig;
use crate::deglitch::day::{channels, load};
use crate::deglitch::station::StationTemplate;
use crate::stage::progress::{Observer, Stage};
use crate::stage::{PipelineError, Result};

/// Most transients that a template is learned from: the strongest.
const MAX_TRANSIENTS: usize = 80;

/// A strong transient of a station's records.
#[derive(Debug, Clone, Copy)]
struct Strong {
    day: usize,
    stretch: usize,
    sample: usize,
    height: f64,
}

/// Channels and rate that a template is learned for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    channels: Vec<StreamId>,
    rate_bits: u64,
}

impl Kind {
    fn of(segment: &AlignedSegment) -> Self {
        Self {
            channels: segment.channels.clone(),
            rate_bits: segment.sampling_rate.to_bits(),
        }
    }

    fn rate(&self) -> f64 {
        f64::from_bits(self.rate_bits)
    }
}

/// Learns the template of a station from some of its days; `None` if too few transients share a waveform, with the
/// reason in words.
pub(super) fn learn(
    archive: &Archive,
    key: &StationKey,
    days: &[StationDay],
    config: &DeglitchConfig,
    observer: &dyn Observer,
) -> Result<std::result::Result<StationTemplate, String>> {
    let Some((kind, strong)) = transients(archive, days, config, observer)? else {
        return Ok(Err(
            "no stretch is long enough to look for transients".into()
        ));
    };
    let length = template_samples(config, kind.rate());
    let segments = segments(archive, days, &strong, length, observer)?;
    let learned = Template::learn_with_progress(&segments, length, observer)?;
    let n = strong.len();
    let Some((mut template, evidence)) = learned else {
        return Ok(Err(format!(
            "of {n} strong transients none exceeds its background"
        )));
    };
    if !evidence.has_shape() {
        return Ok(Err(format!(
            "{} strong transients do not share a waveform: one learned from half of them explains {:.0} % of the energy of \
             the others",
            evidence.n_windows,
            100.0 * evidence.explained
        )));
    }
    // Targets of finds begin elsewhere than those of the transients that were learned from.
    template.onset_range = None;
    let mut station = StationTemplate::new(key, &kind.channels, kind.rate(), template);
    station.evidence = Some(evidence);
    let span = days.first().zip(days.last()).map(|(first, last)| {
        let day = |d: &StationDay| format_utc(d.day_start_ns)[..10].to_owned();
        format!("{} to {}", day(first), day(last))
    });
    station.learned_from = format!(
        "{key}, {}: {n} strong transients, {} sources",
        span.unwrap_or_default(),
        station.template.n_training_sources
    );
    Ok(Ok(station))
}

/// Samples of a template at a rate.
pub(super) fn template_samples(config: &DeglitchConfig, rate: f64) -> usize {
    Template::layout((config.duration_s * rate).round() as usize).length
}

/// The strongest transients of the channels and rate that most of the record has.
fn transients(
    archive: &Archive,
    days: &[StationDay],
    config: &DeglitchConfig,
    observer: &dyn Observer,
) -> Result<Option<(Kind, Vec<Strong>)>> {
    let mut by_kind: BTreeMap<Kind, (f64, Vec<Strong>)> = BTreeMap::new();
    let stage = Stage::begin(observer, "look for transients", days.len() as u64, "days");
    for (day, station_day) in days.iter().enumerate() {
        if observer.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        for (stretch, segment) in load(archive, station_day, observer).iter().enumerate() {
            let length = template_samples(config, segment.sampling_rate);
            let found = record_transients(&channels(segment), length);
            let (hours, all) = by_kind.entry(Kind::of(segment)).or_default();
            *hours += segment.npts() as f64 / segment.sampling_rate / 3600.0;
            all.extend(found.into_iter().map(|t| Strong {
                day,
                stretch,
                sample: t.sample,
                height: t.height,
            }));
        }
        stage.advance(1);
    }
    let most = by_kind
        .into_iter()
        .max_by(|a, b| a.1.0.total_cmp(&b.1.0).then(b.0.cmp(&a.0)));
    Ok(most.map(|(kind, (_, mut all))| {
        all.sort_by(|a, b| b.height.total_cmp(&a.height));
        all.truncate(MAX_TRANSIENTS);
        all.sort_by_key(|t| (t.day, t.stretch, t.sample));
        (kind, all)
    }))
}

/// Segments of the record around the transients.
fn segments(
    archive: &Archive,
    days: &[StationDay],
    strong: &[Strong],
    length: usize,
    observer: &dyn Observer,
) -> Result<Vec<RecordSegment>> {
    let mut all = Vec::new();
    for of_day in strong.chunk_by(|a, b| a.day == b.day) {
        if observer.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        let stretches = load(archive, &days[of_day[0].day], observer);
        for of_stretch in of_day.chunk_by(|a, b| a.stretch == b.stretch) {
            let Some(segment) = stretches.get(of_stretch[0].stretch) else {
                continue;
            };
            let samples: Vec<usize> = of_stretch.iter().map(|t| t.sample).collect();
            all.extend(training_segments(&channels(segment), &samples, length));
        }
    }
    Ok(all)
}
