//! JSON as the service's own reader takes it, more leniently than RFC 8259. One grammar, two results: values, or compact text.

mod compact;
mod scan;
mod values;

use scan::plain;

pub use compact::compact;
pub use values::{parse, parse_owned};

/// Collections within collections.
const DEPTH: usize = 128;
/// Of a number's text, in characters.
const DIGITS: usize = 1000;

/// What a text is made into. Each call tells one thing that was read; nothing means that it cannot be taken.
trait Build<'t> {
    /// What must be remembered from a collection's beginning to its end.
    type Mark;

    fn null(&mut self);
    fn boolean(&mut self, value: bool);
    fn number(&mut self, text: &'t str) -> Option<()>;
    fn string(&mut self, text: Quoted<'t>) -> Option<()>;
    fn key(&mut self, text: Quoted<'t>) -> Option<()>;
    fn begin(&mut self, bracket: char) -> Self::Mark;
    fn comma(&mut self);
    fn end_object(&mut self, mark: Self::Mark);
    fn end_array(&mut self, mark: Self::Mark);
}

/// The inside of a string as it was written.
#[derive(Debug, Clone, Copy)]
struct Quoted<'t> {
    text: &'t str,
    /// Whether every character stands for itself, in JSON as well as here.
    plain: bool,
}

impl Quoted<'_> {
    /// The text with its escapes resolved.
    fn unescaped(self) -> Option<String> {
        let mut out = String::with_capacity(self.text.len());
        let mut rest = self.text;
        while let Some((before, escape)) = rest.split_once('\\') {
            out.push_str(before);
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

    fn eat(&mut self, wanted: u8) -> bool {
        self.blanks();
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > DEPTH {
            return None;
        }
        self.blanks();
        match self.peek()? {
            b'"' | b'\'' => {
                let text = self.quoted()?;
                self.build.string(text)
            }
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.at += 1;
        let mark = self.build.begin('{');
        if !self.eat(b'}') {
            loop {
                self.blanks();
                let key = self.quoted()?;
                self.build.key(key)?;
                if !self.eat(b':') {
                    return None;
                }
                self.value(depth + 1)?;
                if self.eat(b'}') {
                    break;
                }
                if !self.eat(b',') {
                    return None;
                }
                self.build.comma();
            }
        }
        self.build.end_object(mark);
        Some(())
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.at += 1;
        let mark = self.build.begin('[');
        if !self.eat(b']') {
            loop {
                self.value(depth + 1)?;
                if self.eat(b']') {
                    break;
                }
                if !self.eat(b',') {
                    return None;
                }
                self.build.comma();
            }
        }
        self.build.end_array(mark);
        Some(())
    }

    /// A string in quotes of either kind.
    fn quoted(&mut self) -> Option<Quoted<'t>> {
        let quote = self.peek().filter(|byte| matches!(byte, b'"' | b'\''))?;
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut end = start;
        let mut is_plain = quote == b'"';
        loop {
            end += plain(bytes.get(end..)?);
            match *bytes.get(end)? {
                byte if byte == quote => break,
                b'\\' => {
                    is_plain = false;
                    end += 2;
                }
                // The other quote, or a control character, which this reader lets pass.
                byte => {
                    is_plain &= byte == b'\'';
                    end += 1;
                }
            }
        }
        self.at = end + 1;
        Some(Quoted { text: self.text.get(start..end)?, plain: is_plain })
    }

    fn number(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes().get(self.at..)?;
        let length = bytes.iter().take_while(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte)).count();
        let text = self.text.get(self.at..self.at + length).filter(|text| text.len() <= DIGITS)?;
        self.at += length;
        self.build.number(text)
    }

    fn word(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let word = ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word))?;
        self.at += word.len();
        match word {
            "null" => self.build.null(),
            word => self.build.boolean(word == "true"),
        }
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
