//! Makes a document, one value after the other.

use std::cell::OnceCell;
use std::ops::Range;
use std::rc::Rc;

use super::{Collection, Document, Key, Node};
use crate::vtl::map::Entries;
use crate::vtl::name::Head;
use crate::vtl::value::Value;

/// Makes a document: nodes and keys wait on two stacks until their collection ends.
#[derive(Default)]
pub struct Builder<'r> {
    document: Document<'r>,
    made: String,
    nodes: Vec<Node<'r>>,
    keys: Vec<Key>,
}

/// Where an open collection's members begin.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    nodes: usize,
    keys: usize,
}

/// Keeps the texts that are made for one document, for as long as values may borrow from them.
#[derive(Debug, Default)]
pub struct Texts(OnceCell<String>);

/// Room that is made for a text at once, in bytes of it at most.
const EXPECTED: usize = 64 << 10;

impl<'r> Builder<'r> {
    /// A builder for a text, with room for what it probably holds.
    #[must_use]
    pub fn new(source: &'r str) -> Self {
        let size = source.len().min(EXPECTED);
        let document = Document {
            source,
            nodes: Vec::with_capacity(size / 8),
            keys: Vec::with_capacity(size / 16),
            last: 0,
            collections: Vec::with_capacity(size / 32),
            made: "",
            others: Vec::new(),
        };
        Self { document, made: String::new(), nodes: Vec::new(), keys: Vec::new() }
    }

    /// A text as it stands.
    #[inline]
    pub fn text(&mut self, text: &'r str) {
        self.nodes.push(Node::Text(text));
    }

    /// A whole number.
    #[inline]
    pub fn integer(&mut self, number: i64) {
        self.nodes.push(Node::Integer(number));
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, value: bool) {
        self.nodes.push(Node::Boolean(value.into()));
    }

    /// `null`.
    pub fn null(&mut self) {
        self.nodes.push(Node::Null);
    }

    /// A text that is appended to others; nothing where `append` has none, or there is more of them than can be counted.
    #[inline]
    pub fn made(&mut self, append: impl FnOnce(&mut String) -> Option<()>) -> Option<()> {
        let start = u32::try_from(self.made.len()).ok()?;
        append(&mut self.made)?;
        self.nodes.push(Node::Made(start, u32::try_from(self.made.len()).ok()?));
        Some(())
    }

    /// Any other value that is no collection; nothing where there are more than can be counted.
    pub fn other(&mut self, value: Value<'r>) -> Option<()> {
        let number = u32::try_from(self.document.others.len()).ok()?;
        self.document.others.push(value);
        self.nodes.push(Node::Other(number));
        Some(())
    }

    /// The name of the member that comes next, by its place in the text; nothing where that is too far to be told.
    #[inline]
    pub fn key(&mut self, place: Range<usize>) -> Option<()> {
        let (start, length) = (place.start, place.end - place.start);
        let head = Head::within(self.document.source.as_bytes(), start, length);
        self.keys.push(Key { head, start: u32::try_from(start).ok()?, length: u32::try_from(length).ok()? });
        Some(())
    }

    /// The beginning of a list or a map.
    #[must_use]
    #[inline]
    pub const fn begin(&self) -> Mark {
        Mark { nodes: self.nodes.len(), keys: self.keys.len() }
    }

    /// The end of a list; nothing where there are more collections or values than can be counted.
    pub fn end_list(&mut self, mark: Mark) -> Option<()> {
        self.end(mark, None)
    }

    /// The end of a map; nothing where a document cannot tell its members: a key that stands twice, or so many that a table is needed.
    #[inline]
    pub fn end_map(&mut self, mark: Mark) -> Option<()> {
        let own = self.keys.get(mark.keys..)?;
        if own.len() > Entries::FEW {
            return None;
        }
        let document = &mut self.document;
        // A list's maps mostly have the same names, which are kept once then.
        let keys = if document.are_last(own) {
            document.last
        } else {
            if document.has_twice(own) {
                return None;
            }
            document.last = document.keys.len();
            document.keys.extend_from_slice(own);
            document.last
        };
        self.keys.truncate(mark.keys);
        self.end(mark, Some(u32::try_from(keys).ok()?))
    }

    fn end(&mut self, mark: Mark, keys: Option<u32>) -> Option<()> {
        let own = self.nodes.get(mark.nodes..)?;
        let document = &mut self.document;
        let number = u32::try_from(document.collections.len()).ok()?;
        let nodes = u32::try_from(document.nodes.len()).ok()?;
        document.collections.push(Collection { nodes, count: u32::try_from(own.len()).ok()?, keys });
        document.nodes.extend_from_slice(own);
        self.nodes.truncate(mark.nodes);
        self.nodes.push(Node::Branch(number));
        Some(())
    }

    /// What was read as a whole. `texts` keeps what was made for it; nothing where it keeps something already.
    #[must_use]
    pub fn finish(mut self, texts: &'r Texts) -> Option<Value<'r>> {
        if !self.made.is_empty() {
            texts.0.set(self.made).ok()?;
            self.document.made = texts.0.get()?;
        }
        let root = self.nodes.pop()?;
        Some(Document::value(&Rc::new(self.document), &root))
    }
}

impl Document<'_> {
    /// Whether these are the names of the map that ended last, or the beginning of them.
    #[inline]
    fn are_last(&self, keys: &[Key]) -> bool {
        self.keys.get(self.last..).and_then(|last| last.get(..keys.len())).is_some_and(|last| {
            keys.iter().zip(last).all(|(key, known)| {
                key.head == known.head && key.length == known.length && (key.length as usize <= Head::LENGTH || self.are_one(key, known))
            })
        })
    }

    /// Whether two names are the same, for those that their heads do not tell.
    #[inline(never)]
    fn are_one(&self, key: &Key, other: &Key) -> bool {
        self.key(key) == self.key(other)
    }

    /// Whether one of a few names stands twice.
    #[inline(never)]
    fn has_twice(&self, keys: &[Key]) -> bool {
        let mut rest = keys;
        while let [key, after @ ..] = rest {
            if after.iter().any(|other| other.head == key.head && self.are_one(key, other)) {
                return true;
            }
            rest = after;
        }
        false
    }
}
