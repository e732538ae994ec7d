//! `java.lang.String` by code points and UTF-16 units.

use super::Result;
use super::string::byte_at;
use crate::vtl::value::Value;

/// Calls a method; nothing where it is none of these.
pub(super) fn call<'r>(text: &str, name: &str, arguments: &[Value<'r>]) -> Result<'r> {
    use Value::{Integer, String};
    match (name, arguments) {
        ("codePointAt", [Integer(at)]) => code_point(text, *at),
        ("codePointBefore", [Integer(at)]) => code_point_before(text, *at),
        ("codePointCount", [Integer(from), Integer(to)]) => code_point_count(text, *from, *to),
        ("regionMatches", [Integer(at), String(other), Integer(from), Integer(count)]) => {
            Ok(Some(Value::boolean(region_matches(text, *at, other, *from, *count))))
        }
        ("regionMatches", [Value::Boolean(ignores_case), Integer(at), String(other), Integer(from), Integer(count)]) => {
            Ok(Some(Value::boolean(if (*ignores_case).into() {
                region_matches(&text.to_lowercase(), *at, &other.to_lowercase(), *from, *count)
            } else {
                region_matches(text, *at, other, *from, *count)
            })))
        }
        _ => Ok(None),
    }
}

fn code_point<'r>(text: &str, at: i64) -> Result<'r> {
    let found = usize::try_from(at).ok().and_then(|at| byte_at(text, at)).and_then(|at| text.get(at..)?.chars().next());
    found.map(|c| Some(Value::Integer(u32::from(c).into()))).ok_or_else(|| format!("index {at} is out of range"))
}

fn code_point_before<'r>(text: &str, at: i64) -> Result<'r> {
    let end = usize::try_from(at).ok().filter(|at| *at > 0).and_then(|at| byte_at(text, at));
    let found = end.and_then(|end| text.get(..end)?.chars().next_back());
    found.map(|c| Some(Value::Integer(u32::from(c).into()))).ok_or_else(|| format!("index {at} is out of range"))
}

fn code_point_count<'r>(text: &str, from: i64, to: i64) -> Result<'r> {
    let byte = |at: i64| usize::try_from(at).ok().and_then(|at| byte_at(text, at));
    let part = byte(from).zip(byte(to)).and_then(|(from, to)| text.get(from..to));
    part.map(|part| Some(Value::Integer(part.chars().count() as i64))).ok_or_else(|| format!("{from} to {to} is out of range"))
}

/// Whether so many units at a place are those at a place of another text. Places that do not exist hold nothing that is the same.
fn region_matches(text: &str, at: i64, other: &str, from: i64, count: i64) -> bool {
    let (Ok(at), Ok(from)) = (usize::try_from(at), usize::try_from(from)) else { return false };
    // A region of less than nothing is empty, and must only lie within both.
    let count = usize::try_from(count).unwrap_or(0);
    let units = |text: &str, start: usize| -> Option<Vec<u16>> {
        let units: Vec<u16> = text.encode_utf16().collect();
        units.get(start..start.checked_add(count)?).map(<[u16]>::to_vec)
    };
    units(text, at).is_some_and(|region| units(other, from).is_some_and(|other| region == other))
}
