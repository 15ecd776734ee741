//! Documents from text.

use std::borrow::Cow;

use quick_xml::NsReader;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::{NamespaceError, ResolveResult};

use super::{Document, Node, XmlError, XmlResult};

/// Deepest nesting; StationXML and QuakeML have less than 16 levels.
const MAX_DEPTH: usize = 64;
/// Most elements of a document; an element takes about 100 bytes of memory.
const MAX_ELEMENTS: usize = 4_000_000;
/// Most attributes of an element; looking for duplicates takes time with their square.
const MAX_ATTRIBUTES: usize = 64;

/// Reads a document, without elements of namespaces that are not `own`. The root is kept whatever its namespace.
///
/// # Errors
/// Text that is not UTF-8 or not well-formed, definitions of entities, and documents beyond the bounds.
pub(crate) fn parse(bytes: &[u8], own: fn(&str) -> bool) -> XmlResult<Document<'_>> {
    let text = decode(bytes)?;
    let mut builder = Builder::of(text);
    let mut reader = NsReader::from_str(text);
    reader.config_mut().check_end_names = true;
    loop {
        let start = reader.buffer_position() as usize;
        let event = reader
            .read_resolved_event()
            .map(|(namespace, event)| (is_foreign(&namespace, own), event));
        builder.place(start);
        match event {
            Ok((_, Event::Eof)) => return builder.finish(),
            Ok((foreign, event)) => builder.add(event, foreign)?,
            Err(error) => {
                builder.place((reader.error_position() as usize).max(start));
                return Err(builder.error(reason(&error)));
            }
        }
    }
}

/// Reason of a reader's error, without its advice to programmers.
fn reason(error: &quick_xml::Error) -> String {
    match error {
        quick_xml::Error::Namespace(NamespaceError::TooManyBindings(limit)) => {
            format!("more than {limit} namespaces are declared")
        }
        other => other.to_string(),
    }
}

fn is_foreign(namespace: &ResolveResult, own: fn(&str) -> bool) -> bool {
    match namespace {
        ResolveResult::Bound(name) => !own(name.as_ref()),
        ResolveResult::Unbound => false,
        ResolveResult::Unknown(_) => true,
    }
}

/// The text without its byte order mark.
fn decode(bytes: &[u8]) -> XmlResult<&str> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let before = &bytes[..e.valid_up_to()];
        let line = 1 + before.iter().filter(|b| **b == b'\n').count() as u64;
        XmlError::new(
            line,
            "the text is not UTF-8; convert the file, for example with iconv",
        )
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// An element whose end tag has not come yet.
struct Open {
    index: u32,
    last_child: Option<u32>,
}

struct Builder<'t> {
    text: &'t str,
    nodes: Vec<Node<'t>>,
    open: Vec<Open>,
    /// Number of open elements that are dropped.
    n_foreign: usize,
    /// Byte offset of the current event, and its line.
    offset: usize,
    line: u64,
}

impl<'t> Builder<'t> {
    fn of(text: &'t str) -> Self {
        Self {
            text,
            nodes: Vec::new(),
            open: Vec::new(),
            n_foreign: 0,
            offset: 0,
            line: 1,
        }
    }

    /// Moves on to a byte offset, and counts the lines on the way.
    fn place(&mut self, offset: usize) {
        let passed = self.text.as_bytes().get(self.offset..offset);
        let lines = passed.map_or(0, |p| p.iter().filter(|b| **b == b'\n').count());
        self.line += lines as u64;
        self.offset = self.offset.max(offset);
    }

    fn error(&self, reason: impl Into<String>) -> XmlError {
        XmlError::new(self.line, reason)
    }

    fn add(&mut self, event: Event<'t>, foreign: bool) -> XmlResult<()> {
        match event {
            Event::Start(tag) => self.start(&tag, foreign),
            Event::Empty(tag) => {
                self.start(&tag, foreign)?;
                self.end();
                Ok(())
            }
            Event::End(_) => {
                self.end();
                Ok(())
            }
            Event::Text(text) => self.add_text(text.xml10_content()),
            Event::CData(text) => self.add_text(text.xml10_content()),
            Event::GeneralRef(reference) => {
                let text = self.resolve(&reference)?;
                self.add_text(Cow::Owned(text))
            }
            Event::Decl(declaration) => self.check_encoding(&declaration),
            Event::DocType(content) => {
                // Nested definitions make a small file expand to any size.
                if content.to_ascii_uppercase().contains("<!ENTITY") {
                    let text = "the DOCTYPE defines entities, which are not read; remove it";
                    return Err(self.error(text));
                }
                Ok(())
            }
            Event::Comment(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn start(&mut self, tag: &BytesStart, foreign: bool) -> XmlResult<()> {
        if self.open.len() + self.n_foreign >= MAX_DEPTH {
            return Err(self.error(format!("more than {MAX_DEPTH} levels of elements")));
        }
        let is_root = self.open.is_empty();
        if is_root && !self.nodes.is_empty() {
            return Err(self.error("a second root element"));
        }
        if self.n_foreign > 0 || (foreign && !is_root) {
            self.n_foreign += 1;
            return Ok(());
        }
        if self.nodes.len() >= MAX_ELEMENTS {
            return Err(self.error(format!("more than {MAX_ELEMENTS} elements")));
        }
        self.check_attributes(tag)?;
        let node = self.node(tag)?;
        let index = self.nodes.len() as u32;
        self.nodes.push(node);
        if let Some(parent) = self.open.last_mut() {
            match parent.last_child.replace(index) {
                Some(before) => self.nodes[before as usize].next_sibling = Some(index),
                None => self.nodes[parent.index as usize].first_child = Some(index),
            }
        }
        self.open.push(Open {
            index,
            last_child: None,
        });
        Ok(())
    }

    /// The node of a start tag at the current offset; its strings are slices of the text.
    fn node(&self, tag: &BytesStart) -> XmlResult<Node<'t>> {
        let name_bytes = tag.name().as_ref().len();
        let prefix_bytes = name_bytes - tag.local_name().as_ref().len();
        let begin = self.offset + 1;
        let slice = |from: usize, to: usize| {
            let slice = self.text.get(begin + from..begin + to);
            slice.ok_or_else(|| self.error("the start tag cannot be read"))
        };
        Ok(Node {
            name: slice(prefix_bytes, name_bytes)?,
            tag: slice(0, name_bytes + tag.attributes_raw().len())?,
            name_bytes: name_bytes as u32,
            line: self.line as u32,
            text: Cow::Borrowed(""),
            first_child: None,
            next_sibling: None,
        })
    }

    fn check_attributes(&self, tag: &BytesStart) -> XmlResult<()> {
        for (index, attribute) in tag.attributes().enumerate() {
            if index >= MAX_ATTRIBUTES {
                let text = format!("an element has more than {MAX_ATTRIBUTES} attributes");
                return Err(self.error(text));
            }
            attribute.map_err(|e| self.error(format!("an attribute cannot be read: {e}")))?;
        }
        Ok(())
    }

    fn end(&mut self) {
        if self.n_foreign > 0 {
            self.n_foreign -= 1;
        } else {
            self.open.pop();
        }
    }

    fn add_text(&mut self, piece: Cow<'t, str>) -> XmlResult<()> {
        if self.n_foreign > 0 {
            return Ok(());
        }
        let Some(parent) = self.open.last() else {
            let blank = piece.trim().is_empty();
            let stray = || self.error("text outside of the root element: not an XML document");
            return if blank { Ok(()) } else { Err(stray()) };
        };
        let text = &mut self.nodes[parent.index as usize].text;
        // White space between elements would be copied again and again.
        if text.is_empty() {
            let blank = piece.trim_start().is_empty();
            *text = if blank { Cow::Borrowed("") } else { piece };
        } else {
            text.to_mut().push_str(&piece);
        }
        Ok(())
    }

    fn resolve(&self, reference: &BytesRef) -> XmlResult<String> {
        let character = reference
            .resolve_char_ref()
            .map_err(|e| self.error(e.to_string()))?;
        if let Some(character) = character {
            return Ok(character.to_string());
        }
        let name: &str = reference;
        let known = quick_xml::escape::resolve_predefined_entity(name);
        let text = known.ok_or_else(|| self.error(format!("the entity `&{name};` is unknown")))?;
        Ok(text.to_owned())
    }

    /// Refuses text that would be misread: another encoding is declared, and not all is ASCII.
    fn check_encoding(&self, declaration: &BytesDecl) -> XmlResult<()> {
        let Some(Ok(name)) = declaration.encoding() else {
            return Ok(());
        };
        let known = ["utf-8", "utf8", "us-ascii", "ascii"];
        if known.contains(&name.to_ascii_lowercase().as_str()) || self.text.is_ascii() {
            return Ok(());
        }
        Err(self.error(format!(
            "the encoding is `{name}`; convert the file to UTF-8, for example with iconv"
        )))
    }

    fn finish(self) -> XmlResult<Document<'t>> {
        if let Some(open) = self.open.last() {
            let node = &self.nodes[open.index as usize];
            return Err(self.error(format!(
                "the file ends inside of `{}`, which starts in line {}; get the whole file",
                node.name, node.line
            )));
        }
        if self.nodes.is_empty() {
            return Err(self.error("no element: not an XML document"));
        }
        Ok(Document { nodes: self.nodes })
    }
}
