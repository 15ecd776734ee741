//! Remarks that a feature file keeps about its day, such as why it has no window.

use seismix_data::store::FeatureMeta;
use serde::{Deserialize, Serialize};

/// Beginning of a remark about an unreadable input in files of older versions, which held text in place of a list.
const UNREAD: &str = "not read: ";

/// A remark about a day, kept in its feature file so that a later run reports it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayNote {
    /// Input that could not be read in whole, if the remark is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The remark.
    pub text: String,
}

impl DayNote {
    /// A remark about the day.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            file: None,
            text: text.into(),
        }
    }

    /// A remark about an input that could not be read.
    pub fn unread(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            file: Some(file.into()),
            text: text.into(),
        }
    }

    /// Remarks of a feature file.
    pub fn of(meta: &FeatureMeta) -> Vec<Self> {
        let note = meta.note.as_deref().unwrap_or_default();
        serde_json::from_str(note).unwrap_or_else(|_| note.lines().map(Self::from_line).collect())
    }

    /// A line of text as older versions wrote it.
    fn from_line(line: &str) -> Self {
        match line
            .strip_prefix(UNREAD)
            .and_then(|rest| rest.split_once(": "))
        {
            Some((file, text)) => Self::unread(file, text),
            None => Self::new(line),
        }
    }

    /// The text for a feature file: a JSON list, or nothing.
    pub(crate) fn join(notes: &[Self]) -> Option<String> {
        if notes.is_empty() {
            return None;
        }
        serde_json::to_string(notes).ok()
    }
}

impl std::fmt::Display for DayNote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.file {
            Some(file) => write!(f, "not read: {file}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(note: Option<String>) -> Vec<DayNote> {
        let note = note.unwrap_or_default();
        serde_json::from_str(&note)
            .unwrap_or_else(|_| note.lines().map(DayNote::from_line).collect())
    }

    #[test]
    fn notes_of_both_forms_are_read() {
        let notes = [
            DayNote::unread("a: b.mseed", "cut: off"),
            DayNote::new("no window"),
        ];
        assert_eq!(parsed(DayNote::join(&notes)), notes);
        let old = "not read: a.mseed: cut: off\nno window".to_owned();
        let found = parsed(Some(old));
        assert_eq!(
            found,
            [DayNote::unread("a.mseed", "cut: off"), notes[1].clone()]
        );
        assert_eq!(parsed(DayNote::join(&[])), []);
    }
}
