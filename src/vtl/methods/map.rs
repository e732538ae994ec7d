//! `java.util.Map`, and the entries of one.

use std::rc::Rc;

use super::{Result, list};
use crate::vtl::arithmetic::same;
use crate::vtl::map::{Key, Map};
use crate::vtl::render::Watch;
use crate::vtl::value::{Entry, Value};

/// Calls a method of a map.
pub(crate) fn call<'r>(map: &Rc<Map<'r>>, name: &str, arguments: &[Value<'r>], watch: &Watch<'_>) -> Result<'r> {
    use Value::Integer;
    let found = |value: Value<'r>| Ok(Some(value));
    match (name, arguments) {
        ("put" | "putIfAbsent" | "replace", [_, value] | [_, _, value]) => value.apart_from(Rc::as_ptr(map).cast(), watch)?,
        ("putAll", [Value::Map(other)]) => {
            other.entries.borrow().values().try_for_each(|value| value.apart_from(Rc::as_ptr(map).cast(), watch))?;
        }
        _ => {}
    }
    match (name, arguments) {
        ("size", []) => found(Integer(map.entries.borrow().len() as i64)),
        ("isEmpty", []) => found(Value::boolean(map.entries.borrow().is_empty())),
        ("get", [key]) => Ok(map.entries.borrow().get(&Key::of(key, watch)).cloned()),
        ("getOrDefault", [key, default]) => found(map.entries.borrow().get(&Key::of(key, watch)).unwrap_or(default).clone()),
        ("containsKey", [key]) => found(Value::boolean(map.entries.borrow().get(&Key::of(key, watch)).is_some())),
        ("containsValue", [value]) => {
            let entries = map.entries.borrow();
            let values = entries.values().map(|value| Some(value.clone())).enumerate();
            found(Value::boolean(list::first(values, value, watch)?.is_some()))
        }
        ("keySet", []) => found(Value::view(map.entries.borrow().keys().map(Key::to_value).collect(), Rc::downgrade(map))),
        ("values", []) => found(Value::view(map.entries.borrow().values().cloned().collect(), Rc::downgrade(map))),
        ("entrySet", []) => {
            let entries = map.entries.borrow();
            let entry = |(key, value): (&Key<'r>, &Value<'r>)| Entry { map: Rc::clone(map), key: key.clone(), value: value.clone() };
            found(Value::view(entries.iter().map(|member| Value::Entry(Rc::new(entry(member)))).collect(), Rc::downgrade(map)))
        }
        _ => change(map, name, arguments, watch),
    }
}

fn change<'r>(map: &Map<'r>, name: &str, arguments: &[Value<'r>], watch: &Watch<'_>) -> Result<'r> {
    let found = |value: Value<'r>| Ok(Some(value));
    let find = |key: &Value<'r>| map.entries.borrow().get(&Key::of(key, watch)).cloned();
    match (name, arguments) {
        ("put", [key, value]) => Ok(map.insert(Key::of(key, watch), value.clone())),
        ("putIfAbsent", [key, value]) => {
            let known = find(key).filter(|value| !matches!(value, Value::Null));
            if known.is_none() {
                map.insert(Key::of(key, watch), value.clone());
            }
            Ok(known)
        }
        ("putAll", [Value::Map(other)]) => {
            let more: Vec<_> = other.entries.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            more.into_iter().for_each(|(key, value)| drop(map.insert(key, value)));
            found(super::void())
        }
        ("replace", [key, value]) => Ok(if find(key).is_some() { map.insert(Key::of(key, watch), value.clone()) } else { None }),
        ("replace", [key, old, value]) => {
            let holds = find(key).is_some_and(|known| same(&known, old, watch));
            if holds {
                map.insert(Key::of(key, watch), value.clone());
            }
            found(Value::boolean(holds))
        }
        ("remove", [key, value]) => {
            let holds = find(key).is_some_and(|known| same(&known, value, watch));
            if holds {
                map.remove(&Key::of(key, watch));
            }
            found(Value::boolean(holds))
        }
        ("clone", []) => found(Value::map(map.entries.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect())),
        ("remove", [key]) => Ok(map.remove(&Key::of(key, watch))),
        ("clear", []) => {
            map.clear();
            found(super::void())
        }
        _ => Ok(None),
    }
}

/// `$entry.name`.
pub(super) fn entry_property<'r>(entry: &Entry<'r>, name: &str) -> Option<Value<'r>> {
    match name {
        "key" => Some(entry.key.to_value()),
        "value" => Some(entry.value()),
        _ => None,
    }
}

/// Calls a method of an element of `entrySet()`.
pub(super) fn call_entry<'r>(entry: &Rc<Entry<'r>>, name: &str, arguments: &[Value<'r>], watch: &Watch<'_>) -> Result<'r> {
    match (name, arguments) {
        ("getKey", []) => Ok(entry_property(entry, "key")),
        ("getValue", []) => Ok(entry_property(entry, "value")),
        ("toString", []) => Ok(Some(Value::text(Value::Entry(Rc::clone(entry)).to_text()))),
        ("equals", [other]) => Ok(Some(Value::boolean(same(&Value::Entry(Rc::clone(entry)), other, watch)))),
        ("hashCode", []) => super::hash_code(&Value::Entry(Rc::clone(entry)), watch),
        ("setValue", [value]) => {
            value.apart_from(Rc::as_ptr(&entry.map).cast(), watch)?;
            Ok(entry.map.insert(entry.key.clone(), value.clone()))
        }
        _ => Ok(None),
    }
}
