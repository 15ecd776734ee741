//! `seismix train` says how far its clusters repeat, and finds their number.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::Path;

use common::records::{TRANSFORM, three, write};
use common::{finish, seismix};
use serde_json::Value;

fn features(folder: &Path) {
    write(&folder.join("a.mseed"), &three("STAB"));
    let outcome = finish(
        seismix()
            .current_dir(folder)
            .args(["features", "a.mseed", "-o", "features", "--quiet"])
            .args(TRANSFORM),
    );
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

fn train(folder: &Path, model: &str, more: &[&str]) -> Value {
    let outcome = finish(
        seismix()
            .current_dir(folder)
            .args(["train", "features", "-o", model, "--epochs", "2"])
            .args(["--json", "--quiet"])
            .args(more),
    );
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    serde_json::from_str(outcome.stdout.lines().next().unwrap()).unwrap()
}

#[test]
fn stability_is_measured_the_same_each_time_and_changes_no_cluster() {
    let folder = tempfile::tempdir().unwrap();
    features(folder.path());
    let one = train(folder.path(), "plain", &["--clusters", "3"]);
    let other = train(folder.path(), "told", &["--clusters", "3", "--seeds", "3"]);
    assert_eq!(one["stability"], Value::Null);
    assert_eq!(one["loss"], other["loss"]);
    let scales = other["stability"]["scales"].as_array().unwrap();
    assert_eq!(scales.len(), 2);
    for scale in scales {
        assert_eq!(scale["clusters"].as_array().unwrap().len(), 3);
        for kind in ["seeds", "blocks"] {
            assert_eq!(scale[kind]["n"], 2);
            let mean = scale[kind]["mean"].as_f64().unwrap();
            assert!((-0.5..=1.0).contains(&mean), "{mean}");
            assert!(scale[kind]["least"].as_f64().unwrap() <= mean);
        }
    }
    let again = train(folder.path(), "again", &["--clusters", "3", "--seeds", "3"]);
    assert_eq!(again["stability"], other["stability"]);
}

#[test]
fn the_number_of_clusters_is_found_and_kept_in_the_model() {
    let folder = tempfile::tempdir().unwrap();
    features(folder.path());
    let found = train(folder.path(), "auto", &["--clusters", "auto"]);
    let candidates = found["stability"]["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 9);
    let taken = found["stability"]["n_clusters"].as_u64().unwrap() as usize;
    let model = seismix::vae::ModelFile::load(&folder.path().join("auto")).unwrap();
    assert_eq!(model.model.config().n_clusters, taken);
}

#[test]
fn a_network_from_random_weights_has_no_first_clusters_to_compare() {
    for more in [["--clusters", "auto"], ["--seeds", "2"]] {
        for command in [&["train", "features"][..], &["run", "archive"]] {
            let outcome = finish(
                seismix()
                    .args(command)
                    .args(["-o", "model", "--start", "random"])
                    .args(more),
            );
            assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
            assert!(outcome.stderr.contains("--start hmm"), "{}", outcome.stderr);
        }
    }
}

#[test]
fn the_published_recipe_has_no_first_clusters_to_compare() {
    for more in [["--clusters", "auto"], ["--seeds", "2"]] {
        let outcome = finish(
            seismix()
                .args(["train", "features", "-o", "model", "--preset", "paper"])
                .args(more),
        );
        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
        assert!(
            outcome.stderr.contains("--preset compact"),
            "{}",
            outcome.stderr
        );
    }
}
