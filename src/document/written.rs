//! Strings as they are written beside what they mean, so that a place in the one is found in the other.

/// How quotes and backslashes read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// In double quotes, as in JSON: a backslash escapes.
    Double,
    /// In single quotes: a quote is doubled.
    Single,
    /// A block or a plain scalar.
    Plain,
}

/// The byte of the written string at which a byte of its value stands; nothing where the two do not belong together.
///
/// Lines are indented, folded and joined in many ways, but only white space is made or lost by it. So white space is passed loosely, and
/// every other character must be the same on both sides.
pub(super) fn offset(written: &str, is_block: bool, value: &str, byte: usize) -> Option<usize> {
    let (style, at) = match written.as_bytes().first() {
        _ if is_block => (Style::Plain, header(written)),
        Some(b'"') => (Style::Double, 1),
        Some(b'\'') => (Style::Single, 1),
        _ => (Style::Plain, 0),
    };
    let mut walk = Walk { written, style, at };
    let (before, rest) = value.split_at_checked(byte)?;
    for c in before.chars() {
        if is_white(c) { walk.white(c) } else { walk.same(c)? }
    }
    if rest.chars().next().is_some_and(|c| !is_white(c)) {
        walk.skip_white();
    }
    Some(walk.at)
}

/// How long a block's first line is if it is the one with its indicator.
fn header(written: &str) -> usize {
    let Some(end) = written.find('\n').filter(|_| written.starts_with(['|', '>'])) else { return 0 };
    let line = written.get(1..end).unwrap_or_default();
    let indicators = line.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-')).trim();
    if indicators.is_empty() || indicators.starts_with('#') { end + 1 } else { 0 }
}

const fn is_white(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

struct Walk<'t> {
    written: &'t str,
    style: Style,
    at: usize,
}

impl Walk<'_> {
    fn rest(&self) -> &str {
        self.written.get(self.at..).unwrap_or_default()
    }

    /// The next character and how long it is written.
    fn next(&self) -> Option<(char, usize)> {
        let rest = self.rest();
        let c = rest.chars().next()?;
        match (self.style, c) {
            (Style::Double, '\\') => escape(rest),
            (Style::Single, '\'') => rest.starts_with("''").then_some((c, 2)),
            _ => Some((c, c.len_utf8())),
        }
    }

    fn same(&mut self, c: char) -> Option<()> {
        self.skip_white();
        let (found, length) = self.next().filter(|(found, _)| *found == c)?;
        debug_assert_eq!(found, c);
        self.at += length;
        Some(())
    }

    fn skip_white(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches(is_white).len();
            // A backslash before the end of a line joins it to the next one.
            let joined =
                self.style == Style::Double && rest.get(blank..).is_some_and(|rest| rest.starts_with("\\\n") || rest.starts_with("\\\r"));
            self.at += blank + usize::from(joined);
            if !joined {
                return;
            }
        }
    }

    /// Passes white space that stands for some of the value's. What is left of it is skipped before the next other character.
    fn white(&mut self, c: char) {
        let Some((found, length)) = self.next() else { return };
        if found == c || (is_white(found) && found != '\n') {
            self.at += length;
            if found != c && c == '\n' {
                self.white(c);
            }
        } else if found == '\n' {
            self.at += length;
        }
    }
}

/// An escape: the character and its length. Two surrogates are one character.
fn escape(text: &str) -> Option<(char, usize)> {
    let code = |from: usize, digits: usize| text.get(from..from + digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let kind = text.chars().nth(1)?;
    let plain = |c: char| Some((c, 1 + kind.len_utf8()));
    match kind {
        'n' => plain('\n'),
        't' | '\t' => plain('\t'),
        'r' => plain('\r'),
        '0' => plain('\0'),
        'a' => plain('\u{7}'),
        'b' => plain('\u{8}'),
        'v' => plain('\u{b}'),
        'f' => plain('\u{c}'),
        'e' => plain('\u{1b}'),
        'N' => plain('\u{85}'),
        '_' => plain('\u{a0}'),
        'L' => plain('\u{2028}'),
        'P' => plain('\u{2029}'),
        'x' => char::from_u32(code(2, 2)?).map(|c| (c, 4)),
        'U' => char::from_u32(code(2, 8)?).map(|c| (c, 10)),
        'u' => {
            let first = code(2, 4)?;
            if !(0xd800..0xdc00).contains(&first) {
                return char::from_u32(first).map(|c| (c, 6));
            }
            let second =
                text.get(6..8).filter(|begin| *begin == "\\u").and_then(|_| code(8, 4)).filter(|code| (0xdc00..0xe000).contains(code))?;
            char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).map(|c| (c, 12))
        }
        other => plain(other),
    }
}

#[cfg(test)]
mod tests {
    use super::offset;

    /// The rest of what is written, from where `what` stands in the value.
    fn from(written: &'static str, value: &str, what: &str) -> &'static str {
        let at = offset(written, written.starts_with(['|', '>']), value, value.find(what).unwrap()).unwrap();
        &written[at..]
    }

    #[test]
    fn places_are_found_in_every_style() {
        assert_eq!(from("|\n    a\n      $b\n    $c\n", "a\n  $b\n$c\n", "$c"), "$c\n");
        assert_eq!(from("|-  # note\n  a $b", "a $b", "$b"), "$b");
        assert_eq!(from(">\n  one\n  two\n\n  $c d\n", "one two\n$c d\n", "$c"), "$c d\n");
        assert_eq!(from("\"a\\n\\\"b\\u00e9\\ud83d\\ude00 \\x41 $c\"", "a\n\"bé😀 A $c", "$c"), "$c\"");
        assert_eq!(from("\"one\n   two \\\n   three\n\n   $c\"", "one two three\n$c", "$c"), "$c\"");
        assert_eq!(from("'it''s\n  $c'", "it's $c", "$c"), "$c'");
        assert_eq!(from("a b\n  $c", "a b $c", "$c"), "$c");
        assert_eq!(from("\"{\\n  \\\"a\\\": $x\\n}\"", "{\n  \"a\": $x\n}", "$x"), "$x\\n}\"");
        assert_eq!(from("|\r\n  a\r\n  $c\r\n", "a\n$c\n", "$c"), "$c\r\n");
    }

    #[test]
    fn what_does_not_belong_together_is_not_found() {
        assert_eq!(offset("\"abc\"", false, "abd", 3), None);
        assert_eq!(offset("abc", false, "abc", 9), None);
        assert_eq!(offset("abc", false, "abc", 3), Some(3));
    }
}
