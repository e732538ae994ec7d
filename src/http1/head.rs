//! Heads, as they are read and written.

use std::mem::MaybeUninit;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderValue, Method};

use super::Broken;
use crate::exchange::{FieldName, Fields};

/// Of a head, in bytes.
pub(super) const LARGEST: usize = 64 << 10;
/// Of a head, in field lines.
const LINES: usize = 200;

/// Writes a request's head. `content_length`: how much content follows, nothing for an unknown length, which is then chunked.
///
/// # Errors
/// When the target cannot stand in a request line.
pub fn write_request_head(
    http_method: &Method,
    target: &str,
    fields: &Fields,
    content_length: Option<u64>,
    out: &mut BytesMut,
) -> Result<(), Broken> {
    let target = target.split('#').next().unwrap_or_default();
    if target.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(Broken::Refused("the target has characters that no request line can hold"));
    }
    out.put_slice(http_method.as_str().as_bytes());
    out.put_slice(if target.starts_with('/') { b" " } else { b" /" });
    out.put_slice(target.as_bytes());
    out.put_slice(b" HTTP/1.1\r\n");
    write_fields(fields, out);
    match content_length {
        Some(0) if matches!(*http_method, Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE) => {}
        Some(length) => {
            out.put_slice(b"Content-Length: ");
            write_number(length, out);
            out.put_slice(b"\r\n");
        }
        None => out.put_slice(b"Transfer-Encoding: chunked\r\n"),
    }
    out.put_slice(b"\r\n");
    Ok(())
}

pub(super) fn write_fields(fields: &Fields, out: &mut BytesMut) {
    for field in fields {
        out.put_slice(field.name.as_bytes());
        out.put_slice(b": ");
        out.put_slice(field.value.as_bytes());
        out.put_slice(b"\r\n");
    }
}

pub(super) fn write_number(number: u64, out: &mut BytesMut) {
    let mut digits = [0_u8; 20];
    let (mut at, mut left) = (digits.len(), number);
    while let Some(place) = at.checked_sub(1).and_then(|place| digits.get_mut(place)) {
        *place = b'0' + (left % 10) as u8;
        (at, left) = (at - 1, left / 10);
        if left == 0 {
            break;
        }
    }
    out.put_slice(digits.get(at..).unwrap_or_default());
}

/// As a chunk's size is written.
pub(super) fn write_hexadecimal(number: usize, out: &mut BytesMut) {
    let digits = (usize::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = (number >> (place * 4)) as u8 & 15;
        out.put_u8(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
}

/// What a head says of where its content ends (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentEnd {
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// Nothing: a request has no content, a response's ends with the connection.
    Unsaid,
}

/// A response's head.
#[derive(Debug)]
pub struct ResponseHead {
    /// The status code.
    pub status: u16,
    /// All fields, the framing's included.
    pub fields: Fields,
    pub(super) content_end: ContentEnd,
    /// Whether the connection may be used again.
    pub(super) keep_alive: bool,
}

/// A request's head.
#[derive(Debug)]
pub struct RequestHead {
    /// The method, any token.
    pub http_method: Method,
    /// The target as it was sent.
    pub target: Bytes,
    /// The minor version: 0 or 1.
    pub minor_version: u8,
    /// All fields, the framing's included.
    pub fields: Fields,
    pub(super) content_end: ContentEnd,
    pub(super) keep_alive: bool,
}

/// Why a request's head is not read: the status that says so, and the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal(pub u16, pub &'static str);

/// Where the head ends within `input`, searching from `searched` on, up to which it was searched before.
pub(super) fn end(input: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(2);
    let rest = input.get(from..).unwrap_or_default();
    memchr::memchr_iter(b'\n', rest).find_map(|at| match rest.get(at + 1..) {
        Some([b'\n', ..]) => Some(from + at + 2),
        Some([b'\r', b'\n', ..]) => Some(from + at + 3),
        _ => None,
    })
}

/// Reads a response's head that is complete.
pub(super) fn read_response(bytes: &Bytes) -> Result<ResponseHead, Broken> {
    let mut lines = [const { MaybeUninit::uninit() }; LINES];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut lines);
    match parsed {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Broken::Refused("the response has more field lines than are read")),
        _ => return Err(Broken::Refused("what came is no HTTP/1.1 response")),
    }
    let (Some(status @ 100..), Some(version)) = (response.code, response.version) else {
        return Err(Broken::Refused("what came is no HTTP/1.1 response"));
    };
    let (fields, content_end, keep_alive) =
        fields(bytes, response.headers, version).map_err(|reason| Broken::Refused(reason.response()))?;
    Ok(ResponseHead { status, fields, content_end, keep_alive })
}

/// Reads a request's head that is complete. Lines end with CR LF and nothing else.
///
/// # Errors
/// With the status that says why it is none.
pub fn read_request_head(bytes: &Bytes) -> Result<RequestHead, Refusal> {
    const BAD: Refusal = Refusal(400, "Bad Request");
    let mut lines = [const { MaybeUninit::uninit() }; LINES];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut lines) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal(431, "Request Header Fields Too Large")),
        Err(httparse::Error::Version) => return Err(Refusal(505, "HTTP Version Not Supported")),
        _ => return Err(BAD),
    }
    let bare = memchr::memchr_iter(b'\n', bytes).any(|at| at.checked_sub(1).and_then(|before| bytes.get(before)) != Some(&b'\r'));
    let (Some(http_method), Some(target), Some(minor_version), false) = (request.method, request.path, request.version, bare) else {
        return Err(BAD);
    };
    let http_method = Method::from_bytes(http_method.as_bytes()).map_err(|_| BAD)?;
    let target = bytes.slice_ref(target.as_bytes());
    let (fields, content_end, keep_alive) = fields(bytes, request.headers, minor_version).map_err(|_| BAD)?;
    Ok(RequestHead { http_method, target, minor_version, fields, content_end, keep_alive })
}

/// What is wrong with a field.
enum Wrong {
    Field,
    Length,
    Coding,
    Twice,
}

impl Wrong {
    const fn response(&self) -> &'static str {
        match self {
            Self::Field => "the response has a field that HTTP does not allow",
            Self::Length => "the response's Content-Length is no number",
            Self::Coding => "the response has a transfer coding other than chunked",
            Self::Twice => "the response says in more than one way where its content ends",
        }
    }
}

/// The fields as slices of what was read, and what they say of content and connection.
fn fields(bytes: &Bytes, lines: &[httparse::Header<'_>], minor_version: u8) -> Result<(Fields, ContentEnd, bool), Wrong> {
    let (mut content_end, mut keep_alive, mut close) = (ContentEnd::Unsaid, minor_version == 1, false);
    // A gateway adds some of its own.
    let mut fields = Fields::with_capacity(lines.len() + 4);
    for line in lines {
        let name = FieldName::shared(bytes.slice_ref(line.name.as_bytes())).ok_or(Wrong::Field)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(line.value)).map_err(|_| Wrong::Field)?;
        match line.name.len() {
            14 if name.is("content-length") => content_end = length(content_end, line.value)?,
            17 if name.is("transfer-encoding") => content_end = coding(content_end, line.value, minor_version)?,
            10 if name.is("connection") => {
                keep_alive |= has_option(line.value, b"keep-alive");
                close |= has_option(line.value, b"close");
            }
            _ => {}
        }
        fields.append(name, value);
    }
    Ok((fields, content_end, keep_alive && !close))
}

/// One length, in digits.
fn length(so_far: ContentEnd, value: &[u8]) -> Result<ContentEnd, Wrong> {
    let digits = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let length = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    match (so_far, length) {
        (ContentEnd::Unsaid, Some(length)) => Ok(ContentEnd::Length(length)),
        (ContentEnd::Unsaid, None) => Err(Wrong::Length),
        _ => Err(Wrong::Twice),
    }
}

/// `chunked` alone, of HTTP/1.1.
fn coding(so_far: ContentEnd, value: &[u8], minor_version: u8) -> Result<ContentEnd, Wrong> {
    match so_far {
        ContentEnd::Unsaid if value.eq_ignore_ascii_case(b"chunked") && minor_version == 1 => Ok(ContentEnd::Chunked),
        ContentEnd::Unsaid => Err(Wrong::Coding),
        _ => Err(Wrong::Twice),
    }
}

/// Whether a `Connection` line has an option (RFC 9110, section 7.6.1).
fn has_option(value: &[u8], option: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(option))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &'static str) -> Result<(u16, ContentEnd, bool), String> {
        let bytes = Bytes::from_static(text.as_bytes());
        let end = end(&bytes, 0).ok_or("no end")?;
        let head = read_response(&bytes.slice(..end));
        head.map(|head| (head.status, head.content_end, head.keep_alive)).map_err(|broken| broken.to_string())
    }

    #[test]
    fn the_end_of_content_is_told_in_one_way() {
        assert_eq!(head("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), Ok((200, ContentEnd::Length(5), true)));
        assert_eq!(head("HTTP/1.1 200\r\ntransfer-encoding: Chunked\r\n\r\n"), Ok((200, ContentEnd::Chunked, true)));
        assert_eq!(head("HTTP/1.0 200 OK\r\n\r\n"), Ok((200, ContentEnd::Unsaid, false)));
        assert_eq!(head("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n"), Ok((200, ContentEnd::Length(0), true)));
        assert_eq!(head("HTTP/1.1 200 OK\r\nConnection: x, close\r\n\r\n"), Ok((200, ContentEnd::Unsaid, false)));
        assert_eq!(head("HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n"), Ok((200, ContentEnd::Unsaid, false)));
        for wrong in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5,5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "SSH-2.0-OpenSSH\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert!(head(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_head_that_trickles_is_searched_once() {
        let text = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nrest";
        for at in 0..text.len() {
            assert_eq!(end(&text[..at], at.saturating_sub(1)).is_some(), at == 25, "{at}");
        }
    }

    #[test]
    fn fields_share_the_bytes_that_were_read() {
        let bytes = Bytes::from_static(b"HTTP/1.1 200 OK\r\nX-One: a\r\nx-two:\r\n\r\n");
        let head = read_response(&bytes).unwrap();
        let lines: Vec<_> = head.fields.iter().map(|field| (field.name.as_str(), field.value.as_bytes())).collect();
        assert_eq!(lines, [("X-One", &b"a"[..]), ("x-two", b"")]);
    }

    fn request(text: &'static str) -> Result<(String, u8, ContentEnd, bool), u16> {
        let head = read_request_head(&Bytes::from_static(text.as_bytes()));
        head.map(|head| (String::from_utf8_lossy(&head.target).into_owned(), head.minor_version, head.content_end, head.keep_alive))
            .map_err(|refusal| refusal.0)
    }

    #[test]
    fn a_request_has_one_reading_or_none() {
        assert_eq!(request("GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"), Ok(("/a?b".into(), 1, ContentEnd::Unsaid, true)));
        assert_eq!(request("POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n"), Ok(("/".into(), 0, ContentEnd::Length(3), false)));
        for wrong in [
            "GET / HTTP/1.1\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\n\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nA : b\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\0\r\n\r\n",
            "GET / HTTP/1.1\r\n: b\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
        ] {
            assert_eq!(request(wrong), Err(400), "{wrong:?}");
        }
        assert_eq!(request("GET / HTTP/2.0\r\n\r\n"), Err(505));
    }

    #[test]
    fn numbers_are_written_as_they_are() {
        for number in [0, 7, 10, 90_210, u64::MAX] {
            let mut out = BytesMut::new();
            write_number(number, &mut out);
            assert_eq!(out, number.to_string());
            let (mut out, number) = (BytesMut::new(), number as usize);
            write_hexadecimal(number, &mut out);
            assert_eq!(out, format!("{number:x}"));
        }
    }
}
