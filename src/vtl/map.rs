//! Maps in the order of insertion, and their keys.

use std::cell::{Cell, RefCell};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use indexmap::{Equivalent, IndexMap};

use super::render::Meter;
use super::text::Text;
use super::value::Value;

/// A map in the order of insertion.
#[derive(Default)]
pub struct Map<'r> {
    /// The members.
    pub entries: RefCell<Entries<'r>>,
    /// Whether it prints as nothing, as `$context`'s own maps do.
    pub silent: bool,
    changes: Cell<u32>,
}

impl<'r> Map<'r> {
    /// A map of these members.
    #[must_use]
    pub const fn new(entries: Entries<'r>, silent: bool) -> Self {
        Self { entries: RefCell::new(entries), silent, changes: Cell::new(0) }
    }

    /// How often members came or went: Java's loops end when they see another number than at their beginning.
    pub(super) const fn changes(&self) -> u32 {
        self.changes.get()
    }

    /// Puts a member at the end, or in the place of the one that has its key, which is returned.
    pub(super) fn insert(&self, key: Key<'r>, value: Value<'r>) -> Option<Value<'r>> {
        let mut entries = self.entries.borrow_mut();
        let before = entries.len();
        let old = entries.insert(key, value);
        self.changed(entries.len() != before);
        old
    }

    /// Takes a member away.
    pub(super) fn remove(&self, key: &Key<'r>) -> Option<Value<'r>> {
        let removed = self.entries.borrow_mut().remove(key);
        self.changed(removed.is_some());
        removed
    }

    /// Keeps the members at some places, and takes the others away.
    pub(super) fn keep(&self, keeps: impl FnMut(usize) -> bool) {
        let mut entries = self.entries.borrow_mut();
        let before = entries.len();
        entries.keep(keeps);
        self.changed(entries.len() != before);
    }

    /// Takes all members away.
    pub(super) fn clear(&self) {
        self.changed(true);
        self.entries.take();
    }

    fn changed(&self, is_so: bool) {
        self.changes.set(self.changes.get().wrapping_add(is_so.into()));
    }
}

/// A map's key: Java tells `1` from `"1"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key<'r> {
    /// Text.
    String(Text<'r>),
    /// Anything else, by its kind and text.
    Other(Rc<(u8, String)>),
}

/// A key that is text, without its owner.
struct Name<'n>(&'n str);

const STRING: u8 = u8::MAX;

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::String(text) => (STRING, &**text).hash(state),
            Self::Other(other) => (other.0, other.1.as_str()).hash(state),
        }
    }
}

impl Hash for Name<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (STRING, self.0).hash(state);
    }
}

impl Equivalent<Key<'_>> for Name<'_> {
    fn equivalent(&self, key: &Key<'_>) -> bool {
        key.is(self.0)
    }
}

impl<'r> Key<'r> {
    /// The key that a value is. What is no text is printed for it, which counts.
    #[must_use]
    pub fn of(value: &Value<'r>, meter: &Meter<'_>) -> Self {
        match value {
            Value::String(text) => Self::String(text.clone()),
            Value::Null => Self::String("".into()),
            other => {
                let text = other.to_text();
                meter.spend(text.len() / 64);
                Self::Other(Rc::new((other.kind(), text)))
            }
        }
    }

    /// The key as a value again.
    #[must_use]
    pub fn to_value(&self) -> Value<'r> {
        let other = match self {
            Self::String(text) => return Value::String(text.clone()),
            Self::Other(other) => other,
        };
        match (other.0, other.1.as_str()) {
            (1, text) => Value::boolean(text == "true"),
            (2, text) => text.parse().map_or_else(|_| Value::text(text.to_owned()), Value::Integer),
            (4, text) => text.parse().map_or_else(|_| Value::text(text.to_owned()), Value::Double),
            (_, text) => Value::text(text.to_owned()),
        }
    }

    /// The key as it is printed.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::String(text) => text,
            Self::Other(other) => &other.1,
        }
    }

    #[inline]
    fn is(&self, name: &str) -> bool {
        match self {
            Self::String(Text::Borrowed(text)) => *text == name,
            Self::String(Text::Owned(text)) => **text == *name,
            Self::Other(_) => false,
        }
    }
}

impl<'r> From<&'r str> for Key<'r> {
    fn from(text: &'r str) -> Self {
        Self::String(text.into())
    }
}

/// A map's members. Keys of a payload are a client's choice, so that many of them are hashed with a key of their own.
pub enum Entries<'r> {
    /// A list that is walked.
    Few(Vec<(Key<'r>, Value<'r>)>),
    /// A table.
    Many(Box<IndexMap<Key<'r>, Value<'r>>>),
}

impl Default for Entries<'_> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl<'r> Entries<'r> {
    /// Up to so many members, walking a list costs less than hashing.
    pub(super) const FEW: usize = 16;

    /// Room for so many members.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        if count > Self::FEW { Self::Many(Box::new(IndexMap::with_capacity(count))) } else { Self::Few(Vec::with_capacity(count)) }
    }

    /// Members of which it is known that no key stands twice.
    #[must_use]
    pub fn distinct(members: Vec<(Key<'r>, Value<'r>)>) -> Self {
        if members.len() > Self::FEW { members.into_iter().collect() } else { Self::Few(members) }
    }

    /// The number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Few(list) => list.len(),
            Self::Many(table) => table.len(),
        }
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The member under a key.
    #[must_use]
    pub fn get(&self, key: &Key<'r>) -> Option<&Value<'r>> {
        match self {
            Self::Few(list) => list.iter().find(|(known, _)| known == key).map(|(_, value)| value),
            Self::Many(table) => table.get(key),
        }
    }

    /// The member under a key that is text.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Value<'r>> {
        match self {
            Self::Few(list) => list.iter().find(|(known, _)| known.is(name)).map(|(_, value)| value),
            Self::Many(table) => table.get(&Name(name)),
        }
    }

    /// Puts a member at the end, or in the place of the one that has its key, which is returned.
    pub fn insert(&mut self, key: Key<'r>, value: Value<'r>) -> Option<Value<'r>> {
        let list = match self {
            Self::Many(table) => return table.insert(key, value),
            Self::Few(list) => list,
        };
        if let Some((_, place)) = list.iter_mut().find(|(known, _)| *known == key) {
            return Some(std::mem::replace(place, value));
        }
        if list.len() < Self::FEW {
            list.push((key, value));
            return None;
        }
        let mut table: IndexMap<_, _> = std::mem::take(list).into_iter().collect();
        table.insert(key, value);
        *self = Self::Many(Box::new(table));
        None
    }

    /// Takes a member away; the others keep their order.
    pub fn remove(&mut self, key: &Key<'r>) -> Option<Value<'r>> {
        match self {
            Self::Few(list) => list.iter().position(|(known, _)| known == key).map(|at| list.remove(at).1),
            Self::Many(table) => table.shift_remove(key),
        }
    }

    /// Keeps the members at some places, and takes the others away.
    fn keep(&mut self, mut keeps: impl FnMut(usize) -> bool) {
        let mut places = 0..;
        match self {
            Self::Few(list) => list.retain(|_| places.next().is_some_and(&mut keeps)),
            Self::Many(table) => table.retain(|_, _| places.next().is_some_and(&mut keeps)),
        }
    }

    /// The member at a place.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<(&Key<'r>, &Value<'r>)> {
        match self {
            Self::Few(list) => list.get(index).map(|(key, value)| (key, value)),
            Self::Many(table) => table.get_index(index),
        }
    }

    /// All members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key<'r>, &Value<'r>)> {
        let (few, many) = match self {
            Self::Few(list) => (Some(list.iter().map(|(key, value)| (key, value))), None),
            Self::Many(table) => (None, Some(table.iter())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten())
    }

    /// All keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &Key<'r>> {
        self.iter().map(|(key, _)| key)
    }

    /// All values in order.
    pub fn values(&self) -> impl Iterator<Item = &Value<'r>> {
        self.iter().map(|(_, value)| value)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value<'r>> {
        let (few, many) = match self {
            Self::Few(list) => (Some(list.iter_mut().map(|(_, value)| value)), None),
            Self::Many(table) => (None, Some(table.values_mut())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten())
    }
}

impl<'r> From<Vec<(Key<'r>, Value<'r>)>> for Entries<'r> {
    /// Members as they were read, in which a key may stand twice.
    fn from(members: Vec<(Key<'r>, Value<'r>)>) -> Self {
        if members.len() > Self::FEW || has_twice(&members) { members.into_iter().collect() } else { Self::Few(members) }
    }
}

fn has_twice(members: &[(Key<'_>, Value<'_>)]) -> bool {
    let mut rest = members;
    while let [(key, _), after @ ..] = rest {
        if after.iter().any(|(other, _)| other == key) {
            return true;
        }
        rest = after;
    }
    false
}

impl<'r> FromIterator<(Key<'r>, Value<'r>)> for Entries<'r> {
    fn from_iter<I: IntoIterator<Item = (Key<'r>, Value<'r>)>>(members: I) -> Self {
        let members = members.into_iter();
        let mut entries = Self::with_capacity(members.size_hint().0);
        members.for_each(|(key, value)| drop(entries.insert(key, value)));
        entries
    }
}
