//! Rows of the catalogue from judged finds and the sources that were removed for them.

use std::ops::Range;

use seismix_data::StreamId;
use seismix_data::archive::AlignedSegment;
use seismix_data::time::steps_ns;
use seismix_separate::detection::{Removal, RemovedSource};
use seismix_separate::template::{Part, Template, Wave};

use crate::deglitch::catalogue::{ChannelAmplitude, Glitch};
use crate::deglitch::judgement::Judged;

/// Share of a waveform's energy that has passed at its end.
const ENERGY_AT_END: f64 = 0.99;

/// Share of a find's decrease of chi-square below which a source beside it corrects its waveform.
const CORRECTION: f64 = 0.03;

/// Stretch of a record, with the template of its channels.
pub(super) struct StretchPlace<'a> {
    pub(super) segment: &'a AlignedSegment,
    /// Samples, `[channel][sample]`.
    pub(super) record: &'a [Vec<f64>],
    pub(super) template: &'a Template,
}

/// One row for each find, and one for each further source that was removed beside one.
///
/// A much weaker source beside a strong one corrects the error of its waveform and is no glitch of its own.
pub(super) fn rows(place: &StretchPlace, judged: &[Judged], removal: &Removal) -> Vec<Glitch> {
    let removed: Vec<usize> = (0..judged.len()).filter(|i| judged[*i].remove).collect();
    let strongest = |index: usize| -> Option<&RemovedSource> {
        let position = removed.iter().position(|i| *i == index)?;
        let own = removal.sources.iter().filter(|s| s.find == Some(position));
        own.max_by(|a, b| a.source.chi2_decrease.total_cmp(&b.source.chi2_decrease))
    };
    let mut all: Vec<Glitch> = judged
        .iter()
        .enumerate()
        .map(|(i, judged)| place.row(judged, strongest(i), removal))
        .collect();
    for beside in removal.sources.iter().filter(|s| s.find.is_none()) {
        let Some(index) = owner(&removed, judged, beside.source.onset) else {
            continue;
        };
        let of_find = strongest(index).map_or(0.0, |s| s.source.chi2_decrease);
        if beside.source.chi2_decrease >= CORRECTION * of_find {
            let mut row = place.row(&judged[index], Some(beside), removal);
            row.score = beside.source.chi2_decrease / beside.source.misfit.max(1.0);
            row.reason = "the fit needs it beside the find before it".into();
            all.push(row);
        }
    }
    all.sort_by_key(|g| g.onset_ns);
    all
}

/// The removed find whose target holds an onset: the latest before it, or else the nearest after.
fn owner(removed: &[usize], judged: &[Judged], onset: f64) -> Option<usize> {
    let before = removed.iter().rfind(|i| judged[**i].find.onset <= onset);
    before.or_else(|| removed.first()).copied()
}

impl StretchPlace<'_> {
    fn row(&self, judged: &Judged, source: Option<&RemovedSource>, removal: &Removal) -> Glitch {
        let find = &judged.find;
        let onset = source.map_or(find.onset, |s| s.source.onset);
        let channels = match source {
            Some(s) => amplitudes(&self.segment.channels, &s.source.channels),
            None => Vec::new(),
        };
        let largest = channels.iter().map(|c| c.amplitude);
        let largest = largest.max_by(|a, b| a.abs().total_cmp(&b.abs()));
        let polarity = largest.unwrap_or_else(|| self.largest_amplitude(&find.amplitudes));
        let id = &self.segment.channels[0];
        let removed = judged.remove && source.is_some();
        let reason = match judged.remove && source.is_none() {
            true => "the fit finds no significant source there".into(),
            false => judged.reason.clone(),
        };
        let samples = self.samples(onset);
        let (snr_in_db, expected_snr_db) = match removed {
            true => self.quality(&samples, removal),
            false => (None, None),
        };
        Glitch {
            id: format!("{}.{}.{}", id.network, id.station, id.location),
            onset_ns: self.time(onset),
            end_ns: self.time(samples.end as f64),
            kind: "step".into(),
            template: "learned".into(),
            score: find.score(),
            share: find.share(),
            stratum: judged.stratum,
            best_decoy_score: judged.best_decoy,
            sure: judged.sure,
            q: judged.q,
            removed,
            reason,
            polarity: if polarity < 0.0 { -1 } else { 1 },
            snr_in_db,
            expected_snr_db,
            channels,
        }
    }

    /// Time of a fractional sample, ns UTC.
    fn time(&self, sample: f64) -> i64 {
        let whole = sample.floor().max(0.0);
        let part = (sample - whole) * steps_ns(1, self.segment.sampling_rate) as f64;
        self.segment.time_of(whole as usize) + part.round() as i64
    }

    /// Amplitude of the channel on which the waveform is largest.
    fn largest_amplitude(&self, amplitudes: &[[f64; 2]]) -> f64 {
        let all = amplitudes.iter().map(|[a, _]| *a);
        all.max_by(|a, b| a.abs().total_cmp(&b.abs()))
            .unwrap_or(0.0)
    }

    /// Samples from an onset to the end of the waveform.
    fn samples(&self, onset: f64) -> Range<usize> {
        let layout = self.template.layout;
        let mut energy = vec![0.0; layout.length];
        for h in &self.template.shape.channels {
            energy.iter_mut().zip(h).for_each(|(e, v)| *e += v * v);
        }
        let total: f64 = energy.iter().sum();
        let mut sum = 0.0;
        let passed = energy.iter().position(|e| {
            sum += e;
            sum >= ENERGY_AT_END * total
        });
        let after = passed.unwrap_or(layout.length).saturating_sub(layout.lead);
        let n = self.segment.npts();
        let start = (onset.max(0.0) as usize).min(n);
        start..(start + after.max(1)).min(n)
    }

    /// Energy of what was removed over that of the background, and of that over its error, dB.
    fn quality(&self, samples: &Range<usize>, removal: &Removal) -> (Option<f64>, Option<f64>) {
        let (mut source, mut kept, mut error) = (0.0, 0.0, 0.0);
        for (c, record) in self.record.iter().enumerate() {
            let removed = &removal.removed[c][samples.clone()];
            let own = record[samples.clone()].iter().zip(removed);
            let background: Vec<f64> = own.map(|(x, s)| x - s).collect();
            source += seismix_core::stats::energy(removed);
            kept += seismix_core::stats::squared_deviation(&background);
            error += seismix_core::stats::energy(&removal.deviation[c][samples.clone()]);
        }
        let db = |over: f64, under: f64| {
            (over > 0.0 && under > 0.0).then(|| 10.0 * (over / under).log10())
        };
        (db(source, kept), db(kept, error))
    }
}

/// Amplitude of the first wave of each channel that has any.
fn amplitudes(ids: &[StreamId], parts: &[Vec<Part>]) -> Vec<ChannelAmplitude> {
    let of = |(id, parts): (&StreamId, &Vec<Part>)| {
        let response = |p: &&Part| matches!(p.wave, Wave::Response { .. });
        let first = parts.iter().find(response).or_else(|| parts.first())?;
        Some(ChannelAmplitude {
            channel: id.channel.clone(),
            amplitude: first.amplitude,
            deviation: first.deviation,
        })
    };
    ids.iter().zip(parts).filter_map(of).collect()
}
