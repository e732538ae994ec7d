//! Properties, indexes and methods, by the names of Java's classes.

mod list;
pub(super) mod map;
mod number;
mod string;

use std::sync::Arc;

use super::arithmetic::equal;
use super::value::{Key, Value};

/// What a call gives: nothing where no method takes the arguments, an error where it throws.
pub(super) type Result = std::result::Result<Option<Value>, String>;

/// `$value.name`: a map's member, an object's property, or a getter.
pub(super) fn property(value: &Value, name: &Arc<str>) -> Option<Value> {
    match value {
        Value::Map(map) => {
            if let Some(member) = map.entries.borrow().get(&Key::String(Arc::clone(name))) {
                return Some(member.clone());
            }
            None
        }
        Value::Object(object) => object.get(name),
        Value::String(text) if &**name == "empty" => Some(Value::Boolean(text.is_empty())),
        Value::String(text) if &**name == "bytes" => Some(string::bytes(text)),
        Value::List(list) if &**name == "empty" => Some(Value::Boolean(list.items.borrow().is_empty())),
        Value::Null | Value::Block(_) => None,
        _ => None,
    }
}

/// `$value[index]`: an element of a list, counted from its end when negative, or a map's member.
pub(super) fn index(value: &Value, index: &Value) -> Result {
    match value {
        Value::List(list) => {
            let Value::Integer(index) = index else { return Ok(None) };
            let items = list.items.borrow();
            let from_start = if *index < 0 { *index + items.len() as i64 } else { *index };
            let found = usize::try_from(from_start).ok().and_then(|index| items.get(index));
            found.cloned().map(Some).ok_or_else(|| format!("index {index} is out of bounds: the list has {} elements", items.len()))
        }
        Value::Map(map) => Ok(map.entries.borrow().get(&Key::of(index)).cloned()),
        Value::Object(object) => Ok(object.get(&index.to_text())),
        _ => Ok(None),
    }
}

/// `$value.name(arguments)`.
pub(super) fn call(value: &Value, name: &str, arguments: &[Value]) -> Result {
    if let Value::Object(object) = value {
        return object.call(name, arguments);
    }
    match (name, arguments) {
        ("toString", []) if !matches!(value, Value::Block(_) | Value::Null) => return Ok(Some(Value::String(value.to_text().into()))),
        ("equals", [other]) => return Ok(Some(Value::Boolean(value.kind() == other.kind() && equal(value, other)))),
        ("hashCode", []) => return Ok(hash_code(value).map(|hash| Value::Integer(hash.into()))),
        _ => {}
    }
    match value {
        Value::String(text) => string::call(text, name, arguments),
        Value::List(list) => list::call(list, name, arguments),
        Value::Map(map) => map::call(map, name, arguments),
        Value::Boolean(value) => Ok(number::boolean(*value, name, arguments)),
        number if number.is_number() => number::call(number, name, arguments),
        _ => Ok(None),
    }
}

/// Refuses to put a collection into itself, however indirectly.
fn not_itself(values: &[Value], collection: *const ()) -> std::result::Result<(), String> {
    if values.iter().any(|value| value.holds(collection)) { Err("a collection cannot contain itself".to_owned()) } else { Ok(()) }
}

/// Java's hash codes, for what has one that does not depend on a machine.
fn hash_code(value: &Value) -> Option<i32> {
    match value {
        Value::String(text) => Some(text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))),
        Value::Boolean(value) => Some(if *value { 1231 } else { 1237 }),
        #[expect(clippy::cast_possible_truncation, reason = "Java folds the halves just so")]
        Value::Integer(number) => Some(if i32::try_from(*number).is_ok() { *number as i32 } else { (*number ^ (*number >> 32)) as i32 }),
        _ => None,
    }
}
