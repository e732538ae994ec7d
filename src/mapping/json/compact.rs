//! JSON into compact JSON, without values between.

use super::{Build, Quoted, Reader};
use crate::vtl::{Value, write_json_string};

/// Objects with more members than this are left to values: finding a key twice would cost more than it saves.
const MEMBERS: usize = 32;

/// Appends a JSON text as it would be printed once read: no blanks, numbers and strings in their usual form. False, with nothing appended,
/// where that takes values: a key that stands twice, very many keys, or a text that is no JSON.
pub fn compact(text: &str, out: &mut String) -> bool {
    let length = out.len();
    let done = Reader::read(text.trim(), Compact { out: &mut *out, keys: Vec::new(), own: 0 }).is_some();
    if !done {
        out.truncate(length);
    }
    done
}

struct Compact<'t, 'o> {
    out: &'o mut String,
    /// The keys of all objects that are open.
    keys: Vec<&'t str>,
    /// Where the innermost object's keys begin.
    own: usize,
}

/// What an object stands in: where the keys of the object around it begin.
struct Around(usize);

impl<'t> Build<'t> for Compact<'t, '_> {
    type Mark = Around;

    fn null(&mut self) {
        self.out.push_str("null");
    }

    fn boolean(&mut self, value: bool) {
        self.out.push_str(if value { "true" } else { "false" });
    }

    fn number(&mut self, text: &'t str) -> Option<()> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_usual = digits.len() <= 18 && digits.bytes().all(|byte| byte.is_ascii_digit()) && (!digits.starts_with('0') || text == "0");
        if is_usual && !digits.is_empty() {
            self.out.push_str(text);
        } else {
            super::values::number(text, Value::text)?.write_json(self.out, false);
        }
        Some(())
    }

    fn string(&mut self, text: Quoted<'t>) -> Option<()> {
        if text.plain {
            self.out.push('"');
            self.out.push_str(text.text);
            self.out.push('"');
        } else {
            write_json_string(&text.unescaped()?, self.out, false);
        }
        Some(())
    }

    fn key(&mut self, text: Quoted<'t>) -> Option<()> {
        let own = self.keys.get(self.own..)?;
        if !text.plain || own.len() >= MEMBERS || own.contains(&text.text) {
            return None;
        }
        self.keys.push(text.text);
        self.string(text)?;
        self.out.push(':');
        Some(())
    }

    fn begin(&mut self, bracket: char) -> Around {
        self.out.push(bracket);
        Around(std::mem::replace(&mut self.own, self.keys.len()))
    }

    fn comma(&mut self) {
        self.out.push(',');
    }

    fn end_object(&mut self, around: Around) {
        self.keys.truncate(self.own);
        self.own = around.0;
        self.out.push('}');
    }

    fn end_array(&mut self, around: Around) {
        self.own = around.0;
        self.out.push(']');
    }
}
