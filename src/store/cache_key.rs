//! Under what answers are kept.

/// A key: bytes that cannot mean two things, since each part comes behind its length.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// Its bytes in number.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }
}

/// Makes keys.
#[derive(Debug, Default)]
pub struct KeyBuilder(Vec<u8>);

impl KeyBuilder {
    /// Nothing yet, with room for so many bytes: a key is made for each request, and most are short.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Adds a part; nothing is another part than an empty one.
    pub fn part(&mut self, part: Option<&[u8]>) {
        let Some(part) = part else { return self.0.push(0) };
        self.0.push(1);
        self.0.extend_from_slice(&(part.len() as u64).to_le_bytes());
        self.0.extend_from_slice(part);
    }

    /// The key.
    #[must_use]
    pub fn build(self) -> Key {
        Key(self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(parts: &[Option<&[u8]>]) -> Key {
        let mut builder = KeyBuilder::default();
        parts.iter().for_each(|part| builder.part(*part));
        builder.build()
    }

    proptest! {
        #[test]
        fn different_parts_make_different_keys(
            a in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..12)), 0..5),
            b in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..12)), 0..5),
        ) {
            let of = |parts: &[Option<Vec<u8>>]| key(&parts.iter().map(Option::as_deref).collect::<Vec<_>>());
            prop_assert_eq!(of(&a) == of(&b), a == b);
        }

        /// Few bytes, those that lengths and marks are made of among them, so that parts nearly coincide.
        #[test]
        fn parts_cannot_be_moved_into_each_other(
            a in prop::collection::vec(prop::option::of(prop::collection::vec(0_u8..3, 0..10)), 0..4),
            b in prop::collection::vec(prop::option::of(prop::collection::vec(0_u8..3, 0..10)), 0..4),
        ) {
            let of = |parts: &[Option<Vec<u8>>]| key(&parts.iter().map(Option::as_deref).collect::<Vec<_>>());
            prop_assert_eq!(of(&a) == of(&b), a == b);
        }
    }
}
