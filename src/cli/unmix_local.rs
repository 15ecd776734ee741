//! Arrays and records that the local model adds to the output of `unmix`.

use ndarray::{Array1, Array2, Array3, ArrayD, IxDyn};
use seismix::arrays::npz::NpzArchive;
use seismix::separation::{ChannelSeparation, LocalResult};
use serde_json::json;

/// Results of the local model, if it separated all channels.
fn results(separations: &[ChannelSeparation]) -> Option<Vec<&LocalResult>> {
    separations.iter().map(|s| s.local.as_deref()).collect()
}

/// Writes the arrays of the local model.
pub fn write(
    archive: &mut NpzArchive<'_>,
    separations: &[ChannelSeparation],
    shape: &[usize],
) -> std::io::Result<()> {
    let Some(results) = results(separations) else {
        return Ok(());
    };
    let shaped = |lead: &[usize], values: Vec<f64>| -> ArrayD<f64> {
        let shape: Vec<usize> = lead.iter().chain(shape).copied().collect();
        ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap_or_default()
    };
    let all = |pick: &dyn Fn(&LocalResult) -> Vec<f64>| -> Vec<f64> {
        results.iter().flat_map(|result| pick(result)).collect()
    };
    archive.add_array("waveform", &shaped(&[], all(&|r| r.waveform.clone())))?;
    archive.add_array("sd", &shaped(&[], all(&|r| r.deviation.clone())))?;
    let expected = Array2::from_shape_fn((results.len(), 4), |(c, i)| {
        let (own, before) = (results[c].expected, results[c].untouched);
        [own.mean_db, own.spread_db, before.mean_db, before.spread_db][i]
    });
    archive.add_array("expected_snr", &expected)?;
    let n_draws = results.first().map_or(0, |r| r.draws.len());
    if n_draws > 0 {
        let draws: Vec<f64> = (0..n_draws)
            .flat_map(|k| all(&|r| r.draws[k].clone()))
            .collect();
        archive.add_array("draws", &shaped(&[n_draws], draws))?;
    }
    if results.iter().all(|r| r.realisation.is_some()) {
        let values = all(&|r| r.realisation.clone().unwrap_or_default());
        archive.add_array("realisation", &shaped(&[], values))?;
    }
    let scores = results.first().map_or(&[][..], |r| &r.scores[..]);
    let table = Array3::from_shape_fn((results.len(), scores.len(), 3), |(c, k, i)| {
        let score = &results[c].scores[k];
        [score.mean_db, score.spread_db, score.weight][i]
    });
    archive.add_array("method_scores", &table)?;
    let names: Vec<&str> = scores.iter().map(|s| s.name.as_str()).collect();
    archive.add_array("method_names", &Array1::from(names.join("\n").into_bytes()))
}

/// The results of the local model as JSON.
pub fn record(separations: &[ChannelSeparation]) -> Option<serde_json::Value> {
    let results = results(separations)?;
    let of = |r: &&LocalResult| {
        let scores: Vec<serde_json::Value> = r
            .scores
            .iter()
            .map(|s| json!({ "name": s.name, "mean_db": s.mean_db, "spread_db": s.spread_db, "weight": s.weight }))
            .collect();
        json!({
            "expected_snr_db": r.expected.mean_db, "spread_db": r.expected.spread_db,
            "untouched_snr_db": r.untouched.mean_db, "source_level_db": r.source_level_db, "scores": scores,
        })
    };
    Some(results.iter().map(of).collect())
}
