//! Which header fields pass, which are renamed, which the gateway adds.
//!
//! The tables were recorded from the service for REST APIs with a regional endpoint. Framing and hop-by-hop fields are never passed on,
//! whatever the tables say, and neither are fields that `Connection` names (RFC 9110, section 7.6.1).

use http::HeaderValue;

use crate::apigateway::integration::IntegrationType;
use crate::exchange::{Context, Field, FieldName, Fields, Peer, hexadecimal, push_address};

/// Not seen by mappings, templates or endpoints.
const DROPPED_ON_ARRIVAL: [&str; 12] = [
    "Connection",
    "Content-Length",
    "Content-MD5",
    "Expect",
    "Max-Forwards",
    "Proxy-Authenticate",
    "Server",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "WWW-Authenticate",
];

/// Hop-by-hop beyond the list above; never forwarded by a proxy integration.
const HOP_BY_HOP: [&str; 4] = ["Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "HTTP2-Settings"];

/// Fields of the client that an HTTP_PROXY endpoint does not get, or gets from the gateway.
const NOT_PROXIED: [&str; 8] = [
    "Host",
    "Via",
    "Content-Encoding",
    "X-Forwarded-For",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
    "X-Amzn-Trace-Id",
    "X-Amzn-Apigateway-Api-Id",
];

/// Fields of an event that say what the gateway knows, not what the client sent.
const SET_FOR_FUNCTIONS: [&str; 5] = ["Host", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Amzn-Trace-Id"];

/// Mapping destinations that make a call fail with 500.
const ILLEGAL_DESTINATIONS: [&str; 4] = ["Content-Length", "Transfer-Encoding", "X-Amzn-Trace-Id", "X-Amzn-Apigateway-Api-Id"];

/// Mapping destinations that make a call to an AWS service fail with 500 as well.
const ILLEGAL_AWS_DESTINATIONS: [&str; 5] = ["Authorization", "Connection", "Expect", "Proxy-Authenticate", "TE"];

/// Mapping destinations that are ignored.
const IGNORED_DESTINATIONS: [&str; 5] = ["Connection", "Expect", "Proxy-Authenticate", "TE", "Via"];

/// Renamed to `x-amzn-Remapped-…` when a method response sets them.
const REMAPPED: [&str; 14] = [
    "Authorization",
    "Connection",
    "Content-Length",
    "Content-MD5",
    "Date",
    "Expect",
    "Host",
    "Max-Forwards",
    "Proxy-Authenticate",
    "Server",
    "Trailer",
    "Upgrade",
    "User-Agent",
    "WWW-Authenticate",
];

/// Renamed when a proxy's endpoint sends them: the rest of the table above passes (recorded).
const REMAPPED_FOR_PROXY: [&str; 6] = ["Connection", "Content-Length", "Date", "Server", "x-amzn-RequestId", "WWW-Authenticate"];

/// Sent by a proxy's endpoint, never passed on.
const DROPPED_FOR_PROXY: [&str; 8] =
    ["Content-Encoding", "Via", "Transfer-Encoding", "Keep-Alive", "Proxy-Connection", "Upgrade", "Trailer", "x-amz-apigw-id"];

fn among(name: &FieldName, list: &[&str]) -> bool {
    list.iter().any(|other| name.is(other))
}

/// Takes away what API Gateway does not see of a request, and what `Connection` names.
pub(crate) fn arrive(fields: &mut Fields) {
    without_named(fields);
    fields.retain(|field| !among(&field.name, &DROPPED_ON_ARRIVAL));
}

/// Takes away what `Connection` names: it was for the connection that it came on.
pub(crate) fn without_named(fields: &mut Fields) {
    let says_nothing =
        |value: &&HeaderValue| ["keep-alive", "close"].iter().any(|word| value.as_bytes().eq_ignore_ascii_case(word.as_bytes()));
    let connection: Vec<HeaderValue> = fields.all("connection").filter(|value| !says_nothing(value)).cloned().collect();
    if !connection.is_empty() {
        fields.retain(|field| field.name.is("connection") || !connection.iter().any(|value| lists(value, &field.name)));
    }
}

/// Whether a comma-separated list of field names holds `name`.
fn lists(value: &HeaderValue, name: &FieldName) -> bool {
    value.as_bytes().split(|&byte| byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// Whether a proxy integration passes this field of the client on to its endpoint.
pub(crate) fn is_proxied(name: &FieldName) -> bool {
    !among(name, &NOT_PROXIED) && !among(name, &HOP_BY_HOP)
}

/// Whether a field is a client's Signature Version 4, which is for this gateway alone.
pub(crate) fn is_signature(field: &Field) -> bool {
    field.name.is("Authorization") && field.value.as_bytes().starts_with(b"AWS4-HMAC-SHA256")
}

/// What becomes of a field that a mapping sets on the integration request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// It reaches the endpoint.
    Sent,
    /// It is left out.
    Ignored,
    /// The call fails.
    Illegal,
}

/// What becomes of the field `name` when a mapping sets it for this type of integration.
pub(crate) fn destination(name: &FieldName, integration_type: IntegrationType) -> Destination {
    let aws = matches!(integration_type, IntegrationType::Aws | IntegrationType::AwsProxy);
    if among(name, &ILLEGAL_DESTINATIONS) || (aws && among(name, &ILLEGAL_AWS_DESTINATIONS)) {
        Destination::Illegal
    } else if among(name, &IGNORED_DESTINATIONS) {
        Destination::Ignored
    } else {
        Destination::Sent
    }
}

/// The name under which the client sees a field that a method response sets; nothing: it is dropped.
pub(crate) fn remapped(name: FieldName) -> Option<FieldName> {
    if name.is("Transfer-Encoding") {
        return None;
    }
    Some(if among(&name, &REMAPPED) { prefixed(&name) } else { name })
}

/// The same for a field of a proxy's endpoint.
pub(crate) fn remapped_for_proxy(name: FieldName) -> Option<FieldName> {
    if among(&name, &DROPPED_FOR_PROXY) {
        return None;
    }
    Some(if among(&name, &REMAPPED_FOR_PROXY) { prefixed(&name) } else { name })
}

/// Renamed when a function's result sets them; the function's other fields pass as it set them (recorded).
const REMAPPED_FOR_FUNCTION: [&str; 6] = ["Connection", "Content-Length", "Date", "Server", "x-amzn-RequestId", "WWW-Authenticate"];

/// Set by a function's result, never passed on.
const DROPPED_FOR_FUNCTION: [&str; 6] = ["Transfer-Encoding", "Keep-Alive", "Proxy-Connection", "Upgrade", "Trailer", "x-amz-apigw-id"];

/// The name under which the client sees a field of a function's result; nothing: it is dropped.
pub(crate) fn remapped_for_function(name: FieldName) -> Option<FieldName> {
    if among(&name, &DROPPED_FOR_FUNCTION) {
        return None;
    }
    Some(if among(&name, &REMAPPED_FOR_FUNCTION) { prefixed(&name) } else { name })
}

/// Whether the gateway sets this field of a function's event itself.
pub(crate) fn is_set_for_functions(name: &FieldName) -> bool {
    among(name, &SET_FOR_FUNCTIONS)
}

fn prefixed(name: &FieldName) -> FieldName {
    name.prefixed("x-amzn-Remapped-")
}

/// Adds what tells an HTTP_PROXY's endpoint who called.
pub(crate) fn forwarded_for(fields: &mut Fields, chain: Option<&str>, peer: &Peer) {
    let mut addresses = String::with_capacity(chain.map_or(0, str::len) + 18);
    if let Some(chain) = chain {
        addresses.push_str(chain);
        addresses.push_str(", ");
    }
    push_address(&mut addresses, peer.address.to_canonical());
    fields.append_text(FieldName::from_static("X-Forwarded-For"), &addresses);
    fields.append_text(FieldName::from_static("X-Forwarded-Port"), &peer.local_port.to_string());
    let scheme = if peer.secure { "https" } else { "http" };
    fields.append(FieldName::from_static("X-Forwarded-Proto"), HeaderValue::from_static(scheme));
}

/// Adds the ids that every response of the gateway carries.
pub(crate) fn identify(fields: &mut Fields, context: &Context) {
    fields.append_text(FieldName::from_static("x-amzn-RequestId"), &context.request_id);
    fields.append_text(FieldName::from_static("x-amz-apigw-id"), &context.extended_request_id);
}

/// The trace header of this request: the client's if it is whole, with a parent added if it has only a root, else a new one.
/// Form and rules are as recorded; `Sampled` follows the client's having a parent. A stage that is traced (`active`) samples what the
/// client does not decide.
pub(crate) fn trace_id(incoming: Option<&str>, now_ms: u64, random: u128, active: bool) -> String {
    let part = |name: &str| incoming.and_then(|text| text.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')));
    let parent = || format!("{:016x}", (random >> 64) as u64);
    match (incoming, part("Root")) {
        (Some(text), Some(_)) if part("Parent").is_some() && part("Sampled").is_some() => text.to_owned(),
        (_, Some(root)) => {
            let sampled = part("Sampled").filter(|_| active).map_or_else(|| active || part("Parent").is_some(), |sampled| sampled == "1");
            let sampled = u8::from(sampled);
            format!("Root={root};Parent={};Sampled={sampled}", part("Parent").map_or_else(parent, str::to_owned))
        }
        _ => {
            // A request gets one even where nobody reads it, so that it is written at once.
            let (seconds, random) = (hexadecimal((now_ms / 1000).into()), hexadecimal(random));
            let mut text = *b"Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0";
            for (to, digits) in [(7..15, &seconds[24..]), (16..40, &random[8..]), (48..64, &random[..16])] {
                if let Some(to) = text.get_mut(to) {
                    to.copy_from_slice(digits);
                }
            }
            if active && let Some(last) = text.last_mut() {
                *last = b'1';
            }
            String::from_utf8_lossy(&text).into_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &'static str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            fields.append_text(FieldName::from_static(name), value);
        }
        fields
    }

    #[test]
    fn connection_takes_what_it_names_along() {
        let mut request = fields(&[("Connection", "close, X-Secret"), ("x-secret", "1"), ("TE", "trailers"), ("Accept", "*/*")]);
        arrive(&mut request);
        assert_eq!(request.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["Accept"]);
    }

    #[test]
    fn response_fields_are_remapped_by_the_tables() {
        let name = |name: &'static str| remapped(FieldName::from_static(name)).map(|name| name.as_str().to_owned());
        assert_eq!(name("Server").as_deref(), Some("x-amzn-Remapped-Server"));
        assert_eq!(name("Pragma").as_deref(), Some("Pragma"));
        assert_eq!(name("transfer-encoding"), None);
        let proxy = |name: &'static str| remapped_for_proxy(FieldName::from_static(name)).map(|name| name.as_str().to_owned());
        assert_eq!(proxy("date").as_deref(), Some("x-amzn-Remapped-date"));
        assert_eq!((proxy("Via"), proxy("Host").as_deref()), (None, Some("Host")));
    }

    #[test]
    fn what_an_origins_connection_names_stays_there() {
        let mut response =
            fields(&[("X-Hop", "1"), ("Connection", "keep-alive, x-hop"), ("Content-Type", "text/plain"), ("Connection", "close")]);
        without_named(&mut response);
        assert_eq!(response.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["Connection", "Content-Type", "Connection"]);
    }

    #[test]
    fn a_trace_keeps_what_the_client_began() {
        assert_eq!(trace_id(Some("Root=1-a-b;Parent=c;Sampled=1"), 0, 0, false), "Root=1-a-b;Parent=c;Sampled=1");
        assert_eq!(trace_id(Some("Root=1-a-b"), 0, 0, false), "Root=1-a-b;Parent=0000000000000000;Sampled=0");
        let made = trace_id(None, 1_584_039_838_123, 1, false);
        assert_eq!(made, "Root=1-5e6a879e-000000000000000000000001;Parent=0000000000000000;Sampled=0");
    }

    #[test]
    fn a_stage_that_is_traced_samples_what_the_client_does_not_decide() {
        let sampled = |incoming| trace_id(incoming, 0, 0, true).rsplit_once('=').unwrap().1.to_owned();
        assert_eq!([None, Some("Root=1-a-b")].map(sampled), ["1", "1"]);
        assert_eq!([Some("Root=1-a-b;Sampled=0"), Some("Root=1-a-b;Parent=c;Sampled=0")].map(sampled), ["0", "0"]);
    }
}
