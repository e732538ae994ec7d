//! Finds the end of what needs no second look.

/// A one in every byte.
pub(in crate::mapping) const ONES: u64 = 0x0101_0101_0101_0101;
/// The high bit of every byte.
pub(in crate::mapping) const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bit of every byte that is zero; bits above the lowest such byte may be wrong.
pub(in crate::mapping) const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// How many bytes at the beginning are neither a quote of either kind, nor a backslash, nor a control character.
pub(super) fn plain(bytes: &[u8]) -> usize {
    let mut at = 0;
    let (words, rest) = bytes.as_chunks::<8>();
    for chunk in words {
        let word = u64::from_le_bytes(*chunk);
        let special = zeros(word ^ (ONES * b'"' as u64))
            | zeros(word ^ (ONES * b'\'' as u64))
            | zeros(word ^ (ONES * b'\\' as u64))
            | zeros(word ^ (ONES * 0x7f))
            | (word.wrapping_sub(ONES * 0x20) & !word & HIGH);
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\'' | b'\\' | 0x7f | 0..0x20)).count()
}

/// How many bytes at the beginning are neither the quote nor a backslash.
pub(super) fn inside(bytes: &[u8], quote: u8) -> usize {
    let mut at = 0;
    let (words, rest) = bytes.as_chunks::<8>();
    for chunk in words {
        let word = u64::from_le_bytes(*chunk);
        let special = zeros(word ^ (ONES * u64::from(quote))) | zeros(word ^ (ONES * b'\\' as u64));
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + rest.iter().take_while(|byte| **byte != quote && **byte != b'\\').count()
}

#[cfg(test)]
mod tests {
    use super::{inside, plain};

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
                for quote in [b'"', b'\''] {
                    let expected = bytes.iter().position(|byte| *byte == quote || *byte == b'\\').unwrap_or(bytes.len());
                    assert_eq!(inside(&bytes, quote), expected, "{special:#x} at {length} before {quote:#x}");
                }
            }
        }
    }
}
