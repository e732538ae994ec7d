//! JSON as an index of its values, for templates that change no collection: nothing is made for a list or a map until it is asked for.

mod builder;

use std::rc::Rc;

use super::map::Entries;
use super::name::{Head, Name};
use super::print::push_integer;
use super::text::Text;
use super::value::{Truth, Value};

pub use builder::{Builder, Mark, Texts};

/// A read text: the members of each collection lie together.
#[derive(Default)]
pub(super) struct Document<'r> {
    source: &'r str,
    nodes: Vec<Node<'r>>,
    /// The names of the maps' members.
    keys: Vec<Key>,
    /// Where the names of the map begin whose names were put there last.
    last: usize,
    collections: Vec<Collection>,
    /// Texts that do not stand in the document's own as they are, one behind the other.
    made: &'r str,
    /// Numbers that are no node.
    others: Vec<Value<'r>>,
}

/// A value. Nodes own nothing, so that they are moved together and freed at once.
#[derive(Clone, Copy)]
enum Node<'r> {
    Null,
    Boolean(Truth),
    Integer(i64),
    Text(&'r str),
    /// One of the texts that are made, by its place among them.
    Made(u32, u32),
    /// One of the other values, by its number.
    Other(u32),
    /// A collection, by its number.
    Branch(u32),
}

/// The name of a member, by its place in the text.
#[derive(Clone, Copy)]
struct Key {
    head: Head,
    start: u32,
    length: u32,
}

#[derive(Clone, Copy, Default)]
struct Collection {
    /// Where its nodes begin.
    nodes: u32,
    count: u32,
    /// Where a map's keys begin.
    keys: Option<u32>,
}

/// A list or a map of a document. It cannot be changed.
#[derive(Clone)]
pub struct Branch<'r> {
    document: Rc<Document<'r>>,
    /// A whole word: half of one is copied with what is beside it, which the processor waits for.
    number: usize,
}

impl<'r> Document<'r> {
    fn key(&self, key: &Key) -> &'r str {
        self.source.get(key.start as usize..).and_then(|rest| rest.get(..key.length as usize)).unwrap_or_default()
    }

    /// The place of a name that its head does not tell.
    #[inline(never)]
    fn long(&self, keys: &[Key], name: &str) -> Option<usize> {
        keys.iter().position(|key| self.key(key) == name)
    }

    #[inline]
    fn text(&self, start: u32, end: u32) -> &'r str {
        self.made.get(start as usize..end as usize).unwrap_or_default()
    }

    #[inline]
    fn value(this: &Rc<Self>, node: &Node<'r>) -> Value<'r> {
        match *node {
            Node::Null => Value::Null,
            Node::Boolean(value) => Value::Boolean(value),
            Node::Integer(number) => Value::Integer(number),
            Node::Text(text) => Value::String(Text::Borrowed(text)),
            Node::Made(start, end) => Value::String(Text::Borrowed(this.text(start, end))),
            Node::Other(number) => this.others.get(number as usize).cloned().unwrap_or(Value::Null),
            Node::Branch(number) => Value::Branch(Branch { document: Rc::clone(this), number: number as usize }),
        }
    }
}

impl<'r> Branch<'r> {
    fn collection(&self) -> Collection {
        self.document.collections.get(self.number).copied().unwrap_or_default()
    }

    fn nodes(&self) -> &[Node<'r>] {
        let Collection { nodes, count, .. } = self.collection();
        self.document.nodes.get(nodes as usize..).and_then(|nodes| nodes.get(..count as usize)).unwrap_or_default()
    }

    #[inline]
    fn value(&self, node: &Node<'r>) -> Value<'r> {
        Document::value(&self.document, node)
    }

    /// The node under a name.
    fn find(&self, name: Name<'_>) -> Option<&Node<'r>> {
        let Collection { nodes, count, keys: Some(keys) } = self.collection() else { return None };
        let keys = self.document.keys.get(keys as usize..)?.get(..count as usize)?;
        let index = keys.iter().position(|key| key.head == name.head)?;
        let found = keys.get(index)?;
        let index = if found.length as usize == name.text.len() && name.text.len() <= Head::LENGTH {
            index
        } else {
            self.document.long(keys, name.text)?
        };
        self.document.nodes.get(nodes as usize + index)
    }

    /// Whether both are one collection of one document.
    pub(super) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.document, &other.document) && self.number == other.number
    }

    /// Whether this is a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.collection().keys.is_none()
    }

    /// The number of elements or members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.collection().count as usize
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element or member at a place.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Option<Value<'r>> {
        self.nodes().get(index).map(|node| self.value(node))
    }

    /// The same, put into its place. Each kind of value is written there at once.
    pub(super) fn put(&self, index: usize, place: &mut Option<Value<'r>>) {
        let Some(node) = self.nodes().get(index) else {
            *place = None;
            return;
        };
        match *node {
            Node::Text(text) => *place = Some(Value::String(Text::Borrowed(text))),
            Node::Integer(number) => *place = Some(Value::Integer(number)),
            Node::Branch(number) => *place = Some(Value::Branch(Branch { document: Rc::clone(&self.document), number: number as usize })),
            _ => *place = Some(self.value(node)),
        }
    }

    /// All elements, or the members' values, in order.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = Value<'r>> {
        self.nodes().iter().map(|node| self.value(node))
    }

    fn key_places(&self) -> &[Key] {
        let Collection { keys: Some(keys), count, .. } = self.collection() else { return &[] };
        self.document.keys.get(keys as usize..).and_then(|keys| keys.get(..count as usize)).unwrap_or_default()
    }

    /// The names of a map's members, in order.
    pub fn keys(&self) -> impl Iterator<Item = &'r str> {
        self.key_places().iter().map(|key| self.document.key(key))
    }

    /// The name of the member at a place.
    #[must_use]
    pub fn key(&self, index: usize) -> Option<&'r str> {
        self.key_places().get(index).map(|key| self.document.key(key))
    }

    /// A map's members in order.
    pub fn members(&self) -> impl Iterator<Item = (&'r str, Value<'r>)> {
        self.keys().zip(self.values())
    }

    /// A map's member.
    #[must_use]
    #[inline]
    pub fn named(&self, name: Name<'_>) -> Option<Value<'r>> {
        self.find(name).map(|node| self.value(node))
    }

    /// Prints a member that is a text or a whole number, and says how much that was in bytes; nothing where it is something else.
    pub(super) fn print_leaf(&self, name: Name<'_>, out: &mut String) -> Option<usize> {
        match *self.find(name)? {
            Node::Text(text) => {
                out.push_str(text);
                Some(text.len())
            }
            Node::Made(start, end) => {
                out.push_str(self.document.text(start, end));
                Some((end - start) as usize)
            }
            Node::Integer(number) => {
                push_integer(number, out);
                Some(0)
            }
            _ => None,
        }
    }

    /// A list or map of its own with the same members, for what a branch cannot do.
    #[must_use]
    pub fn to_value(&self) -> Value<'r> {
        if self.is_list() {
            Value::json_list(self.values().collect())
        } else {
            Value::map(Entries::distinct(self.members().map(|(key, value)| (key.into(), value)).collect()))
        }
    }
}

impl<'r> Value<'r> {
    /// The value, and where it is a branch of a document, a collection of its own.
    #[must_use]
    pub fn resolved(self) -> Self {
        if let Self::Branch(branch) = &self { branch.to_value() } else { self }
    }
}
