//! Frequency bands of a spectrum.

use std::ops::Range;

/// Division of the bins of a spectrum into bands.
#[derive(Debug, Clone)]
pub(super) struct Bands {
    /// First bin of each band, and the number of bins.
    edges: Vec<usize>,
}

impl Bands {
    /// One band of all `n_bins`.
    pub fn whole(n_bins: usize) -> Self {
        Self {
            edges: vec![0, n_bins],
        }
    }

    /// One band per octave; the first has two bins.
    pub fn octaves(n_bins: usize) -> Self {
        let mut edges = vec![0];
        let mut edge = 2;
        while edge < n_bins {
            edges.push(edge);
            edge *= 2;
        }
        // One or two bins above the last octave are too few for a level of their own, and join it.
        if edges.len() > 2 && n_bins - edges[edges.len() - 1] < 3 {
            edges.pop();
        }
        edges.push(n_bins);
        Self { edges }
    }

    pub fn n_bins(&self) -> usize {
        self.edges[self.edges.len() - 1]
    }

    pub fn len(&self) -> usize {
        self.edges.len() - 1
    }

    pub fn range(&self, band: usize) -> Range<usize> {
        self.edges[band]..self.edges[band + 1]
    }

    pub fn width(&self, band: usize) -> usize {
        self.range(band).len()
    }

    /// Logarithm of each band's mean power relative to a template, plus `floor`.
    pub fn log_levels(&self, frame: &[f64], template: &[f64], floor: f64) -> Vec<f64> {
        (0..self.len())
            .map(|j| {
                let ratios = self.range(j).map(|f| frame[f] / template[f]);
                (ratios.sum::<f64>() / self.width(j) as f64 + floor).ln()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octaves_cover_all_bins_once() {
        for n in [2, 3, 9, 17, 33, 65, 129] {
            let bands = Bands::octaves(n);
            let all: Vec<usize> = (0..bands.len()).flat_map(|j| bands.range(j)).collect();
            assert_eq!(all, (0..n).collect::<Vec<_>>(), "{n}");
        }
        assert_eq!(Bands::octaves(65).edges, [0, 2, 4, 8, 16, 32, 65]);
    }
}
