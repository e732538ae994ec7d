//! JSON as the service's own reader takes it, more leniently than RFC 8259. One grammar, three results: values, an index that is read
//! like values, or compact text.

mod compact;
mod document;
mod quoted;
mod values;

use std::ops::Range;

use super::scan::{inside, plain};
use quoted::{Form, Quoted};

pub use compact::compact;
pub use document::document;
pub use quoted::unescaped;
pub use values::{parse, parse_owned};

/// Collections within collections.
const DEPTH: usize = 128;
/// Of a number's text, in characters.
const DIGITS: usize = 1000;

/// What a text is made into. Each call tells one thing that was read, with its place; nothing means that it cannot be taken.
trait Build<'t> {
    /// Whether it must be known how a string is printed: [`Form::Plain`] and [`Form::Raw`] are the same to the others, and so are
    /// [`Form::Escaped`] and [`Form::Unusual`].
    const PRINTED: bool;

    /// What must be remembered from a collection's beginning to its end.
    type Mark;

    fn word(&mut self, word: Word, place: Range<usize>) -> Option<()>;
    fn number(&mut self, text: &'t str, place: Range<usize>) -> Option<()>;
    fn string(&mut self, text: Quoted<'t>, place: Range<usize>) -> Option<()>;
    fn key(&mut self, text: Quoted<'t>, place: Range<usize>) -> Option<()>;
    fn begin(&mut self, at: usize) -> Self::Mark;
    /// A comma or a colon.
    fn separator(&mut self, at: usize);
    fn end_object(&mut self, mark: Self::Mark, at: usize) -> Option<()>;
    fn end_array(&mut self, mark: Self::Mark, at: usize) -> Option<()>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Null,
    True,
    False,
}

/// Reads in one loop, with a list of what is open, so that the place in the text is nowhere but in a register.
struct Reader<'t, B> {
    text: &'t str,
    at: usize,
    build: B,
}

/// A collection whose end is not read yet.
enum Open<M> {
    Object(M),
    Array(M),
}

impl<'t, B: Build<'t>> Reader<'t, B> {
    /// Reads all of a text that has no blanks around it.
    fn read(text: &'t str, build: B) -> Option<B> {
        let mut reader = Self { text, at: 0, build };
        let mut open = Vec::with_capacity(8);
        'value: loop {
            if open.len() > DEPTH {
                return None;
            }
            reader.blanks();
            match reader.peek()? {
                b'"' | b'\'' => reader.string()?,
                b'{' => {
                    open.push(Open::Object(reader.begin()));
                    if !reader.comes(b'}') {
                        reader.key()?;
                        continue;
                    }
                }
                b'[' => {
                    open.push(Open::Array(reader.begin()));
                    if !reader.comes(b']') {
                        continue;
                    }
                }
                b'-' | b'0'..=b'9' => reader.number()?,
                _ => reader.word()?,
            }
            loop {
                let end = match open.last() {
                    None => break 'value,
                    Some(Open::Object(_)) => b'}',
                    Some(Open::Array(_)) => b']',
                };
                reader.blanks();
                let sign = reader.peek()?;
                if sign == b',' {
                    reader.separator();
                    if end == b'}' {
                        reader.key()?;
                    }
                    continue 'value;
                }
                if sign != end {
                    return None;
                }
                match open.pop()? {
                    Open::Object(mark) => reader.build.end_object(mark, reader.at)?,
                    Open::Array(mark) => reader.build.end_array(mark, reader.at)?,
                }
                reader.at += 1;
            }
        }
        reader.blanks();
        (reader.at == text.len()).then_some(reader.build)
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline(always)]
    fn blanks(&mut self) {
        // Most signs are no blanks, which one comparison tells.
        while self.peek().is_some_and(|byte| byte <= b' ' && byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Whether a sign comes next, blanks aside. Where it does, it is not passed yet.
    #[inline(always)]
    fn comes(&mut self, wanted: u8) -> bool {
        if self.peek() != Some(wanted) {
            self.blanks();
        }
        self.peek() == Some(wanted)
    }

    #[inline(always)]
    fn begin(&mut self) -> B::Mark {
        let mark = self.build.begin(self.at);
        self.at += 1;
        mark
    }

    /// Passes a comma or a colon.
    #[inline(always)]
    fn separator(&mut self) {
        self.build.separator(self.at);
        self.at += 1;
    }

    #[inline(always)]
    fn string(&mut self) -> Option<()> {
        let start = self.at;
        let text = self.quoted()?;
        self.build.string(text, start..self.at)
    }

    /// A member's name and the colon behind it.
    #[inline(always)]
    fn key(&mut self) -> Option<()> {
        self.blanks();
        let start = self.at;
        let key = self.quoted()?;
        self.build.key(key, start..self.at)?;
        self.comes(b':').then(|| self.separator())
    }

    /// A string in quotes of either kind.
    #[inline(always)]
    fn quoted(&mut self) -> Option<Quoted<'t>> {
        let start = self.at + 1;
        if self.peek() != Some(b'"') {
            return self.unusual(start);
        }
        let rest = self.text.as_bytes().get(start..)?;
        let end = start + if B::PRINTED { plain(rest) } else { inside(rest, b'"') };
        if self.text.as_bytes().get(end) != Some(&b'"') {
            return self.unusual(end);
        }
        self.at = end + 1;
        Some(Quoted { text: self.text.get(start..end)?, form: Form::Plain })
    }

    /// A string in single quotes, or one in double quotes with something at `end` that needs a look; before that there is nothing.
    #[inline(never)]
    fn unusual(&mut self, mut end: usize) -> Option<Quoted<'t>> {
        if !B::PRINTED {
            return self.closed(end);
        }
        let quote = self.peek().filter(|byte| matches!(byte, b'"' | b'\''))?;
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let (mut escaped, mut usual) = (false, quote == b'"');
        loop {
            let rest = bytes.get(end..)?;
            end += plain(rest);
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
        self.at = end + 1;
        let form = match (escaped, usual) {
            (false, true) => Form::Plain,
            (true, true) => Form::Escaped,
            (true, false) => Form::Unusual,
            (false, false) => Form::Raw,
        };
        Some(Quoted { text: self.text.get(start..end)?, form })
    }

    /// The same where nobody asks how it is printed.
    #[inline(always)]
    fn closed(&mut self, mut end: usize) -> Option<Quoted<'t>> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let quote = self.peek().filter(|byte| matches!(byte, b'"' | b'\''))?;
        end += inside(bytes.get(end..)?, quote);
        let mut form = Form::Raw;
        while *bytes.get(end)? != quote {
            form = Form::Escaped;
            end += 2;
            end += inside(bytes.get(end..)?, quote);
        }
        self.at = end + 1;
        Some(Quoted { text: self.text.get(start..end)?, form })
    }

    #[inline(always)]
    fn number(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let text = self.text.get(start..self.at).filter(|text| text.len() <= DIGITS)?;
        self.build.number(text, start..self.at)
    }

    fn word(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let words = [("true", Word::True), ("false", Word::False), ("null", Word::Null)];
        let (text, word) = words.into_iter().find(|(text, _)| rest.starts_with(text))?;
        let start = self.at;
        self.at += text.len();
        self.build.word(word, start..self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vtl::Texts;

    /// Compact text must be what the values would print, wherever it can be made at all.
    fn agree(text: &str) -> bool {
        let mut out = "before ".to_owned();
        let made = compact(text, &mut out);
        let values = parse(text).map(|value| format!("before {}", value.to_json()));
        let texts = Texts::default();
        let read = document(text, &texts);
        assert_eq!(read.as_ref().map(|value| format!("before {}", value.to_json())), values, "{text}");
        assert_eq!(read.map(|value| value.to_text()), parse(text).map(|value| value.to_text()), "{text}");
        if made {
            assert_eq!(Some(out), values, "{text}");
        } else {
            assert_eq!(out, "before ", "{text}");
        }
        made
    }

    #[test]
    fn both_results_agree() {
        for text in [
            r#"{"a":1,"b":[true,false,null],"c":{"d":"e"}}"#,
            " { \"a\" : -10 , \"b\" : [ ] , \"c\" : { } } ",
            r#"["\"","\\","\/","\n\t\r\b\f","\u0041\u00e9\ud83d\ude00\u0007","é😀"]"#,
            r#"[1.50,1e5,007,-0,0,12345678901234567890123,0.1234567890123456789]"#,
            "\"a\tb\u{7f}\"",
            "\"it's\"",
        ] {
            assert!(agree(text), "{text}");
        }
    }

    #[test]
    fn what_compact_text_cannot_tell_is_left_to_values() {
        for text in [r#"{"a":1,"a":2}"#, r#"{"\u0061":1}"#, "a=1&b=2", "", "{", "[1,]", "\"", "{\"a\"}", "[1] 2", "[+1]", "tru", "{'a':1}"]
        {
            assert!(!agree(text), "{text}");
        }
        let many = (0..40).map(|index| format!("\"k{index}\":{index}")).collect::<Vec<_>>().join(",");
        assert!(!agree(&format!("{{{many}}}")));
    }

    #[test]
    fn text_that_does_not_begin_like_json_is_one_string() {
        assert_eq!(parse("a=1&b=2").map(|value| value.to_json()).as_deref(), Some("\"a=1&b=2\""));
        assert!(parse("{\"a\"").is_none() && parse("").is_none() && parse("[1] 2").is_none());
    }

    #[test]
    fn each_sign_of_a_string_is_looked_at_once() {
        // Each would look at all that follow if it looked for the end of the other kind.
        for text in ["'a',", "'a\"',", "\"a'\",", "'\\\\',"] {
            let many = format!("[{}1]", text.repeat(100_000));
            assert!(document(&many, &Texts::default()).is_some_and(|value| value.to_json().len() > 400_000), "{text}");
            assert!(parse(&many).is_some(), "{text}");
            compact(&many, &mut String::new());
        }
    }

    #[test]
    fn depth_ends_somewhere() {
        assert!(parse(&"[".repeat(100_000)).is_none());
        assert!(!agree(&format!("{}{}", "[".repeat(200), "]".repeat(200))));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_them_differ(text in "([\\[\\]{}:,\"' 0-9a.eE+-]|\\\\[\"'nu/\\\\]|\"a\"|\"b\":|true|null|\\u{7f}|é){0,30}") {
            agree(&text);
        }
    }
}
