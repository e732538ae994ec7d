//! A place in a JSON text, and what stands there.

use std::ops::Range;

use super::Word;
use super::quoted::{Form, Quoted};
use crate::mapping::scan::{inside, plain};

/// A place in a text. What is rare is read by functions that take and give places, so that this one stays in registers.
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The next sign that is no blank.
    #[inline(always)]
    pub(super) fn sign(&mut self) -> Option<u8> {
        let sign = self.peek()?;
        // Most signs are no blanks, which one comparison tells.
        if sign > b' ' {
            return Some(sign);
        }
        self.at = behind_blanks(self.text.as_bytes(), self.at);
        self.peek()
    }

    /// Passes the next sign, and says where it stood.
    #[inline(always)]
    pub(super) fn pass(&mut self) -> usize {
        self.at += 1;
        self.at - 1
    }

    pub(super) fn is_at_end(&self) -> bool {
        behind_blanks(self.text.as_bytes(), self.at) == self.text.len()
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// A string in quotes of either kind, with its form as [`super::Build::PRINTED`] asks for it.
    #[inline(always)]
    pub(super) fn quoted(&mut self, printed: bool) -> Option<Quoted<'t>> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let is_usual = self.peek() == Some(b'"');
        let (mut end, mut form) = (start, Form::Plain);
        if is_usual {
            let rest = bytes.get(start..)?;
            end += if printed { plain(rest) } else { inside(rest, b'"') };
        }
        if !is_usual || bytes.get(end) != Some(&b'"') {
            (end, form) = if printed { printed_form(bytes, self.at, end)? } else { any_form(bytes, self.at, end)? };
        }
        self.at = end + 1;
        Some(Quoted { source: self.text, start, end, form })
    }

    /// A number, or what begins like one.
    #[inline(always)]
    pub(super) fn number(&mut self) -> (Option<&'t str>, Range<usize>) {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        (self.text.get(start..self.at), start..self.at)
    }

    pub(super) fn word(&mut self) -> Option<(Word, Range<usize>)> {
        let rest = self.text.get(self.at..)?;
        let words = [("true", Word::True), ("false", Word::False), ("null", Word::Null)];
        let (text, word) = words.into_iter().find(|(text, _)| rest.starts_with(text))?;
        let start = self.at;
        self.at += text.len();
        Some((word, start..self.at))
    }
}

#[inline(never)]
fn behind_blanks(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// The end and the form of the string that begins at `at`, of which nothing before `end` needs a look.
#[inline(never)]
fn printed_form(bytes: &[u8], at: usize, mut end: usize) -> Option<(usize, Form)> {
    let quote = *bytes.get(at).filter(|byte| matches!(byte, b'"' | b'\''))?;
    let (mut escaped, mut usual) = (false, quote == b'"');
    loop {
        end += plain(bytes.get(end..)?);
        match *bytes.get(end)? {
            byte if byte == quote => break,
            b'\\' => {
                escaped = true;
                usual &= matches!(bytes.get(end + 1)?, b'"' | b'\\' | b'n' | b'r' | b't' | b'b' | b'f');
                end += 2;
            }
            // The other quote, or a control character, which this reader lets pass.
            byte => {
                usual &= byte == b'\'';
                end += 1;
            }
        }
    }
    let form = match (escaped, usual) {
        (false, true) => Form::Plain,
        (true, true) => Form::Escaped,
        (true, false) => Form::Unusual,
        (false, false) => Form::Raw,
    };
    Some((end, form))
}

/// The same where nobody asks how it is printed.
#[inline(never)]
fn any_form(bytes: &[u8], at: usize, mut end: usize) -> Option<(usize, Form)> {
    let quote = *bytes.get(at).filter(|byte| matches!(byte, b'"' | b'\''))?;
    end += inside(bytes.get(end..)?, quote);
    let mut form = Form::Raw;
    while *bytes.get(end)? != quote {
        form = Form::Escaped;
        end += 2;
        end += inside(bytes.get(end..)?, quote);
    }
    Some((end, form))
}
