//! Judgement of the finds of a stretch: q-values, and which finds are removed.

use seismix_separate::detection::{COMPETITION_S, Calibration, Find, Scored, winners};

use crate::config::DeglitchConfig;
use crate::deglitch::day::StretchSearch;

/// Least score of a find that `--remove-unsure` removes.
const LEAST_SCORE: f64 = 40.0;

/// A find with its judgement.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) find: Find,
    pub(super) stratum: usize,
    /// Best score of a decoy within the seconds of the competition.
    pub(super) best_decoy: Option<f64>,
    /// True if its score is above those of all decoys of its stratum.
    pub(super) sure: bool,
    pub(super) q: Option<f64>,
    pub(super) remove: bool,
    pub(super) reason: String,
}

/// Judges the finds of a stretch, by onset.
pub(super) fn judge(
    stretch: &StretchSearch,
    calibration: &Calibration,
    config: &DeglitchConfig,
) -> Vec<Judged> {
    let (finds, decoys) = stretch.scored(stretch.start_ns);
    let (won, _) = winners(&finds, &decoys);
    let all = stretch.found.finds.iter().zip(&finds).enumerate();
    all.map(|(i, (find, scored))| {
        let stratum = calibration.stratum(scored.noise);
        let best = calibration
            .strata
            .get(stratum)
            .map_or(0.0, |s| s.best_decoy());
        let mut judged = Judged {
            find: find.clone(),
            stratum,
            best_decoy: best_decoy(scored, &decoys),
            sure: false,
            q: None,
            remove: false,
            reason: String::new(),
        };
        if won.contains(&i) {
            judged.q = calibration.q(scored.noise, scored.score);
            judged.sure = judged.q.is_some() && scored.score > best;
            decide(&mut judged, scored.score, config);
        } else {
            judged.reason = "a waveform that no glitch has fits better".into();
        }
        judged
    })
    .collect()
}

fn decide(judged: &mut Judged, score: f64, config: &DeglitchConfig) {
    let rate = config.fdr;
    (judged.remove, judged.reason) = match judged.q {
        Some(q) if q <= rate => (true, format!("q is at most {rate}")),
        _ if config.remove_unsure && score >= LEAST_SCORE => (
            true,
            "--remove-unsure: no false discovery rate is promised".into(),
        ),
        Some(_) => (false, format!("q is above {rate}")),
        None if score >= LEAST_SCORE => (false, "there is no record to judge it by".into()),
        None => (false, format!("its score is below {LEAST_SCORE}")),
    };
}

fn best_decoy(find: &Scored, decoys: &[Scored]) -> Option<f64> {
    let near = decoys
        .iter()
        .filter(|d| (d.onset_s - find.onset_s).abs() < COMPETITION_S);
    near.map(|d| d.score).max_by(f64::total_cmp)
}
