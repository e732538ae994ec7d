//! What Java's library does where a template shows it: number texts, regular expressions.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

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

/// A pattern may take this many bytes once compiled.
const PATTERN: usize = 1 << 20;

/// Compiles one of Java's patterns: linear time, so no look-around and no back-references.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    let text = text.replace("\\Z", "\\z");
    RegexBuilder::new(&text).size_limit(PATTERN).nest_limit(100).build().map_err(|_| format!("`{text}` is no pattern that can be run"))
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
pub fn split(text: &str, separator: &str, limit: i64) -> Result<Vec<Value>, String> {
    let pattern = pattern(separator)?;
    let mut pieces: Vec<&str> = if limit > 0 {
        pattern.splitn(text, usize::try_from(limit).unwrap_or(usize::MAX)).collect()
    } else {
        pattern.split(text).collect()
    };
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
    Ok(pieces.into_iter().map(|piece| Value::String(Arc::from(piece))).collect())
}

/// A field of `String.format` may be this wide.
const WIDTH: usize = 1000;

/// `String.format` with the conversions `%s`, `%d`, `%f`, `%x`, `%b`, `%n` and `%%`, widths and precisions.
pub(super) fn format(text: &str, arguments: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let mut arguments = arguments.iter();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic() || c == '%').ok_or("a conversion is not complete")?;
        let (flags, behind) = after.split_at(end);
        let conversion = behind.chars().next().unwrap_or('%');
        rest = behind.get(conversion.len_utf8()..).unwrap_or_default();
        match conversion {
            '%' => out.push('%'),
            'n' => out.push('\n'),
            _ => out.push_str(&field(flags, conversion, arguments.next().ok_or("an argument is missing")?)?),
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn field(flags: &str, conversion: char, value: &Value) -> Result<String, String> {
    let digits = flags.trim_start_matches(['-', '0', '+', ',', ' ']);
    let (width, precision) = digits.split_once('.').map_or((digits, None), |(width, precision)| (width, Some(precision)));
    let number = |text: &str| {
        if text.is_empty() { Ok(0) } else { text.parse::<usize>().ok().filter(|number| *number <= WIDTH).ok_or("a width is no number") }
    };
    let (width, precision) = (number(width)?, precision.map(number).transpose()?);
    let text = match (conversion, value) {
        ('s', value) => value.to_text().chars().take(precision.unwrap_or(usize::MAX)).collect(),
        ('b', value) => matches!(value, Value::Boolean(true)).to_string(),
        ('d', Value::Integer(_) | Value::BigInteger(_)) => value.to_text(),
        ('x', Value::Integer(number)) => format!("{number:x}"),
        ('f', value) if value.is_number() => format!("{:.*}", precision.unwrap_or(6), super::arithmetic::as_double(value)),
        _ => return Err(format!("`%{conversion}` does not fit its argument")),
    };
    let missing = width.saturating_sub(text.chars().count());
    Ok(if flags.starts_with('-') {
        text + &" ".repeat(missing)
    } else if flags.starts_with('0') && conversion != 's' {
        let (sign, magnitude) = text.strip_prefix('-').map_or(("", text.as_str()), |magnitude| ("-", magnitude));
        format!("{sign}{}{magnitude}", "0".repeat(missing))
    } else {
        " ".repeat(missing) + &text
    })
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
