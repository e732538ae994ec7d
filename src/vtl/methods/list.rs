//! `java.util.List`, the sets and collections that a map shows, and iterators.

use std::rc::Rc;

use super::Result;
use crate::vtl::arithmetic::same;
use crate::vtl::collection::{Collection, Elements};
use crate::vtl::cycle::refuse_cycle;
use crate::vtl::render::Meter;
use crate::vtl::value::{List, ListKind, Value};

pub(super) fn call<'r>(list: &Rc<List<'r>>, name: &str, arguments: &[Value<'r>], meter: &Meter<'_>) -> Result<'r> {
    use Value::Integer;
    let found = |value: Value<'r>| Ok(Some(value));
    match (list.kind, name) {
        (ListKind::Iterator, _) => return iterator(list, name, arguments),
        (ListKind::View(_), "add") if arguments.len() == 1 => return Err(takes_no_elements()),
        (ListKind::View(_), "addAll") if let [Value::List(other)] = arguments => {
            return if elements(other).is_empty() { found(Value::boolean(false)) } else { Err(takes_no_elements()) };
        }
        // Places are `int`s, so that no method takes a longer number for one.
        (_, "get" | "set" | "subList" | "add" | "addAll") if takes_no_place(name, arguments) => return Ok(None),
        (ListKind::View(_), "get" | "set" | "add" | "addAll" | "indexOf" | "lastIndexOf" | "subList" | "listIterator") => return Ok(None),
        (ListKind::Json, "toJSONString") if arguments.is_empty() => return found(Value::text(Value::List(Rc::clone(list)).to_text())),
        _ => {}
    }
    match (name, arguments) {
        ("size", []) => found(Integer(elements(list).len() as i64)),
        ("isEmpty", []) => found(Value::boolean(elements(list).is_empty())),
        ("get", [Integer(index)]) => element(&elements(list), *index),
        ("contains", [item]) => contains(&elements(list), item, meter),
        ("containsAll", [other]) => match Collection::of(other) {
            Some(Collection::List(others)) => contains_all(&elements(list), &others, meter),
            _ => Ok(None),
        },
        ("indexOf", [item]) => found(place_or_none(position(elements(list).iter(), item, meter)?)),
        ("lastIndexOf", [item]) => {
            let elements = elements(list);
            found(place_or_none(position(elements.iter().rev(), item, meter)?.map(|behind| elements.len() - 1 - behind)))
        }
        ("subList", [Integer(from), Integer(to)]) => sub_list(list, *from, *to),
        ("iterator" | "listIterator", []) => found(Value::iterator(elements(list).values())),
        ("toArray", []) => found(Value::list(elements(list).values())),
        ("clone", []) => {
            let items = elements(list).values();
            found(if list.kind == ListKind::Json { Value::json_list(items) } else { Value::list(items) })
        }
        _ => change(list, name, arguments, meter),
    }
}

fn change<'r>(list: &Rc<List<'r>>, name: &str, arguments: &[Value<'r>], meter: &Meter<'_>) -> Result<'r> {
    use Value::Integer;
    match (name, arguments) {
        ("add", [item]) | ("add" | "set", [Integer(_), item]) => refuse_cycle([item], Rc::as_ptr(list).cast(), meter)?,
        ("addAll", [Value::List(other)] | [Integer(_), Value::List(other)]) => {
            refuse_cycle(&elements(other).values(), Rc::as_ptr(list).cast(), meter)?;
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
            let more = elements(other).values();
            let changed = !more.is_empty();
            list.change().extend(more);
            found(Value::boolean(changed))
        }
        ("addAll", [Integer(index), Value::List(other)]) => {
            let at = place(*index, list)?;
            let more = elements(other).values();
            let changed = !more.is_empty();
            list.change().splice(at..at, more);
            found(Value::boolean(changed))
        }
        ("set", [Integer(index), item]) => {
            let at = bound(*index, list)?;
            let mut items = list.items().borrow_mut();
            Ok(items.get_mut(at).map(|place| std::mem::replace(place, item.clone())))
        }
        ("clear", []) => {
            list.keep(|_| false);
            found(super::void())
        }
        _ => take_away(list, name, arguments, meter),
    }
}

fn take_away<'r>(list: &List<'r>, name: &str, arguments: &[Value<'r>], meter: &Meter<'_>) -> Result<'r> {
    use Value::Integer;
    let found = |value: Value<'r>| Ok(Some(value));
    match (name, arguments) {
        ("remove", [Integer(index)]) if !matches!(list.kind, ListKind::View(_)) && i32::try_from(*index).is_ok() => {
            let at = bound(*index, list)?;
            Ok(Some(list.change().remove(at)))
        }
        ("remove", [item]) => {
            let at = position(elements(list).iter(), item, meter)?;
            if let Some(at) = at {
                list.keep(|index| index != at);
            }
            found(Value::boolean(at.is_some()))
        }
        ("removeAll" | "retainAll", [Value::List(other)]) => {
            let wanted = name == "retainAll";
            let mut keeps = Vec::new();
            for item in elements(list).values() {
                keeps.push(position(elements(other).iter(), &item, meter)?.is_some() == wanted);
            }
            let is_changed = keeps.contains(&false);
            if is_changed {
                list.keep(|index| keeps.get(index) == Some(&true));
            }
            found(Value::boolean(is_changed))
        }
        _ => Ok(None),
    }
}

fn elements<'v, 'r>(list: &'v List<'r>) -> Elements<'v, 'r> {
    Elements::of(list)
}

fn takes_no_elements() -> String {
    "this collection takes no elements".to_owned()
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
        ("hasNext", []) => Ok(Some(Value::boolean(!list.items().borrow().is_empty()))),
        ("next", []) => list.items().borrow_mut().pop().map(Some).ok_or_else(|| "the iterator is at its end".to_owned()),
        _ => Ok(None),
    }
}

/// Elements that are compared in the time of a step, beside what a comparison itself takes.
const COMPARED: usize = 16;

/// How many values come before the first that is the same as another.
pub(super) fn position<'r>(
    values: impl Iterator<Item = Value<'r>>,
    wanted: &Value<'r>,
    meter: &Meter<'_>,
) -> std::result::Result<Option<usize>, String> {
    for (index, value) in values.enumerate() {
        meter.pay(usize::from(index % COMPARED == COMPARED - 1))?;
        if same(&value, wanted, meter) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// `contains(item)`.
pub(super) fn contains<'r>(elements: &Elements<'_, 'r>, item: &Value<'r>, meter: &Meter<'_>) -> Result<'r> {
    Ok(Some(Value::boolean(position(elements.iter(), item, meter)?.is_some())))
}

fn contains_all<'r>(elements: &Elements<'_, 'r>, others: &Elements<'_, 'r>, meter: &Meter<'_>) -> Result<'r> {
    for other in others.iter() {
        if position(elements.iter(), &other, meter)?.is_none() {
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
    usize::try_from(index)
        .ok()
        .filter(|at| *at < list.items().borrow().len())
        .ok_or_else(|| out_of_bounds(index, list.items().borrow().len()))
}

/// Where an element can be put in.
fn place(index: i64, list: &List<'_>) -> std::result::Result<usize, String> {
    usize::try_from(index)
        .ok()
        .filter(|at| *at <= list.items().borrow().len())
        .ok_or_else(|| out_of_bounds(index, list.items().borrow().len()))
}

pub(super) fn out_of_bounds(index: i64, length: usize) -> String {
    format!("index {index} is out of bounds: the list has {length} elements")
}

fn sub_list<'r>(list: &List<'r>, from: i64, to: i64) -> Result<'r> {
    let items = list.items().borrow();
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok()).and_then(|(from, to)| items.get(from..to));
    range
        .map(|items| Some(Value::list(items.to_vec())))
        .ok_or_else(|| format!("from {from} to {to} is out of bounds: the list has {} elements", items.len()))
}
