//! What a request brings along besides itself: time and chance are arguments, so that no step has a clock or dice of its own.

use crate::exchange::{Context, Identity, Request, format_request_id};

use super::standard_headers;

/// When a request came, and its share of chance.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// Evenly distributed over all its values.
    pub random: u128,
}

/// What is known of a request before anything is decided.
pub(super) fn context(request: &Request, arrival: Arrival) -> Context {
    let incoming = request.fields.text("x-amzn-RequestId");
    let request_id = incoming.filter(|id| is_uuid(id)).map_or_else(|| format_request_id(arrival.random), Into::into);
    if incoming.is_some_and(|id| !is_uuid(id)) {
        tracing::info!(request_id = &*request_id, "UUID_REPLACED_INVALID_REQUEST_ID");
    }
    let mut other = serde_json::Map::new();
    if let Some(certificate) = &request.peer.client_certificate {
        other.insert("clientCert".to_owned(), certificate.to_json());
    }
    Context {
        request_id,
        extended_request_id: extended_request_id(arrival.random),
        http_method: request.http_method.clone(),
        path: request.path.clone(),
        domain_name: request.host.clone(),
        request_time_ms: arrival.now_ms,
        identity: Identity {
            source_ip: Some(request.peer.source_ip.to_canonical()),
            user_agent: request.fields.text("user-agent").map(Into::into),
            other,
            ..Identity::default()
        },
        trace_id: Some(standard_headers::trace_id(request.fields.text("x-amzn-trace-id"), arrival.now_ms, arrival.random, false).into()),
        ..Context::default()
    }
}

/// The form of RFC 9562: 8-4-4-4-12 hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text
            .bytes()
            .enumerate()
            .all(|(index, byte)| if matches!(index, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// Sixteen characters that look like API Gateway's: eleven random bytes in base64.
fn extended_request_id(random: u128) -> Box<str> {
    use base64::Engine as _;
    let bytes = random.rotate_left(41).to_be_bytes();
    base64::engine::general_purpose::STANDARD.encode(bytes.first_chunk::<11>().unwrap_or(&[0; 11])).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_uuid_may_be_the_request_id() {
        assert!(is_uuid("c6af9ac6-7b61-11e6-9a41-93e8deadbeef"));
        for wrong in
            ["", "c6af9ac6-7b61-11e6-9a41-93e8deadbee", "c6af9ac6x7b61-11e6-9a41-93e8deadbeef", "g6af9ac6-7b61-11e6-9a41-93e8deadbeef"]
        {
            assert!(!is_uuid(wrong), "{wrong}");
        }
        assert_eq!(extended_request_id(7).len(), 16);
    }
}
