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
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::config::Shard;
use crate::stage::context::{Existing, StageContext};
use crate::stage::manifest::{FileRecord, Journal, Manifest, differences};
use crate::stage::output_path::{
    followed, kind_of, lock, output_folder, prepare_state, remove_folder,
};
use crate::stage::provenance::fingerprint;
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
    pub(super) command: &'static str,
    pub(super) settings: Value,
    pub(super) fingerprint: String,
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
    pub(super) root: PathBuf,
    pub(super) state: PathBuf,
    /// `None` where the file system has no locks, or nothing can be written.
    _lock: Option<File>,
    pub(super) shared: bool,
    /// True for a single file as output, which the user may replace with `--fresh`.
    pub(super) is_file: bool,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) manifest: Manifest,
    pub(super) journal: Journal,
    /// Files published since [`Artifact::begin`].
    pub(super) written: BTreeSet<String>,
    pub(super) n_staged: usize,
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

    pub(super) fn staging(&self) -> PathBuf {
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

    pub(super) fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
