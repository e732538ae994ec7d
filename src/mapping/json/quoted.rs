//! Strings as JSON writes them.

use std::ops::Range;

use crate::mapping::scan::inside;

/// The inside of a string as it was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted<'t> {
    /// The whole text.
    pub(super) source: &'t str,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) form: Form,
}

/// How a string is written. A whole word: a byte beside two words is copied with its padding, which the processor waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Form {
    /// Every character stands for itself, and is printed so.
    Plain,
    /// With escapes, but only such as are printed.
    Escaped,
    /// With other escapes.
    Unusual,
    /// Without escapes, but some characters are printed with one, or the quotes are single ones.
    Raw,
}

impl<'t> Quoted<'t> {
    /// Where it stands.
    #[inline(always)]
    pub(super) const fn place(self) -> Range<usize> {
        self.start..self.end
    }

    /// The same with its quotes.
    #[inline(always)]
    pub(super) const fn quoted_place(self) -> Range<usize> {
        self.start - 1..self.end + 1
    }

    /// What stands there.
    #[inline(always)]
    pub(super) fn text(self) -> Option<&'t str> {
        self.source.get(self.place())
    }

    /// The text with its escapes resolved.
    pub(super) fn unescaped(self) -> Option<String> {
        unescaped(self.text()?)
    }

    /// Appends the text with its escapes resolved.
    pub(super) fn unescape(self, out: &mut String) -> Option<()> {
        unescape(self.text()?, out)
    }
}

fn unescape(text: &str, out: &mut String) -> Option<()> {
    out.reserve(text.len());
    let mut rest = text;
    loop {
        let (before, escape) = rest.split_at_checked(inside(rest.as_bytes(), b'\\'))?;
        out.push_str(before);
        let mut escape = escape.chars();
        if escape.next().is_none() {
            return Some(());
        }
        let c = escape.next()?;
        rest = escape.as_str();
        match c {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'u' => {
                let first = hex(&mut rest)?;
                let pair = rest.strip_prefix("\\u").and_then(|mut after| Some((hex(&mut after)?, after)));
                let c = match pair.filter(|(second, _)| (0xdc00..0xe000).contains(second)) {
                    Some((second, after)) if (0xd800..0xdc00).contains(&first) => {
                        rest = after;
                        char::decode_utf16([first, second]).next().and_then(Result::ok)
                    }
                    _ => char::from_u32(first.into()),
                };
                // Half a pair stands for no character.
                out.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            other => out.push(other),
        }
    }
}

/// What stands between the quotes of a JSON string, with its escapes resolved; nothing where one of them is none.
#[must_use]
pub fn unescaped(text: &str) -> Option<String> {
    let mut out = String::new();
    unescape(text, &mut out)?;
    Some(out)
}

fn hex(rest: &mut &str) -> Option<u16> {
    let (digits, after) = rest.split_at_checked(4).filter(|(digits, _)| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    *rest = after;
    u16::from_str_radix(digits, 16).ok()
}
