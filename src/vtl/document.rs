//! JSON as an index of its values, for templates that change no collection: nothing is made for a list or a map until it is asked for.

use std::cell::OnceCell;
use std::rc::Rc;

use super::map::Entries;
use super::print::push_integer;
use super::text::Text;
use super::value::{Truth, Value};

/// A read text: the members of each collection lie together.
#[derive(Default)]
pub(super) struct Document<'r> {
    nodes: Vec<Node<'r>>,
    /// The names of the maps' members.
    keys: Vec<&'r str>,
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

/// Makes a document: nodes and keys wait on two stacks until their collection ends.
#[derive(Default)]
pub struct Builder<'r> {
    document: Document<'r>,
    made: String,
    nodes: Vec<Node<'r>>,
    keys: Vec<&'r str>,
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
    /// A builder with room for what a text of so many bytes probably holds.
    #[must_use]
    pub fn new(size: usize) -> Self {
        let size = size.min(EXPECTED);
        let document = Document {
            nodes: Vec::with_capacity(size / 8),
            keys: Vec::with_capacity(size / 16),
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

    /// The name of the member that comes next.
    #[inline]
    pub fn key(&mut self, key: &'r str) {
        self.keys.push(key);
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
        let mut rest = own;
        while let [key, after @ ..] = rest {
            if after.contains(key) {
                return None;
            }
            rest = after;
        }
        let keys = self.document.keys.len();
        self.document.keys.extend_from_slice(own);
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

impl<'r> Document<'r> {
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

/// Whether two names are the same. Most are short, and a call of the library's function costs more than looking at their words, of which the last may overlap the one before.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if let (Some(last), Some(other_last)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        return last == other_last && a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0).all(|(a, b)| a == b);
    }
    match (a.first_chunk::<4>(), b.first_chunk::<4>(), a.last_chunk::<4>(), b.last_chunk::<4>()) {
        (Some(first), Some(other_first), Some(last), Some(other_last)) => first == other_first && last == other_last,
        _ => a.iter().zip(b).all(|(a, b)| a == b),
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
    fn find(&self, name: &str) -> Option<&Node<'r>> {
        let Collection { nodes, count, keys: Some(keys) } = self.collection() else { return None };
        let keys = self.document.keys.get(keys as usize..)?.get(..count as usize)?;
        let index = keys.iter().position(|key| same(key.as_bytes(), name.as_bytes()))?;
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

    /// The names of a map's members, in order.
    #[must_use]
    pub fn keys(&self) -> &[&'r str] {
        let Collection { keys: Some(keys), count, .. } = self.collection() else { return &[] };
        self.document.keys.get(keys as usize..).and_then(|keys| keys.get(..count as usize)).unwrap_or_default()
    }

    /// A map's members in order.
    pub fn members(&self) -> impl Iterator<Item = (&'r str, Value<'r>)> {
        self.keys().iter().copied().zip(self.values())
    }

    /// A map's member.
    #[must_use]
    #[inline]
    pub fn named(&self, name: &str) -> Option<Value<'r>> {
        self.find(name).map(|node| self.value(node))
    }

    /// Prints a member that is a text or a whole number, and says how much that was in bytes; nothing where it is something else.
    pub(super) fn print_leaf(&self, name: &str, out: &mut String) -> Option<usize> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_length_are_told_apart() {
        let text = "abcdefghijklmnopqrstuvwxyz";
        for length in 0..=text.len() {
            let name = &text.as_bytes()[..length];
            assert!(same(name, name), "{length}");
            for at in 0..length {
                let mut other = name.to_vec();
                other[at] = b'-';
                assert!(!same(name, &other) && !same(&other, name), "{length} at {at}");
            }
            assert!(!same(name, text.as_bytes()) || length == text.len());
        }
    }
}
