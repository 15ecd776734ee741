//! The clusters of a report: sizes, hours of the day, galleries.

use seismix_data::StationKey;
use seismix_data::store::{ClusterRow, ClusterTable};
use seismix_data::time::steps_ns;
use seismix_vae::init::ClusterScore;

use crate::features::local_day::LocalDay;
use crate::records::RecordCache;
use crate::report::gather::TRACE_BINS;
use crate::report::{ClusterReport, GalleryWindow, Role, ScaleReport, Trace};
use crate::separate::SeparationFile;
use crate::stage::Result;

/// Windows in a cluster's gallery.
const GALLERY: usize = 12;

pub(crate) fn scales(
    table: &ClusterTable,
    scores: &[ClusterScore],
    separation: Option<&SeparationFile>,
    keys: &[StationKey],
    rate: f64,
    cache: &mut RecordCache,
) -> Result<Vec<ScaleReport>> {
    let finest = table.scales().first().copied().unwrap_or(0);
    let n_clusters = table.probabilities.ncols();
    let local_day = LocalDay::of_all(keys);
    let mut reports = Vec::new();
    for scale in table.scales() {
        let rows: Vec<usize> = table.rows_of_scale(scale).collect();
        let starts: Vec<i64> = rows
            .windows(2)
            .map(|w| table.rows[w[1]].end_ns - table.rows[w[0]].end_ns)
            .filter(|step| *step > 0)
            .collect();
        let stride_s = starts.iter().min().map_or(f64::NAN, |ns| *ns as f64 / 1e9);
        let mut gallery_channel = String::new();
        let mut clusters = Vec::new();
        for cluster in 0..n_clusters {
            let mut members: Vec<usize> = rows
                .iter()
                .copied()
                .filter(|row| table.rows[*row].cluster == cluster)
                .collect();
            let mut hours = vec![0; 24];
            for row in &members {
                let row = &table.rows[*row];
                let middle = row.start_ns + (row.end_ns - row.start_ns) / 2;
                hours[local_day.hour(middle)] += 1;
            }
            let n = members.len();
            let mean = members
                .iter()
                .map(|row| f64::from(table.rows[*row].probability))
                .sum::<f64>()
                / n.max(1) as f64;
            members.sort_by(|a, b| {
                table.rows[*b]
                    .probability
                    .total_cmp(&table.rows[*a].probability)
                    .then(a.cmp(b))
            });
            let score = scores
                .iter()
                .find(|score| scale == finest && score.cluster == cluster);
            // Pulses are moved onto each other, with what lies around them; of other clusters, what lies beyond the
            // window would draw the eye.
            let context = score.is_some_and(|score| score.is_transient);
            let chosen = apart(&members, table);
            let mut gallery = Vec::new();
            for row in chosen {
                if let Some((channel, window)) =
                    gallery_window(&table.rows[row], context, keys, cache)?
                {
                    gallery_channel = channel;
                    gallery.push(window);
                }
            }
            let role = separation.and_then(|file| {
                if file.target.scale == scale && file.target.clusters.contains(&cluster) {
                    Some(Role::Target)
                } else if file.background.scale == scale
                    && file.background.clusters.contains(&cluster)
                {
                    Some(Role::Background)
                } else {
                    None
                }
            });
            clusters.push(ClusterReport {
                cluster: cluster as u32,
                n_windows: n as u64,
                mean_probability: if n > 0 { mean } else { f64::NAN },
                transient_score: score.map(|score| score.score),
                is_transient: score.is_some_and(|score| score.is_transient),
                role,
                hours,
                gallery,
                fingerprint: Vec::new(),
                repeats: None,
            });
        }
        reports.push(ScaleReport {
            window_samples: scale as u32,
            window_s: scale as f64 / rate,
            stride_s,
            gallery_channel,
            clusters,
            decoding: Vec::new(),
        });
    }
    Ok(reports)
}

/// The first rows that do not overlap one another, in order of time so that records are read once.
fn apart(members: &[usize], table: &ClusterTable) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    for &row in members {
        if chosen.len() == GALLERY {
            break;
        }
        let (a, b) = (table.rows[row].start_ns, table.rows[row].end_ns);
        if chosen
            .iter()
            .all(|other| table.rows[*other].end_ns < a || table.rows[*other].start_ns > b)
        {
            chosen.push(row);
        }
    }
    chosen
}

/// A window of the station's first channel, with half a window on both sides if `context` asks for it and the record
/// has it.
fn gallery_window(
    row: &ClusterRow,
    context: bool,
    keys: &[StationKey],
    cache: &mut RecordCache,
) -> Result<Option<(String, GalleryWindow)>> {
    let key = match &row.id {
        Some(id) => keys.iter().find(|key| *key.to_string() == **id),
        None => keys.first(),
    };
    let Some(key) = key else { return Ok(None) };
    let Some(rate) = cache.sampling_rate(key) else {
        return Ok(None);
    };
    let half_ns = steps_ns(row.scale / 2, rate);
    let (around, within) = (
        (row.start_ns - half_ns, 2 * row.scale),
        (row.start_ns, row.scale),
    );
    let wanted = if context {
        &[around, within][..]
    } else {
        &[within]
    };
    for &(start, n) in wanted {
        if let Some((id, samples)) = cache.first_channel(key, start, n)? {
            let trace = Trace::from_samples(start, rate, samples.into_iter(), TRACE_BINS);
            let window = GalleryWindow {
                probability: f64::from(row.probability),
                trace,
            };
            return Ok(Some((id.to_string(), window)));
        }
    }
    Ok(None)
}
