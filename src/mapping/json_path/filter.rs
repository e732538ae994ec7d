//! `[?( … )]`.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use regex::{Regex, RegexBuilder};

use super::{JsonPath, PathError, Search};
use crate::vtl::{Collection, Value};

/// A condition on an element.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Exists(Operand),
    Compare(Operand, Comparison, Operand),
    Matches(Operand, Pattern),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    /// A text has a part, a list an element.
    Contains,
    /// So many characters, elements or members.
    Size,
    /// Whether there is nothing in it.
    Empty,
    Within(Within),
}

/// How a value or a list's elements relate to a list on the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    In,
    NotIn,
    /// Every element of the right is on the left.
    All,
    /// Every element of the left is on the right.
    SubsetOf,
    AnyOf,
    NoneOf,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    /// From the element, `@`.
    Path(JsonPath),
    /// From the whole, `$`.
    Root(JsonPath),
    Text(String),
    Number(f64),
    Boolean(bool),
    Null,
    List(Vec<Self>),
}

/// A pattern that a whole text must match.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

impl Pattern {
    pub(super) fn new(text: &str, ignore_case: bool) -> Option<Self> {
        RegexBuilder::new(&format!("^(?:{text})$")).case_insensitive(ignore_case).size_limit(1 << 20).nest_limit(100).build().ok().map(Self)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Filter {
    /// Whether an element meets the condition. What its paths visit counts for the search that asks.
    pub(super) fn holds<'r>(&self, element: &Value<'r>, search: &mut Search<'r>) -> Result<bool, PathError> {
        Ok(match self {
            Self::Any(alternatives) => any(alternatives, true, element, search)?,
            Self::All(parts) => !any(parts, false, element, search)?,
            Self::Not(inner) => !inner.holds(element, search)?,
            Self::Exists(operand @ (Operand::Path(_) | Operand::Root(_))) => operand.value(element, search)?.is_some(),
            Self::Exists(operand) => *operand == Operand::Boolean(true),
            Self::Matches(operand, pattern) => match operand.value(element, search)? {
                Some(value) if is_scalar(&value) => {
                    let text = value.as_text();
                    search.read(&text)?;
                    pattern.0.is_match(&text)
                }
                _ => false,
            },
            Self::Compare(left, comparison, right) => compare(left, *comparison, right, element, search)?,
        })
    }
}

/// Whether one of some conditions comes out as wanted.
fn any<'r>(filters: &[Filter], wanted: bool, element: &Value<'r>, search: &mut Search<'r>) -> Result<bool, PathError> {
    for filter in filters {
        if filter.holds(element, search)? == wanted {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Operand {
    fn value<'r>(&self, element: &Value<'r>, search: &mut Search<'r>) -> Result<Option<Value<'r>>, PathError> {
        Ok(match self {
            Self::Path(path) => path.search(element, search)?,
            Self::Root(path) => {
                let root = search.root.clone();
                path.search(&root, search)?
            }
            Self::Text(text) => {
                search.read(text)?;
                Some(Value::text(text.clone()))
            }
            Self::Number(number) => Some(Value::Double(*number)),
            Self::Boolean(value) => Some(Value::boolean(*value)),
            Self::Null => Some(Value::Null),
            Self::List(items) => {
                // It is made for each element that is looked at.
                search.visit(items.len())?;
                let values: Result<Vec<_>, _> = items.iter().map(|item| item.value(element, search)).collect();
                Some(Value::json_list(values?.into_iter().flatten().collect()))
            }
        })
    }
}

fn compare<'r>(
    left: &Operand,
    comparison: Comparison,
    right: &Operand,
    element: &Value<'r>,
    search: &mut Search<'r>,
) -> Result<bool, PathError> {
    let Some(value) = left.value(element, search)? else { return Ok(false) };
    let Some(other) = right.value(element, search)? else { return Ok(comparison == Comparison::NotEqual) };
    Ok(match comparison {
        Comparison::Equal => equal(&value, &other, search)?,
        Comparison::NotEqual => !equal(&value, &other, search)?,
        Comparison::Less => order(&value, &other, search)?.is_some_and(Ordering::is_lt),
        Comparison::LessOrEqual => order(&value, &other, search)?.is_some_and(Ordering::is_le),
        Comparison::Greater => order(&value, &other, search)?.is_some_and(Ordering::is_gt),
        Comparison::GreaterOrEqual => order(&value, &other, search)?.is_some_and(Ordering::is_ge),
        Comparison::Contains => match (&value, &other, Collection::of(&value)) {
            (Value::String(text), Value::String(part), _) => {
                search.read(text)?;
                text.contains(&**part)
            }
            (.., Some(Collection::List(list))) => {
                search.visit(list.len())?;
                holds(&list.values(), &other, search)?
            }
            _ => false,
        },
        Comparison::Size => size(&value, search)?.zip(number(&other)).is_some_and(|(size, wanted)| size as f64 == wanted),
        Comparison::Empty => match (size(&value, search)?, other) {
            (Some(size), Value::Boolean(is_empty)) => (size == 0) == bool::from(is_empty),
            _ => false,
        },
        Comparison::Within(within) => related(within, &value, &other, search)?,
        Comparison::Matches => false,
    })
}

/// How a value relates to a list. What is no list relates to nothing.
fn related<'r>(within: Within, value: &Value<'r>, other: &Value<'r>, search: &mut Search<'r>) -> Result<bool, PathError> {
    let Some(Collection::List(right)) = Collection::of(other) else { return Ok(false) };
    if matches!(within, Within::In | Within::NotIn) {
        search.visit(right.len())?;
        return Ok(holds(&right.values(), value, search)? == (within == Within::In));
    }
    let Some(Collection::List(left)) = Collection::of(value) else { return Ok(false) };
    search.visit(left.len().saturating_mul(right.len()))?;
    let (left, right) = (left.values(), right.values());
    // Whether as many of some elements as are looked at are among others: the first that is, or is not, tells.
    let mut each = |items: &[Value<'r>], others: &[Value<'r>], wanted: bool| {
        for item in items {
            if holds(others, item, search)? != wanted {
                return Ok(false);
            }
        }
        Ok(true)
    };
    match within {
        Within::All => each(&right, &left, true),
        Within::SubsetOf => each(&left, &right, true),
        Within::AnyOf => each(&left, &right, false).map(|none| !none),
        _ => each(&left, &right, false),
    }
}

fn holds<'r>(items: &[Value<'r>], wanted: &Value<'r>, search: &mut Search<'r>) -> Result<bool, PathError> {
    for item in items {
        if same(item, wanted, search)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn size<'r>(value: &Value<'r>, search: &mut Search<'r>) -> Result<Option<usize>, PathError> {
    Ok(match value {
        Value::String(text) => {
            search.read(text)?;
            Some(text.chars().count())
        }
        other => Collection::of(other).map(|collection| collection.len()),
    })
}

/// Within lists a number equals a number and a text a text.
fn same<'r>(a: &Value<'r>, b: &Value<'r>, search: &mut Search<'r>) -> Result<bool, PathError> {
    Ok(matches!(a, Value::String(_)) == matches!(b, Value::String(_)) && equal(a, b, search)?)
}

const fn is_scalar(value: &Value<'_>) -> bool {
    matches!(value, Value::String(_) | Value::Boolean(_)) || value.is_number()
}

/// Of a text that is a number, in bytes.
const NUMBER: usize = 1000;

fn number(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::String(text) => Some(text).filter(|text| text.len() <= NUMBER)?.parse().ok(),
        number if number.is_number() => number.to_text().parse().ok(),
        _ => None,
    }
}

/// A number equals a text that is one; collections are equal where they would be written alike.
fn equal<'r>(a: &Value<'r>, b: &Value<'r>, search: &mut Search<'r>) -> Result<bool, PathError> {
    if Collection::of(a).is_some() {
        return alike(a, b, search);
    }
    Ok(match (a, b) {
        (Value::String(a), Value::String(b)) => search.same(a, b)?,
        (Value::Boolean(a), Value::Boolean(b)) => a == b,
        (Value::Null, Value::Null) => true,
        (Value::String(_), b) if b.is_number() => number(a).is_some() && number(a) == number(b),
        (a, Value::String(_)) if a.is_number() => number(a) == number(b),
        (a, b) if a.is_number() && b.is_number() => number(a) == number(b),
        _ => false,
    })
}

/// Whether two values are written alike as JSON. What is looked at counts, so that no payload makes a comparison long.
fn alike<'r>(a: &Value<'r>, b: &Value<'r>, search: &mut Search<'r>) -> Result<bool, PathError> {
    search.visit(1)?;
    let mut go_on = |a: &Value<'r>, b: &Value<'r>| match alike(a, b, search) {
        Ok(true) => ControlFlow::Continue(()),
        ended => ControlFlow::Break(ended),
    };
    match (a, b) {
        (Value::String(a), Value::String(b)) => return search.same(a, b),
        (Value::String(_), _) | (_, Value::String(_)) => return Ok(false),
        _ => {}
    }
    let walked = match (Collection::of(a), Collection::of(b)) {
        (Some(Collection::List(a)), Some(Collection::List(b))) if a.len() == b.len() => {
            a.walk(|index, item| b.get(index).map_or(ControlFlow::Break(Ok(false)), |other| go_on(item, &other)))
        }
        (Some(Collection::Map(a)), Some(Collection::Map(b))) if a.len() == b.len() => a.walk(|index, key, value| match b.at(index) {
            Some((other_key, other)) if key.text() == other_key.text() => go_on(value, &other),
            _ => ControlFlow::Break(Ok(false)),
        }),
        (None, None) => return Ok(a.to_json() == b.to_json()),
        _ => return Ok(false),
    };
    walked.break_value().unwrap_or(Ok(true))
}

/// Only numbers and texts have an order.
fn order<'r>(a: &Value<'r>, b: &Value<'r>, search: &mut Search<'r>) -> Result<Option<Ordering>, PathError> {
    Ok(match (a, b) {
        (Value::String(a), Value::String(b)) => {
            search.read(if a.len() < b.len() { a } else { b })?;
            Some((**a).cmp(&**b))
        }
        (a, b) if a.is_number() && b.is_number() => number(a).zip(number(b)).and_then(|(a, b)| a.partial_cmp(&b)),
        _ => None,
    })
}
