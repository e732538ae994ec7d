//! `java.util.List`, the sets and collections that a map shows, and iterators.

use std::rc::Rc;

use super::Result;
use crate::vtl::arithmetic::same;
use crate::vtl::collection::{Collection, Elements};
use crate::vtl::render::Watch;
use crate::vtl::value::{List, ListKind, Value};

pub(super) fn call<'r>(list: &Rc<List<'r>>, name: &str, arguments: &[Value<'r>], watch: &Watch<'_>) -> Result<'r> {
    use Value::Integer;
    let found = |value: Value<'r>| Ok(Some(value));
    match (list.kind, name) {
        (ListKind::Iterator, _) => return iterator(list, name, arguments),
        (ListKind::View, "add") if arguments.len() == 1 => return Err("this collection takes no elements".to_owned()),
        (ListKind::View, "addAll") if matches!(arguments, [Value::List(other)] if !other.items.borrow().is_empty()) => {
            return Err("this collection takes no elements".to_owned());
        }
        // Places are `int`s, so that no method takes a longer number for one.
        (_, "get" | "set" | "subList" | "add" | "addAll") if takes_no_place(name, arguments) => return Ok(None),
        (ListKind::View, "addAll") if matches!(arguments, [Value::List(_)]) => return found(Value::boolean(false)),
        (ListKind::View, "get" | "set" | "add" | "addAll" | "indexOf" | "lastIndexOf" | "subList" | "listIterator") => return Ok(None),
        (ListKind::Json, "toJSONString") if arguments.is_empty() => return found(Value::text(Value::List(Rc::clone(list)).to_text())),
        _ => {}
    }
    match (name, arguments) {
        ("size", []) => found(Integer(list.items.borrow().len() as i64)),
        ("isEmpty", []) => found(Value::boolean(list.items.borrow().is_empty())),
        ("get", [Integer(index)]) => element(&elements(list), *index),
        ("contains", [item]) => contains(&elements(list), item, watch),
        ("containsAll", [other]) => match Collection::of(other) {
            Some(Collection::List(others)) => contains_all(&elements(list), &others, watch),
            _ => Ok(None),
        },
        ("indexOf", [item]) => found(place_or_none(position(&elements(list), item, watch)?)),
        ("lastIndexOf", [item]) => {
            let elements = elements(list);
            found(place_or_none(find((0..elements.len()).rev(), &elements, item, watch)?))
        }
        ("subList", [Integer(from), Integer(to)]) => sub_list(list, *from, *to),
        ("iterator" | "listIterator", []) => found(Value::iterator(list.items.borrow().clone())),
        ("toArray", []) => found(Value::list(list.items.borrow().clone())),
        ("clone", []) => {
            let items = list.items.borrow().clone();
            found(if list.kind == ListKind::Json { Value::json_list(items) } else { Value::list(items) })
        }
        _ => change(list, name, arguments, watch),
    }
}

fn change<'r>(list: &Rc<List<'r>>, name: &str, arguments: &[Value<'r>], watch: &Watch<'_>) -> Result<'r> {
    use Value::Integer;
    match (name, arguments) {
        ("add", [item]) | ("add" | "set", [Integer(_), item]) => item.apart_from(Rc::as_ptr(list).cast(), watch)?,
        ("addAll", [Value::List(other)] | [Integer(_), Value::List(other)]) => {
            other.items.borrow().iter().try_for_each(|item| item.apart_from(Rc::as_ptr(list).cast(), watch))?;
        }
        _ => {}
    }
    let found = |value: Value<'r>| Ok(Some(value));
    match (name, arguments) {
        ("add", [item]) => {
            list.change().push(item.clone());
            found(Value::boolean(true))
        }
        ("add", [Integer(index), item]) => {
            let at = place(*index, list)?;
            list.change().insert(at, item.clone());
            found(super::void())
        }
        ("addAll", [Value::List(other)]) => {
            let more = other.items.borrow().clone();
            let changed = !more.is_empty();
            list.change().extend(more);
            found(Value::boolean(changed))
        }
        ("addAll", [Integer(index), Value::List(other)]) => {
            let at = place(*index, list)?;
            let more = other.items.borrow().clone();
            let changed = !more.is_empty();
            list.change().splice(at..at, more);
            found(Value::boolean(changed))
        }
        ("set", [Integer(index), item]) => {
            let at = bound(*index, list)?;
            let mut items = list.items.borrow_mut();
            Ok(items.get_mut(at).map(|place| std::mem::replace(place, item.clone())))
        }
        ("clear", []) => {
            list.change().clear();
            found(super::void())
        }
        _ => take_away(list, name, arguments, watch),
    }
}

fn take_away<'r>(list: &List<'r>, name: &str, arguments: &[Value<'r>], watch: &Watch<'_>) -> Result<'r> {
    use Value::Integer;
    let found = |value: Value<'r>| Ok(Some(value));
    match (name, arguments) {
        ("remove", [Integer(index)]) if list.kind != ListKind::View && i32::try_from(*index).is_ok() => {
            let at = bound(*index, list)?;
            Ok(Some(list.change().remove(at)))
        }
        ("remove", [item]) => {
            let at = position(&elements(list), item, watch)?;
            if let Some(at) = at {
                list.change().remove(at);
            }
            found(Value::boolean(at.is_some()))
        }
        ("removeAll" | "retainAll", [Value::List(other)]) => {
            let wanted = name == "retainAll";
            let mut kept = Vec::new();
            for item in elements(list).values() {
                if position(&elements(other), &item, watch)?.is_some() == wanted {
                    kept.push(item);
                }
            }
            let is_changed = kept.len() != list.items.borrow().len();
            if is_changed {
                *list.change() = kept;
            }
            found(Value::boolean(is_changed))
        }
        _ => Ok(None),
    }
}

fn elements<'v, 'r>(list: &'v List<'r>) -> Elements<'v, 'r> {
    Elements::Own(list.items.borrow())
}

fn place_or_none<'r>(place: Option<usize>) -> Value<'r> {
    Value::Integer(place.map_or(-1, |place| place as i64))
}

fn takes_no_place(name: &str, arguments: &[Value<'_>]) -> bool {
    let places = match (name, arguments.len()) {
        ("get", _) => 1,
        ("subList", _) => 2,
        (_, 2) => 1,
        _ => 0,
    };
    arguments.iter().take(places).any(super::is_long)
}

/// An iterator holds what is left, the next element last.
fn iterator<'r>(list: &List<'r>, name: &str, arguments: &[Value<'r>]) -> Result<'r> {
    match (name, arguments) {
        ("hasNext", []) => Ok(Some(Value::boolean(!list.items.borrow().is_empty()))),
        ("next", []) => list.items.borrow_mut().pop().map(Some).ok_or_else(|| "the iterator is at its end".to_owned()),
        _ => Ok(None),
    }
}

/// Elements that are compared between two looks at the clock; one comparison is bounded itself.
const LOOK: usize = 64;

/// The first of some places at which the element is the same.
fn find<'r>(places: impl Iterator<Item = usize>, elements: &Elements<'_, 'r>, wanted: &Value<'r>, watch: &Watch<'_>) -> Found {
    first(places.map(|place| (place, elements.get(place))), wanted, watch)
}

type Found = std::result::Result<Option<usize>, String>;

fn position<'r>(elements: &Elements<'_, 'r>, wanted: &Value<'r>, watch: &Watch<'_>) -> Found {
    find(0..elements.len(), elements, wanted, watch)
}

/// The place of the first of some values that is the same as another.
pub(super) fn first<'r>(values: impl Iterator<Item = (usize, Option<Value<'r>>)>, wanted: &Value<'r>, watch: &Watch<'_>) -> Found {
    for (count, (place, value)) in values.enumerate() {
        if count % LOOK == LOOK - 1 && watch.is_over() {
            return Err("the search takes too long".to_owned());
        }
        if value.is_some_and(|value| same(&value, wanted, watch)) {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// `contains(item)`.
pub(super) fn contains<'r>(elements: &Elements<'_, 'r>, item: &Value<'r>, watch: &Watch<'_>) -> Result<'r> {
    Ok(Some(Value::boolean(position(elements, item, watch)?.is_some())))
}

fn contains_all<'r>(elements: &Elements<'_, 'r>, others: &Elements<'_, 'r>, watch: &Watch<'_>) -> Result<'r> {
    for other in others.values() {
        if position(elements, &other, watch)?.is_none() {
            return Ok(Some(Value::boolean(false)));
        }
    }
    Ok(Some(Value::boolean(true)))
}

/// `get(index)`.
pub(super) fn element<'r>(elements: &Elements<'_, 'r>, index: i64) -> Result<'r> {
    let found = usize::try_from(index).ok().and_then(|index| elements.get(index));
    found.map(Some).ok_or_else(|| out_of_bounds(index, elements.len()))
}

fn bound(index: i64, list: &List<'_>) -> std::result::Result<usize, String> {
    usize::try_from(index).ok().filter(|at| *at < list.items.borrow().len()).ok_or_else(|| out_of_bounds(index, list.items.borrow().len()))
}

/// Where an element can be put in.
fn place(index: i64, list: &List<'_>) -> std::result::Result<usize, String> {
    usize::try_from(index).ok().filter(|at| *at <= list.items.borrow().len()).ok_or_else(|| out_of_bounds(index, list.items.borrow().len()))
}

pub(super) fn out_of_bounds(index: i64, length: usize) -> String {
    format!("index {index} is out of bounds: the list has {length} elements")
}

fn sub_list<'r>(list: &List<'r>, from: i64, to: i64) -> Result<'r> {
    let items = list.items.borrow();
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok()).and_then(|(from, to)| items.get(from..to));
    range
        .map(|items| Some(Value::list(items.to_vec())))
        .ok_or_else(|| format!("from {from} to {to} is out of bounds: the list has {} elements", items.len()))
}
