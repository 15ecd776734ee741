//! Meaning of the rows of a pooled coefficient array.

use serde::{Deserialize, Serialize};

use super::{CoefficientKind, CoefficientRow, InputsError};

/// The rows of a coefficient array, in the order of its coefficient axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoefficientTable {
    /// One row a coefficient.
    pub rows: Vec<CoefficientRow>,
}

impl CoefficientTable {
    /// The table of `scat+cov` with one wavelet an octave, in the order of `index_scatcov_J8.csv`.
    ///
    /// `octaves`: J; 8 gives 210 rows, 7 gives 156.
    pub fn scat_cov(octaves: u32) -> Self {
        let low_pass = octaves as i32;
        let mut rows = Vec::new();
        let mut push = |kind, j1_left, j1_right, j2, real| {
            rows.push(CoefficientRow {
                kind,
                j1_left,
                j1_right,
                j2,
                real,
            });
        };
        for j in 0..low_pass {
            push(CoefficientKind::Sparsity, j, -1, -1, true);
        }
        push(CoefficientKind::Mean, low_pass, -1, -1, true);
        for j1 in 0..low_pass {
            for j2 in j1 + 1..=low_pass {
                push(CoefficientKind::Scattering, j1, -1, j2, true);
            }
        }
        for j in 0..=low_pass {
            push(CoefficientKind::PowerSpectrum, j, j, -1, true);
        }
        for j2 in 1..=low_pass {
            for j1 in 0..j2 {
                push(CoefficientKind::PhaseEnvelope, j2, j1, j2, j2 == low_pass);
            }
        }
        for j1 in 0..low_pass {
            for j2 in j1 + 1..=low_pass {
                for j1_right in 0..=j1 {
                    let real = j1 == j1_right || j2 == low_pass;
                    push(CoefficientKind::Envelope, j1, j1_right, j2, real);
                }
            }
        }
        Self { rows }
    }

    /// Number of coefficients.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Position of the power-spectrum row of wavelet `j`, the low-pass included.
    pub fn power_row(&self, j: i32) -> Option<usize> {
        self.rows.iter().position(|row| {
            row.kind == CoefficientKind::PowerSpectrum && row.j1_left == j && row.j1_right == j
        })
    }

    /// Rows that are energies or first moments of moduli; the default inputs are computed from them.
    ///
    /// # Errors
    /// [`InputsError::Table`] if there are fewer than two power-spectrum rows, if the wavelets of those rows are not
    /// `0..n`, or if a `spars`, `scat` or diagonal `envelope` row names a wavelet that has no power-spectrum row.
    pub fn energy_rows(&self) -> Result<EnergyRows, InputsError> {
        let mut power: Vec<(i32, usize)> = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            if row.kind == CoefficientKind::PowerSpectrum && row.j1_left == row.j1_right {
                power.push((row.j1_left, index));
            }
        }
        // Bands are numbered by wavelet, whatever the order of the rows.
        power.sort_unstable();
        if power.len() < 2 {
            return Err(InputsError::Table {
                what: format!(
                    "has {} power-spectrum rows, at least 2 are needed",
                    power.len()
                ),
            });
        }
        if power
            .iter()
            .enumerate()
            .any(|(j, &(found, _))| found != j as i32)
        {
            return Err(InputsError::Table {
                what: "numbers its power-spectrum rows otherwise than 0, 1, 2, ..".into(),
            });
        }
        let n_wavelets = power.len();
        let band = |j: i32, row: usize| -> Result<usize, InputsError> {
            usize::try_from(j)
                .ok()
                .filter(|&j| j < n_wavelets)
                .ok_or_else(|| InputsError::Table {
                    what: format!(
                        "names wavelet {j} in row {row}, which has no power-spectrum row"
                    ),
                })
        };
        let mut rows = EnergyRows {
            power: power.into_iter().map(|(_, index)| index).collect(),
            ratios: Vec::new(),
        };
        for kind in [
            CoefficientKind::Sparsity,
            CoefficientKind::Scattering,
            CoefficientKind::Envelope,
        ] {
            for (index, row) in self.rows.iter().enumerate() {
                let diagonal = kind != CoefficientKind::Envelope || row.j1_left == row.j1_right;
                if row.kind == kind && diagonal {
                    rows.ratios.push(RatioRow {
                        row: index,
                        band: band(row.j1_left, index)?,
                        squared: kind != CoefficientKind::Envelope,
                    });
                }
            }
        }
        Ok(rows)
    }
}

/// Positions of the rows that the default inputs use; see [`CoefficientTable::energy_rows`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnergyRows {
    /// Power-spectrum rows by wavelet, the low-pass last.
    pub power: Vec<usize>,
    /// Rows that are compared with the power of their first wavelet: `spars`, `scat`, then the diagonal `envelope`.
    pub ratios: Vec<RatioRow>,
}

impl EnergyRows {
    /// Rows kept of each block: power spectrum and ratios.
    pub fn len(&self) -> usize {
        self.power.len() + self.ratios.len()
    }

    /// Never true for a table that passed [`CoefficientTable::energy_rows`].
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Size of the core: differences of log power between neighbours, and the ratios.
    pub fn core_len(&self) -> usize {
        self.power.len() - 1 + self.ratios.len()
    }
}

/// A coefficient that is compared with the power of a wavelet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatioRow {
    /// Row in the coefficient table.
    pub row: usize,
    /// The wavelet whose power it is relative to.
    pub band: usize,
    /// True if the coefficient is an amplitude, to be squared before the comparison.
    pub squared: bool,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_generated_table_is_the_reference_table() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/golden/index_scatcov_J8.csv"
        );
        let mut reader = csv::Reader::from_path(path).unwrap();
        let headers = reader.headers().unwrap().clone();
        let column = |name: &str| headers.iter().position(|h| h == name).unwrap();
        let (kind, left, right, second, real) = (
            column("c_type"),
            column("jl1"),
            column("jr1"),
            column("j2"),
            column("real"),
        );
        let table = CoefficientTable::scat_cov(8);
        let mut n_rows = 0;
        for (record, row) in reader.records().zip(&table.rows) {
            let record = record.unwrap();
            let integer = |column: usize| -> i32 {
                if record[column].is_empty() {
                    -1
                } else {
                    record[column].parse::<f64>().unwrap() as i32
                }
            };
            assert_eq!(CoefficientKind::from_name(&record[kind]), Some(row.kind));
            assert_eq!(integer(left), row.j1_left, "row {n_rows}");
            let expected_right = if row.j1_right >= 0 {
                integer(right)
            } else {
                -1
            };
            assert_eq!(expected_right, row.j1_right, "row {n_rows}");
            if matches!(
                row.kind,
                CoefficientKind::Scattering | CoefficientKind::Envelope
            ) {
                assert_eq!(integer(second), row.j2, "row {n_rows}");
            }
            assert_eq!(integer(real) == 1, row.real, "row {n_rows}");
            n_rows += 1;
        }
        assert_eq!(n_rows, 210);
        assert_eq!(table.len(), 210);
    }

    #[test]
    fn energy_rows_count_as_the_recipe_says() {
        let rows = CoefficientTable::scat_cov(7).energy_rows().unwrap();
        // 71 logs a block at J = 7: 8 powers, 7 sparsities, 28 scattering and 28 envelope coefficients.
        assert_eq!(rows.len(), 71);
        assert_eq!(rows.core_len(), 70);
    }

    #[test]
    fn a_table_without_power_is_refused() {
        let mut table = CoefficientTable::scat_cov(4);
        table
            .rows
            .retain(|row| row.kind != CoefficientKind::PowerSpectrum);
        let error = table.energy_rows().unwrap_err();
        assert!(
            error.to_string().contains("0 power-spectrum rows"),
            "{error}"
        );
    }
}
