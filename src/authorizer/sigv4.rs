//! Requests that callers signed with Signature Version 4, in a header or in the query string (the AWS General Reference, "Signing AWS API
//! requests"). Nothing of it is lenient: what cannot be read is no signature.

use hmac::{Hmac, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use crate::exchange::{Fields, Request};
use crate::store::day;

/// A signature may be so old, or so far ahead, in seconds.
const SKEW: u64 = 300;
/// A presigned request is valid for a week at most, in seconds.
const LONGEST: u64 = 604_800;
/// What a canonical request leaves as it is (RFC 3986, section 2.3).
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a request says of its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature<'r> {
    /// The key that it names.
    pub access_key_id: &'r str,
    /// `X-Amz-Security-Token`, if it brings one.
    pub session_token: Option<String>,
    date: String,
    scope_date: &'r str,
    region: &'r str,
    service: &'r str,
    signed: Vec<String>,
    signature: String,
    /// Of a presigned request, in seconds.
    expires: Option<u64>,
}

/// Why a signature is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It cannot be read, or leaves out what must be signed.
    Incomplete,
    /// It is too old, or from the future.
    Expired,
    /// It is another request's, or made with another key.
    Mismatch,
}

/// How a request's content is part of what was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentHash<'r> {
    /// It is not (`UNSIGNED-PAYLOAD`), or its pieces are signed each by itself (`STREAMING-…`).
    Given(&'r str),
    /// By the hash of the content.
    Computed,
}

/// The signature that a request brings; nothing: it brings none at all.
///
/// # Errors
/// When it begins to bring one that cannot be read.
pub fn read(request: &Request) -> Option<Result<Signature<'_>, Refused>> {
    if let Some(header) = request.fields.text("authorization").and_then(|value| value.strip_prefix(ALGORITHM)) {
        return Some(from_header(header, &request.fields).ok_or(Refused::Incomplete));
    }
    let query = request.query.as_deref().unwrap_or_default();
    let is_presigned = arguments(query).any(|(name, _)| name == "X-Amz-Signature");
    is_presigned.then(|| from_query(query).ok_or(Refused::Incomplete))
}

fn arguments(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|part| !part.is_empty()).map(|part| part.split_once('=').unwrap_or((part, "")))
}

fn from_header<'r>(header: &'r str, fields: &'r Fields) -> Option<Signature<'r>> {
    let part = |name: &str| header.split([',', ' ']).find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    let date = fields.text("x-amz-date")?.to_owned();
    scoped(
        part("Credential")?,
        date,
        part("SignedHeaders")?,
        part("Signature")?,
        None,
        fields.text("x-amz-security-token").map(str::to_owned),
    )
}

fn from_query(query: &str) -> Option<Signature<'_>> {
    let raw = |name: &str| arguments(query).find(|(known, _)| *known == name).map(|(_, value)| value);
    let text = |name: &str| raw(name).map(|value| percent_decode_str(value).decode_utf8_lossy().into_owned());
    if raw("X-Amz-Algorithm")? != ALGORITHM {
        return None;
    }
    let expires = text("X-Amz-Expires")?.parse().ok().filter(|expires| (1..=LONGEST).contains(expires))?;
    // The credential's slashes come encoded, so that its parts are found in what was sent.
    let credential = raw("X-Amz-Credential")?;
    let signed = text("X-Amz-SignedHeaders")?;
    scoped_encoded(credential, text("X-Amz-Date")?, &signed, raw("X-Amz-Signature")?, expires, text("X-Amz-Security-Token"))
}

fn scoped<'r>(
    credential: &'r str,
    date: String,
    signed: &str,
    signature: &str,
    expires: Option<u64>,
    session_token: Option<String>,
) -> Option<Signature<'r>> {
    let parts: Vec<&str> = credential.split('/').collect();
    assembled(&parts, date, signed, signature, expires, session_token)
}

fn scoped_encoded<'r>(
    credential: &'r str,
    date: String,
    signed: &str,
    signature: &str,
    expires: u64,
    session_token: Option<String>,
) -> Option<Signature<'r>> {
    let separator = if credential.contains("%2F") {
        "%2F"
    } else if credential.contains("%2f") {
        "%2f"
    } else {
        "/"
    };
    let parts: Vec<&str> = credential.split(separator).collect();
    assembled(&parts, date, signed, signature, Some(expires), session_token)
}

fn assembled<'r>(
    parts: &[&'r str],
    date: String,
    signed: &str,
    signature: &str,
    expires: Option<u64>,
    session_token: Option<String>,
) -> Option<Signature<'r>> {
    let [access_key_id, scope_date, region, service, "aws4_request"] = parts else { return None };
    let signed: Vec<String> = signed.split(';').map(str::to_owned).collect();
    let right_form = !access_key_id.is_empty()
        && access_key_id.len() <= 128
        && signature.len() == 64
        && signature.bytes().all(|byte| byte.is_ascii_hexdigit())
        && date.starts_with(scope_date)
        && scope_date.len() == 8
        // A request's host says which API it is for: one that is not signed could be sent to another.
        && signed.iter().any(|name| name == "host")
        && signed.iter().all(|name| !name.is_empty() && name.bytes().all(|byte| !byte.is_ascii_uppercase()));
    right_form.then(|| Signature {
        access_key_id,
        session_token,
        date,
        scope_date,
        region,
        service,
        signed,
        signature: signature.to_ascii_lowercase(),
        expires,
    })
}

/// How a request's content was signed.
#[must_use]
pub fn content_hash<'r>(request: &'r Request, signature: &Signature<'_>) -> ContentHash<'r> {
    match request.fields.text("x-amz-content-sha256") {
        Some(given) if given == "UNSIGNED-PAYLOAD" || given.starts_with("STREAMING-") => ContentHash::Given(given),
        // A presigned URL is made before there is any content, by the services that allow it.
        None if signature.expires.is_some() && request.fields.contains("x-amz-unsigned-payload") => ContentHash::Given("UNSIGNED-PAYLOAD"),
        _ => ContentHash::Computed,
    }
}

impl Signature<'_> {
    /// Whether the signature is recent enough.
    ///
    /// # Errors
    /// When it is not, or its date is none.
    pub fn check_time(&self, now_seconds: u64) -> Result<(), Refused> {
        let made = seconds(&self.date).ok_or(Refused::Incomplete)?;
        let valid_for = self.expires.unwrap_or(SKEW);
        if made > now_seconds + SKEW || now_seconds > made + valid_for { Err(Refused::Expired) } else { Ok(()) }
    }

    /// Whether this is the signature of a request with this content and this secret key, for `execute-api`.
    ///
    /// # Errors
    /// When it is not.
    pub fn verify(&self, request: &Request, hash: ContentHash<'_>, content: &[u8], secret: &str) -> Result<(), Refused> {
        if self.service != "execute-api" {
            return Err(Refused::Mismatch);
        }
        let content = match hash {
            ContentHash::Given(given) => given.to_owned(),
            ContentHash::Computed => hex(&Sha256::digest(content)),
        };
        // What the header says of the content must be true of it.
        let said = request.fields.text("x-amz-content-sha256");
        if hash == ContentHash::Computed && said.is_some_and(|said| !said.eq_ignore_ascii_case(&content)) {
            return Err(Refused::Mismatch);
        }
        // Signers write runs of slashes as one, some of them do not.
        let plain = canonical_path(&request.path, false);
        let collapsed = canonical_path(&request.path, true);
        let right = |path: &str| self.fits(request, path, &content, secret);
        if right(&plain) || (collapsed != plain && right(&collapsed)) { Ok(()) } else { Err(Refused::Mismatch) }
    }

    fn fits(&self, request: &Request, path: &str, content: &str, secret: &str) -> bool {
        let mut canonical = format!("{}\n{path}\n{}\n", request.http_method, canonical_query(request.query.as_deref().unwrap_or_default()));
        for name in &self.signed {
            let values: Vec<String> = request
                .fields
                .all(name)
                .map(|value| String::from_utf8_lossy(value.as_bytes()).split_ascii_whitespace().collect::<Vec<_>>().join(" "))
                .collect();
            if values.is_empty() {
                return false;
            }
            canonical.push_str(&format!("{name}:{}\n", values.join(",")));
        }
        canonical.push_str(&format!("\n{}\n{content}", self.signed.join(";")));
        let scope = format!("{}/{}/{}/aws4_request", self.scope_date, self.region, self.service);
        let text = format!("{ALGORITHM}\n{}\n{scope}\n{}", self.date, hex(&Sha256::digest(canonical)));
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in [self.scope_date, self.region, self.service, "aws4_request", &text] {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return false };
            mac.update(part.as_bytes());
            key = mac.finalize().into_bytes().to_vec();
        }
        let expected = hex(&key);
        // As long for a wrong signature as for a right one.
        expected.bytes().zip(self.signature.bytes()).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Each segment encoded once more than it was sent, as every service but S3 has it.
fn canonical_path(path: &str, collapse: bool) -> String {
    let mut out = String::with_capacity(path.len() + 8);
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 && !(collapse && out.ends_with('/')) {
            out.push('/');
        }
        out.extend(utf8_percent_encode(segment, &UNRESERVED));
    }
    if out.is_empty() { "/".to_owned() } else { out }
}

/// Names and values encoded alike and sorted; the signature itself is not among them.
fn canonical_query(query: &str) -> String {
    let encoded = |text: &str| utf8_percent_encode(&percent_decode_str(text).decode_utf8_lossy(), &UNRESERVED).to_string();
    let mut arguments: Vec<(String, String)> =
        arguments(query).filter(|(name, _)| *name != "X-Amz-Signature").map(|(name, value)| (encoded(name), encoded(value))).collect();
    arguments.sort();
    arguments.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// `20240229T120000Z` as seconds since 1970.
fn seconds(date: &str) -> Option<u64> {
    if date.len() != 16 || !date.is_ascii() || date.get(8..9) != Some("T") || date.get(15..) != Some("Z") {
        return None;
    }
    let number = |from: usize, to: usize| date.get(from..to)?.parse::<u64>().ok();
    let days = day(&format!("{}-{}-{}", date.get(..4)?, date.get(4..6)?, date.get(6..8)?))?;
    let (hours, minutes, seconds) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    (hours < 24 && minutes < 60 && seconds < 61).then(|| u64::from(days) * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::exchange::{FieldName, Peer};

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const NOW: u64 = 1_440_938_160;

    fn request(path: &str, query: Option<&str>, fields: &[(&'static str, &str)]) -> Request {
        let mut all = Fields::default();
        for (name, value) in fields {
            all.append_text(FieldName::from_static(name), value);
        }
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Request {
            http_method: http::Method::GET,
            host: "example.amazonaws.com".into(),
            path: path.into(),
            query: query.map(Into::into),
            fields: all,
            peer: Peer { source_ip: local, address: local, local_port: 0, secure: false, client_certificate: None },
        }
    }

    /// Signs as a client would, with this file's own canonical form turned around: what it proves is that every part is covered.
    fn signed(path: &str, query: Option<&str>) -> Request {
        let with = |signature: &str| {
            let authorization = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/execute-api/aws4_request, SignedHeaders=host;x-amz-date, Signature={signature}"
            );
            request(
                path,
                query,
                &[("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z"), ("Authorization", &authorization)],
            )
        };
        let unsigned = with(&"0".repeat(64));
        let signature = read(&unsigned).unwrap().unwrap();
        let right = expected(&signature, &unsigned);
        with(&right)
    }

    fn expected(signature: &Signature<'_>, request: &Request) -> String {
        let content = hex(&Sha256::digest(b""));
        let mut canonical =
            format!("GET\n{}\n{}\n", canonical_path(&request.path, false), canonical_query(request.query.as_deref().unwrap_or_default()));
        canonical.push_str("host:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date\n");
        canonical.push_str(&content);
        let text =
            format!("{ALGORITHM}\n{}\n20150830/us-east-1/execute-api/aws4_request\n{}", signature.date, hex(&Sha256::digest(canonical)));
        let mut key = format!("AWS4{SECRET}").into_bytes();
        for part in ["20150830", "us-east-1", "execute-api", "aws4_request", &text] {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            mac.update(part.as_bytes());
            key = mac.finalize().into_bytes().to_vec();
        }
        hex(&key)
    }

    fn verdict(request: &Request, content: &[u8], secret: &str, now: u64) -> Result<(), Refused> {
        let signature = read(request).unwrap()?;
        signature.check_time(now)?;
        signature.verify(request, content_hash(request, &signature), content, secret)
    }

    #[test]
    fn a_right_signature_fits_and_every_change_breaks_it() {
        let right = signed("/prod/pets%20and/more", Some("b=2&a=%C3%A9&a=1"));
        assert_eq!(verdict(&right, b"", SECRET, NOW), Ok(()));
        assert_eq!(verdict(&right, b"other content", SECRET, NOW), Err(Refused::Mismatch));
        assert_eq!(verdict(&right, b"", "another key", NOW), Err(Refused::Mismatch));
        assert_eq!(verdict(&right, b"", SECRET, NOW + 301), Err(Refused::Expired));
        assert_eq!(verdict(&right, b"", SECRET, NOW - 301), Err(Refused::Expired));
        for (path, query) in [
            ("/prod/pets%20and/moRe", Some("b=2&a=%C3%A9&a=1")),
            ("/prod/pets%20and/more", Some("b=3&a=%C3%A9&a=1")),
            ("/prod/pets%20and/more", None),
        ] {
            let other = Request { path: path.into(), query: query.map(Into::into), ..right.clone() };
            assert_eq!(verdict(&other, b"", SECRET, NOW), Err(Refused::Mismatch), "{path} {query:?}");
        }
        let mut other = right;
        other.fields.remove("host");
        other.fields.append_text(FieldName::from_static("Host"), "other.example.com");
        assert_eq!(verdict(&other, b"", SECRET, NOW), Err(Refused::Mismatch));
    }

    #[test]
    fn what_is_incomplete_is_refused() {
        for authorization in [
            "AWS4-HMAC-SHA256 ",
            "AWS4-HMAC-SHA256 Credential=A/20150830/r/execute-api/aws4_request, SignedHeaders=x-amz-date, Signature=0000000000000000000000000000000000000000000000000000000000000000",
            "AWS4-HMAC-SHA256 Credential=A/20150831/r/execute-api/aws4_request, SignedHeaders=host, Signature=0000000000000000000000000000000000000000000000000000000000000000",
            "AWS4-HMAC-SHA256 Credential=A/20150830/r/execute-api/aws4_request, SignedHeaders=host, Signature=00",
        ] {
            let request = request("/", None, &[("Host", "h"), ("X-Amz-Date", "20150830T123600Z"), ("Authorization", authorization)]);
            assert_eq!(read(&request).unwrap().map(|_| ()), Err(Refused::Incomplete), "{authorization}");
        }
        assert!(read(&request("/", Some("X-Amz-Date=1"), &[("Authorization", "Bearer x")])).is_none());
        assert_eq!((seconds("20150830T123600Z"), seconds("20150230T000000Z"), seconds("2015")), (Some(NOW), None, None));
    }

    #[test]
    fn runs_of_slashes_are_one_to_some_signers() {
        assert_eq!(
            (canonical_path("/a//b%2F/", false), canonical_path("/a//b%2F/", true)),
            ("/a//b%252F/".to_owned(), "/a/b%252F/".to_owned())
        );
    }

    proptest::proptest! {
        #[test]
        fn no_header_and_no_query_makes_it_panic(header in "AWS4-HMAC-SHA256.{0,80}", query in "(X-Amz-[A-Z][a-z]{2,9}=[%a-zA-Z0-9/]{0,12}&?){0,8}") {
            let request = request("/", Some(&query), &[("Host", "h"), ("X-Amz-Date", "20150830T123600Z"), ("Authorization", &header)]);
            let _ = read(&request).map(|signature| signature.map(|signature| signature.verify(&request, ContentHash::Computed, b"", "x")));
        }
    }
}
