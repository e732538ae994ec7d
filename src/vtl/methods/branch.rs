//! What a list or map of a document answers itself; the rest is asked of a collection made from it.

use std::rc::Weak;

use super::{Result, list};
use crate::vtl::collection::{Elements, Members};
use crate::vtl::document::Branch;
use crate::vtl::map::Key;
use crate::vtl::render::Meter;
use crate::vtl::value::{List, Value};
use crate::vtl::view::Shown;

/// Calls a method; nothing where a collection must be asked.
pub(super) fn call<'r>(branch: &Branch<'r>, name: &str, arguments: &[Value<'r>], meter: &Meter<'_>) -> Option<Result<'r>> {
    let found = |value: Value<'r>| Some(Ok(Some(value)));
    match (name, arguments) {
        ("size", []) => found(Value::Integer(branch.len() as i64)),
        ("isEmpty", []) => found(Value::boolean(branch.is_empty())),
        ("get", [Value::Integer(index)]) if branch.is_list() && i32::try_from(*index).is_ok() => {
            Some(list::element(&Elements::Branch(branch), *index))
        }
        ("contains", [item]) if branch.is_list() => Some(list::contains(&Elements::Branch(branch), item, meter)),
        ("get", [key]) if !branch.is_list() => Some(Ok(Members::Branch(branch).get(&Key::of(key, meter)))),
        ("containsKey", [key]) if !branch.is_list() => found(Value::boolean(Members::Branch(branch).get(&Key::of(key, meter)).is_some())),
        ("keySet", []) if !branch.is_list() => {
            found(Value::List(List::view(branch.keys().map(Value::text).collect(), Shown::Keys, Weak::new())))
        }
        _ => None,
    }
}
