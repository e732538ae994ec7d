//! What a map shows of itself: Java's `keySet()`, `values()` and `entrySet()`, which change with it and through which it can be changed.

use std::rc::Rc;

use super::map::{Key, Map};
use super::value::{Entry, List, ListKind, Value};

/// What of a map is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Its keys, a set.
    Keys,
    /// Its values, a collection.
    Values,
    /// Its members, a set.
    Entries,
}

impl Shown {
    /// The element at a place.
    pub(super) fn at<'r>(self, map: &Rc<Map<'r>>, index: usize) -> Option<Value<'r>> {
        let entries = map.entries.borrow();
        let (key, value) = entries.at(index)?;
        Some(match self {
            Self::Keys => key.to_value(),
            Self::Values => value.clone(),
            Self::Entries => entry(map, key, value),
        })
    }

    /// All of it as it is now. A map that is gone is shown so for good.
    pub(super) fn of<'r>(self, map: &Rc<Map<'r>>) -> Value<'r> {
        let entries = map.entries.borrow();
        let items = match self {
            Self::Keys => entries.keys().map(Key::to_value).collect(),
            Self::Values => entries.values().cloned().collect(),
            Self::Entries => entries.iter().map(|(key, value)| entry(map, key, value)).collect(),
        };
        Value::List(List::view(items, self, Rc::downgrade(map)))
    }
}

fn entry<'r>(map: &Rc<Map<'r>>, key: &Key<'r>, value: &Value<'r>) -> Value<'r> {
    Value::Entry(Rc::new(Entry { map: Rc::clone(map), key: key.clone(), value: value.clone() }))
}

impl<'r> List<'r> {
    /// The map that is shown, as long as there is one.
    #[inline]
    pub(super) fn shown(&self) -> Option<(Rc<Map<'r>>, Shown)> {
        let ListKind::View(shown) = self.kind else { return None };
        self.shows.upgrade().map(|map| (map, shown))
    }

    /// Keeps the elements at some places, and takes the others away: also from the map that is shown.
    pub(super) fn keep(&self, mut keeps: impl FnMut(usize) -> bool) {
        match self.shown() {
            Some((map, _)) => map.keep(keeps),
            None => {
                let mut places = 0..;
                self.change().retain(|_| places.next().is_some_and(&mut keeps));
            }
        }
    }
}
