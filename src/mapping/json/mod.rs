//! JSON as the service's own reader takes it, more leniently than RFC 8259. One grammar, three results: values, an index that is read
//! like values, or compact text.

mod compact;
mod cursor;
mod document;
mod quoted;
mod values;

use std::ops::Range;

use cursor::Cursor;
use quoted::Quoted;

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
    fn string(&mut self, text: Quoted<'t>) -> Option<()>;
    fn key(&mut self, text: Quoted<'t>) -> Option<()>;
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

/// A collection whose end is not read yet.
enum Open<M> {
    Object(M),
    Array(M),
}

/// Reads all of a text that has no blanks around it, in one loop with a list of what is open.
fn read<'t, B: Build<'t>>(text: &'t str, mut build: B) -> Option<B> {
    let mut cursor = Cursor::new(text);
    let mut open = Vec::with_capacity(8);
    'value: loop {
        if open.len() > DEPTH {
            return None;
        }
        match cursor.sign()? {
            b'"' | b'\'' => build.string(cursor.quoted(B::PRINTED)?)?,
            b'{' => {
                open.push(Open::Object(build.begin(cursor.pass())));
                if cursor.sign()? != b'}' {
                    member(&mut cursor, &mut build)?;
                    continue;
                }
            }
            b'[' => {
                open.push(Open::Array(build.begin(cursor.pass())));
                if cursor.sign()? != b']' {
                    continue;
                }
            }
            b'-' | b'0'..=b'9' => {
                let (text, place) = cursor.number();
                build.number(text.filter(|text| text.len() <= DIGITS)?, place)?;
            }
            _ => {
                let (word, place) = cursor.word()?;
                build.word(word, place)?;
            }
        }
        loop {
            let end = match open.last() {
                None => break 'value,
                Some(Open::Object(_)) => b'}',
                Some(Open::Array(_)) => b']',
            };
            let sign = cursor.sign()?;
            if sign == b',' {
                build.separator(cursor.pass());
                if end == b'}' {
                    cursor.sign()?;
                    member(&mut cursor, &mut build)?;
                }
                continue 'value;
            }
            if sign != end {
                return None;
            }
            match open.pop()? {
                Open::Object(mark) => build.end_object(mark, cursor.pass())?,
                Open::Array(mark) => build.end_array(mark, cursor.pass())?,
            }
        }
    }
    cursor.is_at_end().then_some(build)
}

/// A member's name and the colon behind it.
#[inline(always)]
fn member<'t, B: Build<'t>>(cursor: &mut Cursor<'t>, build: &mut B) -> Option<()> {
    build.key(cursor.quoted(B::PRINTED)?)?;
    (cursor.sign()? == b':').then(|| build.separator(cursor.pass()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vtl::{Collection, Texts, Value};

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
            "['\"', '\"\"', \"''\"]",
        ] {
            assert!(agree(text), "{text}");
        }
    }

    #[test]
    fn what_compact_text_cannot_tell_is_left_to_values() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"\u0061":1}"#,
            "a=1&b=2",
            "",
            "{",
            "[1,]",
            "\"",
            "{\"a\"}",
            "[1] 2",
            "[+1]",
            "tru",
            "{'a':1}",
            "{x\":1}",
            "{'\":1}",
            "[1,\"a\",x\"]",
        ] {
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
    fn members_are_found_whatever_their_names_begin_with() {
        let names = ["", "a", "a\0", "abcdefgh", "abcdefghi", "abcdefghj", "abcdefgh\0", "é", "quantity", "quantities"];
        for first in names {
            for second in names.into_iter().filter(|second| *second != first) {
                let map = |value: i64| format!("{{\"{first}\":{value},\"{second}\":{}}}", value + 1);
                let text = format!("[{},{},{{\"{second}\":9}},{}]", map(1), map(3), map(5));
                let texts = Texts::default();
                let (read, made) = (document(&text, &texts).unwrap(), parse(&text).unwrap());
                for index in 0..4 {
                    for name in names {
                        let member = |list: &Value<'_>| {
                            let Some(Collection::List(elements)) = Collection::of(list) else { panic!("{text}") };
                            let map = elements.get(index).unwrap();
                            let Some(Collection::Map(members)) = Collection::of(&map) else { panic!("{text}") };
                            members.named(name).map(|value| value.to_text())
                        };
                        assert_eq!(member(&read), member(&made), "{name:?} in {index} of {text}");
                    }
                }
            }
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
