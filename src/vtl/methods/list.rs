//! `java.util.List`, the sets and collections that a map shows, and iterators.

use std::rc::Rc;

use super::Result;
use crate::vtl::arithmetic::same;
use crate::vtl::value::{List, ListKind, Value};

pub(super) fn call<'r>(list: &Rc<List<'r>>, name: &str, arguments: &[Value<'r>]) -> Result<'r> {
    use Value::Integer;
    let found = |value: Value<'r>| Ok(Some(value));
    match (list.kind, name) {
        (ListKind::Iterator, _) => return iterator(list, name, arguments),
        (ListKind::View, "add") if arguments.len() == 1 => return Err("this collection takes no elements".to_owned()),
        (ListKind::View, "addAll") if matches!(arguments, [Value::List(_)]) => return Err("this collection takes no elements".to_owned()),
        // Places are `int`s, so that no method takes a longer number for one.
        (_, "get" | "set" | "subList" | "add" | "addAll") if takes_no_place(name, arguments) => return Ok(None),
        (ListKind::View, "get" | "set" | "add" | "addAll" | "indexOf" | "lastIndexOf" | "subList" | "listIterator") => return Ok(None),
        (ListKind::Json, "toJSONString") if arguments.is_empty() => return found(Value::text(Value::List(Rc::clone(list)).to_text())),
        _ => {}
    }
    match (name, arguments) {
        ("size", []) => found(Integer(list.items.borrow().len() as i64)),
        ("isEmpty", []) => found(Value::boolean(list.items.borrow().is_empty())),
        ("get", [Integer(index)]) => {
            list.items.borrow().get(bound(*index, list)?).cloned().map_or_else(|| Err(out_of_bounds(*index, list)), |item| Ok(Some(item)))
        }
        ("contains", [item]) => found(Value::boolean(position(list, item).is_some())),
        ("containsAll", [Value::List(other)]) => {
            found(Value::boolean(other.items.borrow().iter().all(|item| position(list, item).is_some())))
        }
        ("indexOf", [item]) => found(Integer(position(list, item).map_or(-1, |at| at as i64))),
        ("lastIndexOf", [item]) => {
            found(Integer(list.items.borrow().iter().rposition(|other| same(other, item)).map_or(-1, |at| at as i64)))
        }
        ("subList", [Integer(from), Integer(to)]) => sub_list(list, *from, *to),
        ("iterator" | "listIterator", []) => found(Value::iterator(list.items.borrow().clone())),
        ("toArray", []) => found(Value::list(list.items.borrow().clone())),
        ("clone", []) => {
            let items = list.items.borrow().clone();
            found(if list.kind == ListKind::Json { Value::json_list(items) } else { Value::list(items) })
        }
        _ => change(list, name, arguments),
    }
}

fn change<'r>(list: &Rc<List<'r>>, name: &str, arguments: &[Value<'r>]) -> Result<'r> {
    use Value::Integer;
    match (name, arguments) {
        ("add", [item]) | ("add" | "set", [Integer(_), item]) => {
            super::not_itself(std::slice::from_ref(item), Rc::as_ptr(list).cast())?;
        }
        ("addAll", [Value::List(other)] | [Integer(_), Value::List(other)]) => {
            super::not_itself(&other.items.borrow(), Rc::as_ptr(list).cast())?;
        }
        _ => {}
    }
    let found = |value: Value<'r>| Ok(Some(value));
    match (name, arguments) {
        ("add", [item]) => {
            list.items.borrow_mut().push(item.clone());
            found(Value::boolean(true))
        }
        ("add", [Integer(index), item]) => {
            let at = place(*index, list)?;
            list.items.borrow_mut().insert(at, item.clone());
            found(super::void())
        }
        ("addAll", [Value::List(other)]) => {
            let more = other.items.borrow().clone();
            let changed = !more.is_empty();
            list.items.borrow_mut().extend(more);
            found(Value::boolean(changed))
        }
        ("addAll", [Integer(index), Value::List(other)]) => {
            let at = place(*index, list)?;
            let more = other.items.borrow().clone();
            let changed = !more.is_empty();
            list.items.borrow_mut().splice(at..at, more);
            found(Value::boolean(changed))
        }
        ("set", [Integer(index), item]) => {
            let at = bound(*index, list)?;
            let mut items = list.items.borrow_mut();
            Ok(items.get_mut(at).map(|place| std::mem::replace(place, item.clone())))
        }
        ("clear", []) => {
            list.items.borrow_mut().clear();
            found(super::void())
        }
        _ => take_away(list, name, arguments),
    }
}

fn take_away<'r>(list: &List<'r>, name: &str, arguments: &[Value<'r>]) -> Result<'r> {
    use Value::Integer;
    let found = |value: Value<'r>| Ok(Some(value));
    match (name, arguments) {
        ("remove", [Integer(index)]) if list.kind != ListKind::View && i32::try_from(*index).is_ok() => {
            let at = bound(*index, list)?;
            Ok(Some(list.items.borrow_mut().remove(at)))
        }
        ("remove", [item]) => {
            let at = position(list, item);
            if let Some(at) = at {
                list.items.borrow_mut().remove(at);
            }
            found(Value::boolean(at.is_some()))
        }
        ("removeAll" | "retainAll", [Value::List(other)]) => {
            let keep = name == "retainAll";
            let others = other.items.borrow().clone();
            let mut items = list.items.borrow_mut();
            let before = items.len();
            items.retain(|item| others.iter().any(|other| same(other, item)) == keep);
            found(Value::boolean(items.len() != before))
        }
        _ => Ok(None),
    }
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

fn position<'r>(list: &List<'r>, item: &Value<'r>) -> Option<usize> {
    list.items.borrow().iter().position(|other| same(other, item))
}

fn bound(index: i64, list: &List<'_>) -> std::result::Result<usize, String> {
    usize::try_from(index).ok().filter(|at| *at < list.items.borrow().len()).ok_or_else(|| out_of_bounds(index, list))
}

/// Where an element can be put in.
fn place(index: i64, list: &List<'_>) -> std::result::Result<usize, String> {
    usize::try_from(index).ok().filter(|at| *at <= list.items.borrow().len()).ok_or_else(|| out_of_bounds(index, list))
}

fn out_of_bounds(index: i64, list: &List<'_>) -> String {
    format!("index {index} is out of bounds: the list has {} elements", list.items.borrow().len())
}

fn sub_list<'r>(list: &List<'r>, from: i64, to: i64) -> Result<'r> {
    let items = list.items.borrow();
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok()).and_then(|(from, to)| items.get(from..to));
    range
        .map(|items| Some(Value::list(items.to_vec())))
        .ok_or_else(|| format!("from {from} to {to} is out of bounds: the list has {} elements", items.len()))
}
