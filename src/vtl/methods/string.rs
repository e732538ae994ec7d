//! `java.lang.String`. Positions count UTF-16 units, as Java's do.

use super::Result;
use super::units::units_without_case;
use crate::vtl::collection::Collection;
use crate::vtl::java;
use crate::vtl::render::Meter;
use crate::vtl::text::Text;
use crate::vtl::value::Value;

pub(super) fn call<'r>(text: &Text<'r>, name: &str, arguments: &[Value<'r>], meter: &Meter<'_>) -> Result<'r> {
    use Value::{Integer, String};
    let found = |value: Value<'r>| Ok(Some(value));
    // Places and counts are `int`s, so that no method takes a longer number for one.
    if !matches!(name, "format" | "valueOf" | "join") && arguments.iter().any(super::is_long) {
        return Ok(None);
    }
    match (name, arguments) {
        ("length", []) => found(Integer(length(text))),
        ("isEmpty", []) => found(Value::boolean(text.is_empty())),
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
        ("contains", [String(other)]) => found(Value::boolean(text.contains(&**other))),
        ("contentEquals", [String(other)]) => found(Value::boolean(**text == **other)),
        ("startsWith", [String(other)]) => found(Value::boolean(text.starts_with(&**other))),
        ("startsWith", [String(other), Integer(from)]) => found(Value::boolean(starts_at(text, other, *from))),
        ("endsWith", [String(other)]) => found(Value::boolean(text.ends_with(&**other))),
        ("strip", []) => found(part(text, text.trim())),
        ("stripLeading", []) => found(part(text, text.trim_start())),
        ("stripTrailing", []) => found(part(text, text.trim_end())),
        ("isBlank", []) => found(Value::boolean(text.trim().is_empty())),
        ("repeat", [Integer(count)]) => repeat(text, *count),
        ("equalsIgnoreCase", [String(other)]) => found(Value::boolean(units_without_case(text).eq(units_without_case(other)))),
        ("compareTo", [String(other)]) => found(Integer(compare(text.encode_utf16(), other.encode_utf16()))),
        ("compareTo", [_]) => Err("a text compares only to a text".to_owned()),
        ("compareToIgnoreCase", [String(other)]) => found(Integer(compare(units_without_case(text), units_without_case(other)))),
        ("indexOf", [String(other)]) => found(Integer(index_of(text, other, 0))),
        ("indexOf", [String(other), Integer(from)]) => found(Integer(index_of(text, other, *from))),
        ("indexOf", [Integer(c)]) => found(Integer(character(*c).map_or(-1, |c| index_of(text, &c, 0)))),
        ("indexOf", [Integer(c), Integer(from)]) => found(Integer(character(*c).map_or(-1, |c| index_of(text, &c, *from)))),
        ("lastIndexOf", [String(other)]) => found(Integer(last_index_of(text, other, i64::MAX))),
        ("lastIndexOf", [String(other), Integer(from)]) => found(Integer(last_index_of(text, other, *from))),
        ("lastIndexOf", [Integer(c)]) => found(Integer(character(*c).map_or(-1, |c| last_index_of(text, &c, i64::MAX)))),
        ("join", [String(between), parts @ ..]) if parts.iter().all(|part| matches!(part, String(_))) => join(between, parts),
        ("join", [String(between), list]) => match Collection::of(list) {
            Some(Collection::List(parts)) => {
                // Its result may be short nevertheless.
                meter.spend(parts.len() / 16);
                join(between, &parts.values())
            }
            _ => Ok(None),
        },
        ("replace", [String(old), String(new)]) => found(Value::text(java::replace(text, old, new)?)),
        ("replaceAll", [String(pattern), String(new)]) => found(Value::text(java::replace_all(text, pattern, new, meter)?)),
        ("replaceFirst", [String(pattern), String(new)]) => found(Value::text(java::replace_first(text, pattern, new)?)),
        ("matches", [String(pattern)]) => found(Value::boolean(java::matches(text, pattern)?)),
        ("split", [String(separator)]) => found(Value::list(java::split(text, separator, 0, meter)?)),
        ("split", [String(separator), Integer(limit)]) => found(Value::list(java::split(text, separator, *limit, meter)?)),
        ("format", [String(format), arguments @ ..]) => super::format::format(format, arguments).map(|text| Some(Value::text(text))),
        ("valueOf", [other]) => found(super::text_of(other)),
        _ => super::units::call(text, name, arguments),
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

pub(super) fn length(text: &str) -> i64 {
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

/// The byte at which a UTF-16 unit stands; nothing behind the end.
pub(super) fn byte_at(text: &str, unit: usize) -> Option<usize> {
    if text.is_ascii() {
        return (unit <= text.len()).then_some(unit);
    }
    let mut units = 0;
    let found = text.char_indices().find(|(_, c)| {
        let reached = units >= unit;
        units += c.len_utf16();
        reached
    });
    found.map(|(at, _)| at).or_else(|| (unit <= units).then_some(text.len()))
}

/// A character by its number.
fn character(code: i64) -> Option<String> {
    u32::try_from(code).ok().and_then(char::from_u32).map(String::from)
}

fn starts_at(text: &str, other: &str, from: i64) -> bool {
    let start = usize::try_from(from).ok().and_then(|from| byte_at(text, from));
    start.and_then(|start| text.get(start..)).is_some_and(|rest| rest.starts_with(other))
}

fn index_of(text: &str, other: &str, from: i64) -> i64 {
    let from = usize::try_from(from).unwrap_or(0);
    let start = byte_at(text, from).unwrap_or(text.len());
    text.get(start..).and_then(|rest| rest.find(other)).map_or(-1, |at| length(text.get(..start + at).unwrap_or_default()))
}

/// The last place up to a unit at which another text begins.
fn last_index_of(text: &str, other: &str, from: i64) -> i64 {
    let Ok(from) = usize::try_from(from) else { return -1 };
    let end = byte_at(text, from).unwrap_or(text.len()).saturating_add(other.len()).min(text.len());
    let found = text.get(..text.floor_char_boundary(end)).and_then(|head| head.rfind(other));
    found.map_or(-1, |at| length(text.get(..at).unwrap_or_default()))
}

fn repeat<'r>(text: &str, count: i64) -> Result<'r> {
    let count = usize::try_from(count).map_err(|_| "a text cannot be repeated so often".to_owned())?;
    java::checked(text.len().saturating_mul(count))?;
    Ok(Some(Value::text(text.repeat(count))))
}

fn join<'r>(between: &str, parts: &[Value<'r>]) -> Result<'r> {
    let mut out = String::new();
    for (index, part) in parts.iter().enumerate() {
        let Value::String(part) = part else { return Err("only texts can be joined".to_owned()) };
        out.push_str(if index > 0 { between } else { "" });
        out.push_str(part);
        java::checked(out.len())?;
    }
    Ok(Some(Value::text(out)))
}

/// The difference of the first units that differ, or else of the lengths.
fn compare(a: impl Iterator<Item = u16>, b: impl Iterator<Item = u16>) -> i64 {
    let (mut a, mut b) = (a.fuse(), b.fuse());
    loop {
        match (a.next(), b.next()) {
            (Some(x), Some(y)) if x == y => {}
            (Some(x), Some(y)) => return i64::from(x) - i64::from(y),
            (Some(_), None) => return 1 + a.count() as i64,
            (None, Some(_)) => return -1 - b.count() as i64,
            (None, None) => return 0,
        }
    }
}
