//! `[?( … )]`.

use std::cmp::Ordering;

use regex::{Regex, RegexBuilder};

use super::{JsonPath, PathError, Search};
use crate::vtl::Value;

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
    In,
    NotIn,
    Matches,
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
                Some(value) if is_scalar(&value) => pattern.0.is_match(&value.as_text()),
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
            Self::Text(text) => Some(Value::text(text.clone())),
            Self::Number(number) => Some(Value::Double(*number)),
            Self::Boolean(value) => Some(Value::Boolean(*value)),
            Self::Null => Some(Value::Null),
            Self::List(_) => None,
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
    if let Operand::List(items) = right {
        let found = items.iter().any(|item| item.is(&value));
        return Ok(match comparison {
            Comparison::In => found,
            Comparison::NotIn => !found,
            _ => false,
        });
    }
    let Some(other) = right.value(element, search)? else { return Ok(comparison == Comparison::NotEqual) };
    let order = order(&value, &other);
    Ok(match comparison {
        Comparison::Equal => equal(&value, &other),
        Comparison::NotEqual => !equal(&value, &other),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        Comparison::In | Comparison::NotIn | Comparison::Matches => false,
    })
}

const fn is_scalar(value: &Value<'_>) -> bool {
    matches!(value, Value::String(_) | Value::Boolean(_)) || value.is_number()
}

fn number(value: &Value<'_>) -> Option<f64> {
    if value.is_number() || matches!(value, Value::String(_)) { value.as_text().parse().ok() } else { None }
}

/// A number equals a text that is one.
fn equal(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => **a == **b,
        (Value::Boolean(a), Value::Boolean(b)) => a == b,
        (Value::Null, Value::Null) => true,
        (Value::String(_), b) if b.is_number() => number(a).is_some() && number(a) == number(b),
        (a, Value::String(_)) if a.is_number() => number(a) == number(b),
        (a, b) if a.is_number() && b.is_number() => number(a) == number(b),
        (Value::List(_), Value::List(_)) | (Value::Map(_), Value::Map(_)) => a.to_json() == b.to_json(),
        _ => false,
    }
}

/// Only numbers and texts have an order.
fn order(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some((**a).cmp(&**b)),
        (a, b) if a.is_number() && b.is_number() => number(a)?.partial_cmp(&number(b)?),
        _ => None,
    }
}
