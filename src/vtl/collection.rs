//! Lists and maps, whether they are values or lie in a document: what only looks at them need not know which, and copies nothing.

use std::cell::Ref;
use std::ops::ControlFlow;
use std::rc::Rc;

use super::document::Branch;
use super::map::{Entries, Key, Map};
use super::value::{List, Value};
use super::view::Shown;

/// What a value holds.
pub enum Collection<'v, 'r> {
    /// Of a list.
    List(Elements<'v, 'r>),
    /// Of a map.
    Map(Members<'v, 'r>),
}

/// A list's elements.
pub enum Elements<'v, 'r> {
    /// Of a list of its own.
    Own(Ref<'v, Vec<Value<'r>>>),
    /// Of a map, as it is now.
    View(Rc<Map<'r>>, Shown),
    /// In a document.
    Branch(&'v Branch<'r>),
}

/// A map's members.
pub enum Members<'v, 'r> {
    /// Of a map of its own.
    Own(Ref<'v, Entries<'r>>),
    /// In a document.
    Branch(&'v Branch<'r>),
}

impl<'v, 'r> Collection<'v, 'r> {
    /// What a value holds, where it is a list or a map.
    #[must_use]
    pub fn of(value: &'v Value<'r>) -> Option<Self> {
        Some(match value {
            Value::List(list) => Self::List(Elements::of(list)),
            Value::Map(map) => Self::Map(Members::Own(map.entries.borrow())),
            Value::Branch(branch) if branch.is_list() => Self::List(Elements::Branch(branch)),
            Value::Branch(branch) => Self::Map(Members::Branch(branch)),
            _ => return None,
        })
    }

    /// The number of elements or members.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::List(elements) => elements.len(),
            Self::Map(members) => members.len(),
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All elements, or the members' values, in order.
    #[must_use]
    pub fn values(&self) -> Vec<Value<'r>> {
        match self {
            Self::List(elements) => elements.values(),
            Self::Map(Members::Own(entries)) => entries.values().cloned().collect(),
            Self::Map(Members::Branch(branch)) => branch.values().collect(),
        }
    }
}

impl<'v, 'r> Elements<'v, 'r> {
    /// Those of a list.
    #[must_use]
    #[inline]
    pub fn of(list: &'v List<'r>) -> Self {
        list.shown().map_or_else(|| Self::Own(list.items().borrow()), |(map, shown)| Self::View(map, shown))
    }
}

impl<'r> Elements<'_, 'r> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Own(items) => items.len(),
            Self::View(map, _) => map.entries.borrow().len(),
            Self::Branch(branch) => branch.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The one at a place.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Value<'r>> {
        match self {
            Self::Own(items) => items.get(index).cloned(),
            Self::View(map, shown) => shown.at(map, index),
            Self::Branch(branch) => branch.get(index),
        }
    }

    /// All of them in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Value<'r>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// The same as a list of their own.
    #[must_use]
    pub fn values(&self) -> Vec<Value<'r>> {
        match self {
            Self::Own(items) => items.to_vec(),
            Self::View(..) => self.iter().collect(),
            Self::Branch(branch) => branch.values().collect(),
        }
    }

    /// Tells all of them, each with its place, until it is told to end.
    pub fn walk<B>(&self, mut tell: impl FnMut(usize, &Value<'r>) -> ControlFlow<B>) -> ControlFlow<B> {
        match self {
            Self::Own(items) => items.iter().enumerate().try_for_each(|(index, item)| tell(index, item)),
            Self::View(..) => self.iter().enumerate().try_for_each(|(index, item)| tell(index, &item)),
            Self::Branch(branch) => branch.values().enumerate().try_for_each(|(index, item)| tell(index, &item)),
        }
    }

    /// Tells all of them, each with its place.
    pub fn each(&self, mut tell: impl FnMut(usize, &Value<'r>)) {
        let _ = self.walk(|index, item| -> ControlFlow<()> {
            tell(index, item);
            ControlFlow::Continue(())
        });
    }
}

impl<'r> Members<'_, 'r> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Own(entries) => entries.len(),
            Self::Branch(branch) => branch.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The one under a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Value<'r>> {
        match self {
            Self::Own(entries) => entries.named(name).cloned(),
            Self::Branch(branch) => branch.named(name.into()),
        }
    }

    /// The one under a key.
    #[must_use]
    pub fn get(&self, key: &Key<'r>) -> Option<Value<'r>> {
        match (self, key) {
            (Self::Own(entries), _) => entries.get(key).cloned(),
            (Self::Branch(branch), Key::String(name)) => branch.named((&**name).into()),
            (Self::Branch(_), Key::Other(_)) => None,
        }
    }

    /// All names, as they are printed.
    #[must_use]
    pub fn names(&self) -> Vec<Value<'r>> {
        match self {
            Self::Own(entries) => entries.keys().map(|key| Value::text(key.text().to_owned())).collect(),
            Self::Branch(branch) => branch.keys().map(Value::text).collect(),
        }
    }

    /// The one at a place.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<(Key<'r>, Value<'r>)> {
        match self {
            Self::Own(entries) => entries.at(index).map(|(key, value)| (key.clone(), value.clone())),
            Self::Branch(branch) => Some((Key::from(branch.key(index)?), branch.get(index)?)),
        }
    }

    /// Tells all of them, each with its place, until it is told to end.
    pub fn walk<B>(&self, mut tell: impl FnMut(usize, &Key<'r>, &Value<'r>) -> ControlFlow<B>) -> ControlFlow<B> {
        match self {
            Self::Own(entries) => entries.iter().enumerate().try_for_each(|(index, (key, value))| tell(index, key, value)),
            Self::Branch(branch) => branch.members().enumerate().try_for_each(|(index, (key, value))| tell(index, &Key::from(key), &value)),
        }
    }

    /// Tells all of them, each with its place.
    pub fn each(&self, mut tell: impl FnMut(usize, &Key<'r>, &Value<'r>)) {
        let _ = self.walk(|index, key, value| -> ControlFlow<()> {
            tell(index, key, value);
            ControlFlow::Continue(())
        });
    }
}
