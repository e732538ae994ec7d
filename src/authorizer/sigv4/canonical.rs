//! The canonical request: what signer and verifier write alike, to the byte.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::exchange::Request;

/// What a canonical request leaves as it is (RFC 3986, section 2.3).
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Where signers differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// Runs of slashes are one.
    pub(super) collapse: bool,
    /// The signature stands in the query, and is not part of what it signs.
    pub(super) presigned: bool,
}

/// The canonical form of a request; nothing: a header field that is signed is not there.
pub(super) fn request(request: &Request, signed: &[String], hash: &str, form: Form) -> Option<Vec<u8>> {
    let path = path(&request.path, form.collapse);
    let query = query(request.query.as_deref().unwrap_or_default(), form.presigned);
    let mut out = format!("{}\n{path}\n{query}\n", request.http_method).into_bytes();
    for name in signed {
        let mut values = request.fields.all(name).peekable();
        values.peek()?;
        out.extend_from_slice(name.as_bytes());
        for (index, value) in values.enumerate() {
            out.push(if index == 0 { b':' } else { b',' });
            trimmed(value.as_bytes(), &mut out);
        }
        out.push(b'\n');
    }
    out.extend_from_slice(format!("\n{}\n{hash}", signed.join(";")).as_bytes());
    Some(out)
}

/// Without blanks around, and one for several inside.
fn trimmed(value: &[u8], out: &mut Vec<u8>) {
    for (index, word) in value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// Each segment encoded once more than it was sent, as every service but S3 has it.
fn path(path: &str, collapse: bool) -> String {
    let mut out = String::with_capacity(path.len() + 8);
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 && !(collapse && out.ends_with('/')) {
            out.push('/');
        }
        out.extend(percent_encode(segment.as_bytes(), &UNRESERVED));
    }
    if out.is_empty() { "/".to_owned() } else { out }
}

/// Names and values encoded alike and sorted. Bytes stay bytes: what is no text must not become equal to other such bytes.
fn query(query: &str, presigned: bool) -> String {
    let encoded = |text: &str| percent_encode(&std::borrow::Cow::from(percent_decode_str(text)), &UNRESERVED).to_string();
    let arguments = super::arguments(query).filter(|(name, _)| !(presigned && *name == "X-Amz-Signature"));
    let mut arguments: Vec<(String, String)> = arguments.map(|(name, value)| (encoded(name), encoded(value))).collect();
    arguments.sort();
    arguments.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_slashes_are_one_to_some_signers() {
        assert_eq!((path("/a//b%2F/", false), path("/a//b%2F/", true)), ("/a//b%252F/".to_owned(), "/a/b%252F/".to_owned()));
    }

    #[test]
    fn a_query_is_sorted_by_name_and_value_as_encoded() {
        assert_eq!(query("b=2&a=%C3%A9&a=1&A=&c", false), "A=&a=%C3%A9&a=1&b=2&c=");
        assert_eq!(query("a=%ff&b=x%20y+z", false), "a=%FF&b=x%20y%2Bz");
        assert_ne!(query("a=%ff", false), query("a=%fe", false));
        assert_eq!((query("X-Amz-Signature=1", true), query("X-Amz-Signature=1", false)), (String::new(), "X-Amz-Signature=1".to_owned()));
    }
}
