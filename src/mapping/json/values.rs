//! JSON into template values.

use std::ops::Range;
use std::rc::Rc;

use super::quoted::{Form, Quoted};
use super::{Build, Word, read};
use crate::vtl::{Key, Text, Value, format_decimal};

/// A fraction with more characters than this is no double.
const LONGEST_DOUBLE: usize = 18;

/// Reads JSON; strings borrow from the text where they have no escapes. Text that does not begin like JSON is one string, as a form's
/// content is; nothing where JSON is begun and broken.
#[must_use]
pub fn parse(text: &str) -> Option<Value<'_>> {
    values(text, Text::Borrowed)
}

/// The same for a text that does not live as long as the values.
#[must_use]
pub fn parse_owned<'r>(text: &str) -> Option<Value<'r>> {
    values(text, |part| Text::Owned(part.into()))
}

fn values<'t, 'r>(text: &'t str, keep: impl Fn(&'t str) -> Text<'r> + Copy) -> Option<Value<'r>> {
    let trimmed = text.trim();
    if let Some(mut built) = read(trimmed, Values { keep, values: Vec::new(), keys: Vec::new() }) {
        return built.values.pop();
    }
    let begun = trimmed.starts_with(['{', '[', '"', '\'']);
    (!begun && !trimmed.is_empty()).then(|| Value::String(keep(trimmed)))
}

/// A whole number that is not too large. Most have a few digits, which are read as they are seen.
#[inline]
pub(super) fn whole(text: &str) -> Option<i64> {
    let read = |number: i64, byte: u8| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'));
    if text.len() < 10
        && let Some(number) = text.bytes().try_fold(0, read)
    {
        return Some(number);
    }
    text.parse().ok()
}

/// A number's value.
pub(super) fn number<'r>(text: &str) -> Option<Value<'r>> {
    if !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        return whole(text).map(Value::Integer).or_else(|| text.parse().ok().map(|number| Value::BigInteger(Rc::new(number))));
    }
    let number = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    // The service's reader keeps the digits of what is longer than a double may be.
    Some(if text.len() > LONGEST_DOUBLE { Value::Decimal(format_decimal(text)?.into()) } else { Value::Double(number) })
}

/// Keys and values wait on two stacks until their collection ends, so that each collection is made in its own size.
struct Values<'r, F> {
    keep: F,
    values: Vec<Value<'r>>,
    keys: Vec<Key<'r>>,
}

impl<'t, 'r, F: Fn(&'t str) -> Text<'r> + Copy> Build<'t> for Values<'r, F> {
    const PRINTED: bool = false;
    /// Where the collection's values and keys begin.
    type Mark = (usize, usize);

    fn word(&mut self, word: Word, _place: Range<usize>) -> Option<()> {
        self.values.push(match word {
            Word::Null => Value::Null,
            Word::True => Value::boolean(true),
            Word::False => Value::boolean(false),
        });
        Some(())
    }

    fn number(&mut self, text: &'t str, _place: Range<usize>) -> Option<()> {
        self.values.push(number(text)?);
        Some(())
    }

    fn string(&mut self, text: Quoted<'t>) -> Option<()> {
        if matches!(text.form, Form::Plain | Form::Raw) {
            self.values.push(Value::String((self.keep)(text.text()?)));
        } else {
            self.values.push(Value::text(text.unescaped()?));
        }
        Some(())
    }

    fn key(&mut self, text: Quoted<'t>) -> Option<()> {
        if matches!(text.form, Form::Plain | Form::Raw) {
            self.keys.push(Key::String((self.keep)(text.text()?)));
        } else {
            self.keys.push(Key::String(text.unescaped()?.into()));
        }
        Some(())
    }

    fn begin(&mut self, _at: usize) -> (usize, usize) {
        (self.values.len(), self.keys.len())
    }

    fn separator(&mut self, _at: usize) {}

    fn end_object(&mut self, (values, keys): (usize, usize), _at: usize) -> Option<()> {
        let members: Vec<_> = self.keys.drain(keys..).zip(self.values.drain(values..)).collect();
        self.values.push(Value::map(members.into()));
        Some(())
    }

    fn end_array(&mut self, (values, _): (usize, usize), _at: usize) -> Option<()> {
        let items = self.values.split_off(values);
        self.values.push(Value::json_list(items));
        Some(())
    }
}
