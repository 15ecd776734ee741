//! A detector finds the sources of a template in coloured noise, at their onsets, and few others.
#![allow(clippy::unwrap_used)]

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use seismix_separate::detection::{Detector, compete, transients};
use seismix_separate::template::{Shape, Template};

const LENGTH: usize = 256;
const N: usize = 14_000;

/// A one-sided pulse with a short overshoot.
fn waveform(lead: usize) -> Vec<f64> {
    (0..LENGTH)
        .map(|i| match i.checked_sub(lead) {
            Some(t) => {
                let t = t as f64;
                (1.0 - (-t / 3.0).exp()) * (-t / 30.0).exp() * (t / 60.0).cos()
            }
            None => 0.0,
        })
        .collect()
}

fn template(n_channels: usize) -> Template {
    let layout = Template::layout(LENGTH);
    Template {
        layout,
        shape: Shape {
            channels: vec![waveform(layout.lead); n_channels],
        },
        discrepancies: vec![0.0; n_channels],
        onset_range: None,
        n_training_sources: 1,
    }
}

/// Red noise: an autoregression with a memory of five samples.
fn noise(seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut x = 0.0;
    (0..N)
        .map(|_| {
            let e: f64 = StandardNormal.sample(&mut rng);
            x = 0.8 * x + e;
            x
        })
        .collect()
}

fn add(record: &mut [f64], lead: usize, onset: usize, amplitude: f64) {
    for (i, v) in waveform(lead).iter().enumerate() {
        if let Some(x) = (onset + i)
            .checked_sub(lead)
            .and_then(|t| record.get_mut(t))
        {
            *x += amplitude * v;
        }
    }
}

#[test]
fn sources_are_found_at_their_onsets_and_noise_is_not() {
    let template = template(2);
    let lead = template.layout.lead;
    let onsets: Vec<usize> = (0..9).map(|i| 1200 + 1300 * i).collect();
    let mut record = vec![noise(1), noise(2)];
    for (i, &onset) in onsets.iter().enumerate() {
        add(&mut record[0], lead, onset, 30.0 + 10.0 * i as f64);
        add(&mut record[1], lead, onset, -20.0);
    }
    let found = Detector::for_samples(&template, N).search(&record, 0..N);
    for &onset in &onsets {
        let find = found
            .finds
            .iter()
            .find(|f| (f.onset - onset as f64).abs() <= 2.0);
        let find = find.unwrap_or_else(|| panic!("nothing at {onset}: {:?}", found.finds));
        assert!(find.score() > 100.0 && find.share() > 0.8, "{find:?}");
        assert!(find.amplitudes[0][0] > 0.0 && find.amplitudes[1][0] < 0.0);
    }
    let entries: Vec<(f64, f64)> = found.finds.iter().map(|f| (f.onset, f.score())).collect();
    let decoys: Vec<(f64, f64)> = found
        .decoys
        .iter()
        .map(|(_, f)| (f.onset, f.score()))
        .collect();
    let ranked = compete(&entries, &decoys, 30.0);
    let strong = ranked.finds.iter().filter(|f| f.score >= 40.0).count();
    assert_eq!(strong, onsets.len(), "{ranked:?}");
}

#[test]
fn nothing_is_found_in_noise_alone_and_odd_records_do_no_harm() {
    let detector = Detector::for_samples(&template(1), N);
    let found = detector.search(&[noise(3)], 0..N);
    assert!(
        found.finds.iter().all(|f| f.score() < 40.0),
        "{:?}",
        found.finds
    );
    for odd in [
        vec![0.0; N],
        vec![777.0; N],
        vec![1e20; N],
        noise(4)[..100].to_vec(),
        Vec::new(),
    ] {
        let n = odd.len();
        assert!(detector.search(&[odd], 0..n).finds.is_empty());
    }
    assert!(transients(&[vec![1.0; N]], LENGTH).is_empty());
}

#[test]
fn a_scaled_record_has_the_same_finds() {
    let template = template(1);
    let mut record = noise(5);
    add(&mut record, template.layout.lead, 7000, 60.0);
    let detector = Detector::for_samples(&template, N);
    let finds = |factor: f64| {
        let scaled: Vec<f64> = record.iter().map(|v| v * factor).collect();
        detector.search(&[scaled], 0..N).finds
    };
    let (one, tiny) = (finds(1.0), finds(1e-9));
    assert_eq!(one.len(), tiny.len());
    for (a, b) in one.iter().zip(&tiny) {
        assert_eq!(a.onset, b.onset);
        assert!((a.score() / b.score() - 1.0).abs() < 1e-6);
    }
}
