//! A set of feature files that belong together.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{DayFeatures, DayHeader, FeatureMeta, StoreError, WindowGrid, read_day, read_header};

/// One usable file of a [`FeatureSet`].
#[derive(Debug, Clone)]
pub struct DayEntry {
    /// The file.
    pub path: PathBuf,
    /// Everything in it but the coefficients.
    pub header: DayHeader,
    /// Its windows.
    pub windows: WindowGrid,
}

impl DayEntry {
    /// Reads the file whole.
    ///
    /// # Errors
    /// As [`read_day`].
    pub fn load(&self) -> Result<DayFeatures, StoreError> {
        read_day(&self.path)
    }
}

/// A file that was left out, and why.
#[derive(Debug)]
pub struct RejectedFile {
    /// The file.
    pub path: PathBuf,
    /// The reason; its text says what to do.
    pub error: StoreError,
}

/// Feature files made with the same settings, sorted by station and day.
///
/// Files that cannot be used are listed in [`rejected`](Self::rejected) and the rest goes on.
#[derive(Debug)]
pub struct FeatureSet {
    days: Vec<DayEntry>,
    rejected: Vec<RejectedFile>,
}

impl FeatureSet {
    /// Opens folders (their `*.h5` files, not recursively) and files. Reads headers, not coefficients.
    ///
    /// The settings that most files share count (of equally many, the first by name); files with others are rejected,
    /// and so are files that are damaged or repeat a station and day.
    ///
    /// # Errors
    /// [`StoreError::NoFeatures`] if no file can be used.
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Self, StoreError> {
        let mut set = Self {
            days: Vec::new(),
            rejected: Vec::new(),
        };
        let mut files = Vec::new();
        for path in paths {
            match list(path.as_ref()) {
                Ok(found) => files.extend(found),
                Err(error) => set.rejected.push(RejectedFile {
                    path: path.as_ref().to_path_buf(),
                    error,
                }),
            }
        }
        files.sort();
        files.dedup();
        for path in files {
            match open_day(&path) {
                Ok(day) => set.days.push(day),
                Err(error) => set.rejected.push(RejectedFile { path, error }),
            }
        }
        set.reject_strangers();
        set.reject_duplicates();
        set.days
            .sort_by_key(|day| (day.header.meta.station_id(), day.header.meta.day_start_ns));
        if set.days.is_empty() {
            let place = paths
                .iter()
                .map(|p| p.as_ref().display().to_string())
                .collect::<Vec<_>>()
                .join(", ");
            let hint = set
                .rejected
                .first()
                .map(|r| format!(" ({})", r.error))
                .unwrap_or_default();
            return Err(StoreError::NoFeatures { place, hint });
        }
        Ok(set)
    }

    /// The usable files, by station and day. Never empty.
    #[must_use]
    pub fn days(&self) -> &[DayEntry] {
        &self.days
    }

    /// The files left out.
    #[must_use]
    pub fn rejected(&self) -> &[RejectedFile] {
        &self.rejected
    }

    /// The settings all files share, and the first file's station, day and provenance.
    #[must_use]
    pub fn meta(&self) -> &FeatureMeta {
        &self.days[0].header.meta
    }

    /// Number of windows in all files.
    #[must_use]
    pub fn n_windows(&self) -> usize {
        self.days.iter().map(|day| day.windows.len()).sum()
    }

    fn reject_strangers(&mut self) {
        // Kinds of settings, each by its first file, and how many files share it.
        let mut kinds: Vec<(usize, usize)> = Vec::new();
        for (index, day) in self.days.iter().enumerate() {
            let meta = &day.header.meta;
            let same = |(first, _): &&mut (usize, usize)| {
                meta.difference(&self.days[*first].header.meta).is_none()
            };
            match kinds.iter_mut().find(same) {
                Some((_, count)) => *count += 1,
                None => kinds.push((index, 1)),
            }
        }
        // Of equally many, the first by name.
        let most = kinds.iter().rev().max_by_key(|(_, count)| *count);
        let Some(first) = most.map(|(index, _)| self.days[*index].clone()) else {
            return;
        };
        let (same, others) = std::mem::take(&mut self.days)
            .into_iter()
            .map(|day| (day.header.meta.difference(&first.header.meta), day))
            .partition::<Vec<_>, _>(|(difference, _)| difference.is_none());
        self.days = same.into_iter().map(|(_, day)| day).collect();
        for (difference, day) in others {
            let Some((what, found, expected)) = difference else {
                continue;
            };
            let error = StoreError::Mismatch {
                path: day.path.clone(),
                reference: first.path.clone(),
                what,
                found,
                expected,
            };
            self.rejected.push(RejectedFile {
                path: day.path,
                error,
            });
        }
    }

    fn reject_duplicates(&mut self) {
        let mut seen: HashMap<String, PathBuf> = HashMap::new();
        for day in std::mem::take(&mut self.days) {
            match seen.get(&day.header.meta.file_name()) {
                Some(other) => {
                    let error = StoreError::Duplicate {
                        path: day.path.clone(),
                        other: other.clone(),
                    };
                    self.rejected.push(RejectedFile {
                        path: day.path,
                        error,
                    });
                }
                None => {
                    seen.insert(day.header.meta.file_name(), day.path.clone());
                    self.days.push(day);
                }
            }
        }
    }
}

fn open_day(path: &Path) -> Result<DayEntry, StoreError> {
    let header = read_header(path)?;
    let windows = header.windows()?;
    Ok(DayEntry {
        path: path.to_path_buf(),
        header,
        windows,
    })
}

/// The files a path stands for. Names that begin with a dot are unfinished or foreign.
fn list(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let metadata = std::fs::metadata(path).map_err(|e| StoreError::io(path, "reading", e))?;
    if !metadata.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|e| StoreError::io(path, "listing", e))? {
        let file = entry
            .map_err(|e| StoreError::io(path, "listing", e))?
            .path();
        let hidden = file
            .file_name()
            .is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && file.extension().is_some_and(|extension| extension == "h5") && file.is_file()
        {
            files.push(file);
        }
    }
    Ok(files)
}
