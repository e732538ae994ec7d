//! JSON into compact JSON, without values between.

use std::ops::Range;

use super::quoted::{Form, Quoted};
use super::{Build, Word};
use crate::vtl::write_json_string;

/// Objects with more members than this are left to values: finding a key twice would cost more than it saves.
const MEMBERS: usize = 32;

/// Appends a JSON text as it would be printed once read: no blanks, numbers and strings in their usual form. False, with nothing appended,
/// where that takes values: a key that stands twice, very many keys, or a text that is no JSON.
pub fn compact(text: &str, out: &mut String) -> bool {
    let length = out.len();
    let text = text.trim();
    let read = super::read(text, Compact { text, run: 0..0, out: &mut *out, keys: Vec::new(), own: 0 });
    match read {
        Some(mut read) => {
            read.flush();
            true
        }
        None => {
            out.truncate(length);
            false
        }
    }
}

struct Compact<'t, 'o> {
    text: &'t str,
    /// What was read and is printed as it stands, but not yet copied: payloads are mostly compact already, and copied at once then.
    run: Range<usize>,
    out: &'o mut String,
    /// The keys of all objects that are open.
    keys: Vec<&'t str>,
    /// Where the innermost object's keys begin.
    own: usize,
}

impl Compact<'_, '_> {
    #[inline]
    fn keep(&mut self, place: Range<usize>) {
        if self.run.end == place.start {
            self.run.end = place.end;
        } else {
            self.flush();
            self.run = place;
        }
    }

    fn flush(&mut self) {
        self.out.push_str(self.text.get(self.run.clone()).unwrap_or_default());
        // No place begins here, so that what is printed otherwise stays in order.
        self.run = usize::MAX..usize::MAX;
    }
}

/// What an object stands in: where the keys of the object around it begin.
struct Around(usize);

impl<'t> Build<'t> for Compact<'t, '_> {
    const PRINTED: bool = true;
    type Mark = Around;

    fn word(&mut self, _word: Word, place: Range<usize>) -> Option<()> {
        self.keep(place);
        Some(())
    }

    fn number(&mut self, text: &'t str, place: Range<usize>) -> Option<()> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_whole = digits.len() <= 18 && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_whole && (!digits.starts_with('0') || text == "0") {
            self.keep(place);
        } else {
            self.flush();
            super::values::number(text)?.write_json(self.out, false);
        }
        Some(())
    }

    fn string(&mut self, text: Quoted<'t>) -> Option<()> {
        if matches!(text.form, Form::Plain | Form::Escaped) {
            self.keep(text.quoted_place());
        } else {
            self.flush();
            write_json_string(&text.unescaped()?, self.out, false);
        }
        Some(())
    }

    fn key(&mut self, text: Quoted<'t>) -> Option<()> {
        let own = self.keys.get(self.own..)?;
        if text.form != Form::Plain || own.len() >= MEMBERS || own.contains(&text.text()?) {
            return None;
        }
        self.keys.push(text.text()?);
        self.keep(text.quoted_place());
        Some(())
    }

    fn begin(&mut self, at: usize) -> Around {
        self.keep(at..at + 1);
        Around(std::mem::replace(&mut self.own, self.keys.len()))
    }

    fn separator(&mut self, at: usize) {
        self.keep(at..at + 1);
    }

    fn end_object(&mut self, around: Around, at: usize) -> Option<()> {
        self.keys.truncate(self.own);
        self.end_array(around, at)
    }

    fn end_array(&mut self, around: Around, at: usize) -> Option<()> {
        self.own = around.0;
        self.keep(at..at + 1);
        Some(())
    }
}
