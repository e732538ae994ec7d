//! `java.util.Map`, and the entries of one.

use std::rc::Rc;

use super::Result;
use crate::vtl::arithmetic::equal;
use crate::vtl::object::Object;
use crate::vtl::value::{Key, Map, Value};

/// Calls a method of a map.
pub(crate) fn call(map: &Rc<Map>, name: &str, arguments: &[Value]) -> Result {
    use Value::{Boolean, Integer};
    let found = |value: Value| Ok(Some(value));
    if matches!(name, "put" | "putAll" | "putIfAbsent") {
        super::not_itself(arguments, Rc::as_ptr(map).cast())?;
    }
    match (name, arguments) {
        ("size", []) => found(Integer(map.entries.borrow().len() as i64)),
        ("isEmpty", []) => found(Boolean(map.entries.borrow().is_empty())),
        ("get", [key]) => Ok(map.entries.borrow().get(&Key::of(key)).cloned()),
        ("getOrDefault", [key, default]) => found(map.entries.borrow().get(&Key::of(key)).unwrap_or(default).clone()),
        ("containsKey", [key]) => found(Boolean(map.entries.borrow().contains_key(&Key::of(key)))),
        ("containsValue", [value]) => {
            found(Boolean(map.entries.borrow().values().any(|other| other.kind() == value.kind() && equal(other, value))))
        }
        ("keySet", []) => found(Value::list(map.entries.borrow().keys().map(Key::to_value).collect())),
        ("values", []) => found(Value::list(map.entries.borrow().values().cloned().collect())),
        ("entrySet", []) => {
            let entries = map.entries.borrow();
            let entry = |(key, value): (&Key, &Value)| {
                Value::Object(Rc::new(Entry { map: Rc::clone(map), key: key.clone(), value: value.clone() }))
            };
            found(Value::list(entries.iter().map(entry).collect()))
        }
        ("put", [key, value]) => Ok(map.entries.borrow_mut().insert(Key::of(key), value.clone())),
        ("putIfAbsent", [key, value]) => {
            let mut entries = map.entries.borrow_mut();
            let known = entries.get(&Key::of(key)).cloned();
            if known.is_none() {
                entries.insert(Key::of(key), value.clone());
            }
            Ok(known)
        }
        ("putAll", [Value::Map(other)]) => {
            let more = other.entries.borrow().clone();
            map.entries.borrow_mut().extend(more);
            Ok(None)
        }
        ("remove", [key]) => Ok(map.entries.borrow_mut().shift_remove(&Key::of(key))),
        ("clear", []) => {
            map.entries.borrow_mut().clear();
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// An element of `entrySet()`.
struct Entry {
    map: Rc<Map>,
    key: Key,
    value: Value,
}

impl Object for Entry {
    fn get(&self, name: &str) -> Option<Value> {
        match name {
            "key" => Some(self.key.to_value()),
            "value" => Some(self.value.clone()),
            _ => None,
        }
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Result {
        match (name, arguments) {
            ("getKey", []) => Ok(self.get("key")),
            ("getValue", []) => Ok(self.get("value")),
            ("toString", []) => Ok(Some(Value::text(&self.text()))),
            ("setValue", [value]) if value.holds(Rc::as_ptr(&self.map).cast()) => Err("a collection cannot contain itself".to_owned()),
            ("setValue", [value]) => Ok(self.map.entries.borrow_mut().insert(self.key.clone(), value.clone())),
            _ => Ok(None),
        }
    }

    fn text(&self) -> std::borrow::Cow<'_, str> {
        format!("{}={}", self.key.to_value().to_text(), self.value.to_text()).into()
    }
}
