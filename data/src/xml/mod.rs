//! XML documents as bounded trees that borrow from their text.
//!
//! Only elements of the namespaces that the caller names, or of no namespace, are kept; others are dropped with
//! everything inside. No entity is ever expanded except the five of XML and character references.

mod build;
mod element;

pub(crate) use build::parse;
pub(crate) use element::Element;

use std::borrow::Cow;

/// Largest XML file that is read. The response-level StationXML of a permanent network has about 100 MB.
pub(crate) const MAX_XML_BYTES: u64 = 1 << 28;

/// Longest reason of an error.
const MAX_REASON_CHARS: usize = 400;

/// Fault in a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub(crate) struct XmlError {
    /// Line in the text, from 1.
    pub(crate) line: u64,
    /// The fault, and the correct form.
    pub(crate) reason: String,
}

impl XmlError {
    pub(crate) fn new(line: u64, reason: impl Into<String>) -> Self {
        Self {
            line,
            reason: shortened(reason.into()),
        }
    }
}

/// A reason of at most [`MAX_REASON_CHARS`]: names and values in a damaged file may be as long as the file.
pub(crate) fn shortened(reason: String) -> String {
    match reason.char_indices().nth(MAX_REASON_CHARS) {
        Some((end, _)) => format!("{}...", &reason[..end]),
        None => reason,
    }
}

/// Result of reading a document.
pub(crate) type XmlResult<T> = Result<T, XmlError>;

/// A document: its elements in the order of their start tags, the root first.
#[derive(Debug)]
pub(crate) struct Document<'t> {
    nodes: Vec<Node<'t>>,
}

impl<'t> Document<'t> {
    /// The root element. A document without one is refused when it is read.
    pub(crate) fn root(&self) -> Element<'_, 't> {
        Element::of(self, 0)
    }
}

/// An element. Indices are u32, since millions of elements are kept and each has three.
#[derive(Debug)]
struct Node<'t> {
    /// Name without its prefix.
    name: &'t str,
    /// Start tag without its brackets.
    tag: &'t str,
    /// Length of the name with its prefix at the start of `tag`.
    name_bytes: u32,
    line: u32,
    /// Text directly inside, without leading white space.
    text: Cow<'t, str>,
    first_child: Option<u32>,
    next_sibling: Option<u32>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
