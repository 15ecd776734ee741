//! Methods through the two traits: a model is a value, a detector's events reach a separator, arrays are one region.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use ndarray::Array2;
use seismix_separate::{
    Channel, Error, Event, Fit, FittedModel, FoundSource, METHODS, Method, MethodOptions,
    NoProgress, Outcome, Progress, Region, Registration, Separation, Separator, TrainingSet,
    methods, separate_arrays,
};
use serde::{Deserialize, Serialize};

/// Detector of samples above a threshold on any channel.
fn detect(region: &mut Region, threshold: f64) {
    let loud = |t: usize| region.samples.iter().any(|x| x[t].abs() > threshold);
    let all: Vec<bool> = (0..region.n_samples()).map(loud).collect();
    let mut at = 0;
    for run in all.chunk_by(|a, b| a == b) {
        if run[0] {
            region.events.push(Event {
                onset: at as f64,
                interval: at..at + run.len(),
                kind: "loud".into(),
            });
        }
        at += run.len();
    }
}

/// Method that sets the samples of each event to zero.
struct Mute;

/// Its model: events of this kind are muted.
#[derive(Serialize, Deserialize)]
struct MuteModel {
    kind: String,
}

impl Method for Mute {
    fn name(&self) -> &'static str {
        "mute"
    }

    fn fit(&self, _: TrainingSet, _: &dyn Progress) -> Result<Fit, Error> {
        let kind = "loud".into();
        Ok(Fit::Ready(FittedModel::new(self, "", &MuteModel { kind })?))
    }

    fn separator(&self, model: &FittedModel) -> Result<Box<dyn Separator>, Error> {
        Ok(Box::new(model.parameters::<MuteModel>()?))
    }
}

impl Separator for MuteModel {
    fn margin(&self) -> usize {
        0
    }

    fn separate(&self, region: &Region, _: &dyn Progress) -> Result<Vec<Separation>, Error> {
        let mut all = Vec::new();
        for target in &region.targets {
            let mut background: Vec<Vec<f64>> = Vec::new();
            for samples in &region.samples {
                background.push(samples[target.clone()].to_vec());
            }
            let own = |e: &&Event| e.kind == self.kind && target.contains(&e.interval.start);
            let events: Vec<&Event> = region.events.iter().filter(own).collect();
            for event in &events {
                for t in event.interval.start..event.interval.end.min(target.end) {
                    background
                        .iter_mut()
                        .for_each(|x| x[t - target.start] = 0.0);
                }
            }
            let mut separation = Separation::separated(region, target, &background);
            separation.sources = events
                .iter()
                .map(|event| FoundSource {
                    onset: event.onset,
                    end: event.interval.end as f64,
                    kind: event.kind.clone(),
                    ..FoundSource::default()
                })
                .collect();
            all.push(separation);
        }
        Ok(all)
    }
}

#[test]
fn events_of_a_detector_reach_a_method() {
    let mut samples = vec![1.0; 100];
    samples[40..45].fill(9.0);
    samples[80..82].fill(-9.0);
    let mut region = Region {
        channels: vec!["A.B..BHZ".into()],
        samples: vec![samples],
        targets: vec![30..60, 70..100],
        ..Region::default()
    };
    detect(&mut region, 5.0);
    let fit = Mute.fit(TrainingSet::default(), &NoProgress).unwrap();
    // The fit is saved and read back before it is applied.
    let saved = serde_json::to_string(&fit).unwrap();
    let read: Fit = serde_json::from_str(&saved).unwrap();
    let separator = Mute.separator(read.model()).unwrap();
    let found = separator.separate(&region, &NoProgress).unwrap();
    assert_eq!(found.len(), 2);
    for (separation, (onset, end)) in found.iter().zip([(40.0, 45.0), (80.0, 82.0)]) {
        let source = &separation.sources[0];
        assert_eq!((source.onset, source.end), (onset, end));
        assert_eq!(separation.channels[0].outcome, Outcome::Separated);
        assert_eq!(separation.background.sum(), 30.0 - (end - onset));
    }
}

#[test]
fn a_new_method_applies_to_arrays() {
    let channel = Channel {
        mixture: (0..50).map(|t| if t == 20 { 8.0 } else { 1.0 }).collect(),
        snippets: vec![vec![1.0; 50]; 2],
        source_snippets: Vec::new(),
    };
    let all: Vec<Box<dyn Method>> = vec![Box::new(Mute)];
    let (name, found) = separate_arrays(&all, std::slice::from_ref(&channel), &NoProgress).unwrap();
    // Arrays have no events, so nothing is muted.
    assert_eq!((name, found.len()), ("mute", 1));
    assert_eq!(found[0].background, channel.mixture);
}

#[test]
fn a_model_of_another_method_is_refused() {
    let options = MethodOptions::new(4, 5);
    let fitted = |name: &str| {
        let method = Registration::find(name).unwrap().build(&options);
        let station = TrainingSet {
            window_samples: 256,
            snippet_samples: 256,
            regions: Vec::new(),
        };
        let fit = method.fit(station, &NoProgress).unwrap();
        (method, fit)
    };
    for registration in METHODS {
        let (method, fit) = fitted(registration.name);
        let model = fit.model();
        let saved = serde_json::to_string(model).unwrap();
        let read: FittedModel = serde_json::from_str(&saved).unwrap();
        assert_eq!(*model, read);
        assert!(method.separator(&read).is_ok(), "{}", registration.name);
        let other = FittedModel {
            parameters: serde_json::json!({ "other": 1 }),
            ..read
        };
        assert!(matches!(method.separator(&other), Err(Error::Model(_))));
    }
}

#[test]
fn names_come_from_the_registry() {
    let options = MethodOptions::new(4, 5);
    let family = methods("family", &options).unwrap();
    assert_eq!(family[0].name(), "template");
    let automatic: Vec<&str> = methods("auto", &options)
        .unwrap()
        .iter()
        .map(|m| m.name())
        .collect();
    assert_eq!(automatic, ["template", "local", "scattering"]);
    for registration in METHODS {
        let built = methods(registration.name, &options).unwrap();
        assert_eq!(built[0].name(), registration.name);
    }
    let Err(unknown) = methods("voodoo", &options) else {
        panic!("it is not a method");
    };
    assert!(
        unknown
            .to_string()
            .contains("template, local, scattering, wiener")
    );
}

#[test]
fn zero_runs_of_the_record_are_restored() {
    let mut samples = vec![1.0; 100];
    samples[10..40].fill(0.0);
    let region = Region {
        channels: vec!["A".into()],
        samples: vec![samples],
        targets: vec![0..100, 12..38],
        ..Region::default()
    };
    let ones = |n: usize| vec![vec![5.0; n]];
    let partly = Separation::separated(&region, &(0..100), &ones(100));
    let partly = partly.keep_zero_runs(&region, &(0..100));
    assert_eq!(partly.channels[0].outcome, Outcome::Separated);
    assert_eq!(partly.background.sum(), 5.0 * 70.0);
    let all = Separation::separated(&region, &(12..38), &ones(26));
    let all = all.keep_zero_runs(&region, &(12..38));
    assert_eq!(all.channels[0].outcome, Outcome::NotSeparable);
    assert_eq!(all.background, Array2::<f64>::zeros((1, 26)));
}
