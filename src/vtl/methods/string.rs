//! `java.lang.String`. Positions count UTF-16 units, as Java's do.

use std::sync::Arc;

use super::Result;
use crate::vtl::java;
use crate::vtl::value::Value;

pub(super) fn call(text: &Arc<str>, name: &str, arguments: &[Value]) -> Result {
    use Value::{Boolean, Integer, String};
    let found = |value: Value| Ok(Some(value));
    match (name, arguments) {
        ("length", []) => found(Integer(length(text))),
        ("isEmpty", []) => found(Boolean(text.is_empty())),
        ("toLowerCase", []) => found(Value::text(&text.to_lowercase())),
        ("toUpperCase", []) => found(Value::text(&text.to_uppercase())),
        ("trim", []) => found(Value::text(text.trim_matches(|c: char| c <= ' '))),
        ("intern", []) => found(String(Arc::clone(text))),
        ("getBytes", _) => found(bytes(text)),
        ("toCharArray", []) => found(Value::list(text.chars().map(|c| Value::text(c.encode_utf8(&mut [0; 4]))).collect())),
        ("substring", [Integer(from)]) => substring(text, *from, length(text)),
        ("substring" | "subSequence", [Integer(from), Integer(to)]) => substring(text, *from, *to),
        ("charAt", [Integer(at)]) => substring(text, *at, at.saturating_add(1)),
        ("concat", [String(other)]) => found(Value::text(&format!("{text}{other}"))),
        ("contains", [other]) if !other.is_number() => found(Boolean(text.contains(&*other.to_text()))),
        ("startsWith", [String(other)]) => found(Boolean(text.starts_with(&**other))),
        ("endsWith", [String(other)]) => found(Boolean(text.ends_with(&**other))),
        ("equalsIgnoreCase", [String(other)]) => found(Boolean(text.to_lowercase() == other.to_lowercase())),
        ("compareTo", [String(other)]) => found(Integer(compare(text, other))),
        ("compareToIgnoreCase", [String(other)]) => found(Integer(compare(&text.to_lowercase(), &other.to_lowercase()))),
        ("indexOf", [String(other)]) => found(Integer(index_of(text, other, 0))),
        ("indexOf", [String(other), Integer(from)]) => found(Integer(index_of(text, other, *from))),
        ("lastIndexOf", [String(other)]) => {
            found(Integer(text.rfind(&**other).map_or(-1, |at| length(text.get(..at).unwrap_or_default()))))
        }
        ("replace", [String(old), String(new)]) => found(Value::text(&text.replace(&**old, new))),
        ("replaceAll", [String(pattern), String(new)]) => {
            let pattern = java::pattern(pattern)?;
            found(Value::text(&bounded(pattern.replace_all(text, java::replacement(new)?))?))
        }
        ("replaceFirst", [String(pattern), String(new)]) => {
            found(Value::text(&java::pattern(pattern)?.replace(text, java::replacement(new)?)))
        }
        ("matches", [String(pattern)]) => found(Boolean(java::pattern(&format!("^(?:{pattern})$"))?.is_match(text))),
        ("split", [String(separator)]) => found(Value::list(java::split(text, separator, 0)?)),
        ("split", [String(separator), Integer(limit)]) => found(Value::list(java::split(text, separator, *limit)?)),
        ("format", [String(format), arguments @ ..]) => java::format(format, arguments).map(|text| Some(Value::text(&text))),
        ("valueOf", [other]) => found(Value::text(&other.to_text())),
        _ => Ok(None),
    }
}

/// A replacement must not grow without bound; the rendering's own limit is checked next.
fn bounded(text: std::borrow::Cow<'_, str>) -> std::result::Result<std::borrow::Cow<'_, str>, String> {
    if text.len() > 10 << 20 { Err("the string has more than 10 MiB".to_owned()) } else { Ok(text) }
}

/// The string's UTF-8 bytes, as Java's signed ones.
pub(super) fn bytes(text: &str) -> Value {
    Value::list(text.bytes().map(|byte| Value::Integer(i8::from_ne_bytes([byte]).into())).collect())
}

fn length(text: &str) -> i64 {
    if text.is_ascii() { text.len() as i64 } else { text.encode_utf16().count() as i64 }
}

fn substring(text: &str, from: i64, to: i64) -> Result {
    let length = length(text);
    if from < 0 || to > length || from > to {
        return Err(format!("begin {from}, end {to}, length {length}: out of range"));
    }
    let (from, to) = (usize::try_from(from).unwrap_or(0), usize::try_from(to).unwrap_or(0));
    if text.is_ascii() {
        return Ok(text.get(from..to).map(Value::text));
    }
    let units: Vec<u16> = text.encode_utf16().skip(from).take(to - from).collect();
    Ok(Some(Value::text(&String::from_utf16_lossy(&units))))
}

fn index_of(text: &str, other: &str, from: i64) -> i64 {
    let from = usize::try_from(from).unwrap_or(0);
    let mut units = 0;
    let start = text.char_indices().find(|(_, c)| {
        let reached = units >= from;
        units += c.len_utf16();
        reached
    });
    let start = start.map_or(if from == 0 { 0 } else { text.len() }, |(at, _)| at);
    text.get(start..).and_then(|rest| rest.find(other)).map_or(-1, |at| length(text.get(..start + at).unwrap_or_default()))
}

/// The difference of the first units that differ, or else of the lengths.
fn compare(a: &str, b: &str) -> i64 {
    let differing = a.encode_utf16().zip(b.encode_utf16()).find(|(a, b)| a != b);
    differing.map_or_else(|| length(a) - length(b), |(a, b)| i64::from(a) - i64::from(b))
}
