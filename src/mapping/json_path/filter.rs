//! `[?( … )]`.

use std::cmp::Ordering;

use regex::{Regex, RegexBuilder};

use super::JsonPath;
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
    Path(JsonPath),
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
    pub(super) fn holds(&self, element: &Value<'_>) -> bool {
        match self {
            Self::Any(alternatives) => alternatives.iter().any(|filter| filter.holds(element)),
            Self::All(parts) => parts.iter().all(|filter| filter.holds(element)),
            Self::Not(inner) => !inner.holds(element),
            Self::Exists(Operand::Path(path)) => path.find(element).ok().flatten().is_some(),
            Self::Exists(operand) => *operand == Operand::Boolean(true),
            Self::Matches(operand, pattern) => matches!(operand.value(element), Some(Value::String(text)) if pattern.0.is_match(&text)),
            Self::Compare(left, comparison, right) => compare(left, *comparison, right, element),
        }
    }
}

impl Operand {
    fn value<'r>(&self, element: &Value<'r>) -> Option<Value<'r>> {
        match self {
            Self::Path(path) => path.find(element).ok().flatten(),
            Self::Text(text) => Some(Value::text(text.clone())),
            Self::Number(number) => Some(Value::Double(*number)),
            Self::Boolean(value) => Some(Value::Boolean(*value)),
            Self::Null => Some(Value::Null),
            Self::List(_) => None,
        }
    }
}

fn compare(left: &Operand, comparison: Comparison, right: &Operand, element: &Value<'_>) -> bool {
    let Some(value) = left.value(element) else { return false };
    if let Operand::List(items) = right {
        let found = items.iter().any(|item| item.is(&value));
        return match comparison {
            Comparison::In => found,
            Comparison::NotIn => !found,
            _ => false,
        };
    }
    let Some(other) = right.value(element) else { return comparison == Comparison::NotEqual };
    let order = order(&value, &other);
    match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::NotEqual => order != Some(Ordering::Equal),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        Comparison::In | Comparison::NotIn | Comparison::Matches => false,
    }
}

fn order(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some((**a).cmp(&**b)),
        (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        _ if a.is_number() && b.is_number() => a.to_text().parse::<f64>().ok()?.partial_cmp(&b.to_text().parse().ok()?),
        _ => None,
    }
}
