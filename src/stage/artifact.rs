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
//! In an output folder only files in its manifest are ever replaced or removed. Anything else in the way is an error
//! that names it, also with `--fresh`. The file that the user names with `-o`, and a model's history next to it, is
//! replaced with `--fresh` even if seismix did not write it, unless it belongs to another output.

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
use crate::stage::{PipelineError, Result, read_whole, write_atomic};

/// Name of the hidden folder that holds the state of outputs.
pub const STATE: &str = ".seismix";
/// Subfolder of it with the states of single files.
const FILES: &str = "files";
/// File in the folder of checkpoints with the fingerprint of the output that they are for, after `--fresh`.
const REPLACING: &str = "replacing";
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
    pub(super) shown: PathBuf,
    pub(super) root: PathBuf,
    pub(super) state: PathBuf,
    /// `None` where the file system has no locks, or nothing can be written.
    _lock: Option<File>,
    pub(super) shared: bool,
    /// Distinguishes the files of shards at work, whose process ids may agree on different machines.
    pub(super) part: String,
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
        let place = file_place(path)?;
        let root = output_folder(&place.folder)?;
        let state = place.state(&root);
        let mut artifact = Self::open(path, root, state, None)?;
        artifact.is_file = true;
        Ok((artifact, place.name))
    }

    pub(super) fn open(
        shown: &Path,
        root: PathBuf,
        state: PathBuf,
        shard: Option<Shard>,
    ) -> Result<Self> {
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
        let artifact = Self::unlocked(shown, root, state, shard, lock)?;
        if !artifact.shared {
            // Leftovers of a killed writer; with shards they may belong to another one that is alive.
            remove_folder(&artifact.staging())?;
        }
        Ok(artifact)
    }

    /// The output with the files that its state folder knows of; nothing is created.
    pub(super) fn unlocked(
        shown: &Path,
        root: PathBuf,
        state: PathBuf,
        shard: Option<Shard>,
        lock: Option<File>,
    ) -> Result<Self> {
        let part = shard.map_or(String::new(), |s| format!("-{}-of-{}", s.index, s.count));
        Ok(Self {
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
            part,
            is_file: false,
            _lock: lock,
        })
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

    /// Discards all checkpoints and begins to make the output again. Until it is complete, the same command is accepted
    /// without `--fresh`, so that it can be resumed although the output still has its earlier settings.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn start_again(&self, making: &Making) -> Result<()> {
        self.clear_work()?;
        let marker = self.work_folder()?.join(REPLACING);
        write_atomic(&marker, making.fingerprint.as_bytes())
    }

    /// True if a command with `--fresh` of this making was stopped.
    fn is_being_replaced(&self, making: &Making) -> bool {
        let marker = self.state.join("work").join(REPLACING);
        read_whole(&marker).is_ok_and(|found| found == making.fingerprint.as_bytes())
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
            return Ok(false);
        }
        // Checkpoints of a later command that was stopped before it replaced anything.
        self.clear_work()?;
        Ok(true)
    }

    /// Refuses the output of another command, and settings other than those of the existing output.
    ///
    /// # Errors
    /// [`PipelineError::OtherCommand`], [`PipelineError::OtherSettings`].
    pub fn check_settings(&self, making: &Making, existing: Existing) -> Result<()> {
        if self.is_being_replaced(making) {
            return Ok(());
        }
        self.check_command(making.command, existing)?;
        let inner = self.locked();
        let manifest = &inner.manifest;
        // Settings are null while no command began to replace files: a training that was stopped has only claimed the
        // name of its history. Its checkpoint knows its settings.
        if existing != Existing::Resume || manifest.files.is_empty() || manifest.settings.is_null()
        {
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

/// Place of a file as output, with links followed.
pub(super) struct FilePlace {
    pub(super) folder: PathBuf,
    pub(super) name: String,
}

impl FilePlace {
    /// The file's state folder.
    pub(super) fn state(&self, root: &Path) -> PathBuf {
        root.join(STATE).join(FILES).join(&self.name)
    }
}

/// Folder and name of an output file; anything but a regular file is refused.
pub(super) fn file_place(path: &Path) -> Result<FilePlace> {
    let target = followed(path)?;
    if let Ok(found) = fs::metadata(&target)
        && !found.is_file()
    {
        return Err(PipelineError::in_the_way(path, kind_of(&found)));
    }
    let (Some(name), Some(folder)) = (target.file_name(), target.parent()) else {
        return Err(PipelineError::in_the_way(path, "a folder"));
    };
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let (name, folder) = (name.to_string_lossy().into_owned(), folder.to_path_buf());
    Ok(FilePlace { folder, name })
}

/// Record of a file that seismix wrote, from the manifest of the output that it belongs to.
pub fn written_record(path: &Path) -> Option<FileRecord> {
    states_of(path).find_map(|(state, name)| Some(recorded(&state, &name)?.1))
}

/// Command whose output a file belongs to, if its state folder is not `own`.
pub(super) fn owner(path: &Path, own: &Path) -> Option<String> {
    // By its canonical name, since an output may hold the folder that a relative path begins in.
    let path = path.canonicalize().ok()?;
    let own = own.canonicalize().ok();
    let others = states_of(&path).filter(|(state, _)| own.as_ref() != Some(state));
    let mut found = others.filter_map(|(state, name)| recorded(&state, &name));
    found.next().map(|(command, _)| command)
}

/// State folders of the outputs that a file may belong to, and its name in each.
fn states_of(path: &Path) -> impl Iterator<Item = (PathBuf, String)> {
    let text = |name: &Path| name.to_string_lossy().into_owned();
    let (folder, name) = (path.parent(), path.file_name());
    let of_file = folder.zip(name).map(|(folder, name)| {
        let state = folder.join(STATE).join(FILES).join(name);
        (state, text(Path::new(name)))
    });
    let roots = path.ancestors().skip(1).take(MAX_DEPTH);
    let of_folders = roots.filter_map(move |root| {
        let below = path.strip_prefix(root).ok()?;
        Some((root.join(STATE), text(below)))
    });
    of_file.into_iter().chain(of_folders)
}

/// Command and record of a complete file in the manifest of a state folder.
fn recorded(state: &Path, name: &str) -> Option<(String, FileRecord)> {
    if !state.is_dir() {
        return None;
    }
    let mut manifest = Manifest::read(state).ok()?;
    let record = manifest.files.remove(name)?;
    (!record.xxh3.is_empty()).then_some((manifest.command, record))
}
