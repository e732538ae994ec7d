//! Header fields in the order and the spelling in which they came.
//!
//! Names are compared without regard to case (RFC 9110, section 5.1). A message has a dozen fields, so a list that is
//! walked costs less than a map that is built.

use bytes::Bytes;
use http::HeaderValue;

/// A field's name as it was written; equal to any other spelling of it.
#[derive(Clone)]
pub struct FieldName(Bytes);

impl FieldName {
    /// A name known when the program is written; costs no allocation.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        Self(Bytes::from_static(name.as_bytes()))
    }

    /// A name from the wire or from a document; nothing if it is no token (RFC 9110, section 5.6.2).
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        is_token(name).then(|| Self(Bytes::copy_from_slice(name)))
    }

    /// A name that is a part of what was read; nothing if it is no token.
    #[must_use]
    pub fn shared(name: Bytes) -> Option<Self> {
        is_token(&name).then_some(Self(name))
    }

    /// The name behind a prefix, which is a token too, so that the whole is one.
    #[must_use]
    pub fn prefixed(&self, prefix: &'static str) -> Self {
        Self([prefix.as_bytes(), &*self.0].concat().into())
    }

    /// The name's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name as text; tokens are ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The name's bytes, shared rather than copied.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }

    /// Whether this is the field `name`, in any spelling.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name.as_bytes())
    }
}

impl PartialEq for FieldName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for FieldName {}

impl std::fmt::Debug for FieldName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// RFC 9110, section 5.6.2.
#[expect(clippy::indexing_slicing, reason = "in a constant, an index out of bounds does not compile")]
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_usize {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| TOKEN.get(usize::from(byte)).copied().unwrap_or(false))
}

/// One header field line.
#[derive(Debug, Clone)]
pub struct Field {
    /// The name as written.
    pub name: FieldName,
    /// The value, which may hold bytes beyond ASCII.
    pub value: HeaderValue,
}

impl Field {
    /// The value as text; bytes that are no UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.value.as_bytes())
    }
}

/// The header fields of a message, in order, repeats included.
#[derive(Debug, Clone, Default)]
pub struct Fields(Vec<Field>);

impl Fields {
    /// No fields, with room for `capacity` of them.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// The same fields, with room for `more` behind them.
    #[must_use]
    pub fn clone_with_room(&self, more: usize) -> Self {
        let mut fields = Vec::with_capacity(self.0.len() + more);
        fields.extend_from_slice(&self.0);
        Self(fields)
    }

    /// Adds a field line behind those that are there.
    pub fn append(&mut self, name: FieldName, value: HeaderValue) {
        self.0.push(Field { name, value });
    }

    /// Adds a field whose value is text; text that no field can carry (controls) is left out and `false` returned.
    pub fn append_text(&mut self, name: FieldName, value: &str) -> bool {
        HeaderValue::from_bytes(value.as_bytes()).map(|value| self.append(name, value)).is_ok()
    }

    /// Puts one field line in the place of all that have its name.
    pub fn set(&mut self, name: FieldName, value: HeaderValue) {
        self.0.retain(|field| field.name != name);
        self.append(name, value);
    }

    /// Takes away every line of the field `name`.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|field| !field.name.is(name));
    }

    /// Keeps the lines for which `keep` says so.
    pub fn retain(&mut self, keep: impl FnMut(&Field) -> bool) {
        self.0.retain(keep);
    }

    /// The last line of the field `name`: what API Gateway takes where it wants one value.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&HeaderValue> {
        self.0.iter().rev().find(|field| field.name.is(name)).map(|field| &field.value)
    }

    /// The last line of the field `name` as text, if it is UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.last(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    }

    /// All lines of the field `name`, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a HeaderValue> {
        self.0.iter().filter(move |field| field.name.is(name)).map(|field| &field.value)
    }

    /// Whether the field `name` is there.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|field| field.name.is(name))
    }

    /// The line at an index.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&Field> {
        self.0.get(at)
    }

    /// All lines in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.0.iter()
    }

    /// The number of lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no line at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Fields {
    type Item = Field;
    type IntoIter = std::vec::IntoIter<Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = &'a Field;
    type IntoIter = std::slice::Iter<'a, Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl FromIterator<Field> for Fields {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &'static str)]) -> Fields {
        pairs.iter().map(|(name, value)| Field { name: FieldName::from_static(name), value: HeaderValue::from_static(value) }).collect()
    }

    #[test]
    fn names_match_in_any_case_and_the_last_value_counts() {
        let fields = fields(&[("X-a", "1"), ("x-A", "2"), ("b", "3")]);
        assert_eq!(fields.text("X-A"), Some("2"));
        assert_eq!(fields.all("x-a").count(), 2);
    }

    #[test]
    fn set_replaces_every_line() {
        let mut fields = fields(&[("a", "1"), ("A", "2")]);
        fields.set(FieldName::from_static("a"), HeaderValue::from_static("3"));
        assert_eq!((fields.len(), fields.text("a")), (1, Some("3")));
    }

    #[test]
    fn a_name_is_a_token() {
        for wrong in [&b""[..], b"a b", b"a:", b"\xc3\xa9", b"a\n"] {
            assert!(FieldName::parse(wrong).is_none());
        }
        assert!(FieldName::parse(b"x-amzn-RequestId").is_some());
    }
}
