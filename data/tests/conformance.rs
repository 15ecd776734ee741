//! The acceptance set of miniSEED files, where it is found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use seismix_data::mseed::{FileContent, read_file};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/mseed");
    if folder.join("expected.json").is_file() {
        return Some(folder);
    }
    eprintln!("skipped: ../shared/data is absent");
    None
}

/// Per channel: samples, sha256, start, end, rate; as expected.json has them.
fn channels(content: &FileContent) -> BTreeMap<String, Value> {
    let mut found: BTreeMap<String, (usize, Sha256, i64, i64, f64)> = BTreeMap::new();
    for segment in &content.segments {
        let entry = found.entry(segment.id.to_string()).or_insert_with(|| {
            let rate = segment.sampling_rate;
            (0, Sha256::new(), segment.start_ns(), i64::MIN, rate)
        });
        entry.0 += segment.npts();
        for x in segment.samples.to_f64() {
            entry.1.update(x.to_le_bytes());
        }
        entry.3 = entry.3.max(segment.end_ns());
    }
    found
        .into_iter()
        .map(|(id, (npts, hash, start, end, rate))| {
            let hex: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
            let value = serde_json::json!({
                "npts": npts, "sha256": hex, "start_ns": start, "end_ns": end, "sampling_rate": rate
            });
            (id, value)
        })
        .collect()
}

fn equal(found: &BTreeMap<String, Value>, expected: &Value) -> Result<(), String> {
    let expected = expected.as_object().unwrap();
    let name = |id: &str| id.trim_end_matches('_').to_owned(); // a blank channel is `__` for libmseed
    let names: Vec<String> = expected.keys().map(|id| name(id)).collect();
    if names != found.keys().map(|id| name(id)).collect::<Vec<_>>() {
        return Err(format!("channels {:?}, not {names:?}", found.keys()));
    }
    for (id, want) in expected {
        let got = &found[&name(id)];
        for key in ["npts", "sha256", "start_ns"] {
            if got[key] != want[key] {
                return Err(format!("{id} {key}: {} not {}", got[key], want[key]));
            }
        }
        // The last sample and the rate come from floating point in the reference: 1 us, and f32 precision.
        let end = got["end_ns"].as_i64().unwrap() - want["end_ns"].as_i64().unwrap();
        if end.abs() > 1000 {
            return Err(format!("{id} end_ns is {end} ns off"));
        }
        let (a, b) = (&got["sampling_rate"], &want["sampling_rate"]);
        let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
        if (a / b - 1.0).abs() > 1e-7 {
            return Err(format!("{id} rate {a} not {b}"));
        }
    }
    Ok(())
}

#[test]
fn every_file_gives_the_expected_samples_times_and_faults() {
    let Some(folder) = folder() else { return };
    let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: Vec<Value> = serde_json::from_str(&text).unwrap();
    let mut wrong = Vec::new();
    for entry in &expected {
        let name = entry["file"].as_str().unwrap();
        let result = read_file(&folder.join("files").join(name));
        let outcome = match (entry["expect"].as_str().unwrap(), result) {
            ("ERROR", Err(_)) => Ok(()),
            ("ERROR", Ok(content)) if content.faults.is_empty() => Err("no fault".to_owned()),
            ("ERROR", Ok(content)) => equal(&channels(&content), &entry["channels"]),
            (_, Err(error)) => Err(error.to_string()),
            ("PARTIAL", Ok(content)) if content.faults.is_empty() => Err("no fault".to_owned()),
            ("OK", Ok(content)) if !content.faults.is_empty() => {
                Err(format!("{:?}", content.faults))
            }
            (_, Ok(content)) => {
                let found = channels(&content);
                equal(&found, &entry["channels"]).or_else(|reason| match entry.get("alt") {
                    Some(other) => equal(&found, other).map_err(|more| format!("{reason}; {more}")),
                    None => Err(reason),
                })
            }
        };
        if let Err(reason) = outcome {
            wrong.push(format!("{name}: {reason}"));
        }
    }
    assert_eq!(expected.len(), 64);
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
