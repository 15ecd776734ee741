//! History of a training as JSON lines next to the model, and its epochs as steps of a progress bar.
//!
//! One line an epoch, appended when the epoch's checkpoint is safe. A training that resumes from a checkpoint writes
//! the file again with the epochs that the checkpoint holds, so that none is there twice, none half and none missing.
//! While the model of an earlier training exists, its lines are kept, and the new ones are in the output's state
//! folder; when the model is written, so are all its lines, with why the training ended and which weights were kept.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use seismix_vae as vae;
use serde_json::{Value, json};

use crate::stage::progress::Observer;
use crate::stage::{Artifact, PipelineError, Result};

/// Observer of a training that reports to the stage's observer and writes the lines; a cancelled run stops at the
/// next step.
pub(crate) struct TrainLog<'a> {
    observer: &'a dyn Observer,
    path: PathBuf,
    scales: &'a [&'a str],
    failed: Option<PipelineError>,
}

impl<'a> TrainLog<'a> {
    /// Writes lines to `path`; `scales` are the names of the scales, ascending.
    pub(crate) fn new(observer: &'a dyn Observer, path: PathBuf, scales: &'a [&'a str]) -> Self {
        Self {
            observer,
            path,
            scales,
            failed: None,
        }
    }

    /// The first failure of the file, if any.
    pub(crate) fn finish(self) -> Result<()> {
        self.failed.map_or(Ok(()), Err)
    }

    /// Writes the lines of `epochs` in place of what is there.
    fn write(&self, epochs: &[vae::EpochRecord]) -> Result<()> {
        let lines: String = epochs
            .iter()
            .map(|record| line(record, self.scales, json!({})))
            .collect();
        crate::stage::write_atomic(&self.path, lines.as_bytes())
    }

    fn append(&self, record: &vae::EpochRecord) -> Result<()> {
        let open = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.path);
        // One write, so that a reader sees whole lines.
        let line = line(record, self.scales, json!({}));
        open.and_then(|mut file| file.write_all(line.as_bytes()))
            .map_err(PipelineError::io("writing", &self.path))
    }

    fn keep(&mut self, done: Result<()>) {
        if let (Err(error), None) = (done, &self.failed) {
            self.failed = Some(error);
        }
    }
}

/// Everything about an epoch on one line; every list has one entry a scale.
fn line(record: &vae::EpochRecord, scales: &[&str], more: Value) -> String {
    let mut value = json!(record);
    if let (Some(fields), Value::Object(more)) = (value.as_object_mut(), more) {
        fields.insert("scales".into(), json!(scales));
        fields.extend(more);
    }
    format!("{value}\n")
}

/// All lines of a finished training: the kept epoch's has `"kept": true`, the last one's `"stop"`, why it ended.
fn finished(history: &vae::History, scales: &[&str]) -> String {
    let kept = history.kept_record().map(|record| record.epoch);
    let last = history.epochs.len().saturating_sub(1);
    let lines = history.epochs.iter().enumerate().map(|(index, record)| {
        let mut more = json!({});
        if kept == Some(record.epoch) {
            more["kept"] = json!(true);
        }
        if index == last {
            more["stop"] = json!(history.stop);
        }
        line(record, scales, more)
    });
    lines.collect()
}

/// Publishes the lines of a finished model, unless they are there.
///
/// # Errors
/// [`PipelineError::Io`].
pub(crate) fn restore_history(
    artifact: &Artifact,
    name: &str,
    file: &vae::ModelFile,
) -> Result<()> {
    let names = &file.model.config().scale_names;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let text = finished(&file.history, &names);
    if crate::stage::read_whole(&artifact.path(name)).is_ok_and(|found| found == text.as_bytes())
        && artifact.file_is_current(name, "")
    {
        return Ok(());
    }
    artifact.publish_bytes(name, text.as_bytes())
}

/// File for the lines of a training: the final one, unless the model of an earlier training exists.
///
/// # Errors
/// [`PipelineError::Foreign`], [`PipelineError::Io`].
pub(crate) fn lines_of(artifact: &Artifact, model: &str) -> Result<PathBuf> {
    if artifact.path(model).exists() {
        return Ok(artifact.work_folder()?.join("history.jsonl"));
    }
    artifact.claim(&history_name(model))
}

/// Name of the file with a model's lines.
pub(crate) fn history_name(model: &str) -> String {
    format!("{model}.history.jsonl")
}

/// File with the lines of a model.
pub fn history_path(model: &Path) -> PathBuf {
    let mut name = model.as_os_str().to_owned();
    name.push(".history.jsonl");
    PathBuf::from(name)
}

impl vae::TrainObserver for TrainLog<'_> {
    fn resumed(&mut self, history: &vae::History) {
        let done = self.write(&history.epochs);
        self.keep(done);
    }

    fn begin(&mut self, done: usize, epochs: usize) {
        if done == 0 {
            let done = self.write(&[]);
            self.keep(done);
        }
        self.observer.begin("train", epochs as u64, "epochs");
        self.observer.advance(done as u64);
    }

    fn cancelled(&self) -> bool {
        self.observer.cancelled()
    }

    fn epoch(&mut self, record: &vae::EpochRecord) -> ControlFlow<()> {
        let done = self.append(record);
        self.keep(done);
        self.observer.advance(1);
        // A disk that is full now would fail at the model as well: better at once.
        if self.observer.cancelled() || self.failed.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use seismix_vae::TrainObserver as _;

    use super::*;
    use crate::stage::NoProgress;

    fn record(epoch: usize) -> vae::EpochRecord {
        vae::EpochRecord {
            epoch,
            temperature: 0.5,
            learning_rate: 1e-3,
            train: vae::Terms::default(),
            validation: None,
            cluster_sizes: vec![vec![3, 0]],
            entropy: vec![0.1],
            warnings: vec![],
        }
    }

    #[test]
    fn a_resumed_training_repeats_no_line_and_loses_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.history.jsonl");
        let scales = ["1024"];
        let epochs = || -> Vec<u64> {
            let text = std::fs::read_to_string(&path).unwrap();
            let value = |line| serde_json::from_str::<Value>(line).unwrap();
            text.lines()
                .map(value)
                .map(|v| v["epoch"].as_u64().unwrap())
                .collect()
        };
        let mut log = TrainLog::new(&NoProgress, path.clone(), &scales);
        log.begin(0, 4);
        for epoch in 0..3 {
            assert!(log.epoch(&record(epoch)).is_continue());
        }
        assert_eq!(epochs(), [0, 1, 2]);
        // Killed while the checkpoint of epoch 1 was the last, in the middle of a line.
        std::fs::write(&path, "{\"epoch\":0}\n{\"epo").unwrap();
        let mut log = TrainLog::new(&NoProgress, path.clone(), &scales);
        log.resumed(&vae::History {
            epochs: vec![record(0), record(1)],
            ..vae::History::default()
        });
        log.begin(2, 4);
        for epoch in 2..4 {
            let _ = log.epoch(&record(epoch));
        }
        log.finish().unwrap();
        assert_eq!(epochs(), [0, 1, 2, 3]);
        let mut log = TrainLog::new(&NoProgress, path.clone(), &scales);
        log.begin(0, 4);
        assert!(epochs().is_empty(), "a fresh training begins a fresh file");
        let text = line(&record(1), &scales, json!({}));
        assert!(
            text.contains("\"scales\":[\"1024\"]") && text.contains("\"cluster_sizes\":[[3,0]]")
        );
    }

    #[test]
    fn the_finished_lines_tell_the_kept_epoch_and_the_end() {
        let history = vae::History {
            epochs: vec![record(0), record(1), record(2)],
            stop: vae::StopReason::Patience,
            kept: Some(1),
        };
        let text = finished(&history, &["1024"]);
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let kept: Vec<&Value> = lines.iter().map(|line| &line["kept"]).collect();
        assert_eq!(kept, [&Value::Null, &json!(true), &Value::Null]);
        let stops: Vec<&Value> = lines.iter().map(|line| &line["stop"]).collect();
        assert_eq!(stops, [&Value::Null, &Value::Null, &json!("Patience")]);
    }

    #[test]
    fn a_file_that_cannot_be_written_stops_the_training() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let mut log = TrainLog::new(&NoProgress, file.join("m"), &[]);
        log.begin(0, 1);
        assert!(log.epoch(&record(0)).is_break());
        assert!(log.finish().is_err());
    }
}
