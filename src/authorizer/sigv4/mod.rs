//! Requests that callers signed with Signature Version 4, in a header or in the query string (the AWS General Reference, "Signing AWS API
//! requests"). Nothing of it is lenient: what is there twice, or cannot be read, is no signature.

mod canonical;
mod chunks;
mod date;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};

use crate::apigateway::usage_plan::Secret;
use crate::exchange::{Fields, Request};

/// A signature may be so old, or so far ahead, in seconds.
const SKEW: u64 = 300;
/// A presigned request is valid for a week at most, in seconds.
const LONGEST: u64 = 604_800;
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";

/// What a request says of its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature<'r> {
    /// The key that it names.
    pub access_key_id: &'r str,
    /// `X-Amz-Security-Token`, if it brings one.
    pub session_token: Option<Secret>,
    /// How its content is signed.
    pub payload: Payload,
    /// `20240229T120000Z`.
    date: String,
    scope: Scope<'r>,
    signed: Vec<String>,
    signature: [u8; 32],
    /// Of a presigned request, in seconds.
    expires: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Scope<'r> {
    date: &'r str,
    region: &'r str,
    service: &'r str,
}

/// How a request's content is part of what was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// Not at all (`UNSIGNED-PAYLOAD`).
    Unsigned,
    /// By its hash.
    Whole,
    /// In pieces that are each signed (`STREAMING-AWS4-HMAC-SHA256-PAYLOAD`).
    Chunks,
}

/// Why a signature is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It cannot be read, is there twice, or leaves out what must be signed.
    Incomplete,
    /// It is too old, or from the future.
    Expired,
    /// It is for another region or service.
    Elsewhere,
    /// It is another request's, or made with another key.
    Mismatch,
}

/// Whether a request brings a signature, right or wrong.
#[must_use]
pub fn is_signed(request: &Request) -> bool {
    in_header(&request.fields) || is_presigned(request)
}

fn in_header(fields: &Fields) -> bool {
    fields.all("authorization").any(|value| value.as_bytes().starts_with(ALGORITHM.as_bytes()))
}

fn is_presigned(request: &Request) -> bool {
    request.query.as_deref().is_some_and(|query| arguments(query).any(|(name, _)| name == "X-Amz-Signature"))
}

/// The signature that a request brings; nothing: it brings none at all.
///
/// # Errors
/// When it begins to bring one that cannot be read.
pub fn read(request: &Request) -> Option<Result<Signature<'_>, Refused>> {
    match (in_header(&request.fields), is_presigned(request)) {
        (false, false) => None,
        (true, false) => Some(from_header(&request.fields).ok_or(Refused::Incomplete)),
        (false, true) => Some(from_query(request).ok_or(Refused::Incomplete)),
        // Two signatures leave open which one counts.
        (true, true) => Some(Err(Refused::Incomplete)),
    }
}

/// Whether an argument of the query belongs to a presigned request's signature.
#[must_use]
pub fn is_argument(name: &str) -> bool {
    const ARGUMENTS: [&str; 8] = [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
        "X-Amz-Security-Token",
        "X-Amz-Content-Sha256",
    ];
    ARGUMENTS.contains(&name)
}

fn arguments(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|part| !part.is_empty()).map(|part| part.split_once('=').unwrap_or((part, "")))
}

/// A field that is there once at most; `None`: more often, or no text.
fn once<'f>(fields: &'f Fields, name: &'f str) -> Option<Option<&'f str>> {
    let mut all = fields.all(name);
    let first = all.next();
    if all.next().is_some() {
        return None;
    }
    first.map(|value| std::str::from_utf8(value.as_bytes()).ok()).map_or(Some(None), |text| text.map(Some))
}

fn from_header(fields: &Fields) -> Option<Signature<'_>> {
    let header = once(fields, "authorization")??.strip_prefix(ALGORITHM)?.strip_prefix(' ')?;
    let (mut credential, mut signed, mut signature) = (None, None, None);
    for part in header.split([',', ' ']).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=')?;
        let place = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed,
            "Signature" => &mut signature,
            _ => return None,
        };
        if place.replace(value).is_some() {
            return None;
        }
    }
    let signed: Vec<String> = signed?.split(';').map(str::to_owned).collect();
    let date = match once(fields, "x-amz-date")? {
        Some(date) => date.to_owned(),
        // The standard's own field will do if it is signed.
        None => date::basic(once(fields, "date")??).filter(|_| signed.iter().any(|name| name == "date"))?,
    };
    let payload = match once(fields, "x-amz-content-sha256")? {
        Some(UNSIGNED) => Payload::Unsigned,
        Some(CHUNKS) => Payload::Chunks,
        Some(other) if other.starts_with("STREAMING-") => return None,
        _ => Payload::Whole,
    };
    let session_token = once(fields, "x-amz-security-token")?.map(Secret::new);
    let parts: Vec<&str> = credential?.split('/').collect();
    assembled(&parts, date, signed, signature?, Rest { expires: None, session_token, payload })
}

fn from_query(request: &Request) -> Option<Signature<'_>> {
    let query = request.query.as_deref()?;
    let raw = |name: &str| {
        let mut all = arguments(query).filter(|(known, _)| *known == name).map(|(_, value)| value);
        let first = all.next();
        all.next().is_none().then_some(first)
    };
    let decoded = |value: &str| percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned);
    let text = |name: &str| raw(name)?.and_then(decoded);
    if raw("X-Amz-Algorithm")?? != ALGORITHM {
        return None;
    }
    let expires = text("X-Amz-Expires")?.parse().ok().filter(|expires| (1..=LONGEST).contains(expires))?;
    // The credential's slashes come encoded, so that its parts are found in what was sent.
    let credential = raw("X-Amz-Credential")??;
    let separator = ["%2F", "%2f"].into_iter().find(|encoded| credential.contains(encoded)).unwrap_or("/");
    let parts: Vec<&str> = credential.split(separator).collect();
    let signed = text("X-Amz-SignedHeaders")?.split(';').map(str::to_owned).collect();
    let session_token = match raw("X-Amz-Security-Token")? {
        Some(token) => Some(Secret::new(&decoded(token)?)),
        None => None,
    };
    let hash = once(&request.fields, "x-amz-content-sha256")?.or(raw("X-Amz-Content-Sha256")?);
    let payload = match hash {
        Some(UNSIGNED) => Payload::Unsigned,
        Some(other) if other.starts_with("STREAMING-") => return None,
        _ => Payload::Whole,
    };
    assembled(&parts, text("X-Amz-Date")?, signed, raw("X-Amz-Signature")??, Rest { expires: Some(expires), session_token, payload })
}

/// What the two places tell in ways of their own.
struct Rest {
    expires: Option<u64>,
    session_token: Option<Secret>,
    payload: Payload,
}

fn assembled<'r>(parts: &[&'r str], date: String, signed: Vec<String>, signature: &str, rest: Rest) -> Option<Signature<'r>> {
    let [access_key_id, scope_date, region, service, "aws4_request"] = parts else { return None };
    let lower = |name: &String| !name.is_empty() && name.bytes().all(|byte| !byte.is_ascii_uppercase());
    let right_form = !access_key_id.is_empty()
        && access_key_id.len() <= 128
        && scope_date.len() == 8
        && date.starts_with(scope_date)
        // A request's host says which API it is for: one that is not signed could be sent to another.
        && signed.iter().any(|name| name == "host")
        && signed.iter().all(lower)
        && signed.is_sorted_by(|a, b| a < b);
    let scope = Scope { date: scope_date, region, service };
    let Rest { expires, session_token, payload } = rest;
    right_form.then_some(())?;
    Some(Signature { access_key_id, session_token, payload, date, scope, signed, signature: from_hex(signature)?, expires })
}

impl Signature<'_> {
    /// Whether a header field, named in lower case, is part of what was signed.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        self.signed.iter().any(|signed| signed == name)
    }

    /// Whether the signature is recent enough, and made for `execute-api` in this region.
    ///
    /// # Errors
    /// When it is not, or its date is none.
    pub fn check_scope(&self, region: &str, now_seconds: u64) -> Result<(), Refused> {
        if self.scope.service != "execute-api" || self.scope.region != region {
            return Err(Refused::Elsewhere);
        }
        let made = date::seconds(&self.date).ok_or(Refused::Incomplete)?;
        let valid_for = self.expires.unwrap_or(SKEW);
        if made > now_seconds + SKEW || now_seconds > made + valid_for { Err(Refused::Expired) } else { Ok(()) }
    }

    /// Whether this is the signature of a request with this content and this secret key. Gives the content where it came in signed pieces.
    ///
    /// # Errors
    /// When it is not.
    pub fn verify(&self, request: &Request, content: &[u8], secret: &str) -> Result<Option<Bytes>, Refused> {
        let hash = match self.payload {
            Payload::Unsigned => UNSIGNED.to_owned(),
            Payload::Chunks => CHUNKS.to_owned(),
            Payload::Whole => hex(&Sha256::digest(content)),
        };
        // What the header says of the content must be true of it.
        let said = request.fields.text("x-amz-content-sha256");
        if said.is_some_and(|said| !said.eq_ignore_ascii_case(&hash)) {
            return Err(Refused::Mismatch);
        }
        let signer = Signer::new(self, secret);
        // Signers write runs of slashes as one, some of them do not.
        let fits = [false, true].into_iter().any(|collapse| {
            let canonical =
                canonical::request(request, &self.signed, &hash, canonical::Form { collapse, presigned: self.expires.is_some() });
            canonical.is_some_and(|canonical| signer.signed(ALGORITHM, &hex(&Sha256::digest(canonical)), &self.signature))
        });
        if !fits {
            return Err(Refused::Mismatch);
        }
        if self.payload != Payload::Chunks {
            return Ok(None);
        }
        let length = once(&request.fields, "x-amz-decoded-content-length").flatten().and_then(|length| length.parse().ok());
        chunks::content(content, &signer, &self.signature)
            .filter(|content| Some(content.len()) == length)
            .map(Some)
            .ok_or(Refused::Mismatch)
    }
}

/// The key of one day, region and service.
struct Signer {
    key: [u8; 32],
    /// The date and the scope, each with its line's end.
    preamble: String,
}

impl Signer {
    fn new(signature: &Signature<'_>, secret: &str) -> Self {
        let Scope { date, region, service } = signature.scope;
        let start = mac(format!("AWS4{secret}").as_bytes(), date.as_bytes());
        let key = [region, service, "aws4_request"].into_iter().fold(start, |key, part| mac(&key, part.as_bytes()));
        Self { key, preamble: format!("{}\n{date}/{region}/{service}/aws4_request\n", signature.date) }
    }

    /// Whether `signature` is that of a text; it takes as long for a wrong one as for a right one.
    fn signed(&self, algorithm: &str, rest: &str, signature: &[u8; 32]) -> bool {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return false };
        for part in [algorithm, "\n", &self.preamble, rest] {
            mac.update(part.as_bytes());
        }
        mac.verify_slice(signature).is_ok()
    }
}

/// A key of any length will do for this function, so that there is always a result.
fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    Hmac::<Sha256>::new_from_slice(key).map_or([0; 32], |mac| mac.chain_update(text).finalize().into_bytes().into())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |&digit| char::from(digit));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}
