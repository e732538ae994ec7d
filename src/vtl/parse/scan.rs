//! How far the lexer's patterns reach. Each looks at the beginning of a text and tells the length of the longest match.

use super::token::Kind;
use crate::vtl::ast::Operator;

fn count(text: &str, fits: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|byte| fits(*byte)).count()
}

fn after(text: &str, at: usize) -> &str {
    text.get(at..).unwrap_or_default()
}

pub(super) fn backslashes(text: &str) -> usize {
    count(text, |byte| byte == b'\\')
}

pub(super) fn white_space(text: &str) -> usize {
    count(text, |byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

/// Blanks up to a newline and the newline, which belong to the directive before them; 0 where something else comes first.
pub(super) fn line_end(text: &str) -> usize {
    let blanks = count(text, |byte| matches!(byte, b' ' | b'\t'));
    match after(text, blanks).as_bytes() {
        [b'\r', b'\n', ..] => blanks + 2,
        [b'\n' | b'\r', ..] => blanks + 1,
        _ => 0,
    }
}

/// `#set (`, with the blanks before it.
pub(super) fn set_directive(text: &str) -> Option<usize> {
    let rest = text.trim_start_matches([' ', '\t']);
    let rest = rest.strip_prefix("#set").or_else(|| rest.strip_prefix("#{set}"))?;
    let rest = rest.trim_start_matches(' ').strip_prefix('(')?;
    Some(text.len() - rest.len())
}

/// A directive's name: a letter, `_` or `@`, then also digits, but no hyphen.
pub(super) fn word(text: &str) -> usize {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '@')) {
        return 0;
    }
    count(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@'))
}

/// `{name}`.
pub(super) fn braced_word(text: &str) -> usize {
    let Some(inside) = text.strip_prefix('{').filter(|inside| !inside.starts_with('@')) else { return 0 };
    let length = word(inside);
    if length > 0 && after(inside, length).starts_with('}') { length + 2 } else { 0 }
}

/// A reference's name: a letter or `_`, then also digits and hyphens.
pub(super) fn identifier(text: &str) -> usize {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return 0;
    }
    count(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// A string in quotes of either kind, in which a quote is doubled to stand for itself.
pub(super) fn string(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = bytes.first().filter(|byte| matches!(byte, b'"' | b'\''))?;
    let mut at = 1;
    // Where nothing closes the string behind a doubled quote, the first of the two has closed it.
    let mut end = None;
    loop {
        let Some(next) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| byte == quote)) else { return end };
        at += next + 1;
        if bytes.get(at) != Some(quote) {
            return Some(at);
        }
        end = Some(at);
        at += 1;
    }
}

/// A number: whole (where `1..3` begins with `1`), or with a point or an exponent.
pub(super) fn number(text: &str) -> Option<(Kind, usize)> {
    let digits = |text: &str| count(text, |byte| byte.is_ascii_digit());
    let exponent = |text: &str| {
        let Some(power) = text.strip_prefix(['e', 'E']) else { return 0 };
        let sign = usize::from(power.starts_with(['-', '+']));
        match digits(after(power, sign)) {
            0 => 0,
            digits => 1 + sign + digits,
        }
    };
    let sign = usize::from(text.starts_with('-'));
    let whole = sign + digits(after(text, sign));
    let rest = after(text, whole);
    if whole == sign {
        let fraction = digits(rest.strip_prefix('.')?);
        return (fraction > 0).then(|| (Kind::Float, whole + 1 + fraction + exponent(after(rest, 1 + fraction))));
    }
    if rest.starts_with("..") {
        return Some((Kind::Integer, whole));
    }
    if let Some(behind) = rest.strip_prefix('.') {
        let fraction = digits(behind);
        return Some((Kind::Float, whole + 1 + fraction + exponent(after(behind, fraction))));
    }
    match exponent(rest) {
        0 => Some((Kind::Integer, whole)),
        power => Some((Kind::Float, whole + power)),
    }
}

/// An operator of signs.
pub(super) fn operator(text: &str) -> Option<(Kind, usize)> {
    const SIGNS: [(&str, Kind); 15] = [
        ("&&", Kind::Operator(Operator::And)),
        ("||", Kind::Operator(Operator::Or)),
        ("==", Kind::Operator(Operator::Equal)),
        ("!=", Kind::Operator(Operator::NotEqual)),
        ("<=", Kind::Operator(Operator::LessOrEqual)),
        (">=", Kind::Operator(Operator::GreaterOrEqual)),
        ("<", Kind::Operator(Operator::Less)),
        (">", Kind::Operator(Operator::Greater)),
        ("+", Kind::Operator(Operator::Add)),
        ("-", Kind::Operator(Operator::Subtract)),
        ("*", Kind::Operator(Operator::Multiply)),
        ("/", Kind::Operator(Operator::Divide)),
        ("%", Kind::Operator(Operator::Remainder)),
        ("!", Kind::Not),
        ("=", Kind::Assign),
    ];
    SIGNS.iter().find(|(sign, _)| text.starts_with(sign)).map(|(sign, kind)| (*kind, sign.len()))
}

/// What a word means within a directive's parentheses.
pub(super) fn keyword(word: &str) -> Kind {
    match word {
        "true" => Kind::True,
        "false" => Kind::False,
        "and" => Kind::Operator(Operator::And),
        "or" => Kind::Operator(Operator::Or),
        "eq" => Kind::Operator(Operator::Equal),
        "ne" => Kind::Operator(Operator::NotEqual),
        "lt" => Kind::Operator(Operator::Less),
        "le" => Kind::Operator(Operator::LessOrEqual),
        "gt" => Kind::Operator(Operator::Greater),
        "ge" => Kind::Operator(Operator::GreaterOrEqual),
        "not" => Kind::Not,
        _ => Kind::Word,
    }
}

/// What a token that began nothing leaves of itself: its `$`, `#` and the backslashes before a `$`.
pub(super) fn strays(image: &str) -> impl Iterator<Item = char> {
    let mut rest = image;
    std::iter::from_fn(move || {
        loop {
            let c = rest.chars().next()?;
            let kept = match c {
                '$' | '#' => true,
                '\\' => rest.trim_start_matches('\\').starts_with('$'),
                _ => false,
            };
            rest = after(rest, c.len_utf8());
            if kept {
                return Some(c);
            }
        }
    })
}
