//! Training as a user sees it: clusters found, bits repeated, bad input and damaged files refused.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use ndarray::{Array3, ArrayD, Axis, IxDyn};
use seismix_vae::noise::{NoiseKey, Purpose};
use seismix_vae::{
    EpochRecord, Error, ExtraArray, Fvae, History, ModelFile, Preset, Split, StopReason,
    TrainObserver, TrainOptions, TrainingData, train,
};

const N: usize = 400;
const FEATURES: [usize; 2] = [6, 5];

/// Two scales with three Gaussian clusters each, independent of each other, and the true labels.
fn toy(seed: u64) -> (TrainingData, Vec<Vec<usize>>) {
    let labels = vec![
        (0..N).map(|w| w % 3).collect::<Vec<_>>(),
        (0..N).map(|w| (w / 3) % 3).collect(),
    ];
    let scales = labels
        .iter()
        .zip(FEATURES)
        .enumerate()
        .map(|(scale, (labels, features))| {
            let noise = NoiseKey {
                seed,
                epoch: 0,
                step: 0,
                purpose: Purpose::Sample,
                scale,
            }
            .normal(N * features);
            Array3::from_shape_fn((N, 1, features), |(w, _, f)| {
                let centre = if f % 3 == labels[w] { 2.0 } else { -1.0 };
                centre + 0.4 * noise[w * features + f]
            })
        })
        .collect();
    (TrainingData { scales }, labels)
}

fn preset() -> Preset {
    let mut preset = Preset::compact(&["short", "long"], &FEATURES);
    preset.config.n_clusters = 3;
    preset.config.hidden = 16;
    preset.config.latent = 4;
    preset.options.epochs = 6;
    preset.options.batch = 64;
    preset.options.label_epochs = 3;
    preset.options.seed = 11;
    preset
}

fn split() -> Split {
    let times: Vec<i64> = (0..N as i64).collect();
    seismix_vae::split::blocked(&times, 0.1, 20, 2).unwrap()
}

fn run(
    options: &TrainOptions,
    checkpoint: Option<&Path>,
    observer: &mut dyn TrainObserver,
) -> Result<(Fvae, History), Error> {
    let (data, _) = toy(1);
    train(
        &preset().config,
        &data,
        &split(),
        options,
        checkpoint,
        observer,
    )
}

struct StopAfter(usize);

impl TrainObserver for StopAfter {
    fn epoch(&mut self, record: &EpochRecord) -> ControlFlow<()> {
        if record.epoch + 1 == self.0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// Number of windows whose cluster is their label's most frequent cluster.
fn purity(rows: &ndarray::Array2<f32>, labels: &[usize], k: usize) -> f64 {
    let mut counts = vec![vec![0; k]; k];
    for (row, &label) in rows.rows().into_iter().zip(labels) {
        let best = (0..k).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        counts[best][label] += 1;
    }
    let right: usize = counts.iter().map(|c| c.iter().max().unwrap()).sum();
    right as f64 / labels.len() as f64
}

#[test]
fn started_from_labels_the_clusters_stay_and_their_samples_lie_near_them() {
    let (data, labels) = toy(1);
    let mut preset = preset();
    preset.options.epochs = 60;
    preset.options.label_epochs = 20;
    // A low weight makes the latent lean on the cluster, which the samples show; with a high one q(z|x,y) carries the
    // window's features past it.
    preset.options.weights.reconstruction = 0.5;
    preset.options.initial_labels = Some(
        labels
            .iter()
            // Every fifth label is unknown.
            .map(|labels| {
                labels
                    .iter()
                    .enumerate()
                    .map(|(w, &l)| (w % 5 > 0).then_some(l))
                    .collect()
            })
            .collect(),
    );
    let (model, history) = train(
        &preset.config,
        &data,
        &split(),
        &preset.options,
        None,
        &mut (),
    )
    .unwrap();
    assert_eq!(history.stop, StopReason::Finished);
    let first = &history.epochs[0];
    let last = history.epochs.last().unwrap();
    assert!(last.train.mean().reconstruction < 0.5 * first.train.mean().reconstruction);
    assert!(first.train.mean().labels > 0.0 && last.train.mean().labels == 0.0);
    assert!(last.warnings.is_empty(), "{:?}", last.warnings);
    assert_eq!(
        last.cluster_sizes[0].iter().sum::<usize>(),
        split().training.len()
    );
    let found = model.responsibilities(&data).unwrap();
    for (scale, labels) in labels.iter().enumerate() {
        assert!(purity(&found[scale], labels, 3) > 0.97, "scale {scale}");
        for row in found[scale].rows() {
            assert!((row.sum() - 1.0).abs() < 1e-5);
        }
    }
    // Fresh data of the same law.
    let (fresh, fresh_labels) = toy(2);
    let found = model.responsibilities(&fresh).unwrap();
    assert!(purity(&found[0], &fresh_labels[0], 3) > 0.95);
    // Samples of cluster c average to the centre of label c: 2 at features c, c + 3, -1 elsewhere. The prior's variance
    // is above 1 by construction, so that samples reach into other clusters; their mean is nearer to its own centre
    // than to the other (1.5).
    for cluster in 0..3 {
        let samples = model.sample(0, cluster, 200, 5).unwrap();
        assert_eq!(samples.dim(), (200, 1, 6));
        assert_eq!(samples, model.sample(0, cluster, 200, 5).unwrap());
        for feature in 0..6 {
            let mean = samples.index_axis(Axis(2), feature).mean().unwrap();
            let centre = if feature % 3 == cluster { 2.0 } else { -1.0 };
            assert!((mean - centre).abs() < 1.5, "{cluster} {feature} {mean}");
        }
    }
    assert!(model.sample(2, 0, 1, 0).is_err() && model.sample(0, 3, 1, 0).is_err());
}

#[test]
fn an_interrupted_training_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let options = preset().options;
    let (whole, whole_history) = run(&options, None, &mut ()).unwrap();
    for stop in [1, 3, 5] {
        let path = folder.path().join(format!("checkpoint-{stop}"));
        let (_, part) = run(&options, Some(&path), &mut StopAfter(stop)).unwrap();
        assert_eq!(part.stop, StopReason::Interrupted);
        assert_eq!(part.epochs.len(), stop);
        let (resumed, history) = run(&options, Some(&path), &mut ()).unwrap();
        assert_eq!(bits(&resumed), bits(&whole), "stopped after {stop}");
        assert_eq!(history, whole_history);
        // Once more: nothing is left to do.
        let (again, history) = run(&options, Some(&path), &mut StopAfter(1)).unwrap();
        assert_eq!(
            (bits(&again), history),
            (bits(&whole), whole_history.clone())
        );
    }
}

fn bits(model: &Fvae) -> Vec<Vec<u32>> {
    let vecs = model.to_vecs();
    vecs.iter()
        .map(|values| values.iter().map(|v| v.to_bits()).collect())
        .collect()
}

#[test]
fn an_interruption_is_saved_even_when_checkpoints_are_rare() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let mut options = preset().options;
    options.checkpoint_every = 100;
    run(&options, Some(&path), &mut StopAfter(2)).unwrap();
    let (resumed, _) = run(&options, Some(&path), &mut ()).unwrap();
    let (whole, _) = run(&options, None, &mut ()).unwrap();
    assert_eq!(bits(&resumed), bits(&whole));
}

/// Cancels at a step, also in the middle of an epoch.
struct CancelAfter(std::cell::Cell<usize>);

impl TrainObserver for CancelAfter {
    fn cancelled(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left == 0
    }
}

#[test]
fn a_training_cancelled_within_an_epoch_stops_there_and_resumes_to_the_same_bits() {
    let options = preset().options;
    let (whole, _) = run(&options, None, &mut ()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    for steps in [0, 3, 7] {
        let mut cancel = CancelAfter(std::cell::Cell::new(steps));
        let (_, part) = run(&options, Some(&path), &mut cancel).unwrap();
        assert_eq!(part.stop, StopReason::Interrupted, "after {steps} steps");
        assert_eq!(cancel.0.get(), 0);
    }
    let (resumed, _) = run(&options, Some(&path), &mut ()).unwrap();
    assert_eq!(bits(&resumed), bits(&whole));
}

#[test]
fn a_seed_changes_the_model_and_the_thread_count_does_not() {
    let mut options = preset().options;
    options.epochs = 2;
    let in_pool = |threads: usize, options: &TrainOptions| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| bits(&run(options, None, &mut ()).unwrap().0))
    };
    let one = in_pool(1, &options);
    assert_eq!(one, in_pool(2, &options));
    assert_eq!(one, in_pool(5, &options));
    options.seed += 1;
    assert_ne!(one, in_pool(1, &options));
}

#[test]
fn a_damaged_or_foreign_checkpoint_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let mut options = preset().options;
    options.epochs = 2;
    run(&options, Some(&path), &mut StopAfter(1)).unwrap();
    let good = std::fs::read(&path).unwrap();
    for position in (0..good.len()).step_by(good.len() / 60) {
        let mut bad = good.clone();
        bad[position] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        let error = run(&options, Some(&path), &mut ()).unwrap_err();
        assert!(error.to_string().contains("delete"), "{position}: {error}");
        std::fs::write(&path, &good[..position]).unwrap();
        let error = run(&options, Some(&path), &mut ()).unwrap_err();
        assert!(error.to_string().contains("delete"), "{position}: {error}");
    }
    std::fs::write(&path, &good).unwrap();
    let mut other = options.clone();
    other.learning_rate *= 2.0;
    let error = run(&other, Some(&path), &mut ()).unwrap_err();
    assert!(error.to_string().contains("other settings"), "{error}");
    let (data, _) = toy(9);
    let error = train(
        &preset().config,
        &data,
        &split(),
        &options,
        Some(&path),
        &mut (),
    );
    assert!(error.unwrap_err().to_string().contains("other data"));
    assert!(run(&options, Some(&path), &mut ()).is_ok());
}

#[test]
fn values_that_are_not_finite_are_named() {
    let (mut data, _) = toy(1);
    data.scales[1][[17, 0, 2]] = f32::NAN;
    let preset = preset();
    let error = train(
        &preset.config,
        &data,
        &split(),
        &preset.options,
        None,
        &mut (),
    )
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("scale 1, window 17, channel 0, feature 2 is NaN"),
        "{error}"
    );
    let model = Fvae::new(&preset.config, 0).unwrap();
    data.scales[1][[17, 0, 2]] = f32::INFINITY;
    assert!(model.responsibilities(&data).is_err());
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let (data, _) = toy(1);
    let Preset {
        config,
        mut options,
        ..
    } = preset();
    let mut few = data.clone();
    few.scales.pop();
    assert!(train(&config, &few, &split(), &options, None, &mut ()).is_err());
    let mut uneven = data.clone();
    uneven.scales[1] = Array3::zeros((N - 1, 1, FEATURES[1]));
    assert!(train(&config, &uneven, &split(), &options, None, &mut ()).is_err());
    let one = Split {
        training: vec![4],
        ..Split::default()
    };
    assert!(train(&config, &data, &one, &options, None, &mut ()).is_err());
    assert!(train(&config, &data, &Split::all(N + 1), &options, None, &mut ()).is_err());
    options.initial_labels = Some(vec![vec![Some(3); N]; 2]);
    let error = train(&config, &data, &split(), &options, None, &mut ()).unwrap_err();
    assert!(error.to_string().contains("name cluster 3"), "{error}");
    options.initial_labels = Some(vec![vec![None; N - 1]; 2]);
    assert!(train(&config, &data, &split(), &options, None, &mut ()).is_err());
}

#[test]
fn constant_and_extreme_inputs_give_finite_models() {
    let preset = preset();
    let constant = TrainingData {
        scales: FEATURES.map(|f| Array3::zeros((N, 1, f))).to_vec(),
    };
    let (model, history) = train(
        &preset.config,
        &constant,
        &split(),
        &preset.options,
        None,
        &mut (),
    )
    .unwrap();
    assert!(model.to_vecs().iter().flatten().all(|v| v.is_finite()));
    // Nothing can be told apart, and the history says so.
    assert!(!history.epochs.last().unwrap().warnings.is_empty());
    let mut extreme = toy(1).0;
    extreme.scales[0][[3, 0, 0]] = 1e30;
    let result = train(
        &preset.config,
        &extreme,
        &split(),
        &preset.options,
        None,
        &mut (),
    );
    assert!(matches!(result, Err(Error::Diverged { .. })));
}

#[test]
fn patience_ends_a_training_and_resuming_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = preset().options;
    options.epochs = 60;
    options.patience = Some(2);
    options.learning_rate = 3e-2;
    let (whole, history) = run(&options, None, &mut ()).unwrap();
    assert_eq!(history.stop, StopReason::Patience);
    assert!(history.epochs.len() < 60);
    // The best epoch's weights are kept, and no later one is as good.
    let kept = history.kept.unwrap();
    assert_eq!(kept + 1 + 2, history.epochs.len());
    assert_eq!(history.kept_record().unwrap().epoch, kept);
    let loss = |record: &EpochRecord| record.validation.as_ref().unwrap().total;
    for other in &history.epochs {
        assert!(loss(other) >= loss(&history.epochs[kept]));
    }
    // They are those of a training that was stopped right there.
    let (at_best, _) = run(&options, None, &mut StopAfter(kept + 1)).unwrap();
    assert_eq!(bits(&at_best), bits(&whole));
    // Killed before, at and after the best epoch, with checkpoints at each epoch and rarely.
    for stop in [kept, kept + 1, kept + 2] {
        for every in [1, 2] {
            let path = folder.path().join(format!("{stop}-{every}"));
            options.checkpoint_every = every;
            run(&options, Some(&path), &mut StopAfter(stop)).unwrap();
            let (resumed, again) = run(&options, Some(&path), &mut ()).unwrap();
            assert_eq!((bits(&resumed), &again), (bits(&whole), &history));
            // Nothing is left to do, and the best weights are in the checkpoint.
            let (resumed, again) = run(&options, Some(&path), &mut ()).unwrap();
            assert_eq!((bits(&resumed), &again), (bits(&whole), &history));
        }
    }
}

#[test]
fn without_patience_or_validation_the_last_weights_are_kept() {
    let mut options = preset().options;
    let (_, history) = run(&options, None, &mut ()).unwrap();
    assert_eq!(history.kept, None);
    assert_eq!(history.kept_record(), history.epochs.last());
    options.patience = Some(1);
    let (data, _) = toy(1);
    let all = Split::all(N);
    let (_, history) = train(&preset().config, &data, &all, &options, None, &mut ()).unwrap();
    assert_eq!((history.kept, history.stop), (None, StopReason::Finished));
    assert_eq!(history.epochs.len(), options.epochs);
}

fn model_file() -> ModelFile {
    let mut options = preset().options;
    options.epochs = 2;
    let (model, history) = run(&options, None, &mut ()).unwrap();
    let array = ArrayD::from_shape_vec(IxDyn(&[2, 1]), vec![0.1, 1e-300]).unwrap();
    ModelFile {
        model,
        history,
        preset: "compact".into(),
        arrays: BTreeMap::from([
            ("mean".into(), ExtraArray::F64(array.clone())),
            ("std".into(), ExtraArray::F32(array.mapv(|v| v as f32))),
        ]),
        inputs: serde_json::json!({"recipe": "logs", "sizes": [1024, 4096]}),
        provenance: serde_json::json!({"version": "0.1.0", "seed": 11}),
    }
}

#[test]
fn a_model_file_keeps_everything_and_repeats_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let file = model_file();
    file.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let back = ModelFile::load(&path).unwrap();
    assert_eq!(back.model.config(), file.model.config());
    assert_eq!(bits(&back.model), bits(&file.model));
    assert_eq!(back.history, file.history);
    assert_eq!(back.arrays, file.arrays);
    assert_eq!(
        (&back.inputs, &back.provenance),
        (&file.inputs, &file.provenance)
    );
    let (data, _) = toy(3);
    assert_eq!(
        back.model.responsibilities(&data).unwrap(),
        file.model.responsibilities(&data).unwrap()
    );
    // Saved again, and trained again, it is the same file.
    back.save(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    model_file().save(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    // The weights alone load by name.
    let weights = seismix_vae::file::load_weights(&path, file.model.config()).unwrap();
    assert_eq!(bits(&weights), bits(&file.model));
    let mut larger = file.model.config().clone();
    larger.hidden += 1;
    let error = seismix_vae::file::load_weights(&path, &larger).unwrap_err();
    assert!(error.to_string().contains("other sizes"), "{error}");
}

#[test]
fn a_damaged_model_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    model_file().save(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    for position in (0..good.len()).step_by(good.len() / 200) {
        let mut bad = good.clone();
        bad[position] = bad[position].wrapping_add(1);
        std::fs::write(&path, &bad).unwrap();
        assert!(ModelFile::load(&path).is_err(), "byte {position}");
        std::fs::write(&path, &good[..position]).unwrap();
        assert!(ModelFile::load(&path).is_err(), "cut at {position}");
    }
    for text in ["", "not a model", "\u{1}\0\0\0\0\0\0\0{"] {
        std::fs::write(&path, text).unwrap();
        assert!(ModelFile::load(&path).is_err());
    }
    assert!(ModelFile::load(folder.path()).is_err());
    assert!(ModelFile::load(&folder.path().join("absent")).is_err());
}
