//! `java.lang.String`. Positions count UTF-16 units, as Java's do.

use super::Result;
use crate::vtl::java;
use crate::vtl::render::Watch;
use crate::vtl::text::Text;
use crate::vtl::value::Value;

pub(super) fn call<'r>(text: &Text<'r>, name: &str, arguments: &[Value<'r>], watch: &Watch<'_>) -> Result<'r> {
    use Value::{Boolean, Integer, String};
    let found = |value: Value<'r>| Ok(Some(value));
    match (name, arguments) {
        ("length", []) => found(Integer(length(text))),
        ("isEmpty", []) => found(Boolean(text.is_empty())),
        ("toLowerCase", []) => found(Value::text(text.to_lowercase())),
        ("toUpperCase", []) => found(Value::text(text.to_uppercase())),
        ("trim", []) => found(part(text, text.trim_matches(|c: char| c <= ' '))),
        ("intern", []) => found(String(text.clone())),
        ("getBytes", _) => found(bytes(text)),
        ("toCharArray", []) => found(Value::list(text.chars().map(|c| Value::text(c.to_string())).collect())),
        ("substring", [Integer(from)]) => substring(text, *from, length(text)),
        ("substring" | "subSequence", [Integer(from), Integer(to)]) => substring(text, *from, *to),
        ("charAt", [Integer(at)]) => substring(text, *at, at.saturating_add(1)),
        ("concat", [String(other)]) => found(Value::text(format!("{}{}", &**text, &**other))),
        ("contains", [other]) if !other.is_number() => found(Boolean(text.contains(&*other.as_text()))),
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
        ("replace", [String(old), String(new)]) => found(Value::text(java::replace(text, old, new)?)),
        ("replaceAll", [String(pattern), String(new)]) => found(Value::text(java::replace_all(text, pattern, new, watch)?)),
        ("replaceFirst", [String(pattern), String(new)]) => {
            found(Value::text(java::pattern(pattern)?.replace(text, java::replacement(new)?).into_owned()))
        }
        ("matches", [String(pattern)]) => found(Boolean(java::pattern(&format!("^(?:{pattern})$"))?.is_match(text))),
        ("split", [String(separator)]) => found(Value::list(java::split(text, separator, 0, watch)?)),
        ("split", [String(separator), Integer(limit)]) => found(Value::list(java::split(text, separator, *limit, watch)?)),
        ("format", [String(format), arguments @ ..]) => java::format(format, arguments).map(|text| Some(Value::text(text))),
        ("valueOf", [other]) => found(super::text_of(other)),
        _ => Ok(None),
    }
}

/// A part of a text, borrowed from what the whole is borrowed from.
fn part<'r>(whole: &Text<'r>, part: &str) -> Value<'r> {
    let borrowed = match whole {
        Text::Borrowed(text) => (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize).and_then(|at| text.get(at..at + part.len())),
        Text::Owned(_) => None,
    };
    borrowed.map_or_else(|| Value::text(part.to_owned()), Value::text)
}

/// The string's UTF-8 bytes, as Java's signed ones.
pub(super) fn bytes<'r>(text: &str) -> Value<'r> {
    Value::list(text.bytes().map(|byte| Value::Integer(i8::from_ne_bytes([byte]).into())).collect())
}

fn length(text: &str) -> i64 {
    if text.is_ascii() { text.len() as i64 } else { text.encode_utf16().count() as i64 }
}

fn substring<'r>(text: &Text<'r>, from: i64, to: i64) -> Result<'r> {
    let length = length(text);
    if from < 0 || to > length || from > to {
        return Err(format!("begin {from}, end {to}, length {length}: out of range"));
    }
    let (from, to) = (usize::try_from(from).unwrap_or(0), usize::try_from(to).unwrap_or(0));
    if text.is_ascii() {
        return Ok(text.get(from..to).map(|found| part(text, found)));
    }
    let units: Vec<u16> = text.encode_utf16().skip(from).take(to - from).collect();
    Ok(Some(Value::text(String::from_utf16_lossy(&units))))
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
