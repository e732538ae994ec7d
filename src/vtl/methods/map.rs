//! `java.util.Map`, and the entries of one.

use std::rc::Rc;

use super::{Result, list};
use crate::vtl::arithmetic::same;
use crate::vtl::cycle::refuse_cycle;
use crate::vtl::map::{Entries, Key, Map};
use crate::vtl::render::Meter;
use crate::vtl::value::{Entry, Value};
use crate::vtl::view::Shown;

/// Calls a method of a map.
pub(crate) fn call<'r>(map: &Rc<Map<'r>>, name: &str, arguments: &[Value<'r>], meter: &Meter<'_>) -> Result<'r> {
    use Value::Integer;
    let found = |value: Value<'r>| Ok(Some(value));
    match (name, arguments) {
        ("get", [key]) => Ok(under(&map.entries.borrow(), key, meter).cloned()),
        ("size", []) => found(Integer(map.entries.borrow().len() as i64)),
        ("isEmpty", []) => found(Value::boolean(map.entries.borrow().is_empty())),
        ("getOrDefault", [key, default]) => found(under(&map.entries.borrow(), key, meter).unwrap_or(default).clone()),
        ("containsKey", [key]) => found(Value::boolean(under(&map.entries.borrow(), key, meter).is_some())),
        ("containsValue", [value]) => {
            let at = list::position(map.entries.borrow().values().cloned(), value, meter)?;
            found(Value::boolean(at.is_some()))
        }
        ("keySet", []) => found(Shown::Keys.of(map)),
        ("values", []) => found(Shown::Values.of(map)),
        ("entrySet", []) => found(Shown::Entries.of(map)),
        _ => change(map, name, arguments, meter),
    }
}

/// The member under a key. Most keys are text, and need not become one of a map.
fn under<'e, 'r>(entries: &'e Entries<'r>, key: &Value<'r>, meter: &Meter<'_>) -> Option<&'e Value<'r>> {
    if let Value::String(name) = key { entries.named(name) } else { entries.get(&Key::of(key, meter)) }
}

fn change<'r>(map: &Rc<Map<'r>>, name: &str, arguments: &[Value<'r>], meter: &Meter<'_>) -> Result<'r> {
    match (name, arguments) {
        ("put" | "putIfAbsent" | "replace", [_, value] | [_, _, value]) => refuse_cycle([value], Rc::as_ptr(map).cast(), meter)?,
        ("putAll", [Value::Map(other)]) => refuse_cycle(other.entries.borrow().values(), Rc::as_ptr(map).cast(), meter)?,
        _ => {}
    }
    let found = |value: Value<'r>| Ok(Some(value));
    let find = |key: &Value<'r>| under(&map.entries.borrow(), key, meter).cloned();
    match (name, arguments) {
        ("put", [key, value]) => Ok(map.insert(Key::of(key, meter), value.clone())),
        ("putIfAbsent", [key, value]) => {
            let known = find(key).filter(|value| !matches!(value, Value::Null));
            if known.is_none() {
                map.insert(Key::of(key, meter), value.clone());
            }
            Ok(known)
        }
        ("putAll", [Value::Map(other)]) => {
            let more: Vec<_> = other.entries.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            more.into_iter().for_each(|(key, value)| drop(map.insert(key, value)));
            found(super::void())
        }
        ("replace", [key, value]) => Ok(if find(key).is_some() { map.insert(Key::of(key, meter), value.clone()) } else { None }),
        ("replace", [key, old, value]) => {
            let holds = find(key).is_some_and(|known| same(&known, old, meter));
            if holds {
                map.insert(Key::of(key, meter), value.clone());
            }
            found(Value::boolean(holds))
        }
        ("remove", [key, value]) => {
            let holds = find(key).is_some_and(|known| same(&known, value, meter));
            if holds {
                map.remove(&Key::of(key, meter));
            }
            found(Value::boolean(holds))
        }
        ("clone", []) => found(Value::map(map.entries.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect())),
        ("remove", [key]) => Ok(map.remove(&Key::of(key, meter))),
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
pub(super) fn call_entry<'r>(entry: &Rc<Entry<'r>>, name: &str, arguments: &[Value<'r>], meter: &Meter<'_>) -> Result<'r> {
    match (name, arguments) {
        ("getKey", []) => Ok(entry_property(entry, "key")),
        ("getValue", []) => Ok(entry_property(entry, "value")),
        ("toString", []) => Ok(Some(Value::text(Value::Entry(Rc::clone(entry)).to_text()))),
        ("equals", [other]) => Ok(Some(Value::boolean(same(&Value::Entry(Rc::clone(entry)), other, meter)))),
        ("hashCode", []) => super::hash::code(&Value::Entry(Rc::clone(entry)), meter),
        ("setValue", [value]) => {
            refuse_cycle([value], Rc::as_ptr(&entry.map).cast(), meter)?;
            Ok(entry.map.insert(entry.key.clone(), value.clone()))
        }
        _ => Ok(None),
    }
}
