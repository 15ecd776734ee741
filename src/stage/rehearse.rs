//! Rehearsal of an output: what a command would refuse there, found without a change.

use std::fs;
use std::path::Path;

use crate::config::Shard;
use crate::stage::artifact::{Artifact, STATE, file_place};
use crate::stage::context::Existing;
use crate::stage::output_path::{check_folder, kind_of};
use crate::stage::{PipelineError, Result};

impl Artifact {
    /// An output folder as [`shard`](Self::shard) opens it; what is not there is not created.
    ///
    /// # Errors
    /// As [`shard`](Self::shard).
    pub fn rehearse_folder(path: &Path, shard: Option<Shard>) -> Result<Self> {
        let root = check_folder(path)?;
        let state = root.join(STATE);
        if state.is_dir() {
            return Self::open(path, root, state, shard);
        }
        Self::unlocked(path, root, state, shard, None)
    }

    /// An output file as [`file`](Self::file) opens it, and its name; what is not there is not created.
    ///
    /// # Errors
    /// As [`file`](Self::file).
    pub fn rehearse_file(path: &Path) -> Result<(Self, String)> {
        let place = file_place(path)?;
        let root = check_folder(&place.folder)?;
        let state = place.state(&root);
        let mut artifact = if state.is_dir() {
            Self::open(path, root, state, None)?
        } else {
            Self::unlocked(path, root, state, None, None)?
        };
        artifact.is_file = true;
        Ok((artifact, place.name))
    }

    /// Refuses whatever is not ours at the place of a file, and of the `more` files next to it, that belong to the
    /// output of a larger command: `--fresh` does not replace them.
    ///
    /// # Errors
    /// As [`rehearse_file`](Self::rehearse_file) and [`check_names`](Self::check_names).
    pub fn check_part(path: &Path, more: impl Fn(&str) -> Vec<String>) -> Result<()> {
        let (mut artifact, name) = Self::rehearse_file(path)?;
        artifact.is_file = false;
        let more = more(&name);
        artifact.check_names(more.iter().chain([&name]), Existing::Resume)
    }

    /// Refuses names at which something is that must not be replaced, before any work is done. Nothing is written.
    ///
    /// # Errors
    /// [`PipelineError::InTheWay`], [`PipelineError::Foreign`], [`PipelineError::Owned`].
    pub fn check_names<'a>(
        &self,
        names: impl IntoIterator<Item = &'a String>,
        existing: Existing,
    ) -> Result<()> {
        names
            .into_iter()
            .try_for_each(|name| match self.check_free(name) {
                Err(PipelineError::Foreign {
                    replaceable: true, ..
                }) if existing == Existing::Fresh => Ok(()),
                done => done,
            })
    }

    /// Refuses the output of another command, also with `--fresh`: the files of that command would be removed as if
    /// they were of earlier settings. A single file that the user names is replaced with `--fresh`.
    ///
    /// # Errors
    /// [`PipelineError::OtherCommand`].
    pub fn check_command(&self, command: &str, existing: Existing) -> Result<()> {
        let inner = self.locked();
        let (owner, files) = (&inner.manifest.command, &inner.manifest.files);
        let is_other = !owner.is_empty() && owner != command;
        if !is_other || (self.is_file && existing == Existing::Fresh) {
            return Ok(());
        }
        if !files.keys().any(|name| self.path(name).exists()) {
            // All of it was removed by the user.
            return Ok(());
        }
        Err(PipelineError::OtherCommand {
            output: self.shown.clone(),
            command: owner.clone(),
            replaceable: self.is_file,
        })
    }

    /// Refuses to write where something is that is not ours.
    pub(super) fn check_free(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        self.check_folders_of(&path)?;
        let Ok(found) = fs::symlink_metadata(&path) else {
            return Ok(());
        };
        if !found.is_file() {
            return Err(PipelineError::in_the_way(&path, kind_of(&found)));
        }
        if self.locked().manifest.files.contains_key(name) {
            return Ok(());
        }
        Err(match super::artifact::owner(&path, &self.state) {
            Some(command) => PipelineError::Owned { path, command },
            None => PipelineError::Foreign {
                path,
                replaceable: self.is_file,
            },
        })
    }

    /// Refuses a file where a folder of the output has to be.
    fn check_folders_of(&self, path: &Path) -> Result<()> {
        let folders = path.ancestors().skip(1);
        for folder in folders.take_while(|folder| *folder != self.root) {
            match fs::metadata(folder) {
                Ok(found) if !found.is_dir() => {
                    return Err(PipelineError::in_the_way(folder, kind_of(&found)));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text(done: Result<()>) -> String {
        done.unwrap_err().to_string()
    }

    #[test]
    fn a_rehearsal_refuses_what_is_in_the_way_and_creates_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "mine").unwrap();
        let opened = |path: &Path| Artifact::rehearse_folder(path, None).map(drop);
        assert!(text(opened(&at("file"))).contains("it is a file"));
        assert!(text(opened(&at("file/sub"))).contains("file` is in the way"));
        let (artifact, name) = Artifact::rehearse_file(&at("file")).unwrap();
        let names = [name];
        let says = text(artifact.check_names(&names, Existing::Resume));
        assert!(says.contains("not a file that seismix wrote"), "{says}");
        artifact.check_names(&names, Existing::Fresh).unwrap();
        opened(&at("new/sub")).unwrap();
        Artifact::rehearse_file(&at("new/file")).unwrap();
        assert!(!at("new").exists() && !at(STATE).exists());
    }

    #[test]
    fn foreign_files_in_an_output_folder_are_refused_with_fresh_too() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "mine").unwrap();
        let artifact = Artifact::rehearse_folder(folder.path(), None).unwrap();
        for name in ["a", "a/b/c"] {
            let done = artifact.check_names(&[name.to_owned()], Existing::Fresh);
            assert!(text(done).contains("a` is in the way"), "{name}");
        }
    }
}
