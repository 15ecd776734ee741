//! Writing of an output: files under way, their announcement, their final names, and the end.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::stage::artifact::{Artifact, Inner, Making};
use crate::stage::context::Existing;
use crate::stage::manifest::{Entry, FileRecord};
use crate::stage::output_path::{create_parent, move_file, remove_folder};
use crate::stage::provenance::VERSION;
use crate::stage::{PipelineError, Result};

impl Artifact {
    /// Announces that the files of the output are about to be written; until [`finish`](Self::finish) it is incomplete.
    ///
    /// # Errors
    /// [`PipelineError::Io`], [`PipelineError::DiskFull`].
    pub fn begin(&self, making: &Making) -> Result<()> {
        let entry = Entry::Begin {
            command: making.command.to_owned(),
            settings: making.settings.clone(),
        };
        let mut inner = self.locked();
        inner.written.clear();
        self.log(&mut inner, entry)
    }

    /// Writes one file: `write` makes it under a temporary name, then it is measured, announced and renamed.
    ///
    /// # Errors
    /// [`PipelineError::InTheWay`] if a file that is not ours is there; what `write` returns;
    /// [`PipelineError::DiskFull`], [`PipelineError::Io`].
    pub fn publish<E: Into<PipelineError>>(
        &self,
        name: &str,
        write: impl FnOnce(&Path) -> std::result::Result<(), E>,
    ) -> Result<()> {
        self.publish_made_from(name, "", write)
    }

    /// Publishes like [`publish`](Self::publish), with a fingerprint of the file's own.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_made_from<E: Into<PipelineError>>(
        &self,
        name: &str,
        made_from: &str,
        write: impl FnOnce(&Path) -> std::result::Result<(), E>,
    ) -> Result<()> {
        self.check_free(name)?;
        let staged = self.staged(name)?;
        let done = write(&staged).map_err(Into::into);
        let done = done.and_then(|()| self.publish_staged(name, made_from, &staged));
        if let Some(folder) = staged.parent() {
            // Whatever is left there is of no use; the first error is the one to report.
            let _ = fs::remove_dir_all(folder);
        }
        done.map_err(|error| error.or_disk_full(&self.path(name)))
    }

    /// Publishes bytes as a file.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_bytes(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.publish(name, |path| crate::stage::write_atomic(path, bytes))
    }

    /// Publishes a value as JSON.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_json(&self, name: &str, value: &impl serde::Serialize) -> Result<()> {
        self.publish(name, |path| crate::stage::write_json(path, value))
    }

    /// Gives a complete file on the same file system its final name.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_staged(&self, name: &str, made_from: &str, staged: &Path) -> Result<()> {
        self.check_free(name)?;
        let path = self.path(name);
        let mut record = FileRecord::of(staged).map_err(PipelineError::io("reading", staged))?;
        record.made_from = made_from.to_owned();
        create_parent(&path)?;
        let mut inner = self.locked();
        let name = name.to_owned();
        inner.written.insert(name.clone());
        self.log(&mut inner, Entry::File { name, record })?;
        drop(inner);
        move_file(staged, &path)
    }

    /// Marks a file as ours that is written piece by piece under its final name.
    ///
    /// # Errors
    /// [`PipelineError::InTheWay`], [`PipelineError::Io`].
    pub fn claim(&self, name: &str) -> Result<PathBuf> {
        self.check_free(name)?;
        let path = self.path(name);
        create_parent(&path)?;
        let mut inner = self.locked();
        if !inner.manifest.files.contains_key(name) {
            let (name, record) = (name.to_owned(), FileRecord::default());
            self.log(&mut inner, Entry::File { name, record })?;
        }
        Ok(path)
    }

    /// Refuses a file at `name` that is not ours before any work is done. With [`Existing::Fresh`] the user agreed that
    /// the output file is replaced, and it is ours from now on; a file in an output folder is refused all the same.
    ///
    /// # Errors
    /// As [`check_names`](Self::check_names); [`PipelineError::Io`].
    pub fn settle(&self, name: &str, existing: Existing) -> Result<()> {
        let name = name.to_owned();
        self.check_names([&name], existing)?;
        let mut inner = self.locked();
        if inner.manifest.files.contains_key(&name) || !self.path(&name).is_file() {
            return Ok(());
        }
        let record = FileRecord::default();
        self.log(&mut inner, Entry::File { name, record })
    }

    /// Removes a file of the manifest, and the folders that it leaves empty.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn remove(&self, name: &str) -> Result<()> {
        let mut inner = self.locked();
        if !inner.manifest.files.contains_key(name) {
            return Ok(());
        }
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(PipelineError::io("removing", &path)(error));
            }
            _ => {}
        }
        let below = path.ancestors().skip(1);
        for folder in below.take_while(|folder| *folder != self.root) {
            // A folder with anything in it remains.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        let name = name.to_owned();
        self.log(&mut inner, Entry::Removed { name })
    }

    /// Removes the files of earlier settings or inputs that were not written again since [`begin`](Self::begin).
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn remove_stale(&self) -> Result<()> {
        let inner = self.locked();
        let stale: Vec<String> = inner
            .manifest
            .files
            .keys()
            .filter(|name| !inner.written.contains(*name))
            .cloned()
            .collect();
        drop(inner);
        stale.iter().try_for_each(|name| self.remove(name))
    }

    /// Completes the output: the manifest is written and checkpoints are removed.
    ///
    /// # Errors
    /// [`PipelineError::Io`], [`PipelineError::DiskFull`].
    pub fn finish(&self, making: &Making) -> Result<()> {
        if self.shared {
            // Other shards may be at work: their files under way are in the same folder, and their journals and this
            // one are joined by a later command.
            return Ok(());
        }
        remove_folder(&self.staging())?;
        let mut inner = self.locked();
        inner.manifest.version = VERSION.to_owned();
        inner.manifest.command = making.command.to_owned();
        inner.manifest.settings = making.settings.clone();
        inner.manifest.fingerprint = making.fingerprint.clone();
        inner.journal.close();
        let written = inner.manifest.write(&self.state);
        drop(inner);
        written.map_err(|error| error.or_disk_full(&self.state))?;
        self.clear_work()
    }

    /// A place for a file under way: of the same name, since some writers take the format from it.
    fn staged(&self, name: &str) -> Result<PathBuf> {
        let mut inner = self.locked();
        inner.n_staged += 1;
        let folder = format!("{}-{}{}", std::process::id(), inner.n_staged, self.part);
        let folder = self.staging().join(folder);
        fs::create_dir_all(&folder).map_err(PipelineError::io("creating", &folder))?;
        let name = Path::new(name).file_name().map(OsString::from);
        Ok(folder.join(name.unwrap_or_else(|| "file".into())))
    }

    /// Writes an entry to the journal, then takes it into account.
    fn log(&self, inner: &mut Inner, entry: Entry) -> Result<()> {
        let logged = inner.journal.append(&entry);
        logged.map_err(|error| error.or_disk_full(&self.state))?;
        inner.manifest.apply(entry);
        Ok(())
    }
}

/// Writes a single file as output of a command: one that seismix wrote before is replaced, another is not.
///
/// # Errors
/// [`PipelineError::Foreign`], [`PipelineError::InTheWay`], [`PipelineError::DiskFull`]; what `write` returns.
pub fn write_output<E: Into<PipelineError>>(
    path: &Path,
    command: &'static str,
    write: impl FnOnce(&Path) -> std::result::Result<(), E>,
) -> Result<()> {
    let (artifact, name) = Artifact::file(path)?;
    let making = Making::new(command, &Value::Null);
    artifact.begin(&making)?;
    artifact.publish(&name, write)?;
    artifact.finish(&making)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_shard_that_ends_leaves_the_files_under_way_of_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let making = Making::new("features", &json!({"configuration": 1}));
        let shard = |text: &str| Artifact::shard(folder.path(), text.parse().ok()).unwrap();
        let (slow, quick) = (shard("1/2"), shard("2/2"));
        slow.begin(&making).unwrap();
        let write = |path: &Path| {
            fs::write(path, "whole").unwrap();
            quick.begin(&making)?;
            quick.publish_bytes("b", b"b")?;
            quick.finish(&making)
        };
        slow.publish("a", write).unwrap();
        slow.finish(&making).unwrap();
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"whole");
    }
}
