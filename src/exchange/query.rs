//! Query strings, read and written as HTML forms do, which is how API Gateway reads them.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

/// The arguments of a query string in order, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=1&b=2`: `+` is a space, `;` separates like `&`, a name alone has the empty value.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let arguments = text.split(['&', ';']).filter(|part| !part.is_empty());
        Self(
            arguments
                .map(|part| part.split_once('=').unwrap_or((part, "")))
                .map(|(name, value)| (decode_form(name).into_owned(), decode_form(value).into_owned()))
                .collect(),
        )
    }

    /// The last value of `name`.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of `name`, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Adds an argument behind those that are there.
    pub fn append(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Puts `values` in the place of all arguments called `name`.
    pub fn set(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        self.0.retain(|(key, _)| key != name);
        self.0.extend(values.into_iter().map(|value| (name.to_owned(), value)));
    }

    /// All arguments in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there is no argument.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The query string that reads back as these arguments.
    pub fn write(&self, out: &mut String) {
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push('&');
            }
            out.extend(encode_form(name));
            out.push('=');
            out.extend(encode_form(value));
        }
    }
}

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// RFC 3986's unreserved characters and the sub-delimiters that may stand in a path segment stay as they are; so does `%`, since
/// path values travel encoded.
const SEGMENT: &AsciiSet = &UNRESERVED
    .remove(b'%')
    .remove(b'/')
    .remove(b':')
    .remove(b'@')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=');

/// Percent-encodes all but unreserved characters, piece by piece.
pub fn encode_form(text: &str) -> impl Iterator<Item = &str> {
    utf8_percent_encode(text, UNRESERVED)
}

/// Encodes what may not stand in a path; what is encoded already stays.
pub fn encode_path_segment(text: &str) -> impl Iterator<Item = &str> {
    utf8_percent_encode(text, SEGMENT)
}

/// Undoes form encoding; bytes that are no UTF-8 become U+FFFD.
#[must_use]
pub fn decode_form(text: &str) -> Cow<'_, str> {
    if !text.contains(['+', '%']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(percent_decode(text.replace('+', " ").as_bytes()).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_forms_as_recorded_from_the_service() {
        let query = Query::parse("a=1&a=2%2B3&b=x+y&c&u=http://h/?q=1");
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["1", "2+3"]);
        assert_eq!((query.last("a"), query.last("b"), query.last("c")), (Some("2+3"), Some("x y"), Some("")));
        assert_eq!(query.last("u"), Some("http://h/?q=1"));
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut query = Query::default();
        query.append("a b", "1&2=é+");
        let mut text = String::new();
        query.write(&mut text);
        assert_eq!(Query::parse(&text), query);
    }
}
