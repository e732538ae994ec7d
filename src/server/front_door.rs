//! What no request may be, checked before anything reads it: ambiguous framing, impossible names, paths with two readings.
//!
//! One function for HTTP/1 and HTTP/2 alike. What is refused here is answered with a plain message and `Connection: close`, and nothing
//! of it or behind it is forwarded (RFC 9112, sections 3, 5 and 6; RFC 9113, section 8).

use bytes::Bytes;
use http::{Method, Version};

use crate::exchange::Fields;

/// A head as it came, whichever HTTP it came by.
#[derive(Debug)]
pub struct Head {
    /// The method, any token.
    pub http_method: Method,
    /// The request's target; of HTTP/2 `:path`.
    pub target: Bytes,
    /// `:authority`.
    pub authority: Option<Box<str>>,
    /// HTTP/1.0, HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// All fields, the framing's included.
    pub fields: Fields,
}

/// Limits of a head.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    target: usize,
    values: usize,
}

const LINES: usize = 200;
const LINE: usize = 32 << 10;

impl HeadLimits {
    /// API Gateway's own limits, or ours.
    #[must_use]
    pub const fn new(aws: bool) -> Self {
        if aws { Self { target: 10_240, values: 10_240 } } else { Self { target: 16 << 10, values: 64 << 10 } }
    }
}

/// A refusal: status and message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub u16, pub &'static str);

const BAD: Refused = Refused(400, "Bad Request");

/// The parts of a head that were accepted.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// In lower case, without its port.
    pub host: Box<str>,
    /// Beginning with `/`.
    pub path: Box<str>,
    /// What stands behind `?`.
    pub query: Option<Box<str>>,
}

/// Checks a head.
///
/// # Errors
/// With what the client is told, where the head is ambiguous, malformed or beyond a limit.
pub fn check(head: &Head, limits: HeadLimits) -> Result<Target, Refused> {
    method(&head.http_method)?;
    framing(head.version, &head.fields)?;
    fields(&head.fields, limits)?;
    if head.target.len() > limits.target {
        return Err(Refused(414, "Request URI too long"));
    }
    let text = std::str::from_utf8(&head.target).map_err(|_| BAD)?;
    let (authority, target) = split(head, text)?;
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    encoded(path)?;
    no_controls(path)?;
    query.map_or(Ok(()), encoded)?;
    segments(path)?;
    Ok(Target { host: host(head, authority)?, path: path.into(), query: query.map(Into::into) })
}

/// The methods that API Gateway can configure; others are refused at the door.
fn method(method: &Method) -> Result<(), Refused> {
    match *method {
        Method::GET | Method::PUT | Method::POST | Method::DELETE | Method::PATCH | Method::OPTIONS | Method::HEAD => Ok(()),
        _ => Err(Refused(405, "Method Not Allowed")),
    }
}

/// One way to find the content's end: one length in digits, or `chunked` alone on HTTP/1.1.
fn framing(version: Version, fields: &Fields) -> Result<(), Refused> {
    let mut lengths = fields.all("content-length");
    let length = lengths.next();
    if lengths.next().is_some() || length.is_some_and(|value| !is_length(value.as_bytes())) {
        return Err(BAD);
    }
    let mut codings = fields.all("transfer-encoding");
    let Some(coding) = codings.next() else { return Ok(()) };
    let sound = codings.next().is_none() && coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if !sound || length.is_some() || version != Version::HTTP_11 { Err(BAD) } else { Ok(()) }
}

fn is_length(value: &[u8]) -> bool {
    (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit)
}

/// Sizes. That no value holds controls is what [`http::HeaderValue`] stands for.
fn fields(fields: &Fields, limits: HeadLimits) -> Result<(), Refused> {
    let sizes = fields.iter().map(|field| (field.name.as_bytes().len(), field.value.len()));
    let too_long = sizes.clone().any(|(_, value)| value > LINE);
    let size: usize = sizes.map(|(name, value)| name + value).sum();
    if too_long || size > limits.values || fields.len() > LINES { Err(Refused(431, "Request Header Fields Too Large")) } else { Ok(()) }
}

/// Authority and origin form of the target; the authority only where the target has one.
fn split<'r>(head: &'r Head, text: &'r str) -> Result<(Option<&'r str>, &'r str), Refused> {
    if head.version == Version::HTTP_2 {
        return rooted((head.authority.as_deref(), text));
    }
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(rest) => rooted(rest.find(['/', '?']).map_or((Some(rest), "/"), |at| (rest.get(..at), rest.get(at..).unwrap_or("/")))),
        None => rooted((None, text)),
    }
}

fn rooted<'r>((authority, target): (Option<&'r str>, &'r str)) -> Result<(Option<&'r str>, &'r str), Refused> {
    if target.starts_with('/') { Ok((authority, target)) } else { Err(BAD) }
}

/// The host that the request is for: one, well formed, and the same wherever it is said.
fn host(head: &Head, authority: Option<&str>) -> Result<Box<str>, Refused> {
    let mut named = head.fields.all("host");
    let field = named.next().map(|value| std::str::from_utf8(value.as_bytes()).map_err(|_| BAD)).transpose()?;
    if named.next().is_some() || authority.zip(field).is_some_and(|(authority, field)| !authority.eq_ignore_ascii_case(field)) {
        return Err(BAD);
    }
    // RFC 9112, section 3.2: the field is there even where the target has an authority.
    if field.is_none() && head.version == Version::HTTP_11 {
        return Err(BAD);
    }
    // HTTP/1.0 need not name one.
    let Some(text) = authority.or(field) else { return if head.version == Version::HTTP_10 { Ok("".into()) } else { Err(BAD) } };
    without_port(text).map(|host| host.to_ascii_lowercase().into()).ok_or(BAD)
}

fn without_port(text: &str) -> Option<&str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let plain = text.starts_with('[') || host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    let sound = !host.is_empty() && plain && port.is_none_or(|port| port.parse::<u16>().is_ok());
    sound.then_some(host)
}

/// Percent triplets are whole, none is NUL, and nothing stands there that a URI must encode (`|` and its like aside: RFC 3986, section 2).
fn encoded(text: &str) -> Result<(), Refused> {
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'%' => match bytes.get(at + 1..at + 3) {
                Some([b'0', b'0']) => return Err(BAD),
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {}
                _ => return Err(BAD),
            },
            // The service refuses a bare `|`; blanks, controls, the fragment and what is not ASCII have no place in a target.
            0..=0x20 | 0x7f.. | b'|' | b'#' => return Err(BAD),
            _ => {}
        }
    }
    Ok(())
}

/// The framework encodes controls that stand in a target, so an encoded one in the path may be either; no resource needs it.
fn no_controls(path: &str) -> Result<(), Refused> {
    let control = |digits: &[u8]| matches!(digits, [b'%', b'0' | b'1', _] | [b'%', b'7', b'f' | b'F']);
    if path.contains('%') && path.as_bytes().windows(3).any(control) { Err(BAD) } else { Ok(()) }
}

/// A segment that is, or after one decoding becomes, `.` or `..` would mean another path to whoever resolves it.
fn segments(path: &str) -> Result<(), Refused> {
    if !path.contains(['.', '%', '\\']) {
        return Ok(());
    }
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let climbs = |text: &str| text.split(['/', '\\']).any(|segment| matches!(segment.split(';').next(), Some("." | "..")));
    if climbs(path) || climbs(&decoded) { Err(BAD) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::FieldName;

    fn head(method: &str, target: &str, lines: &[(&'static str, &str)]) -> Head {
        let mut fields = Fields::default();
        for (name, value) in lines {
            assert!(fields.append_text(FieldName::from_static(name), value));
        }
        let target = Bytes::copy_from_slice(target.as_bytes());
        Head { http_method: method.parse().unwrap(), target, authority: None, version: Version::HTTP_11, fields }
    }

    fn status(method: &str, target: &str, fields: &[(&'static str, &str)]) -> u16 {
        check(&head(method, target, fields), HeadLimits::new(false)).map_or_else(|refused| refused.0, |_| 200)
    }

    const HOST: (&str, &str) = ("Host", "a");

    #[test]
    fn only_the_seven_methods_enter() {
        assert_eq!(status("GET", "/", &[HOST]), 200);
        for method in ["TRACE", "CONNECT", "BREW", "get"] {
            assert_eq!(status(method, "/", &[HOST]), 405, "{method}");
        }
    }

    #[test]
    fn content_has_one_end() {
        assert_eq!(status("POST", "/", &[HOST, ("Content-Length", "5")]), 200);
        assert_eq!(status("POST", "/", &[HOST, ("Transfer-Encoding", "Chunked")]), 200);
        for value in ["", "+5", "0x5", "5,5", "5 ", "9999999999999999999"] {
            assert_eq!(status("POST", "/", &[HOST, ("Content-Length", value)]), 400, "{value}");
        }
        for value in ["xchunked", "chunked, chunked", "identity", "chunked,", "gzip, chunked"] {
            assert_eq!(status("POST", "/", &[HOST, ("Transfer-Encoding", value)]), 400, "{value}");
        }
        assert_eq!(status("POST", "/", &[HOST, ("Content-Length", "5"), ("Content-Length", "5")]), 400);
        assert_eq!(status("POST", "/", &[HOST, ("Content-Length", "5"), ("Transfer-Encoding", "chunked")]), 400);
        let mut old = head("POST", "/", &[HOST, ("Transfer-Encoding", "chunked")]);
        old.version = Version::HTTP_10;
        assert!(check(&old, HeadLimits::new(false)).is_err());
    }

    #[test]
    fn there_is_one_well_formed_host() {
        assert_eq!(status("GET", "/", &[]), 400);
        assert_eq!(status("GET", "/", &[HOST, ("Host", "b")]), 400);
        for host in ["a/b", "a?b", "[::1", "a%00b", "a:99999", "", "a b", "u@h"] {
            assert_eq!(status("GET", "/", &[("Host", host)]), 400, "{host}");
        }
        for host in ["a:80", "[::1]:80", "A.b-c_d", "127.0.0.1"] {
            assert_eq!(status("GET", "/", &[("Host", host)]), 200, "{host}");
        }
        assert_eq!(status("GET", "http://a/x", &[HOST]), 200);
        assert_eq!(status("GET", "http://b/x", &[HOST]), 400);
        assert_eq!(status("GET", "http://a/x", &[]), 400);
    }

    #[test]
    fn a_path_has_one_reading() {
        for path in [
            "/%zz",
            "/%u002e",
            "/%0",
            "/%00",
            "/a/../b",
            "/a/%2e%2e/b",
            "/a/%2E./b",
            "/..%2fb",
            "/a\\..\\b",
            "/..;x/b",
            "/a?b=|c",
            "/a%0Ab",
            "/a%7f",
            "*",
        ] {
            assert_eq!(status("GET", path, &[HOST]), 400, "{path}");
        }
        for path in ["/a%41%7e", "//a//b/", "/a..b/.c", "/a%2Fb", "/a?b=..%2f", "/%c0%ae%c0%ae/x", "/a?b=1%0A2"] {
            assert_eq!(status("GET", path, &[HOST]), 200, "{path}");
        }
    }

    #[test]
    fn heads_are_bounded() {
        let long = "x".repeat(17 << 10);
        assert_eq!(status("GET", &format!("/{long}"), &[HOST]), 414);
        let line = "x".repeat(33 << 10);
        assert_eq!(status("GET", "/", &[HOST, ("X", &line)]), 431);
        let many: Vec<(&'static str, &str)> = std::iter::once(HOST).chain((0..200).map(|_| ("X", "1"))).collect();
        assert_eq!(status("GET", "/", &many), 431);
        let aws = head("GET", "/", &[HOST, ("X", &"x".repeat(10_241))]);
        assert_eq!(check(&aws, HeadLimits::new(true)).unwrap_err().0, 431);
    }
}
