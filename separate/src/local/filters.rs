//! Filters fitted to clusters: each divides the power of a window's cells between background and source, and a Wiener
//! filter of these powers estimates the background.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use realfft::num_complex::Complex;

use super::gains::{Cluster, Powers, local_powers};
use super::grid::Bands;
use crate::short_time::{Cells, ShortTime};

/// Snippets of both clusters, all of one length.
#[derive(Debug, Clone, Default)]
pub(super) struct Clusters {
    pub background: Vec<Vec<f64>>,
    pub source: Vec<Vec<f64>>,
}

/// Indices of the snippets of each cluster that a filter is fitted to.
#[derive(Debug, Clone)]
pub(super) struct Members {
    pub background: Vec<usize>,
    pub source: Vec<usize>,
}

impl Members {
    /// All snippets of both clusters.
    pub fn all(clusters: &Clusters) -> Self {
        Self {
            background: (0..clusters.background.len()).collect(),
            source: (0..clusters.source.len()).collect(),
        }
    }

    /// These snippets of both clusters.
    pub fn pick(&self, clusters: &Clusters) -> Clusters {
        let pick = |all: &[Vec<f64>], of: &[usize]| of.iter().map(|k| all[*k].clone()).collect();
        Clusters {
            background: pick(&clusters.background, &self.background),
            source: pick(&clusters.source, &self.source),
        }
    }
}

/// Cells of all snippets in frames of one length.
pub(super) struct Grid {
    pub transform: ShortTime,
    background: Vec<Powers>,
    source: Vec<Powers>,
}

impl Grid {
    pub fn new(clusters: &Clusters, frame: usize) -> Self {
        let n_samples = clusters.background.first().map_or(1, Vec::len);
        let transform = ShortTime::new(n_samples, frame);
        let all = |snippets: &[Vec<f64>]| -> Vec<Powers> {
            let of = |snippet: &Vec<f64>| powers(&transform.analyze(snippet));
            snippets.iter().map(of).collect()
        };
        Self {
            background: all(&clusters.background),
            source: all(&clusters.source),
            transform,
        }
    }

    fn fit(&self, members: &Members, bands: &Bands) -> [Cluster; 2] {
        let pick = |all: &[Powers], of: &[usize]| -> Cluster {
            let chosen: Vec<&Powers> = of.iter().map(|k| &all[*k]).collect();
            Cluster::new(&chosen, bands)
        };
        [
            pick(&self.background, &members.background),
            pick(&self.source, &members.source),
        ]
    }
}

/// Cells of the snippets of both clusters, in frames of all lengths that filters use.
pub(super) struct Grids<'a> {
    pub clusters: &'a Clusters,
    by_frame: Vec<(usize, Grid)>,
}

impl<'a> Grids<'a> {
    pub fn new(clusters: &'a Clusters, candidates: &[Candidate]) -> Self {
        let mut frames: Vec<usize> = candidates.iter().map(|c| c.frame).collect();
        frames.sort_unstable();
        frames.dedup();
        let by_frame = frames
            .into_par_iter()
            .map(|frame| (frame, Grid::new(clusters, frame)));
        Self {
            by_frame: by_frame.collect(),
            clusters,
        }
    }

    /// Fits a candidate to some of the snippets.
    pub fn fit(&self, candidate: Candidate, members: &Members) -> Filter<'_> {
        let of_frame = |(frame, _): &(usize, Grid)| *frame == candidate.frame;
        let at = self.by_frame.iter().position(of_frame);
        candidate.fit(&self.by_frame[at.unwrap_or(0)].1, members)
    }
}

/// Model of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Source power is the window's mean power above that of the background.
    Excess,
    /// Both spectra are those of the clusters.
    Spectra,
    /// Spectra times one gain per frame.
    Frames,
    /// Spectra times one gain per frame and octave.
    Octaves,
}

/// Model and frame length of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub kind: Kind,
    pub frame: usize,
}

impl Candidate {
    pub fn name(self) -> String {
        let kind = match self.kind {
            Kind::Excess => "wiener, excess over the background",
            Kind::Spectra => "wiener, spectra of both clusters",
            Kind::Frames => "local gains",
            Kind::Octaves => "local gains by octave",
        };
        format!("{kind}, {} samples", self.frame)
    }

    /// Fits the filter to some of the snippets.
    fn fit<'a>(self, grid: &'a Grid, members: &Members) -> Filter<'a> {
        let n_bins = grid.transform.n_bins();
        let bands = match self.kind {
            Kind::Octaves => Bands::octaves(n_bins),
            _ => Bands::whole(n_bins),
        };
        let [background, source] = grid.fit(members, &bands);
        Filter {
            transform: &grid.transform,
            kind: self.kind,
            bands,
            background,
            source,
        }
    }
}

/// Candidate fitted to clusters.
pub(super) struct Filter<'a> {
    pub transform: &'a ShortTime,
    kind: Kind,
    bands: Bands,
    pub background: Cluster,
    pub source: Cluster,
}

/// Estimate of the background of a window by one filter.
#[derive(Debug, Clone)]
pub(super) struct Filtered {
    /// Posterior mean of the background `(T,)`.
    pub background: Vec<f64>,
    /// Posterior variance of each sample `(T,)`, as if the powers were known.
    pub variance: Vec<f64>,
}

impl Filter<'_> {
    /// Power of background and source in each cell.
    pub fn shares(&self, observed: &Powers) -> [Powers; 2] {
        let templates = [&self.background, &self.source].map(|c| c.template.clone());
        let [background, source] = templates;
        match self.kind {
            Kind::Spectra => [background, source].map(|t| vec![t; observed.len()]),
            Kind::Excess => {
                let n = observed.len() as f64;
                let excess: Vec<f64> = background
                    .iter()
                    .enumerate()
                    .map(|(f, b)| {
                        let mean = observed.iter().map(|frame| frame[f]).sum::<f64>() / n;
                        // A source power of 0 would give the posterior no variance, and a band of width 0.
                        (mean - b).max(1e-9 * b)
                    })
                    .collect();
                [background, excess].map(|t| vec![t; observed.len()])
            }
            Kind::Frames | Kind::Octaves => {
                local_powers(observed, &self.background, &self.source, &self.bands)
            }
        }
    }

    /// Mean and variance of the background of a window.
    pub fn apply(&self, mixture: &[f64]) -> Filtered {
        let cells = self.transform.analyze(mixture);
        let shares = self.shares(&powers(&cells));
        Filtered {
            background: self.masked(cells, &shares),
            variance: self.variance(&shares),
        }
    }

    /// Wiener filter: the signal of the cells times v / (v + w), with v and w the powers of background and source.
    fn masked(&self, mut cells: Cells, [background, source]: &[Powers; 2]) -> Vec<f64> {
        for ((cells, v), w) in cells.iter_mut().zip(background).zip(source) {
            for ((cell, v), w) in cells.iter_mut().zip(v).zip(w) {
                *cell *= v / (v + w);
            }
        }
        self.transform.synthesize(cells)
    }

    fn variance(&self, [background, source]: &[Powers; 2]) -> Vec<f64> {
        let n_bins = self.transform.n_bins();
        // Parseval over both halves of the spectrum, per unit of the window's energy.
        let unit = 1.0 / (2.0 * (n_bins as f64 - 1.0) * self.transform.gain());
        let of_frames: Vec<f64> = background
            .iter()
            .zip(source)
            .map(|(v, w)| {
                // Posterior variance of a Gaussian background in a cell: v w / (v + w).
                let cell = |f: usize| v[f] * w[f] / (v[f] + w[f]);
                let inner: f64 = (1..n_bins - 1).map(cell).sum();
                unit * (cell(0) + 2.0 * inner + cell(n_bins - 1))
            })
            .collect();
        self.transform.spread(&of_frames)
    }

    /// Deviation of a posterior draw from the posterior mean.
    ///
    /// A background and a source of the window's local powers are drawn, mixed and separated again; the error of that
    /// separation has the posterior's covariance.
    pub fn draw_deviation(&self, mixture: &[f64], rng: &mut impl Rng) -> Vec<f64> {
        let shares = self.shares(&powers(&self.transform.analyze(mixture)));
        let mut draw = |power: &Powers| -> Vec<f64> {
            let noise: Vec<f64> = (0..mixture.len())
                .map(|_| StandardNormal.sample(rng))
                .collect();
            let mut cells = self.transform.analyze(&noise);
            for (cells, power) in cells.iter_mut().zip(power) {
                for (cell, p) in cells.iter_mut().zip(power) {
                    // White noise has the power `gain` in each cell, so this gives cells of power p.
                    *cell *= (p / self.transform.gain()).sqrt();
                }
            }
            self.transform.synthesize(cells)
        };
        let (background, source) = (draw(&shares[0]), draw(&shares[1]));
        let mixed: Vec<f64> = background.iter().zip(&source).map(|(n, s)| n + s).collect();
        let found = self.masked(self.transform.analyze(&mixed), &shares);
        background.iter().zip(&found).map(|(n, f)| n - f).collect()
    }
}

/// Power of each cell.
pub(super) fn powers(cells: &Cells) -> Powers {
    let of = |frame: &Vec<Complex<f64>>| frame.iter().map(|cell| cell.norm_sqr()).collect();
    cells.iter().map(of).collect()
}
