//! JSON into template values.

use std::rc::Rc;

use super::{Build, Quoted, Reader};
use crate::vtl::{Entries, Key, Text, Value};

/// A fraction with more characters than this is no double.
const LONGEST_DOUBLE: usize = 18;

/// Reads JSON; strings borrow from the text where they have no escapes. Text that does not begin like JSON is one string, as a form's
/// content is; nothing where JSON is begun and broken.
#[must_use]
pub fn parse(text: &str) -> Option<Value<'_>> {
    read(text, Text::Borrowed)
}

/// The same for a text that does not live as long as the values.
#[must_use]
pub fn parse_owned<'r>(text: &str) -> Option<Value<'r>> {
    read(text, |part| Text::Owned(part.into()))
}

fn read<'t, 'r>(text: &'t str, keep: impl Fn(&'t str) -> Text<'r> + Copy) -> Option<Value<'r>> {
    let trimmed = text.trim();
    if let Some(mut built) = Reader::read(trimmed, Values { keep, values: Vec::new(), keys: Vec::new() }) {
        return built.values.pop();
    }
    let begun = trimmed.starts_with(['{', '[', '"', '\'']);
    (!begun && !trimmed.is_empty()).then(|| Value::String(keep(trimmed)))
}

/// A number's value.
pub(super) fn number<'t, 'r>(text: &'t str, keep: impl Fn(&'t str) -> Value<'r>) -> Option<Value<'r>> {
    if !text.contains(['.', 'e', 'E']) {
        return text.parse().map(Value::Integer).ok().or_else(|| text.parse().ok().map(|number| Value::BigInteger(Rc::new(number))));
    }
    let number = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    if text.len() <= LONGEST_DOUBLE {
        return Some(Value::Double(number));
    }
    // The service's reader keeps the digits of what is longer than a double may be.
    match keep(text) {
        Value::String(text) => Some(Value::Decimal(text)),
        _ => None,
    }
}

/// Members and elements wait on two stacks until their collection ends, so that each collection is made in its own size.
struct Values<'r, F> {
    keep: F,
    values: Vec<Value<'r>>,
    keys: Vec<Key<'r>>,
}

impl<'t, 'r, F: Fn(&'t str) -> Text<'r> + Copy> Values<'r, F> {
    fn text(&self, text: Quoted<'t>) -> Option<Text<'r>> {
        if text.plain || !text.text.contains('\\') { Some((self.keep)(text.text)) } else { text.unescaped().map(Text::from) }
    }
}

impl<'t, 'r, F: Fn(&'t str) -> Text<'r> + Copy> Build<'t> for Values<'r, F> {
    /// Where the collection's values and keys begin.
    type Mark = (usize, usize);

    fn null(&mut self) {
        self.values.push(Value::Null);
    }

    fn boolean(&mut self, value: bool) {
        self.values.push(Value::Boolean(value));
    }

    fn number(&mut self, text: &'t str) -> Option<()> {
        let keep = self.keep;
        self.values.push(number(text, |text| Value::String(keep(text)))?);
        Some(())
    }

    fn string(&mut self, text: Quoted<'t>) -> Option<()> {
        let text = self.text(text)?;
        self.values.push(Value::String(text));
        Some(())
    }

    fn key(&mut self, text: Quoted<'t>) -> Option<()> {
        let text = self.text(text)?;
        self.keys.push(Key::String(text));
        Some(())
    }

    fn begin(&mut self, _bracket: char) -> (usize, usize) {
        (self.values.len(), self.keys.len())
    }

    fn comma(&mut self) {}

    fn end_object(&mut self, (values, keys): (usize, usize)) {
        let entries: Entries<'r> = self.keys.drain(keys..).zip(self.values.drain(values..)).collect();
        self.values.push(Value::map(entries));
    }

    fn end_array(&mut self, (values, _): (usize, usize)) {
        let items = self.values.drain(values..).collect();
        self.values.push(Value::json_list(items));
    }
}
