//! JSON into template values, as leniently as the service's own reader.

use std::rc::Rc;

use indexmap::IndexMap;

use crate::vtl::{Key, Value};

/// Collections within collections.
const DEPTH: usize = 128;
/// A fraction with more characters than this is no double.
const LONGEST_DOUBLE: usize = 18;
/// Of a number's text, in characters.
const DIGITS: usize = 1000;

/// Reads JSON. Text that does not begin like JSON is one string, as a form's content is; nothing where JSON is begun and broken.
#[must_use]
pub fn parse(text: &str) -> Option<Value> {
    let trimmed = text.trim();
    let mut reader = Reader { text: trimmed, at: 0 };
    if let Some(value) = reader.value(0) {
        reader.blanks();
        if reader.at == trimmed.len() {
            return Some(value);
        }
    }
    let begun = trimmed.starts_with(['{', '[', '"', '\'']);
    (!begun && !trimmed.is_empty()).then(|| Value::text(trimmed))
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn eat(&mut self, wanted: u8) -> bool {
        self.blanks();
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH {
            return None;
        }
        self.blanks();
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            quote @ (b'"' | b'\'') => self.string(quote).map(|text| Value::String(text.into())),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut entries = IndexMap::new();
        if self.eat(b'}') {
            return Some(Value::map(entries));
        }
        loop {
            self.blanks();
            let quote = self.peek().filter(|byte| matches!(byte, b'"' | b'\''))?;
            let key = self.string(quote)?;
            if !self.eat(b':') {
                return None;
            }
            entries.insert(Key::String(key.into()), self.value(depth + 1)?);
            if self.eat(b'}') {
                return Some(Value::map(entries));
            }
            if !self.eat(b',') {
                return None;
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut items = Vec::new();
        if self.eat(b']') {
            return Some(Value::json_list(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.eat(b']') {
                return Some(Value::json_list(items));
            }
            if !self.eat(b',') {
                return None;
            }
        }
    }

    fn string(&mut self, quote: u8) -> Option<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let end = rest.bytes().position(|byte| byte == quote || byte == b'\\')?;
            out.push_str(rest.get(..end)?);
            self.at += end + 1;
            if rest.as_bytes().get(end) == Some(&quote) {
                return Some(out);
            }
            self.escape(&mut out)?;
        }
    }

    fn escape(&mut self, out: &mut String) -> Option<()> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        match c {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'u' => {
                let first = self.hex()?;
                let mut units = vec![first];
                if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
                    self.at += 2;
                    units.push(self.hex()?);
                }
                out.push_str(&String::from_utf16_lossy(&units));
            }
            other => out.push(other),
        }
        Some(())
    }

    fn hex(&mut self) -> Option<u16> {
        let code = u16::from_str_radix(self.rest().get(..4)?, 16).ok()?;
        self.at += 4;
        Some(code)
    }

    fn number(&mut self) -> Option<Value> {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).unwrap_or(rest.len());
        let text = rest.get(..end).filter(|text| text.len() <= DIGITS)?;
        let value = if text.contains(['.', 'e', 'E']) {
            let number = text.parse().ok().filter(|number: &f64| number.is_finite());
            // The service's reader keeps the digits of what is longer than a double may be.
            number.map(|number| if text.len() > LONGEST_DOUBLE { Value::Decimal(text.into()) } else { Value::Double(number) })
        } else {
            text.parse().map(Value::Integer).ok().or_else(|| text.parse().ok().map(|number| Value::BigInteger(Rc::new(number))))
        };
        self.at += end;
        value
    }

    fn word(&mut self) -> Option<Value> {
        for (word, value) in [("true", Value::Boolean(true)), ("false", Value::Boolean(false)), ("null", Value::Null)] {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Some(value);
            }
        }
        None
    }
}
