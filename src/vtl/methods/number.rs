//! `java.lang.Integer`, `Long`, `Double` and `Boolean`.

use std::cmp::Ordering;

use super::Result;
use crate::vtl::arithmetic::{as_double, compare};
use crate::vtl::value::Value;

pub(super) fn call<'r>(number: &Value<'r>, name: &str, arguments: &[Value<'r>]) -> Result<'r> {
    let found = |value: Value<'r>| Ok(Some(value));
    match (name, arguments) {
        ("intValue" | "longValue" | "shortValue" | "byteValue", []) => found(Value::Integer(whole(number))),
        ("doubleValue" | "floatValue", []) => found(Value::Double(as_double(number))),
        ("compareTo" | "compare", [other]) => Ok(compare(number, other).map(sign)),
        ("max", [a, b]) => Ok(compare(a, b).map(|order| if order == Ordering::Less { b.clone() } else { a.clone() })),
        ("min", [a, b]) => Ok(compare(a, b).map(|order| if order == Ordering::Greater { b.clone() } else { a.clone() })),
        ("signum", [other]) => Ok(compare(other, &Value::Integer(0)).map(sign)),
        ("parseInt" | "parseLong" | "valueOf", [Value::String(text)]) if !matches!(number, Value::Double(_)) => {
            text.parse().map(|number| Some(Value::Integer(number))).map_err(|_| format!("`{text}` is no number"))
        }
        ("parseDouble" | "valueOf", [Value::String(text)]) => {
            text.trim().parse().map(|number| Some(Value::Double(number))).map_err(|_| format!("`{text}` is no number"))
        }
        ("toString" | "valueOf", [other]) if other.is_number() => found(Value::text(other.to_text())),
        ("isNaN", []) => found(Value::Boolean(as_double(number).is_nan())),
        ("isInfinite", []) => found(Value::Boolean(as_double(number).is_infinite())),
        _ => Ok(None),
    }
}

pub(super) fn boolean<'r>(value: bool, name: &str, arguments: &[Value<'r>]) -> Option<Value<'r>> {
    match (name, arguments) {
        ("booleanValue", []) => Some(Value::Boolean(value)),
        ("parseBoolean" | "valueOf", [Value::String(text)]) => Some(Value::Boolean(text.eq_ignore_ascii_case("true"))),
        ("compareTo", [Value::Boolean(other)]) => Some(sign(value.cmp(other))),
        _ => None,
    }
}

fn sign<'r>(order: Ordering) -> Value<'r> {
    Value::Integer(order as i64)
}

#[expect(clippy::cast_possible_truncation, reason = "Java's own conversion saturates likewise")]
fn whole(number: &Value<'_>) -> i64 {
    match number {
        Value::Integer(number) => *number,
        other => as_double(other) as i64,
    }
}
