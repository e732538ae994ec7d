//! Content in pieces that are each signed (the S3 guide, `sigv4-streaming`): `SIZE;chunk-signature=SIGNATURE`, the piece, and so on until
//! an empty one.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{Signer, from_hex, hex};

/// Of a piece's first line, in bytes.
const LINE: usize = 128;

/// The content without its framing; nothing: a piece is missing, cut, or not signed by who signed the head.
pub(super) fn content(framed: &[u8], signer: &Signer, seed: &[u8; 32]) -> Option<Bytes> {
    let mut content = Vec::with_capacity(framed.len());
    let (mut rest, mut previous) = (framed, *seed);
    let nothing = hex(&Sha256::digest(b""));
    loop {
        let end = rest.windows(2).take(LINE).position(|pair| pair == b"\r\n")?;
        let (line, after) = rest.split_at_checked(end)?;
        let (size, signature) = std::str::from_utf8(line).ok()?.split_once(";chunk-signature=")?;
        let size = usize::from_str_radix(size, 16).ok().filter(|_| size.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let signature = from_hex(signature)?;
        let (piece, after) = after.get(2..)?.split_at_checked(size)?;
        rest = after.strip_prefix(b"\r\n")?;
        let text = format!("{}\n{nothing}\n{}", hex(&previous), hex(&Sha256::digest(piece)));
        if !signer.signed("AWS4-HMAC-SHA256-PAYLOAD", &text, &signature) {
            return None;
        }
        if piece.is_empty() {
            return rest.is_empty().then(|| content.into());
        }
        content.extend_from_slice(piece);
        previous = signature;
    }
}
