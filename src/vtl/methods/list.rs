//! `java.util.List`.

use std::rc::Rc;

use super::Result;
use crate::vtl::arithmetic::equal;
use crate::vtl::value::{List, Value};

pub(super) fn call<'r>(list: &Rc<List<'r>>, name: &str, arguments: &[Value<'r>]) -> Result<'r> {
    use Value::{Boolean, Integer};
    let found = |value: Value<'r>| Ok(Some(value));
    match (name, arguments) {
        ("size", []) => found(Integer(list.items.borrow().len() as i64)),
        ("isEmpty", []) => found(Boolean(list.items.borrow().is_empty())),
        ("get", [Integer(index)]) => {
            list.items.borrow().get(bound(*index, list)?).cloned().map_or_else(|| Err(out_of_bounds(*index, list)), |item| Ok(Some(item)))
        }
        ("contains", [item]) => found(Boolean(position(list, item).is_some())),
        ("containsAll", [Value::List(other)]) => found(Boolean(other.items.borrow().iter().all(|item| position(list, item).is_some()))),
        ("indexOf", [item]) => found(Integer(position(list, item).map_or(-1, |at| at as i64))),
        ("lastIndexOf", [item]) => {
            found(Integer(list.items.borrow().iter().rposition(|other| same(other, item)).map_or(-1, |at| at as i64)))
        }
        ("subList", [Integer(from), Integer(to)]) => sub_list(list, *from, *to),
        ("iterator", []) => found(Value::List(Rc::clone(list))),
        ("toArray", []) => found(Value::list(list.items.borrow().clone())),
        _ => change(list, name, arguments),
    }
}

fn change<'r>(list: &Rc<List<'r>>, name: &str, arguments: &[Value<'r>]) -> Result<'r> {
    if matches!(name, "add" | "addAll" | "set") {
        super::not_itself(arguments, Rc::as_ptr(list).cast())?;
    }
    use Value::{Boolean, Integer};
    let found = |value: Value<'r>| Ok(Some(value));
    match (name, arguments) {
        ("add", [item]) => {
            list.items.borrow_mut().push(item.clone());
            found(Boolean(true))
        }
        ("add", [Integer(index), item]) => {
            let at =
                usize::try_from(*index).ok().filter(|at| *at <= list.items.borrow().len()).ok_or_else(|| out_of_bounds(*index, list))?;
            list.items.borrow_mut().insert(at, item.clone());
            Ok(None)
        }
        ("addAll", [Value::List(other)]) => {
            let more = other.items.borrow().clone();
            let changed = !more.is_empty();
            list.items.borrow_mut().extend(more);
            found(Boolean(changed))
        }
        ("set", [Integer(index), item]) => {
            let at = bound(*index, list)?;
            let mut items = list.items.borrow_mut();
            Ok(items.get_mut(at).map(|place| std::mem::replace(place, item.clone())))
        }
        ("remove", [Integer(index)]) => {
            let at = bound(*index, list)?;
            Ok(Some(list.items.borrow_mut().remove(at)))
        }
        ("remove", [item]) => {
            let at = position(list, item);
            if let Some(at) = at {
                list.items.borrow_mut().remove(at);
            }
            found(Boolean(at.is_some()))
        }
        ("removeAll" | "retainAll", [Value::List(other)]) => {
            let keep = name == "retainAll";
            let others = other.items.borrow().clone();
            let mut items = list.items.borrow_mut();
            let before = items.len();
            items.retain(|item| others.iter().any(|other| same(other, item)) == keep);
            found(Boolean(items.len() != before))
        }
        ("clear", []) => {
            list.items.borrow_mut().clear();
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// Java's `equals`: the kinds must agree, too.
fn same<'r>(a: &Value<'r>, b: &Value<'r>) -> bool {
    a.kind() == b.kind() && equal(a, b)
}

fn position<'r>(list: &List<'r>, item: &Value<'r>) -> Option<usize> {
    list.items.borrow().iter().position(|other| same(other, item))
}

fn bound(index: i64, list: &List<'_>) -> std::result::Result<usize, String> {
    usize::try_from(index).ok().filter(|at| *at < list.items.borrow().len()).ok_or_else(|| out_of_bounds(index, list))
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
