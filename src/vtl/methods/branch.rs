//! What a list or map of a document is asked most: the rest is asked of a collection made from it.

use std::rc::Weak;

use crate::vtl::arithmetic::same;
use crate::vtl::document::Branch;
use crate::vtl::value::Value;

/// Calls a method; nothing where a collection must be asked.
pub(super) fn call<'r>(branch: &Branch<'r>, name: &str, arguments: &[Value<'r>]) -> Option<Value<'r>> {
    Some(match (name, arguments) {
        ("size", []) => Value::Integer(branch.len() as i64),
        ("isEmpty", []) => Value::boolean(branch.is_empty()),
        ("get", [Value::Integer(index)]) if branch.is_list() => branch.get(usize::try_from(*index).ok()?)?,
        ("get", [Value::String(key)]) if !branch.is_list() => branch.named(key)?,
        ("containsKey", [Value::String(key)]) if !branch.is_list() => Value::boolean(branch.keys().contains(&&**key)),
        ("contains", [item]) if branch.is_list() => Value::boolean(branch.values().any(|element| same(&element, item))),
        ("keySet", []) if !branch.is_list() => Value::view(branch.keys().iter().map(|key| Value::text(*key)).collect(), Weak::new()),
        _ => return None,
    })
}
