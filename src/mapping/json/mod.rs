//! JSON as the service's own reader takes it, more leniently than RFC 8259. One grammar, two results: values, or compact text.

mod compact;
mod scan;
mod values;

use std::ops::Range;

use scan::plain;

pub use compact::compact;
pub use values::{parse, parse_owned};

/// Collections within collections.
const DEPTH: usize = 128;
/// Of a number's text, in characters.
const DIGITS: usize = 1000;

/// What a text is made into. Each call tells one thing that was read, with its place; nothing means that it cannot be taken.
trait Build<'t> {
    /// What must be remembered from a collection's beginning to its end.
    type Mark;

    fn word(&mut self, word: Word, place: Range<usize>);
    fn number(&mut self, text: &'t str, place: Range<usize>) -> Option<()>;
    fn string(&mut self, text: Quoted<'t>, place: Range<usize>) -> Option<()>;
    fn key(&mut self, text: Quoted<'t>, place: Range<usize>) -> Option<()>;
    fn begin(&mut self, at: usize) -> Self::Mark;
    /// A comma or a colon.
    fn separator(&mut self, at: usize);
    fn end_object(&mut self, mark: Self::Mark, at: usize);
    fn end_array(&mut self, mark: Self::Mark, at: usize);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Null,
    True,
    False,
}

/// The inside of a string as it was written.
#[derive(Debug, Clone, Copy)]
struct Quoted<'t> {
    text: &'t str,
    form: Form,
}

/// How a string is written. A whole word: a byte beside two words is copied with its padding, which the processor waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
enum Form {
    /// Every character stands for itself, and is printed so.
    Plain,
    /// With escapes, but only such as are printed.
    Escaped,
    /// With other escapes.
    Unusual,
    /// Without escapes, but some characters are printed with one, or the quotes are single ones.
    Raw,
}

impl Quoted<'_> {
    /// The text with its escapes resolved.
    fn unescaped(self) -> Option<String> {
        let mut out = String::with_capacity(self.text.len());
        let mut rest = self.text;
        while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
            out.push_str(rest.get(..at)?);
            let escape = rest.get(at + 1..)?;
            let c = escape.chars().next()?;
            rest = escape.get(c.len_utf8()..)?;
            match c {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                'b' => out.push('\u{8}'),
                'f' => out.push('\u{c}'),
                'u' => {
                    let first = hex(&mut rest)?;
                    let mut units = [first, 0];
                    let mut count = 1;
                    if (0xd800..0xdc00).contains(&first)
                        && let Some(mut after) = rest.strip_prefix("\\u")
                    {
                        units = [first, hex(&mut after)?];
                        count = 2;
                        rest = after;
                    }
                    out.push_str(&String::from_utf16_lossy(units.get(..count)?));
                }
                other => out.push(other),
            }
        }
        out.push_str(rest);
        Some(out)
    }
}

fn hex(rest: &mut &str) -> Option<u16> {
    let code = u16::from_str_radix(rest.get(..4)?, 16).ok()?;
    *rest = rest.get(4..)?;
    Some(code)
}

struct Reader<'t, B> {
    text: &'t str,
    at: usize,
    build: B,
}

impl<'t, B: Build<'t>> Reader<'t, B> {
    /// Reads all of a text that has no blanks around it.
    fn read(text: &'t str, build: B) -> Option<B> {
        let mut reader = Self { text, at: 0, build };
        reader.value(0)?;
        reader.blanks();
        (reader.at == text.len()).then_some(reader.build)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Whether a sign comes next, blanks aside. Where it does, it is not passed yet.
    fn comes(&mut self, wanted: u8) -> bool {
        if self.peek() != Some(wanted) {
            self.blanks();
        }
        self.peek() == Some(wanted)
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > DEPTH {
            return None;
        }
        self.blanks();
        let start = self.at;
        match self.peek()? {
            b'"' | b'\'' => {
                let text = self.quoted()?;
                self.build.string(text, start..self.at)
            }
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        let mark = self.build.begin(self.at);
        self.at += 1;
        if !self.comes(b'}') {
            loop {
                self.blanks();
                let start = self.at;
                let key = self.quoted()?;
                self.build.key(key, start..self.at)?;
                if !self.comes(b':') {
                    return None;
                }
                self.separator();
                self.value(depth + 1)?;
                if self.comes(b'}') {
                    break;
                }
                if self.peek() != Some(b',') {
                    return None;
                }
                self.separator();
            }
        }
        self.build.end_object(mark, self.at);
        self.at += 1;
        Some(())
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        let mark = self.build.begin(self.at);
        self.at += 1;
        if !self.comes(b']') {
            loop {
                self.value(depth + 1)?;
                if self.comes(b']') {
                    break;
                }
                if self.peek() != Some(b',') {
                    return None;
                }
                self.separator();
            }
        }
        self.build.end_array(mark, self.at);
        self.at += 1;
        Some(())
    }

    fn separator(&mut self) {
        self.build.separator(self.at);
        self.at += 1;
    }

    /// A string in quotes of either kind.
    #[inline(always)]
    fn quoted(&mut self) -> Option<Quoted<'t>> {
        let quote = self.peek().filter(|byte| matches!(byte, b'"' | b'\''))?;
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut end = start;
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
        self.at = end + 1;
        let form = match (escaped, usual) {
            (false, true) => Form::Plain,
            (true, true) => Form::Escaped,
            (true, false) => Form::Unusual,
            (false, false) => Form::Raw,
        };
        Some(Quoted { text: self.text.get(start..end)?, form })
    }

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
        self.build.word(word, start..self.at);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compact text must be what the values would print, wherever it can be made at all.
    fn agree(text: &str) -> bool {
        let mut out = "before ".to_owned();
        let made = compact(text, &mut out);
        let values = parse(text).map(|value| format!("before {}", value.to_json()));
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
