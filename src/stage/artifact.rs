//! Outputs of commands: one mechanism for the lock, the up-to-date check, cleaning and publication.
//!
//! The state of an output folder is in its hidden subfolder `.seismix`; that of an output file `NAME` in
//! `.seismix/files/NAME` next to it. A state folder holds
//!
//! - `lock`, locked while a command writes the output;
//! - `manifest.json` and journals: name, size and checksum of every file written ([`Manifest`]);
//! - `staging`: files under way, which get their final names when they are complete;
//! - `work`: checkpoints of a command that was stopped;
//! - `inputs.json`: hashes of inputs by size, time of modification and inode.
//!
//! Only files in the manifest are ever replaced or removed. Anything else in the way is an error that names it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::config::Shard;
use crate::stage::context::{Existing, StageContext};
use crate::stage::manifest::{Entry, FileRecord, Journal, Manifest, differences};
use crate::stage::output_path::{
    create_parent, followed, kind_of, lock, move_file, output_folder, prepare_state, remove_folder,
};
use crate::stage::provenance::{VERSION, fingerprint};
use crate::stage::{PipelineError, Result};

/// Name of the hidden folder that holds the state of outputs.
pub const STATE: &str = ".seismix";
/// Subfolder of it with the states of single files.
const FILES: &str = "files";
/// Deepest folder below an output in which its files are looked up.
const MAX_DEPTH: usize = 12;

/// Command, settings and fingerprint of an output to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Making {
    command: &'static str,
    settings: Value,
    fingerprint: String,
}

impl Making {
    /// From the provenance of the output: its configuration and seed are settings, the rest are inputs.
    pub fn new(command: &'static str, provenance: &Value) -> Self {
        let settings = json!({
            "configuration": provenance["configuration"],
            "seed": provenance["seed"],
        });
        Self {
            command,
            settings,
            fingerprint: fingerprint(provenance),
        }
    }

    /// Hash of settings and inputs.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// An output, locked for this process until dropped; the system releases the lock of a killed process.
#[derive(Debug)]
pub struct Artifact {
    /// Path as the user gave it, for messages.
    shown: PathBuf,
    root: PathBuf,
    state: PathBuf,
    /// `None` where the file system has no locks, or nothing can be written.
    _lock: Option<File>,
    shared: bool,
    /// True for a single file as output, which the user may replace with `--fresh`.
    is_file: bool,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    manifest: Manifest,
    journal: Journal,
    /// Files published since [`Artifact::begin`].
    written: BTreeSet<String>,
    n_staged: usize,
}

impl Artifact {
    /// Opens a folder as output, and creates it.
    ///
    /// # Errors
    /// [`PipelineError::InTheWay`] if something else is at that path, [`PipelineError::Unusable`] if another process
    /// writes there, [`PipelineError::Io`].
    pub fn folder(path: &Path) -> Result<Self> {
        Self::part(path, "")
    }

    /// Opens a named part of a folder: an output of its own, with a state of its own, in the same folder.
    ///
    /// # Errors
    /// As [`folder`](Self::folder).
    pub fn part(path: &Path, part: &str) -> Result<Self> {
        let root = output_folder(path)?;
        let state = root.join(STATE).join(part);
        Self::open(path, root, state, None)
    }

    /// Opens a folder to which the other shards of an archive write at the same time.
    ///
    /// # Errors
    /// As [`folder`](Self::folder).
    pub fn shard(path: &Path, shard: Option<Shard>) -> Result<Self> {
        let root = output_folder(path)?;
        let state = root.join(STATE);
        Self::open(path, root, state, shard)
    }

    /// Opens a file as output; its folder is created. A symbolic link is followed.
    ///
    /// # Errors
    /// As [`folder`](Self::folder); devices, FIFOs, sockets and folders are refused.
    pub fn file(path: &Path) -> Result<(Self, String)> {
        let target = followed(path)?;
        if let Ok(found) = fs::metadata(&target)
            && !found.is_file()
        {
            return Err(PipelineError::in_the_way(path, kind_of(&found)));
        }
        let (Some(name), Some(folder)) = (target.file_name(), target.parent()) else {
            return Err(PipelineError::in_the_way(path, "a folder"));
        };
        let root = output_folder(if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        })?;
        let state = root.join(STATE).join(FILES).join(name);
        let name = name.to_string_lossy().into_owned();
        let mut artifact = Self::open(path, root, state, None)?;
        artifact.is_file = true;
        Ok((artifact, name))
    }

    /// Checks an output for a rehearsal: refuses the devices, files of others and other settings that the command
    /// refuses, and creates nothing. `name` is that of a file of an output folder; without it, `path` is the output
    /// file.
    ///
    /// # Errors
    /// As [`file`](Self::file), [`is_current`](Self::is_current) and [`settle`](Self::settle).
    pub fn rehearse(
        path: &Path,
        name: Option<&str>,
        making: &Making,
        context: &StageContext,
    ) -> Result<()> {
        let target = followed(path)?;
        let folder = match name {
            Some(_) => target.as_path(),
            None => target.parent().unwrap_or(Path::new("")),
        };
        let state = match (name, target.file_name()) {
            (None, Some(file)) => folder.join(STATE).join(FILES).join(file),
            _ => folder.join(STATE),
        };
        let output = name.map_or_else(|| target.clone(), |name| target.join(name));
        if !state.is_dir() {
            // Nothing of ours is there, so whatever is there is in the way.
            return match fs::metadata(&output) {
                Ok(found) if !found.is_file() => {
                    Err(PipelineError::in_the_way(path, kind_of(&found)))
                }
                Ok(_) if context.existing != Existing::Fresh => Err(PipelineError::Foreign {
                    path: output,
                    replaceable: name.is_none(),
                }),
                _ => Ok(()),
            };
        }
        let (artifact, name) = match name {
            Some(name) => (Self::folder(path)?, name.to_owned()),
            None => Self::file(path)?,
        };
        artifact.check_settings(making, context.existing)?;
        match context.existing {
            Existing::Fresh => Ok(()),
            _ => artifact.check_free(&name),
        }
    }

    fn open(shown: &Path, root: PathBuf, state: PathBuf, shard: Option<Shard>) -> Result<Self> {
        let lock = match prepare_state(&state) {
            Ok(file) => lock(file, shown, shard.is_some())?,
            // Nothing can be written there, but a finished output may be read.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                None
            }
            Err(error) => return Err(PipelineError::io("writing", &state)(error)),
        };
        let part = shard.map_or(String::new(), |s| format!("-{}-of-{}", s.index, s.count));
        let artifact = Self {
            shown: shown.to_path_buf(),
            inner: Mutex::new(Inner {
                manifest: Manifest::read(&state)?,
                journal: Journal::new(&state, &part),
                written: BTreeSet::new(),
                n_staged: 0,
            }),
            root,
            state,
            shared: shard.is_some(),
            is_file: false,
            _lock: lock,
        };
        if !artifact.shared {
            // Leftovers of a killed writer; with shards they may belong to another one that is alive.
            remove_folder(&artifact.staging())?;
        }
        Ok(artifact)
    }

    /// Folder of the output's state.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Place of a file of the output.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Folder for checkpoints, which [`finish`](Self::finish) removes.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn work_folder(&self) -> Result<PathBuf> {
        let folder = self.state.join("work");
        fs::create_dir_all(&folder).map_err(PipelineError::io("creating", &folder))?;
        Ok(folder)
    }

    /// Removes all checkpoints.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn clear_work(&self) -> Result<()> {
        remove_folder(&self.state.join("work"))
    }

    fn staging(&self) -> PathBuf {
        self.state.join("staging")
    }

    /// Names of the files that the output consists of.
    pub fn names(&self) -> Vec<String> {
        self.locked().manifest.files.keys().cloned().collect()
    }

    /// True if the output was completed with the same settings and inputs and all its files are intact.
    ///
    /// # Errors
    /// [`PipelineError::OtherSettings`] if it was made with other settings and `context` does not allow to replace it.
    pub fn is_current(&self, making: &Making, context: &StageContext) -> Result<bool> {
        self.is_current_without(making, context, "")
    }

    /// Like [`is_current`](Self::is_current), without the check of one file that the caller can restore from the others.
    ///
    /// # Errors
    /// As [`is_current`](Self::is_current).
    pub fn is_current_without(
        &self,
        making: &Making,
        context: &StageContext,
        restored: &str,
    ) -> Result<bool> {
        self.check_settings(making, context.existing)?;
        if context.existing == Existing::Fresh {
            return Ok(false);
        }
        let manifest = self.locked().manifest.clone();
        if manifest.fingerprint.is_empty() || manifest.fingerprint != making.fingerprint {
            return Ok(false);
        }
        let damaged: Vec<&String> = manifest
            .files
            .iter()
            .filter(|(name, record)| *name != restored && !record.matches(&self.path(name)))
            .map(|(name, _)| name)
            .collect();
        if let Some(first) = damaged.first() {
            context.progress.remark(&format!(
                "{} of {} files of `{}` are damaged or missing, such as `{first}`: the output is made again",
                damaged.len(),
                manifest.files.len(),
                self.shown.display()
            ));
        }
        Ok(damaged.is_empty())
    }

    /// Refuses settings other than those of the existing output.
    ///
    /// # Errors
    /// [`PipelineError::OtherSettings`].
    pub fn check_settings(&self, making: &Making, existing: Existing) -> Result<()> {
        let inner = self.locked();
        let manifest = &inner.manifest;
        if existing != Existing::Resume || manifest.files.is_empty() {
            return Ok(());
        }
        let differences = differences(&manifest.settings, &making.settings);
        if differences.is_empty() {
            return Ok(());
        }
        Err(PipelineError::OtherSettings {
            output: self.shown.clone(),
            differences,
        })
    }

    /// True if one file was made from this fingerprint and is intact.
    pub fn file_is_current(&self, name: &str, made_from: &str) -> bool {
        let record = self.locked().manifest.files.get(name).cloned();
        record
            .is_some_and(|record| record.made_from == made_from && record.matches(&self.path(name)))
    }

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

    /// Refuses a file at `name` that is not ours before any work is done; with [`Existing::Fresh`] the user agreed that
    /// it is replaced, and it is ours from now on.
    ///
    /// # Errors
    /// [`PipelineError::InTheWay`], [`PipelineError::Io`].
    pub fn settle(&self, name: &str, existing: Existing) -> Result<()> {
        let mut inner = self.locked();
        if existing != Existing::Fresh
            || inner.manifest.files.contains_key(name)
            || !self.path(name).is_file()
        {
            drop(inner);
            return self.check_free(name);
        }
        let (name, record) = (name.to_owned(), FileRecord::default());
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
        remove_folder(&self.staging())?;
        let mut inner = self.locked();
        if self.shared {
            // Other shards may be at work: their journals and this one are joined by a later command.
            return Ok(());
        }
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

    /// Refuses to write where something is that is not ours.
    fn check_free(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        let Ok(found) = fs::symlink_metadata(&path) else {
            return Ok(());
        };
        let ours = self.locked().manifest.files.contains_key(name);
        if found.is_file() && ours {
            return Ok(());
        }
        Err(if found.is_file() {
            PipelineError::Foreign {
                path,
                replaceable: self.is_file,
            }
        } else {
            PipelineError::in_the_way(&path, kind_of(&found))
        })
    }

    /// A place for a file under way: of the same name, since some writers take the format from it.
    fn staged(&self, name: &str) -> Result<PathBuf> {
        let mut inner = self.locked();
        inner.n_staged += 1;
        let folder = format!("{}-{}", std::process::id(), inner.n_staged);
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

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Record of a file that seismix wrote, from the manifest of the output that it belongs to.
pub fn written_record(path: &Path) -> Option<FileRecord> {
    let (folder, name) = (path.parent()?, path.file_name()?);
    let of_file = folder.join(STATE).join(FILES).join(name);
    if let Some(record) = recorded(&of_file, &name.to_string_lossy()) {
        return Some(record);
    }
    path.ancestors().skip(1).take(MAX_DEPTH).find_map(|root| {
        let below = path.strip_prefix(root).ok()?;
        recorded(&root.join(STATE), &below.to_string_lossy())
    })
}

fn recorded(state: &Path, name: &str) -> Option<FileRecord> {
    if !state.is_dir() {
        return None;
    }
    let record = Manifest::read(state).ok()?.files.remove(name)?;
    (!record.xxh3.is_empty()).then_some(record)
}
