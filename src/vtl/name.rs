//! Names of members, and what tells them apart.

use std::ops::Deref;

/// The first eight bytes of a name as one word, filled up with zeros. Names that differ mostly differ here, and those that do not are the same if they are
/// no longer than that and of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head(u64);

impl Head {
    /// How many bytes it holds.
    pub(super) const LENGTH: usize = size_of::<u64>();

    #[inline]
    pub(super) fn of(name: &[u8]) -> Self {
        Self(match name.first_chunk() {
            Some(first) => u64::from_le_bytes(*first),
            None => name.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        })
    }

    /// The head of a name that stands at a place in a text: where more follows, it is read at once and the rest is cut off.
    #[inline]
    pub(super) fn within(text: &[u8], start: usize, length: usize) -> Self {
        match text.get(start..).and_then(<[u8]>::first_chunk) {
            Some(first) if length < Self::LENGTH => Self(u64::from_le_bytes(*first) & !(u64::MAX << (8 * length))),
            Some(first) => Self(u64::from_le_bytes(*first)),
            None => Self::of(text.get(start..start + length).unwrap_or_default()),
        }
    }
}

/// A name that is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Name<'n> {
    pub(super) text: &'n str,
    pub(super) head: Head,
}

impl<'n> From<&'n str> for Name<'n> {
    #[inline]
    fn from(text: &'n str) -> Self {
        Self { text, head: Head::of(text.as_bytes()) }
    }
}

impl Deref for Name<'_> {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.text
    }
}

/// A property's name in a template, whose head is known before anything is rendered.
#[derive(Debug)]
pub(super) struct Property {
    text: Box<str>,
    head: Head,
}

impl From<&str> for Property {
    fn from(text: &str) -> Self {
        Self { text: text.into(), head: Head::of(text.as_bytes()) }
    }
}

impl Property {
    #[inline]
    pub(super) fn name(&self) -> Name<'_> {
        Name { text: &self.text, head: self.head }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_the_same_wherever_the_name_stands() {
        let text = b"abcdefghijklmnopqrstuvwxyz";
        for start in 0..text.len() {
            for end in start..text.len() {
                assert_eq!(Head::within(text, start, end - start), Head::of(&text[start..end]), "{start}..{end}");
            }
        }
        assert_ne!(Head::of(b"abc"), Head::of(b"abd"));
        assert_eq!(Head::of(b"a"), Head::of(b"a\0"));
    }
}
