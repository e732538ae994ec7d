//! What Java's library does where a template shows it: number texts, regular expressions.

use regex::{Regex, RegexBuilder};

use super::render::Meter;
use super::value::Value;

/// `Double.toString`: plain between 10⁻³ and 10⁷, scientific elsewhere, always with a digit behind the point.
#[must_use]
pub fn format_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        let text = format!("{value}");
        return if text.contains('.') { text } else { text + ".0" };
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}

/// A pattern may take this many bytes once compiled, so that a text of ten megabytes is still searched in a time that ends.
const PATTERN: usize = 256 << 10;
/// A string may take this many bytes; the rendering's own limit is checked next.
const STRING: usize = 10 << 20;
/// Matches between two looks at the clock.
const LOOK: usize = 256;

/// Compiles one of Java's patterns: linear time, so no look-around and no back-references.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    let text = ascii_classes(text);
    RegexBuilder::new(&text).size_limit(PATTERN).nest_limit(100).build().map_err(|_| format!("`{text}` is no pattern that can be run"))
}

/// Java's classes are ASCII's.
fn ascii_classes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('w') => out.push_str("[A-Za-z0-9_]"),
            Some('W') => out.push_str("[^A-Za-z0-9_]"),
            Some('s') => out.push_str("[ \\t\\n\\x0B\\f\\r]"),
            Some('S') => out.push_str("[^ \\t\\n\\x0B\\f\\r]"),
            Some('Z') => out.push_str("\\z"),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

/// `String.replace`.
pub(super) fn replace(text: &str, old: &str, new: &str) -> Result<String, String> {
    let growth = new.len().saturating_sub(old.len());
    if growth > 0 && text.matches(old).count().saturating_mul(growth).saturating_add(text.len()) > STRING {
        return Err(too_long());
    }
    Ok(text.replace(old, new))
}

/// `String.replaceFirst`.
pub(super) fn replace_first(text: &str, old: &str, new: &str) -> Result<String, String> {
    Ok(pattern(old)?.replace(text, replacement(new)?).into_owned())
}

/// `String.matches`: the whole text.
pub(super) fn matches(text: &str, whole: &str) -> Result<bool, String> {
    pattern(whole)?;
    Ok(pattern(&format!("^(?:{whole})$"))?.is_match(text))
}

/// Refuses a string that would be too long.
pub(super) fn checked(length: usize) -> Result<(), String> {
    if length > STRING { Err(too_long()) } else { Ok(()) }
}

/// `String.replaceAll`. The result's size and the clock are looked at on the way: a short text can grow long, and a search for each
/// match can walk the rest of the text.
pub(super) fn replace_all(text: &str, old: &str, new: &str, meter: &Meter<'_>) -> Result<String, String> {
    let (pattern, new) = (pattern(old)?, replacement(new)?);
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for (count, captures) in pattern.captures_iter(text).enumerate() {
        let Some(found) = captures.get(0) else { continue };
        out.push_str(text.get(copied..found.start()).unwrap_or_default());
        captures.expand(&new, &mut out);
        copied = found.end();
        if out.len() > STRING {
            return Err(too_long());
        }
        look(count, meter)?;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Ok(out)
}

fn look(count: usize, meter: &Meter<'_>) -> Result<(), String> {
    if count % LOOK == LOOK - 1 && !meter.look() { Err("the search takes too long".to_owned()) } else { Ok(()) }
}

fn too_long() -> String {
    format!("a string of more than {STRING} bytes")
}

/// A replacement in Java's notation, `$1` and `\$`, as the regex crate's.
pub(super) fn replacement(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push_str(&escaped(chars.next().ok_or("the replacement ends with a backslash")?)),
            '$' => {
                let digit = chars.next().filter(char::is_ascii_digit).ok_or("the replacement has a `$` without a group")?;
                out.push_str(&format!("${{{digit}}}"));
            }
            other => out.push(other),
        }
    }
    Ok(out)
}

fn escaped(c: char) -> String {
    if c == '$' { "$$".to_owned() } else { c.to_string() }
}

/// `String.split`: trailing empty pieces are dropped unless a limit is given.
///
/// # Errors
/// When the pattern cannot be run.
pub(super) fn split<'r>(text: &str, separator: &str, limit: i64, meter: &Meter<'_>) -> Result<Vec<Value<'r>>, String> {
    let pattern = pattern(separator)?;
    let most = usize::try_from(limit).ok().filter(|most| *most > 0).unwrap_or(usize::MAX);
    let mut pieces: Vec<&str> = Vec::new();
    for (count, piece) in pattern.splitn(text, most).enumerate() {
        pieces.push(piece);
        look(count, meter)?;
    }
    // A match of nothing at the beginning makes no empty first piece (since Java 8).
    if pieces.first() == Some(&"") && pieces.len() > 1 && pattern.find(text).is_some_and(|found| found.is_empty()) {
        pieces.remove(0);
    }
    if limit == 0 && pieces.len() > 1 {
        while pieces.len() > 1 && pieces.last() == Some(&"") {
            pieces.pop();
        }
        if pieces == [""] && !text.is_empty() {
            pieces.clear();
        }
    }
    Ok(pieces.into_iter().map(|piece| Value::text(piece.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_java_prints_them() {
        for (value, text) in [
            (1.0, "1.0"),
            (12_345_678.9, "1.23456789E7"),
            (0.001, "0.001"),
            (0.000_1, "1.0E-4"),
            (1.5e300, "1.5E300"),
            (-2.5, "-2.5"),
            (1e7, "1.0E7"),
        ] {
            assert_eq!(format_double(value), text);
        }
    }

    #[test]
    fn replacements_are_translated() {
        assert_eq!(replacement("a$1\\$b").unwrap(), "a${1}$$b");
        assert!(replacement("$x").is_err() && replacement("\\").is_err());
    }
}
