//! Lists and maps, whether they are values or lie in a document. Nothing is copied but what is asked for.

use std::cell::Ref;

use crate::vtl::{Branch, Entries, Value};

pub(super) enum Collection<'v, 'r> {
    List(List<'v, 'r>),
    Map(Map<'v, 'r>),
}

pub(super) enum List<'v, 'r> {
    Own(Ref<'v, Vec<Value<'r>>>),
    Branch(&'v Branch<'r>),
}

pub(super) enum Map<'v, 'r> {
    Own(Ref<'v, Entries<'r>>),
    Branch(&'v Branch<'r>),
}

impl<'v, 'r> Collection<'v, 'r> {
    /// What a value is, where it is one.
    pub(super) fn of(value: &'v Value<'r>) -> Option<Self> {
        Some(match value {
            Value::List(list) => Self::List(List::Own(list.items.borrow())),
            Value::Map(map) => Self::Map(Map::Own(map.entries.borrow())),
            Value::Branch(branch) if branch.is_list() => Self::List(List::Branch(branch)),
            Value::Branch(branch) => Self::Map(Map::Branch(branch)),
            _ => return None,
        })
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::List(list) => list.len(),
            Self::Map(Map::Own(entries)) => entries.len(),
            Self::Map(Map::Branch(branch)) => branch.len(),
        }
    }

    /// All elements, or the members' values.
    pub(super) fn values(&self) -> Vec<Value<'r>> {
        match self {
            Self::List(list) => list.values(),
            Self::Map(Map::Own(entries)) => entries.values().cloned().collect(),
            Self::Map(Map::Branch(branch)) => branch.values().collect(),
        }
    }
}

impl<'r> List<'_, 'r> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Own(items) => items.len(),
            Self::Branch(branch) => branch.len(),
        }
    }

    /// The element at a place, which may be none.
    pub(super) fn element(&self, index: i64) -> Option<Value<'r>> {
        let index = usize::try_from(index).ok()?;
        match self {
            Self::Own(items) => items.get(index).cloned(),
            Self::Branch(branch) => branch.get(index),
        }
    }

    pub(super) fn values(&self) -> Vec<Value<'r>> {
        match self {
            Self::Own(items) => items.to_vec(),
            Self::Branch(branch) => branch.values().collect(),
        }
    }
}

impl<'r> Map<'_, 'r> {
    pub(super) fn named(&self, name: &str) -> Option<Value<'r>> {
        match self {
            Self::Own(entries) => entries.named(name).cloned(),
            Self::Branch(branch) => branch.named(name),
        }
    }

    /// The names of all members.
    pub(super) fn keys(&self) -> Vec<Value<'r>> {
        match self {
            Self::Own(entries) => entries.keys().map(|key| Value::text(key.text().to_owned())).collect(),
            Self::Branch(branch) => branch.keys().iter().map(|key| Value::text(*key)).collect(),
        }
    }
}
