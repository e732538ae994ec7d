//! `java.lang.String` by code points and UTF-16 units.

use super::Result;
use super::string::{byte_at, length};
use crate::vtl::value::Value;

/// Calls a method; nothing where it is none of these.
pub(super) fn call<'r>(text: &str, name: &str, arguments: &[Value<'r>]) -> Result<'r> {
    use Value::{Integer, String};
    match (name, arguments) {
        ("codePointAt", [Integer(at)]) => code_point(text, *at),
        ("codePointBefore", [Integer(at)]) => code_point_before(text, *at),
        ("codePointCount", [Integer(from), Integer(to)]) => code_point_count(text, *from, *to),
        ("regionMatches", [Integer(at), String(other), Integer(from), Integer(count)]) => {
            Ok(Some(Value::boolean(region_matches((text, *at), (other, *from), *count, |unit| unit))))
        }
        ("regionMatches", [Value::Boolean(ignores_case), Integer(at), String(other), Integer(from), Integer(count)]) => {
            let fold = if (*ignores_case).into() { without_case } else { |unit| unit };
            Ok(Some(Value::boolean(region_matches((text, *at), (other, *from), *count, fold))))
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

/// Whether so many units at a place of each of two texts are the same. A region of less than nothing is empty, and may lie that much behind
/// the end.
fn region_matches((text, at): (&str, i64), (other, from): (&str, i64), count: i64, fold: fn(u16) -> u16) -> bool {
    let units = |text: &str, start: i64| {
        let start = usize::try_from(start).ok()?;
        let wanted = usize::try_from(count).unwrap_or(0);
        if count < 0 {
            return (start as i64 <= length(text).saturating_sub(count)).then(Vec::new);
        }
        let units: Vec<u16> = text.encode_utf16().skip(start).take(wanted).map(fold).collect();
        // An empty region lies within the text or at its end.
        (units.len() == wanted && (wanted > 0 || byte_at(text, start).is_some())).then_some(units)
    };
    units(text, at).is_some_and(|region| units(other, from) == Some(region))
}

/// A unit as Java compares it where case does not matter: in upper case, and that in lower case, each where it is one unit.
fn without_case(unit: u16) -> u16 {
    if let Ok(byte @ ..128) = u8::try_from(unit) {
        return byte.to_ascii_lowercase().into();
    }
    let Some(c) = char::from_u32(unit.into()) else { return unit };
    let upper = only(c.to_uppercase()).unwrap_or(c);
    // The one character that is longer in lower case and has a short form nevertheless.
    let lower = if upper == 'İ' { 'i' } else { only(upper.to_lowercase()).unwrap_or(upper) };
    u16::try_from(u32::from(lower)).unwrap_or(unit)
}

/// A text's units as Java compares them where case does not matter.
pub(super) fn units_without_case(text: &str) -> impl Iterator<Item = u16> {
    text.encode_utf16().map(without_case)
}

fn only(mut chars: impl Iterator<Item = char>) -> Option<char> {
    let first = chars.next();
    first.filter(|_| chars.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_matter_by_units() {
        for (a, b) in [("É", "é"), ("İ", "i"), ("ſ", "S"), ("ς", "Σ"), ("ᾳ", "ᾼ"), ("K", "k")] {
            assert!(units_without_case(a).eq(units_without_case(b)), "{a} {b}");
        }
        // What is longer in upper case is not the same as that, and half a pair has no case.
        for (a, b) in [("ß", "SS"), ("ŉ", "ʼN"), ("𐐀", "𐐨")] {
            assert!(units_without_case(a).ne(units_without_case(b)), "{a} {b}");
        }
    }

    #[test]
    fn regions_are_compared_within_both_texts() {
        let region = |text, at, other, from, count| region_matches((text, at), (other, from), count, |unit| unit);
        assert!(region("xaéy", 1, "aé", 0, 2) && region("a😀b", 1, "😀", 0, 2) && region("ab", 2, "", 0, 0));
        assert!(region("ab", 3, "cd", 0, -1), "a region of less than nothing may lie that much behind the end");
        assert!(
            !region("ab", 4, "cd", 0, -1) && !region("ab", -1, "ab", 0, 1) && !region("ab", 0, "ab", 1, 2) && !region("ab", 3, "", 0, 0)
        );
    }
}
