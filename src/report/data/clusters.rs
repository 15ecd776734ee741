//! The clusters of a report: sizes, hours of the day, galleries.

use seismix_data::StationKey;
use seismix_data::store::{ClusterRow, ClusterTable};
use seismix_data::time::{parse_utc, steps_ns};
use seismix_vae::init::ClusterScore;
use serde::{Deserialize, Serialize};

use super::align::align_gallery;
use super::encode::null_as_nan;
use super::gather::TRACE_BINS;
use super::{DecodingRow, FingerprintPanel, Trace};
use crate::features::local_day::LocalDay;
use crate::records::RecordCache;
use crate::separate::SeparationFile;
use crate::stage::Result;

/// Windows in a cluster's gallery.
const GALLERY: usize = 12;

/// The clusters of one scale.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScaleReport {
    /// Window length in samples.
    pub window_samples: u32,
    /// Window length in seconds.
    #[serde(deserialize_with = "null_as_nan")]
    pub window_s: f64,
    /// Hop from one window to the next in seconds.
    #[serde(deserialize_with = "null_as_nan")]
    pub stride_s: f64,
    /// Channel the galleries show.
    pub gallery_channel: String,
    /// All clusters of the model, including empty ones.
    pub clusters: Vec<ClusterReport>,
    /// Errors of the decoder from latent samples to coefficients, by kind.
    pub decoding: Vec<DecodingRow>,
}

/// One cluster of one scale.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterReport {
    /// Its number.
    pub cluster: u32,
    /// Windows assigned to it.
    pub n_windows: u64,
    /// Mean probability over these.
    #[serde(deserialize_with = "null_as_nan")]
    pub mean_probability: f64,
    /// Transient score; see [`ReportData::transient_measure`](crate::report::ReportData::transient_measure).
    pub transient_score: Option<f64>,
    /// True if the score, the share and the duration are those of a transient.
    pub is_transient: bool,
    /// Use of its windows in the separation, if they were used.
    pub role: Option<Role>,
    /// Windows in each of the 24 hours of the day, by
    /// [`ReportData::clock`](crate::report::ReportData::clock); empty if not known.
    pub hours: Vec<u64>,
    /// Its most probable windows, the most probable first.
    pub gallery: Vec<GalleryWindow>,
    /// True if the windows were shifted onto each other because they share a waveform.
    pub is_aligned: bool,
    /// Mean coefficients of its windows and of samples of the model.
    pub fingerprint: Vec<FingerprintPanel>,
    /// Mean Jaccard index with the most similar cluster of other fits: over seeds, and over blocks of time.
    pub repeats: Option<[f64; 2]>,
}

/// Use of a cluster's windows in the separation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Separated from the record.
    Target,
    /// Used as samples of the background.
    Background,
}

/// One window of a gallery.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GalleryWindow {
    /// Probability of the cluster.
    #[serde(deserialize_with = "null_as_nan")]
    pub probability: f64,
    /// The waveform, reduced to 600 bins at most. It may extend half a window beyond the window on both sides, so that
    /// aligned windows leave no blanks. All windows of a cluster have the same length.
    pub trace: Trace,
    /// Seconds by which the waveform is moved to the left to match the others.
    #[serde(deserialize_with = "null_as_nan")]
    pub shift_s: f64,
    /// True if the waveform matches the others upside down.
    pub is_inverted: bool,
    /// Normalised cross-correlation with the mean of the others after the shift, 0 to 1.
    #[serde(deserialize_with = "null_as_nan")]
    pub correlation: f64,
}

/// Inputs from which the clusters of all scales are reported.
pub(super) struct ClusterSources<'a> {
    /// The cluster table.
    pub table: &'a ClusterTable,
    /// Transient scores of the finest scale; may be empty.
    pub scores: &'a [ClusterScore],
    /// The separation, if there is one.
    pub separation: Option<&'a SeparationFile>,
    /// Stations of the records.
    pub keys: &'a [StationKey],
    /// Samples per second.
    pub rate: f64,
}

/// Reports the clusters of all scales; without records there are no galleries.
///
/// # Errors
/// Those of reading the records.
pub(super) fn scales(
    from: &ClusterSources<'_>,
    mut records: Option<&mut RecordCache<'_>>,
) -> Result<Vec<ScaleReport>> {
    let table = from.table;
    let mut reports = Vec::new();
    for scale in table.scales() {
        let rows: Vec<usize> = table.rows_of_scale(scale).collect();
        let steps = rows
            .windows(2)
            .map(|w| table.rows[w[1]].end_ns - table.rows[w[0]].end_ns)
            .filter(|step| *step > 0);
        let stride_s = steps.min().map_or(f64::NAN, |ns| ns as f64 / 1e9);
        let background = background_clusters(table, from.separation, scale);
        let mut report = ScaleReport {
            window_samples: scale as u32,
            window_s: scale as f64 / from.rate,
            stride_s,
            ..ScaleReport::default()
        };
        for number in 0..table.probabilities.ncols() {
            let (mut cluster, members) = cluster(from, scale, number, &rows);
            let target = from.separation.is_some_and(|file| {
                file.target.scale == scale && file.target.clusters.contains(&number)
            });
            if target {
                cluster.role = Some(Role::Target);
            } else if background.contains(&number) {
                cluster.role = Some(Role::Background);
            }
            if let Some(records) = records.as_deref_mut() {
                let channel = add_gallery(&mut cluster, &members, from, records)?;
                report.gallery_channel = channel.unwrap_or(report.gallery_channel);
            }
            report.clusters.push(cluster);
        }
        reports.push(report);
    }
    Ok(reports)
}

/// One cluster without its gallery, and its rows, the most probable first.
fn cluster(
    from: &ClusterSources<'_>,
    scale: usize,
    number: usize,
    rows: &[usize],
) -> (ClusterReport, Vec<usize>) {
    let table = from.table;
    let probability = |row: &usize| table.rows[*row].probability;
    let mut members: Vec<usize> = rows.to_vec();
    members.retain(|row| table.rows[*row].cluster == number);
    members.sort_by(|a, b| probability(b).total_cmp(&probability(a)).then(a.cmp(b)));
    let local_day = LocalDay::of_all(from.keys);
    let mut hours = vec![0; 24];
    for row in &members {
        let row = &table.rows[*row];
        hours[local_day.hour(row.start_ns + (row.end_ns - row.start_ns) / 2)] += 1;
    }
    let sum: f64 = members.iter().map(|row| f64::from(probability(row))).sum();
    let finest = table.scales().first().copied();
    let mut scores = from.scores.iter();
    let score = scores.find(|score| finest == Some(scale) && score.cluster == number);
    let report = ClusterReport {
        cluster: number as u32,
        n_windows: members.len() as u64,
        mean_probability: sum / members.len() as f64,
        transient_score: score.map(|score| score.score),
        is_transient: score.is_some_and(|score| score.is_transient),
        hours,
        ..ClusterReport::default()
    };
    (report, members)
}

/// Clusters of a scale whose windows overlap a background snippet that a separation used. Clusters that the settings
/// name as background are not meant: methods that model the record around a target use no snippet at all.
fn background_clusters(
    table: &ClusterTable,
    separation: Option<&SeparationFile>,
    scale: usize,
) -> Vec<usize> {
    let Some(file) = separation.filter(|file| file.background.scale == scale) else {
        return Vec::new();
    };
    let mut starts: Vec<i64> = file
        .targets
        .iter()
        .flat_map(|target| &target.snippets)
        .filter_map(|start| parse_utc(start).ok())
        .collect();
    starts.sort_unstable();
    let mut used: Vec<usize> = Vec::new();
    for row in table.rows_of_scale(scale).map(|row| &table.rows[row]) {
        let next = starts.partition_point(|start| *start < row.start_ns);
        let inside = starts.get(next).is_some_and(|start| *start <= row.end_ns);
        if inside && file.background.clusters.contains(&row.cluster) {
            used.push(row.cluster);
        }
    }
    used
}

/// Adds the most probable windows, aligned if they share a waveform; returns the channel shown.
fn add_gallery(
    cluster: &mut ClusterReport,
    members: &[usize],
    from: &ClusterSources<'_>,
    records: &mut RecordCache<'_>,
) -> Result<Option<String>> {
    let mut shown = None;
    // Pulses are shifted onto each other together with their surroundings. Windows of other clusters are drawn alone,
    // so that nothing outside of the window draws the eye.
    let context = cluster.is_transient;
    for row in apart(members, from.table) {
        let row = &from.table.rows[row];
        if let Some((channel, window)) = gallery_window(row, context, from.keys, records)? {
            shown = Some(channel);
            cluster.gallery.push(window);
        }
    }
    cluster.is_aligned = align_gallery(&mut cluster.gallery, cluster.is_transient);
    Ok(shown)
}

/// The first rows that do not overlap one another.
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

/// A window of the station's first channel, with half a window on both sides if `context` is set and the record has it.
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
                ..GalleryWindow::default()
            };
            return Ok(Some((id.to_string(), window)));
        }
    }
    Ok(None)
}
