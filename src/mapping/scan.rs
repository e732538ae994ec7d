//! Finds the end of what needs no second look, eight bytes at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bit of every byte that is zero; bits above the lowest such byte may be wrong, here and in what follows.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// The high bit of every byte that is a given one.
const fn equal(word: u64, byte: u8) -> u64 {
    zeros(word ^ (ONES * byte as u64))
}

/// The high bit of every byte that is a control character below the blank.
const fn controls(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) & !word & HIGH
}

/// How many bytes come before the first that `special` marks in a word; what is left over is looked at as one more word, filled up with
/// blanks, which must not be special.
#[inline(always)]
fn before(bytes: &[u8], special: impl Fn(u64) -> u64) -> usize {
    // Most of what is read ends within a word, for which a loop would make more ready than it takes.
    let mut rest = bytes;
    if let Some((first, after)) = bytes.split_first_chunk() {
        let found = special(u64::from_le_bytes(*first));
        if found != 0 {
            return found.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    while let Some((word, after)) = rest.split_first_chunk() {
        let found = special(u64::from_le_bytes(*word));
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    let found = special(last_word(bytes, rest));
    bytes.len() - rest.len() + rest.len().min(found.trailing_zeros() as usize / 8)
}

/// The rest of some bytes, less than a word of them, with blanks behind it.
#[inline(always)]
fn last_word(bytes: &[u8], rest: &[u8]) -> u64 {
    match bytes.last_chunk() {
        _ if rest.is_empty() => ONES * 0x20,
        Some(last) => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()) | (ONES * 0x20) << (8 * rest.len()),
        None => rest.iter().rev().fold(ONES * 0x20, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// How many bytes at the beginning are neither a quote of either kind, nor a backslash, nor a control character.
pub(super) fn plain(bytes: &[u8]) -> usize {
    before(bytes, |word| equal(word, b'"') | equal(word, b'\'') | equal(word, b'\\') | equal(word, 0x7f) | controls(word))
}

/// How many bytes at the beginning are neither the quote nor a backslash.
#[inline(always)]
pub(super) fn inside(bytes: &[u8], quote: u8) -> usize {
    before(bytes, |word| equal(word, quote) | equal(word, b'\\'))
}

/// How many bytes at the beginning JavaScript's escaping leaves as they are: ASCII but quotes, slashes and control characters.
pub(super) fn unescaped(bytes: &[u8]) -> usize {
    before(bytes, |word| equal(word, b'"') | equal(word, b'\'') | equal(word, b'\\') | equal(word, b'/') | controls(word) | (word & HIGH))
}

#[cfg(test)]
mod tests {
    use super::{inside, plain, unescaped};

    #[test]
    fn ends_at_the_first_special_byte() {
        for length in 0..20 {
            for special in 0..=u8::MAX {
                let is_special = special < 0x20 || matches!(special, b'"' | b'\'' | b'\\' | 0x7f);
                let mut bytes = vec![b'x'; length];
                bytes.push(special);
                bytes.extend(b"xxxxxxxxxx\"");
                let expected = if is_special { length } else { length + 11 };
                assert_eq!(plain(&bytes), expected, "{special:#x} at {length}");
                let first = |is_special: &dyn Fn(u8) -> bool| bytes.iter().position(|byte| is_special(*byte)).unwrap_or(bytes.len());
                let expected = first(&|byte| matches!(byte, b'"' | b'\'' | b'\\' | b'/' | 0..0x20 | 0x80..));
                assert_eq!(unescaped(&bytes), expected, "{special:#x} at {length}");
                for quote in [b'"', b'\''] {
                    let expected = first(&|byte| byte == quote || byte == b'\\');
                    assert_eq!(inside(&bytes, quote), expected, "{special:#x} at {length} before {quote:#x}");
                }
            }
        }
    }
}
