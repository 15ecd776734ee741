//! Access to the elements of a document.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::events::attributes::Attributes;

use super::{Document, Node, XmlError, XmlResult};
use crate::instant::parse_instant;

/// Longest excerpt of a value in an error.
const MAX_EXCERPT_CHARS: usize = 40;

/// An element of a document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'d, 't> {
    document: &'d Document<'t>,
    index: u32,
}

impl<'d, 't> Element<'d, 't> {
    pub(super) fn of(document: &'d Document<'t>, index: u32) -> Self {
        Self { document, index }
    }

    fn node(&self) -> &'d Node<'t> {
        &self.document.nodes[self.index as usize]
    }

    /// Name without its prefix.
    pub(crate) fn name(&self) -> &'t str {
        self.node().name
    }

    /// Line of the start tag, from 1.
    pub(crate) fn line(&self) -> u64 {
        u64::from(self.node().line)
    }

    /// Text directly inside, trimmed.
    pub(crate) fn text(&self) -> &'d str {
        self.node().text.trim()
    }

    /// Value of an attribute by its local name, trimmed; `None` if absent or empty.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let node = self.node();
        // Checked for duplicates and syntax when the document was built.
        let mut all = Attributes::new(node.tag, node.name_bytes as usize).flatten();
        let found = all.find(|a| a.key.local_name().as_ref() == name)?;
        let value = found.normalized_value(XmlVersion::Implicit1_0);
        let value = value.unwrap_or(Cow::Borrowed(""));
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Elements directly inside, in their order.
    pub(crate) fn children(self) -> impl Iterator<Item = Element<'d, 't>> {
        let of = move |index: u32| Self::of(self.document, index);
        std::iter::successors(self.node().first_child.map(of), move |child| {
            child.node().next_sibling.map(of)
        })
    }

    /// Elements of a name directly inside.
    pub(crate) fn all(self, name: &'static str) -> impl Iterator<Item = Element<'d, 't>> {
        self.children().filter(move |child| child.name() == name)
    }

    /// First element of a name directly inside.
    pub(crate) fn child(self, name: &'static str) -> Option<Element<'d, 't>> {
        self.all(name).next()
    }

    /// Trimmed text of the first element of a name directly inside; `None` if absent or empty.
    pub(crate) fn child_text(self, name: &'static str) -> Option<&'d str> {
        let text = self.child(name)?.text();
        (!text.is_empty()).then_some(text)
    }

    /// An error at this element.
    pub(crate) fn error(&self, reason: impl Into<String>) -> XmlError {
        XmlError::new(self.line(), reason)
    }

    /// First element of a name directly inside.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn required(self, name: &'static str) -> XmlResult<Element<'d, 't>> {
        let missing = || self.error(format!("`{}` has no element `{name}`", self.name()));
        self.child(name).ok_or_else(missing)
    }

    /// Value of an attribute that must be there.
    ///
    /// # Errors
    /// If it is absent or empty.
    pub(crate) fn required_attribute(&self, name: &str) -> XmlResult<String> {
        let missing = || self.error(format!("`{}` has no attribute `{name}`", self.name()));
        self.attribute(name).ok_or_else(missing)
    }

    /// The text as a finite number.
    ///
    /// # Errors
    /// If it is not one.
    pub(crate) fn number(&self) -> XmlResult<f64> {
        let number = self.text().parse().ok().filter(|v: &f64| v.is_finite());
        number.ok_or_else(|| self.unreadable("a finite number"))
    }

    /// The text as a whole number that is not negative.
    ///
    /// # Errors
    /// If it is not one.
    pub(crate) fn count(&self) -> XmlResult<u32> {
        let count = self.text().parse().ok();
        count.ok_or_else(|| self.unreadable("a whole number"))
    }

    /// Number in the first element of a name directly inside, if there is one.
    ///
    /// # Errors
    /// If it is not a finite number.
    pub(crate) fn child_number(self, name: &'static str) -> XmlResult<Option<f64>> {
        self.child(name).map(|child| child.number()).transpose()
    }

    /// The text as a time, ns UTC.
    ///
    /// # Errors
    /// If it is not one.
    pub(crate) fn time(&self) -> XmlResult<i64> {
        parse_instant(self.text()).map_err(|e| self.error(format!("`{}`: {e}", self.name())))
    }

    fn unreadable(&self, expected: &str) -> XmlError {
        let text: String = self.text().chars().take(MAX_EXCERPT_CHARS).collect();
        self.error(format!("`{}` is `{text}`, not {expected}", self.name()))
    }
}
