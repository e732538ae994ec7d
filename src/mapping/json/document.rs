//! JSON into a document.

use std::ops::Range;

use super::quoted::{Form, Quoted};
use super::values::{number, whole};
use super::{Build, Word, read};
use crate::vtl::{Builder, Mark, Texts, Value};

/// Reads JSON like [`super::parse`], for what changes no collection. Where a document cannot hold it, there are values.
/// `texts` keeps strings whose escapes are resolved.
#[must_use]
pub fn document<'t>(text: &'t str, texts: &'t Texts) -> Option<Value<'t>> {
    let trimmed = text.trim();
    let read = read(trimmed, Index(Builder::new(trimmed)));
    read.and_then(|index| index.0.finish(texts)).or_else(|| super::parse(text))
}

struct Index<'t>(Builder<'t>);

impl<'t> Build<'t> for Index<'t> {
    const PRINTED: bool = false;
    type Mark = Mark;

    #[inline]
    fn word(&mut self, word: Word, _place: Range<usize>) -> Option<()> {
        match word {
            Word::Null => self.0.null(),
            Word::True => self.0.boolean(true),
            Word::False => self.0.boolean(false),
        }
        Some(())
    }

    #[inline]
    fn number(&mut self, text: &'t str, _place: Range<usize>) -> Option<()> {
        if let Some(number) = whole(text) {
            self.0.integer(number);
            return Some(());
        }
        self.0.other(number(text)?)
    }

    #[inline]
    fn string(&mut self, text: Quoted<'t>) -> Option<()> {
        if matches!(text.form, Form::Plain | Form::Raw) {
            self.0.text(text.text()?);
            return Some(());
        }
        self.0.made(|texts| text.unescape(texts))
    }

    #[inline]
    fn key(&mut self, text: Quoted<'t>) -> Option<()> {
        if !matches!(text.form, Form::Plain | Form::Raw) {
            return None;
        }
        self.0.key(text.place())
    }

    #[inline]
    fn begin(&mut self, _at: usize) -> Mark {
        self.0.begin()
    }

    #[inline]
    fn separator(&mut self, _at: usize) {}

    #[inline]
    fn end_object(&mut self, mark: Mark, _at: usize) -> Option<()> {
        self.0.end_map(mark)
    }

    #[inline]
    fn end_array(&mut self, mark: Mark, _at: usize) -> Option<()> {
        self.0.end_list(mark)
    }
}
