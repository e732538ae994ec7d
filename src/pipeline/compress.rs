//! Responses in a coding.

use crate::exchange::{FieldName, Fields, Response};
use crate::mapping::coding;
use crate::snapshot::Release;

const CONTENT_ENCODING: FieldName = FieldName::from_static("Content-Encoding");

/// Compresses what is large enough for a client that wants it, unless the endpoint has.
pub(super) fn compress(release: Option<&Release>, client: &Fields, response: &mut Response) {
    let Some(minimum) = release.and_then(|release| release.minimum_compression_size) else { return };
    if response.content.len() < minimum as usize || response.content.is_empty() || response.fields.contains("content-encoding") {
        return;
    }
    let Some(coding) = client.text("accept-encoding").and_then(coding::preferred) else { return };
    if let Some(encoded) = coding::encode(&response.content, coding) {
        response.content = encoded;
        response.fields.append_text(CONTENT_ENCODING, coding.name());
    }
}
