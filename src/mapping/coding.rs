//! Content codings: requests are always decoded, responses are encoded from a size on.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::exchange::{Failure, ResponseType};

/// A coding that API Gateway writes and reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, as HTTP means it; raw RFC 1951 is read too, since clients send it.
    Deflate,
}

impl Coding {
    /// The name in `Content-Encoding`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }
}

/// The request's content without its coding, at most `limit` bytes of it.
///
/// # Errors
/// 415 for a coding that is not read, 400 for content that is not in it, 413 where it grows beyond the limit.
pub fn decode(content: Bytes, coding: Option<&str>, limit: u64) -> Result<Bytes, Failure> {
    let coding = match coding.map(|coding| coding.trim().to_ascii_lowercase()).as_deref() {
        None | Some("" | "identity") => return Ok(content),
        _ if content.is_empty() => return Ok(content),
        Some("gzip" | "x-gzip") => Coding::Gzip,
        Some("deflate") => Coding::Deflate,
        Some(_) => return Err(Failure::new(ResponseType::UnsupportedMediaType, "Unsupported Media Type")),
    };
    let mut decoded = Vec::new();
    let read = match coding {
        Coding::Gzip => MultiGzDecoder::new(&*content).take(limit + 1).read_to_end(&mut decoded),
        // A zlib stream begins with a multiple of 31 whose low half names the method 8.
        Coding::Deflate if content.first_chunk::<2>().is_some_and(|head| head[0] & 15 == 8 && u16::from_be_bytes(*head) % 31 == 0) => {
            ZlibDecoder::new(&*content).take(limit + 1).read_to_end(&mut decoded)
        }
        Coding::Deflate => DeflateDecoder::new(&*content).take(limit + 1).read_to_end(&mut decoded),
    };
    if read.is_err() {
        return Err(Failure::new(ResponseType::BadRequestBody, "Invalid request body")
            .with_detail("the content is not in the coding that Content-Encoding names"));
    }
    if decoded.len() as u64 > limit {
        return Err(too_large());
    }
    Ok(decoded.into())
}

/// Content beyond what is read.
#[must_use]
pub fn too_large() -> Failure {
    Failure::new(ResponseType::RequestTooLarge, "Request Too Long")
}

/// The coding that a client likes best of those that are written; nothing: it likes none, or its content as it is at least as much.
/// `*` speaks for every coding that the field does not name, `identity` among them only where it is refused (RFC 9110, section 12.5.3).
#[must_use]
pub fn preferred(accept_encoding: &str) -> Option<Coding> {
    let (mut gzip, mut deflate, mut others, mut identity) = (None, None, None, 0.0);
    let mut order: [Coding; 2] = [Coding::Gzip, Coding::Deflate];
    for item in accept_encoding.split(',') {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let is = |known: &[&str]| known.iter().any(|known| name.eq_ignore_ascii_case(known));
        if is(&["gzip", "x-gzip"]) {
            gzip = Some(weight(parts));
        } else if is(&["deflate"]) {
            if gzip.is_none() {
                // Of two that are liked alike, the one that is named first.
                order = [Coding::Deflate, Coding::Gzip];
            }
            deflate = Some(weight(parts));
        } else if is(&["identity"]) {
            identity = weight(parts);
        } else if name == "*" {
            others = Some(weight(parts));
        }
    }
    let liked = |coding: Coding| match coding {
        Coding::Gzip => gzip.or(others),
        Coding::Deflate => deflate.or(others),
    };
    let mut best: Option<(f32, Coding)> = None;
    for coding in order {
        let weight = liked(coding).unwrap_or(0.0);
        if weight > 0.0 && weight >= identity && best.is_none_or(|(known, _)| weight > known) {
            best = Some((weight, coding));
        }
    }
    best.map(|(_, coding)| coding)
}

/// `q=0.5`; what is no weight likes nothing.
fn weight<'p>(mut parameters: impl Iterator<Item = &'p str>) -> f32 {
    let written = parameters.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    written.map_or(1.0, |text| text.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0))
}

/// Content in a coding.
#[must_use]
pub fn encode(content: &[u8], coding: Coding) -> Option<Bytes> {
    let encoded = match coding {
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(content).ok()?;
            encoder.finish().ok()?
        }
        Coding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(content).ok()?;
            encoder.finish().ok()?
        }
    };
    Some(encoded.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes() {
        for coding in [Coding::Gzip, Coding::Deflate] {
            let encoded = encode(b"hello hello hello", coding).unwrap();
            assert_eq!(decode(encoded.clone(), Some(coding.name()), 100).unwrap(), "hello hello hello");
            assert_eq!(decode(encoded, Some(coding.name()), 5).unwrap_err().status(), 413);
        }
    }

    #[test]
    fn other_codings_and_broken_content_are_refused() {
        let content = Bytes::from_static(b"x");
        assert_eq!(decode(content.clone(), Some("br"), 9).unwrap_err().status(), 415);
        assert_eq!(decode(content.clone(), Some("gzip"), 9).unwrap_err().status(), 400);
        assert_eq!(decode(content, Some("identity"), 9).unwrap(), "x");
        assert_eq!(decode(Bytes::new(), Some("br"), 9).unwrap(), "");
    }

    #[test]
    fn the_best_liked_coding_is_chosen() {
        assert_eq!(preferred("deflate;q=0.5, gzip;q=0.8"), Some(Coding::Gzip));
        assert_eq!(preferred("br, deflate"), Some(Coding::Deflate));
        assert_eq!(preferred("br"), None);
        assert_eq!(preferred("gzip;q=0"), None);
        assert_eq!(preferred("identity, gzip;q=0.5"), None);
        assert_eq!(preferred("deflate, gzip"), Some(Coding::Deflate));
        assert_eq!(preferred("gzip;q=0, *"), Some(Coding::Deflate));
        assert_eq!(preferred("*"), Some(Coding::Gzip));
        assert_eq!(preferred("*;q=0"), None);
        assert_eq!(preferred("*;q=0.5, deflate"), Some(Coding::Deflate));
        assert_eq!(preferred("gzip;q=0, deflate;q=0, *"), None);
        assert_eq!(preferred("GZIP; q=1.0"), Some(Coding::Gzip));
        assert_eq!(preferred("identity;q=0, *;q=0.1"), Some(Coding::Gzip));
    }
}
