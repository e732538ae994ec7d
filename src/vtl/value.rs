//! Values.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::{Rc, Weak};

use num_bigint::BigInt;

use super::ast::Block;
use super::collection::Elements;
use super::document::Branch;
use super::map::{Entries, Key, Map};
use super::scope::Given;
use super::text::Text;
use super::view::Shown;

/// A value of a template. Lists and maps are shared, as Java's are; texts are borrowed where what they come from outlives the rendering.
///
/// Values are copied at every step, so they are three words with a whole word as the tag: only one kind may hold a [`Text`].
#[derive(Clone)]
pub enum Value<'r> {
    /// Nothing; it prints as the empty string and equals it.
    Null,
    /// `true` or `false`.
    Boolean(Truth),
    /// A whole number.
    Integer(i64),
    /// A whole number beyond 64 bits.
    BigInteger(Rc<BigInt>),
    /// A floating-point number.
    Double(f64),
    /// A decimal with more digits than a floating-point number holds; it prints as it was written.
    Decimal(Rc<str>),
    /// Text.
    String(Text<'r>),
    /// A list.
    List(Rc<List<'r>>),
    /// A map.
    Map(Rc<Map<'r>>),
    /// A list or map of a document. Only templates that change no collection see one, and it can be among the elements of any collection.
    Branch(Branch<'r>),
    /// Something that the scope gives, and alone knows.
    Given(Given),
    /// An element of `entrySet()`.
    Entry(Rc<Entry<'r>>),
    /// `$foreach`, as it was when it was asked for.
    Round(Rc<Round>),
    /// A `#define`d block, rendered whenever it is printed.
    Block(Defined<'r>),
}

/// A boolean that fills a word, so that every word of a value is written as one: what is written in pieces and read as a whole is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
#[allow(missing_docs, reason = "what it is")]
pub enum Truth {
    False,
    True,
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

impl From<Truth> for bool {
    fn from(value: Truth) -> Self {
        value == Truth::True
    }
}

/// A block as a value.
#[derive(Clone, Copy)]
pub struct Defined<'r>(pub(super) &'r Block);

/// A list, or what a template uses like one.
#[derive(Default)]
pub struct List<'r> {
    /// The elements; those of a view are what it showed at first, which counts once its map is gone.
    items: RefCell<Vec<Value<'r>>>,
    /// What kind of list it is.
    pub kind: ListKind,
    /// The map that it shows something of.
    pub(super) shows: Weak<Map<'r>>,
    changes: Cell<u32>,
}

impl<'r> List<'r> {
    pub(super) fn new(items: Vec<Value<'r>>, kind: ListKind, shows: Weak<Map<'r>>) -> Self {
        Self { items: RefCell::new(items), kind, shows, changes: Cell::new(0) }
    }

    /// What a map shows of itself.
    pub(super) fn view(items: Vec<Value<'r>>, shown: Shown, map: Weak<Map<'r>>) -> Rc<Self> {
        Rc::new(Self::new(items, ListKind::View(shown), map))
    }

    /// How often elements came or went: Java's loops end when they see another number than at their beginning.
    pub(super) const fn changes(&self) -> u32 {
        self.changes.get()
    }

    /// The elements of what is no view.
    pub(super) fn items(&self) -> &RefCell<Vec<Value<'r>>> {
        &self.items
    }

    /// The elements, to add some or take some away.
    pub(super) fn change(&self) -> RefMut<'_, Vec<Value<'r>>> {
        self.changes.set(self.changes.get().wrapping_add(1));
        self.items.borrow_mut()
    }
}

/// Kinds of lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ListKind {
    /// One that a template made, which prints as Java's lists do.
    #[default]
    Java,
    /// One that came from JSON, and prints as JSON.
    Json,
    /// What a map shows of itself: it prints as Java's lists do, and its elements have no places.
    View(Shown),
    /// An iterator: what is left of a list, the next element last.
    Iterator,
}

/// A member of a map, which writes through to it.
pub struct Entry<'r> {
    pub(super) map: Rc<Map<'r>>,
    pub(super) key: Key<'r>,
    /// What it was when it was asked for.
    pub(super) value: Value<'r>,
}

impl<'r> Entry<'r> {
    /// What the map holds now, or did before the member was taken away.
    pub(super) fn value(&self) -> Value<'r> {
        self.map.entries.borrow().get(&self.key).unwrap_or(&self.value).clone()
    }
}

/// One round of a loop.
#[derive(Debug, Clone)]
pub struct Round {
    pub(super) index: usize,
    pub(super) has_next: bool,
    pub(super) parent: Option<Rc<Self>>,
    pub(super) topmost: Option<Rc<Self>>,
}

/// Collections within collections that are freed by way of the call stack.
const NESTED: u32 = 64;

thread_local! {
    static FREEING: Cell<u32> = const { Cell::new(0) };
}

/// Moves the collections among some values to where they wait to be freed.
fn harvest<'v, 'r: 'v>(values: impl Iterator<Item = &'v mut Value<'r>>, waiting: &mut Vec<Value<'r>>) {
    waiting.extend(values.filter(|value| value.is_collection()).map(|value| std::mem::replace(value, Value::Null)));
}

/// Frees a collection's values: by recursion at first, and what is nested deeper, however deep, from a list of what waits.
fn free<'r, V>(mut values: V, harvest_all: impl FnOnce(&mut V, &mut Vec<Value<'r>>)) {
    let depth = FREEING.get();
    if depth < NESTED {
        FREEING.set(depth + 1);
        drop(values);
        FREEING.set(depth);
        return;
    }
    let mut waiting = Vec::new();
    harvest_all(&mut values, &mut waiting);
    while let Some(value) = waiting.pop() {
        match value {
            Value::List(list) => {
                if let Some(mut list) = Rc::into_inner(list) {
                    harvest(list.items.get_mut().iter_mut(), &mut waiting);
                }
            }
            Value::Map(map) => {
                if let Some(mut map) = Rc::into_inner(map) {
                    harvest(map.entries.get_mut().values_mut(), &mut waiting);
                }
            }
            Value::Entry(entry) => {
                if let Some(entry) = Rc::into_inner(entry) {
                    waiting.extend([Value::Map(entry.map), entry.value].into_iter().filter(Value::is_collection));
                }
            }
            _ => {}
        }
    }
}

impl Drop for List<'_> {
    fn drop(&mut self) {
        free(self.items.take(), |items, waiting| harvest(items.iter_mut(), waiting));
    }
}

impl Drop for Map<'_> {
    fn drop(&mut self) {
        free(self.entries.take(), |entries, waiting| harvest(entries.values_mut(), waiting));
    }
}

impl<'r> Value<'r> {
    /// Text as a value.
    #[must_use]
    pub fn text(text: impl Into<Text<'r>>) -> Self {
        Self::String(text.into())
    }

    /// `true` or `false`.
    #[must_use]
    pub fn boolean(value: bool) -> Self {
        Self::Boolean(value.into())
    }

    fn of(kind: ListKind, items: Vec<Self>) -> Self {
        Self::List(Rc::new(List::new(items, kind, Weak::new())))
    }

    pub(super) fn iterator(mut items: Vec<Self>) -> Self {
        items.reverse();
        Self::of(ListKind::Iterator, items)
    }

    /// A list as Java's literals make it.
    #[must_use]
    pub fn list(items: Vec<Self>) -> Self {
        Self::of(ListKind::Java, items)
    }

    /// A list that came from JSON.
    #[must_use]
    pub fn json_list(items: Vec<Self>) -> Self {
        Self::of(ListKind::Json, items)
    }

    /// A map.
    #[must_use]
    pub fn map(entries: Entries<'r>) -> Self {
        Self::Map(Rc::new(Map::new(entries, false)))
    }

    /// A map that prints as nothing.
    #[must_use]
    pub fn silent_map(entries: Entries<'r>) -> Self {
        Self::Map(Rc::new(Map::new(entries, true)))
    }

    /// Whether this is a collection that can hold others, itself included.
    pub(super) const fn is_collection(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_) | Self::Entry(_))
    }

    /// A number for each kind of value.
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Boolean(_) => 1,
            Self::Integer(_) => 2,
            Self::BigInteger(_) => 3,
            Self::Double(_) => 4,
            Self::String(_) => 5,
            Self::List(_) => 6,
            Self::Map(_) => 7,
            Self::Branch(branch) if branch.is_list() => 6,
            Self::Branch(_) => 7,
            Self::Given(_) | Self::Entry(_) | Self::Round(_) => 8,
            Self::Block(_) => 9,
            Self::Decimal(_) => 10,
        }
    }

    /// How many elements or members there are in a list or map.
    #[inline(always)]
    pub(super) fn count(&self) -> usize {
        match self {
            Self::List(list) => Elements::of(list).len(),
            Self::Map(map) => map.entries.borrow().len(),
            Self::Branch(branch) => branch.len(),
            _ => 0,
        }
    }

    /// Whether this is a number.
    #[must_use]
    pub const fn is_number(&self) -> bool {
        matches!(self, Self::Integer(_) | Self::BigInteger(_) | Self::Double(_) | Self::Decimal(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_three_words() {
        assert_eq!(size_of::<Value<'_>>(), 24);
        assert_eq!(size_of::<Option<Value<'_>>>(), 24);
        assert_eq!(size_of::<Key<'_>>(), 24);
    }
}
