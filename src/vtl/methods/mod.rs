//! Properties, indexes and methods, by the names of Java's classes.

mod branch;
mod format;
mod hash;
mod list;
pub(super) mod map;
mod names;
mod number;
mod string;
mod units;

use std::rc::Rc;

use super::arithmetic::same;
use super::collection::{Collection, Elements};
use super::map::Key;
use super::name::Name;
use super::render::Meter;
use super::text::Text;
use super::value::{ListKind, Round, Value};

pub(super) use names::METHODS;

/// What a call gives: nothing where no method takes the arguments, an error where it throws.
pub(super) type Result<'r> = std::result::Result<Option<Value<'r>>, String>;

/// `$value.name`: a map's member, or a getter.
#[inline]
pub(super) fn property<'r>(value: &Value<'r>, name: Name<'_>) -> Option<Value<'r>> {
    match value {
        Value::Map(map) => map.entries.borrow().named(&name).cloned(),
        Value::Branch(branch) if branch.is_list() => (&*name == "empty").then(|| Value::boolean(branch.is_empty())),
        Value::Branch(branch) => branch.named(name),
        Value::Entry(entry) => map::entry_property(entry, &name),
        Value::Round(round) => of_round(round, &name),
        Value::String(text) if &*name == "empty" => Some(Value::boolean(text.is_empty())),
        Value::String(text) if &*name == "bytes" => Some(string::bytes(text)),
        Value::List(list) if &*name == "empty" => Some(Value::boolean(Elements::of(list).is_empty())),
        _ => None,
    }
}

fn of_round<'r>(round: &Rc<Round>, name: &str) -> Option<Value<'r>> {
    Some(match name {
        "index" => Value::Integer(round.index as i64),
        "count" => Value::Integer(round.index as i64 + 1),
        "hasNext" => Value::boolean(round.has_next),
        "first" => Value::boolean(round.index == 0),
        "last" => Value::boolean(!round.has_next),
        "parent" => Value::Round(round.parent.clone()?),
        "topmost" => Value::Round(Rc::clone(round.topmost.as_ref().unwrap_or(round))),
        _ => return None,
    })
}

fn call_round<'r>(round: &Rc<Round>, name: &str, arguments: &[Value<'r>]) -> Option<Value<'r>> {
    let property = match name {
        "hasNext" | "index" => name,
        "getIndex" => "index",
        "getCount" => "count",
        "isFirst" => "first",
        "isLast" => "last",
        _ => return None,
    };
    if arguments.is_empty() { of_round(round, property) } else { None }
}

/// `$value[index]`: an element of a list, counted from its end when negative, or a map's member.
pub(super) fn index<'r>(value: &Value<'r>, index: &Value<'r>, meter: &Meter<'_>) -> Result<'r> {
    match value {
        Value::List(list) if matches!(list.kind, ListKind::View(_) | ListKind::Iterator) => Ok(None),
        Value::List(_) | Value::Map(_) | Value::Branch(_) => match Collection::of(value) {
            Some(Collection::List(elements)) => element(index, &elements),
            Some(Collection::Map(members)) => Ok(members.get(&Key::of(index, meter))),
            None => Ok(None),
        },
        Value::Entry(_) | Value::Round(_) => Ok(property(value, Name::from(&*index.as_text()))),
        _ => Ok(None),
    }
}

fn element<'r>(index: &Value<'r>, elements: &Elements<'_, 'r>) -> Result<'r> {
    match index {
        Value::Integer(index) if i32::try_from(*index).is_ok() => {
            let from_start = if *index < 0 { *index + elements.len() as i64 } else { *index };
            let found = usize::try_from(from_start).ok().and_then(|index| elements.get(index));
            found.map(Some).ok_or_else(|| list::out_of_bounds(*index, elements.len()))
        }
        _ => Ok(None),
    }
}

/// `$value.name(arguments)`.
pub(super) fn call<'r>(value: &Value<'r>, name: &str, arguments: &[Value<'r>], meter: &Meter<'_>) -> Result<'r> {
    let result = called(value, name, arguments, meter)?;
    // Velocity takes a method without parameters for one that fits any arguments, and Java refuses the call.
    if result.is_none() && !arguments.is_empty() && takes_nothing(value, name) {
        return Err(format!("`{name}` takes no arguments"));
    }
    Ok(result)
}

fn called<'r>(value: &Value<'r>, name: &str, arguments: &[Value<'r>], meter: &Meter<'_>) -> Result<'r> {
    match value {
        Value::Entry(entry) => return map::call_entry(entry, name, arguments, meter),
        Value::Round(round) => return Ok(call_round(round, name, arguments)),
        Value::Null | Value::Block(_) | Value::Given(_) => return Ok(None),
        _ => {}
    }
    match (name, arguments) {
        ("toString", []) => return Ok(Some(text_of(value))),
        ("equals", [other]) => return Ok(Some(Value::boolean(same(value, other, meter)))),
        ("hashCode", []) => return hash::code(value, meter),
        _ => {}
    }
    match value {
        Value::String(text) => string::call(text, name, arguments, meter),
        Value::List(list) => list::call(list, name, arguments, meter),
        Value::Branch(branch) => {
            branch::call(branch, name, arguments, meter).unwrap_or_else(|| called(&branch.to_value(), name, arguments, meter))
        }
        Value::Map(map) => map::call(map, name, arguments, meter),
        Value::Boolean(value) => number::boolean((*value).into(), name, arguments),
        number => number::call(number, name, arguments),
    }
}

const OF_LISTS: [&str; 4] = ["size", "isEmpty", "clear", "iterator"];
const OF_MAPS: [&str; 7] = ["size", "isEmpty", "clear", "keySet", "values", "entrySet", "clone"];

/// Methods that take no arguments, and have no namesakes that do.
fn takes_nothing(value: &Value<'_>, name: &str) -> bool {
    match (value, name) {
        (Value::Null | Value::Block(_) | Value::Given(_) | Value::Round(_), _) => false,
        (_, "toString" | "hashCode") => true,
        (Value::Branch(branch), "clone") if branch.is_list() => true,
        (Value::Branch(branch), name) if branch.is_list() => OF_LISTS.contains(&name),
        (Value::Branch(_), name) => OF_MAPS.contains(&name),
        (Value::String(_), "length" | "isEmpty" | "trim" | "toLowerCase" | "toUpperCase" | "intern" | "toCharArray" | "isBlank") => true,
        (Value::String(_), "strip" | "stripLeading" | "stripTrailing") => true,
        (Value::List(list), name) if list.kind == ListKind::Iterator => matches!(name, "next" | "hasNext"),
        (Value::List(list), "clone") => !matches!(list.kind, ListKind::View(_)),
        (Value::List(_), name) => OF_LISTS.contains(&name),
        (Value::Map(_), name) => OF_MAPS.contains(&name),
        (Value::Entry(_), "getKey" | "getValue") => true,
        (Value::Boolean(_), "booleanValue") => true,
        (number, "intValue" | "longValue" | "shortValue" | "byteValue" | "doubleValue" | "floatValue") => number.is_number(),
        _ => false,
    }
}

/// What Velocity gives for a method that returns nothing.
fn void<'r>() -> Value<'r> {
    Value::text("")
}

/// Whether a number is no `int`.
fn is_long(value: &Value<'_>) -> bool {
    matches!(value, Value::Integer(number) if i32::try_from(*number).is_err())
}

/// `toString()`.
fn text_of<'r>(value: &Value<'r>) -> Value<'r> {
    Value::String(if let Value::String(text) = value { text.clone() } else { Text::from(value.to_text()) })
}
