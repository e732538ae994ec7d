//! JSON into a document.

use std::ops::Range;

use super::quoted::{Form, Quoted};
use super::values::number;
use super::{Build, Reader, Word};
use crate::vtl::{Builder, Mark, Value};

/// Reads JSON like [`super::parse`], for what changes no collection. Where a document cannot hold it, there are values.
#[must_use]
pub fn document(text: &str) -> Option<Value<'_>> {
    let read = Reader::read(text.trim(), Index { builder: Builder::new(text.len()), unescaped: String::new() });
    read.and_then(|index| index.builder.finish()).or_else(|| super::parse(text))
}

struct Index<'t> {
    builder: Builder<'t>,
    /// Room for the string that is being read.
    unescaped: String,
}

impl<'t> Build<'t> for Index<'t> {
    const PRINTED: bool = false;
    type Mark = Mark;

    #[inline]
    fn word(&mut self, word: Word, _place: Range<usize>) -> Option<()> {
        match word {
            Word::Null => self.builder.null(),
            Word::True => self.builder.boolean(true),
            Word::False => self.builder.boolean(false),
        }
        Some(())
    }

    #[inline]
    fn number(&mut self, text: &'t str, _place: Range<usize>) -> Option<()> {
        if let Ok(number) = text.parse() {
            self.builder.integer(number);
            return Some(());
        }
        self.builder.other(number(text)?)
    }

    #[inline]
    fn string(&mut self, text: Quoted<'t>, _place: Range<usize>) -> Option<()> {
        if matches!(text.form, Form::Plain | Form::Raw) {
            self.builder.text(text.text);
            return Some(());
        }
        self.unescaped.clear();
        text.unescape(&mut self.unescaped)?;
        self.builder.owned(self.unescaped.as_str().into())
    }

    #[inline]
    fn key(&mut self, text: Quoted<'t>, _place: Range<usize>) -> Option<()> {
        if !matches!(text.form, Form::Plain | Form::Raw) {
            return None;
        }
        self.builder.key(text.text);
        Some(())
    }

    #[inline]
    fn begin(&mut self, _at: usize) -> Mark {
        self.builder.begin()
    }

    #[inline]
    fn separator(&mut self, _at: usize) {}

    #[inline]
    fn end_object(&mut self, mark: Mark, _at: usize) -> Option<()> {
        self.builder.end_map(mark)
    }

    #[inline]
    fn end_array(&mut self, mark: Mark, _at: usize) -> Option<()> {
        self.builder.end_list(mark)
    }
}
