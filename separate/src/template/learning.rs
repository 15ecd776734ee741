//! How a family is learned: a first shape from the windows that most others are like, then shapes and fits in turns.

use super::*;

impl Template {
    /// Learns the shapes from stretches whose targets are about `window_samples` long. `None` if none of the targets
    /// stands out of its background, or no background can be modelled.
    ///
    /// The evidence comes from windows that were not learned from: every second window, by those between.
    pub fn learn(stretches: &[RecordSegment], window_samples: usize) -> Option<(Self, Evidence)> {
        let layout = Layout::for_windows(window_samples, ORDER);
        let fourier = Fourier::new(layout.grid);
        let prepared: Vec<Prepared> = stretches
            .par_iter()
            .filter_map(|stretch| Prepared::new(stretch, layout))
            .collect();
        let halves = [0, 1].map(|half| {
            let family = Self::learned(
                &fourier,
                layout,
                every_second(&prepared, half),
                &ROUNDS[2..],
            )?;
            Some(family.explained(&fourier, &every_second(&prepared, 1 - half)))
        });
        let mut explained: Vec<f64> = halves.into_iter().flatten().flatten().collect();
        explained.sort_by(f64::total_cmp);
        let evidence = Evidence {
            n_windows: explained.len(),
            explained: explained.get(explained.len() / 2).copied().unwrap_or(0.0),
        };
        let family = Self::learned(&fourier, layout, prepared, &ROUNDS)?;
        Some((family, evidence))
    }

    fn learned(
        fourier: &Fourier,
        layout: Layout,
        mut prepared: Vec<Prepared>,
        rounds: &[f64],
    ) -> Option<Self> {
        let first = first_shape(fourier, layout, &prepared)?;
        let mut family = Self {
            layout,
            kinds: vec![first],
            discrepancies: Vec::new(),
            onset_range: None,
            taught_by: 1,
        };
        for (round, &chi2_decrease) in rounds.iter().enumerate() {
            let demands = DetectionThresholds {
                chi2_decrease,
                second_chi2_decrease: chi2_decrease,
                z: 4.0,
                onset_range: None,
                rounds: 2,
                further: false,
            };
            let fits: Vec<(Fitted, Vec<Vec<Observation>>)> = prepared
                .par_iter()
                .map(|prepared| family.observe(fourier, prepared, demands))
                .collect();
            family = family.relearned(fourier, &fits)?;
            family.onset_range = usual_onsets(layout, &prepared, &fits);
            if round + 1 < rounds.len() {
                prepared = prepared
                    .into_par_iter()
                    .zip(&fits)
                    .map(|(prepared, (fitted, _))| family.prepared_again(prepared, &fitted.sources))
                    .collect();
            }
        }
        Some(family)
    }

    /// Energy above the background that sources explain, of each target that stands out.
    fn explained(&self, fourier: &Fourier, prepared: &[Prepared]) -> Vec<f64> {
        let demands = DetectionThresholds {
            chi2_decrease: ROUNDS[2],
            second_chi2_decrease: ROUNDS[2],
            z: 4.0,
            onset_range: None,
            rounds: 2,
            further: false,
        };
        let of = |p: &Prepared| -> Vec<f64> {
            let field = WhitenedData::of_white(
                fourier,
                self.layout,
                &p.backgrounds,
                p.white.clone(),
                &self.kinds,
            );
            let fitted = fit(&field, &p.fitted, demands);
            let excess = |x: &[Vec<f64>], target: &Range<usize>| -> f64 {
                let of = |(c, x): (usize, &Vec<f64>)| {
                    let part = &x[target.clone()];
                    if part.iter().all(|v| *v == 0.0) {
                        return 0.0;
                    }
                    let level = |t: usize| field.level(c, (target.start + t) as f64);
                    part.iter()
                        .enumerate()
                        .map(|(t, v)| (v / level(t)).powi(2) - 1.0)
                        .sum::<f64>()
                };
                x.iter().enumerate().map(of).sum()
            };
            p.targets
                .iter()
                .filter_map(|target| {
                    let before = excess(&p.white, target);
                    let chance = (2.0 * (target.len() * p.white.len()) as f64).sqrt();
                    let rest = excess(&fitted.residual, target).max(0.0);
                    (before > initial::STRONG * chance).then(|| (1.0 - rest / before).max(0.0))
                })
                .collect()
        };
        prepared.par_iter().map(of).collect::<Vec<_>>().concat()
    }

    /// Fits a stretch, and takes from each source of its sources what they tell of the shapes, `[kind][..]`.
    fn observe(
        &self,
        fourier: &Fourier,
        prepared: &Prepared,
        demands: DetectionThresholds,
    ) -> (Fitted, Vec<Vec<Observation>>) {
        let field = WhitenedData::of_white(
            fourier,
            self.layout,
            &prepared.backgrounds,
            prepared.white.clone(),
            &self.kinds,
        );
        let fitted = fit(&field, &prepared.fitted, demands);
        let n_channels = field.n_channels();
        let responses: Vec<Vec<Complex64>> = prepared
            .backgrounds
            .iter()
            .map(|b| b.response(fourier))
            .collect();
        let mut observations: Vec<Vec<Observation>> = (0..self.kinds.len() * n_channels)
            .map(|_| Vec::new())
            .collect();
        let lead = self.layout.lead as f64 / 2.0;
        let own = |s: &&Source| {
            let begins =
                |t: &Range<usize>| (t.start as f64 - lead..t.end as f64).contains(&s.onset);
            s.z > MIN_TRAINING_Z && prepared.targets.iter().any(begins)
        };
        for source in fitted.sources.iter().filter(own) {
            for (c, parts) in source.channels.iter().enumerate() {
                if parts.is_empty() {
                    continue;
                }
                let mut alone = fitted.residual[c].clone();
                for part in parts {
                    let placed = field.place(
                        &field.whitened,
                        source.kind,
                        c,
                        part.wave,
                        source.onset + part.delay,
                    );
                    placed.add_to(&mut alone, part.amplitude);
                }
                let whole = source.onset.floor();
                let start = whole as isize - self.layout.lead as isize;
                let waves = parts.iter().map(|part| {
                    (
                        part.wave,
                        part.wave.kernel(fourier, source.onset - whole + part.delay),
                    )
                });
                observations[source.kind * n_channels + c].push(Observation {
                    delay: source.onset - whole,
                    waves: waves.collect(),
                    amplitudes: parts.iter().map(|part| part.amplitude).collect(),
                    response: at_level(&responses[c], field.level(c, source.onset)),
                    data: at_level(
                        &fourier.forward(&whitened_data::cut(&alone, start, fourier.n_samples())),
                        field.level(c, source.onset),
                    ),
                });
            }
        }
        (fitted, observations)
    }

    /// The shapes anew from what all stretches tell.
    fn relearned(
        &self,
        fourier: &Fourier,
        fits: &[(Fitted, Vec<Vec<Observation>>)],
    ) -> Option<Self> {
        let n_channels = self.kinds.first()?.channels.len();
        let told: Vec<(Vec<f64>, f64)> = (0..self.kinds.len() * n_channels)
            .into_par_iter()
            .map(|at| {
                let told: Vec<Observation> = fits
                    .iter()
                    .flat_map(|(_, observations)| observations[at].clone())
                    .collect();
                let before = &self.kinds[at / n_channels].channels[at % n_channels];
                let learned = restart::best(&told, fourier, self.layout, Some(before));
                let shape = normalised(learned.unwrap_or_else(|| before.clone()));
                // The amplitudes are those of the shape before.
                let left = learn::discrepancy(&told, fourier, before);
                (shape, left)
            })
            .collect();
        let of_kinds = told.chunks(n_channels.max(1));
        Some(Self {
            layout: self.layout,
            discrepancies: of_kinds
                .clone()
                .map(|kind| kind.iter().map(|(_, left)| *left).collect())
                .collect(),
            kinds: of_kinds
                .map(|kind| Shape {
                    channels: kind.iter().map(|(shape, _)| shape.clone()).collect(),
                })
                .collect(),
            onset_range: None,
            taught_by: fits
                .iter()
                .flat_map(|(_, observations)| observations.chunks(n_channels.max(1)))
                .map(|kind| kind.iter().map(Vec::len).max().unwrap_or(0))
                .sum(),
        })
    }
}

/// A spectrum in units of the background's level.
pub(super) fn at_level(response: &[Complex64], level: f64) -> Vec<Complex64> {
    response.iter().map(|w| w / level).collect()
}

fn normalised(mut shape: Vec<f64>) -> Vec<f64> {
    let peak = shape
        .iter()
        .fold(0.0_f64, |m, v| if v.abs() > m.abs() { *v } else { m });
    if peak != 0.0 {
        shape.iter_mut().for_each(|v| *v /= peak);
    }
    shape
}

/// Where the strongest source of each target begins.
fn usual_onsets(
    layout: Layout,
    prepared: &[Prepared],
    fits: &[(Fitted, Vec<Vec<Observation>>)],
) -> Option<(f64, f64)> {
    let mut delays: Vec<f64> = Vec::new();
    for (prepared, (fitted, _)) in prepared.iter().zip(fits) {
        for target in &prepared.targets {
            let inside = |s: &&Source| {
                s.z > MIN_TRAINING_Z && (target.start as f64..target.end as f64).contains(&s.onset)
            };
            let strongest = fitted
                .sources
                .iter()
                .filter(inside)
                .max_by(|a, b| a.chi2_decrease.total_cmp(&b.chi2_decrease));
            delays.extend(strongest.map(|s| s.onset - target.start as f64));
        }
    }
    if delays.len() < MIN_WINDOWS {
        return None;
    }
    delays.sort_by(f64::total_cmp);
    let at = |q: f64| delays[(q * (delays.len() - 1) as f64).round() as usize];
    let room = 0.05 * layout.length as f64;
    Some((at(0.1) - room, at(0.9) + room))
}

/// Every second target, over all stretches.
fn every_second<'a>(prepared: &[Prepared<'a>], half: usize) -> Vec<Prepared<'a>> {
    let mut count = 0;
    prepared
        .iter()
        .map(|p| {
            let (targets, others): (Vec<_>, Vec<_>) = p.targets.iter().cloned().partition(|_| {
                count += 1;
                count % 2 == half
            });
            let fitted = p.fitted.iter().filter(|t| !others.contains(t));
            Prepared {
                fitted: fitted.cloned().collect(),
                targets,
                stretch: p.stretch,
                backgrounds: p.backgrounds.clone(),
                white: p.white.clone(),
            }
        })
        .collect()
}

/// The shape that most targets are like.
fn first_shape(fourier: &Fourier, layout: Layout, prepared: &[Prepared]) -> Option<Shape> {
    let snippets: Vec<Snippet> = prepared
        .iter()
        .enumerate()
        .flat_map(|(index, p)| {
            p.targets.iter().filter_map(move |t| {
                Snippet::loudest(fourier, layout, index, &p.white, &p.backgrounds, t.clone())
            })
        })
        .collect();
    let aligned = align(fourier, snippets);
    if aligned.is_empty() {
        return None;
    }
    let n_channels = prepared.first()?.stretch.channels.len();
    let channels: Vec<Option<Vec<f64>>> = (0..n_channels)
        .map(|c| {
            let white = |stretch: usize| {
                let p: &Prepared = &prepared[stretch];
                (p.white[c].clone(), p.backgrounds[c].clone())
            };
            let told = initial::observations(fourier, layout, &aligned, c, &white);
            restart::best(&told, fourier, layout, None).map(normalised)
        })
        .collect();
    // A dead channel has no shape.
    channels.iter().any(Option::is_some).then(|| Shape {
        channels: channels
            .into_iter()
            .map(|h| h.unwrap_or_else(|| vec![0.0; layout.length]))
            .collect(),
    })
}
