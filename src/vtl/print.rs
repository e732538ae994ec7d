//! How Java prints values, and how they are written as JSON.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::collection::Collection;
use super::java::format_double;
use super::limits::DEPTH;
use super::value::{ListKind, Value};

/// Printing stops here, in bytes, well beyond what any limit lets pass: values that share their parts can stand for texts without end.
const PRINTED: usize = 16 << 20;

impl Value<'_> {
    /// What Java's `toString` gives.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.print(&mut out);
        out
    }

    /// The same, borrowed where the value is text.
    #[must_use]
    pub fn as_text(&self) -> Cow<'_, str> {
        if let Self::String(text) = self { Cow::Borrowed(text) } else { Cow::Owned(self.to_text()) }
    }

    /// Appends what Java's `toString` gives.
    pub fn print(&self, out: &mut String) {
        self.print_within(out, 0);
    }

    fn print_within(&self, out: &mut String, depth: usize) {
        if out.len() > PRINTED {
            return;
        }
        match self {
            Self::Null | Self::Block(_) | Self::Given(_) => {}
            Self::Round(_) => out.push_str("{}"),
            Self::Boolean(value) => out.push_str(if (*value).into() { "true" } else { "false" }),
            Self::Integer(value) => push_integer(*value, out),
            // Writing to a string cannot fail.
            Self::BigInteger(value) => drop(write!(out, "{value}")),
            Self::Double(value) => out.push_str(&format_double(*value)),
            Self::String(text) => out.push_str(text),
            Self::Decimal(text) => out.push_str(text),
            _ if depth > DEPTH => out.push('…'),
            Self::Entry(entry) => {
                out.push_str(entry.key.text());
                out.push('=');
                entry.value().print_member(out, depth);
            }
            Self::Map(map) if map.silent => {}
            Self::List(list) if list.kind == ListKind::Json => self.write_json(out, true),
            Self::Branch(branch) if branch.is_list() => self.write_json(out, true),
            Self::List(_) | Self::Map(_) | Self::Branch(_) => match Collection::of(self) {
                Some(Collection::List(elements)) => {
                    out.push('[');
                    elements.each(|index, item| {
                        out.push_str(if index > 0 { ", " } else { "" });
                        item.print_member(out, depth);
                    });
                    out.push(']');
                }
                Some(Collection::Map(members)) => {
                    out.push('{');
                    members.each(|index, key, value| {
                        out.push_str(if index > 0 { ", " } else { "" });
                        out.push_str(key.text());
                        out.push('=');
                        value.print_member(out, depth);
                    });
                    out.push('}');
                }
                None => {}
            },
        }
    }

    /// Inside a collection Java writes `null` for nothing.
    fn print_member(&self, out: &mut String, depth: usize) {
        if matches!(self, Self::Null) { out.push_str("null") } else { self.print_within(out, depth + 1) }
    }

    /// The value as compact JSON, keys in order.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out, false);
        out
    }

    /// Appends the value as compact JSON; `slashes` are escaped where a list prints itself.
    pub fn write_json(&self, out: &mut String, slashes: bool) {
        self.write_json_within(out, slashes, 0);
    }

    fn write_json_within(&self, out: &mut String, slashes: bool, depth: usize) {
        if out.len() > PRINTED {
            return;
        }
        match self {
            Self::Null | Self::Given(_) | Self::Entry(_) | Self::Round(_) | Self::Block(_) => out.push_str("null"),
            Self::String(text) => write_json_string(text, out, slashes),
            _ if depth > DEPTH + 28 => out.push_str("null"),
            Self::List(_) | Self::Map(_) | Self::Branch(_) => match Collection::of(self) {
                Some(Collection::List(elements)) => {
                    out.push('[');
                    elements.each(|index, item| {
                        out.push_str(if index > 0 { "," } else { "" });
                        item.write_json_within(out, slashes, depth + 1);
                    });
                    out.push(']');
                }
                Some(Collection::Map(members)) => {
                    out.push('{');
                    members.each(|index, key, value| {
                        out.push_str(if index > 0 { "," } else { "" });
                        write_json_string(key.text(), out, slashes);
                        out.push(':');
                        value.write_json_within(out, slashes, depth + 1);
                    });
                    out.push('}');
                }
                None => {}
            },
            number => number.print_within(out, depth),
        }
    }
}

/// A whole number's digits, without the machinery of formatting.
pub(super) fn push_integer(value: i64, out: &mut String) {
    // Most numbers have one digit or two.
    if let Ok(small @ 0..100) = u8::try_from(value) {
        if small >= 10 {
            out.push(char::from(b'0' + small / 10));
        }
        out.push(char::from(b'0' + small % 10));
        return;
    }
    let mut digits = [b'0'; 20];
    let mut rest = value.unsigned_abs();
    let mut length = 0;
    for place in digits.iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        length += 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push('-');
    }
    out.push_str(digits.get(20 - length..).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default());
}

/// Appends a JSON string, quotes included.
pub fn write_json_string(text: &str, out: &mut String, slashes: bool) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' && !(slashes && byte == b'/') && byte != 0x7f {
            continue;
        }
        out.push_str(text.get(plain..at).unwrap_or_default());
        plain = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'/' => out.push_str("\\/"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            other => drop(write!(out, "\\u{other:04X}")),
        }
    }
    out.push_str(text.get(plain..).unwrap_or_default());
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_print_to_their_ends() {
        for number in (-1000..1000).chain([1_234_567_890, i64::MAX, i64::MIN]) {
            assert_eq!(Value::Integer(number).to_text(), number.to_string());
        }
    }
}
