//! What is known of a request, under the names that API Gateway gives it in `$context`.
//!
//! Only `pipeline` writes it and only rendering reads it: no step decides by it.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

/// What a stage's release knows before any request: the same for all of them.
#[derive(Debug, Clone, Default)]
pub struct StageFacts {
    /// `accountId`.
    pub account_id: Box<str>,
    /// `apiId`.
    pub api_id: Box<str>,
    /// `stage`.
    pub stage: Box<str>,
    /// `deploymentId`.
    pub deployment_id: Box<str>,
    /// `isCanaryRequest`; absent on a stage that has no canary.
    pub is_canary_request: Option<bool>,
}

/// What a resource knows before any request.
#[derive(Debug, Clone, Default)]
pub struct ResourceFacts {
    /// `resourceId`.
    pub id: Box<str>,
    /// `resourcePath`, such as `/pets/{petId}`.
    pub path: Box<str>,
}

/// `$context.identity`.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// `sourceIp`.
    pub source_ip: Option<IpAddr>,
    /// `userAgent`.
    pub user_agent: Option<Box<str>>,
    /// `apiKey`: rendered where API Gateway renders it, never logged by the gateway itself.
    pub api_key: Option<Box<str>>,
    /// `apiKeyId`.
    pub api_key_id: Option<Box<str>>,
    /// Everything that only signed or certified callers have: `accessKey`, `userArn`, `clientCert` …
    pub other: Map<String, Value>,
}

/// `$context.authorizer`.
#[derive(Debug, Clone, Default)]
pub struct Authorizer {
    /// `principalId`, `claims` and what a Lambda authorizer's context holds: shared by all requests of one decision.
    pub members: Arc<Map<String, Value>>,
    /// Whether a token's claims are in it, rather than a function's answer.
    pub is_token: bool,
    /// How long a function took for this request; nothing where none decides.
    pub integration_latency: Option<std::time::Duration>,
}

/// What the steps that say who may call came to: `authenticate`, `authorize` and `authorizer` of access logs.
#[derive(Debug, Clone, Default)]
pub struct AccessFacts {
    /// Signatures and tokens.
    pub authenticate: Option<Checked>,
    /// Policies and scopes.
    pub authorize: Option<Checked>,
    /// A function that authorizes, or what it had said before.
    pub authorizer: Option<Checked>,
    /// The call of that function, if this request made one: Lambda's status, and how long it took.
    pub authorizer_call: Option<(u16, std::time::Duration)>,
}

/// What one of these steps came to.
#[derive(Debug, Clone)]
pub struct Checked {
    /// 200, or the failure's status.
    pub status: u16,
    /// How long the step took.
    pub latency: std::time::Duration,
    /// Why it failed.
    pub error: Option<Box<str>>,
}

/// `$context.integration` and its older spellings.
#[derive(Debug, Clone, Default)]
pub struct IntegrationFacts {
    /// The endpoint's status code; of a proxied function, the one that its result says.
    pub status: Option<u16>,
    /// The status code of the endpoint's own response: of a function, what the Lambda service answered.
    pub integration_status: Option<u16>,
    /// From asking the endpoint until it answered.
    pub latency: Option<std::time::Duration>,
    /// Why the endpoint gave no answer.
    pub error: Option<Box<str>>,
    /// The AWS service's own request id.
    pub request_id: Option<Box<str>>,
}

/// What is known of one request.
#[derive(Debug, Default)]
pub struct Context {
    /// The release's part; nothing before a stage was found.
    pub stage: Option<Arc<StageFacts>>,
    /// The resource's part; nothing before a method was found.
    pub resource: Option<Arc<ResourceFacts>>,
    /// `requestId`: 36 characters.
    pub request_id: Box<str>,
    /// `extendedRequestId`, which the client sees as `x-amz-apigw-id`.
    pub extended_request_id: Box<str>,
    /// `httpMethod`, the client's.
    pub http_method: http::Method,
    /// `path`: as sent, stage included.
    pub path: Box<str>,
    /// `domainName`: the host that the client named.
    pub domain_name: Box<str>,
    /// `customDomain.basePathMatched`.
    pub base_path_matched: Option<Box<str>>,
    /// `requestTimeEpoch`: milliseconds since 1970.
    pub request_time_ms: u64,
    /// `identity`.
    pub identity: Identity,
    /// `authorizer`.
    pub authorizer: Option<Authorizer>,
    /// What came of asking who may call.
    pub access: AccessFacts,
    /// `xrayTraceId`: the value of `X-Amzn-Trace-Id`.
    pub trace_id: Option<Box<str>>,
    /// Its place in a trace, where traces are recorded.
    pub trace: Option<Box<super::Trace>>,
    /// `integration`.
    pub integration: IntegrationFacts,
    /// `error`: the failure that the client is told of.
    pub error: Option<super::Failure>,
    /// `status`, final.
    pub status: u16,
    /// `responseLength`, in bytes.
    pub response_length: u64,
    /// `responseLatency`, in milliseconds.
    pub response_latency_ms: u64,
}

/// A random 128-bit number as a version 4 UUID (RFC 9562, section 5.4).
#[must_use]
pub fn format_request_id(random: u128) -> Box<str> {
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let digits = hexadecimal(bits);
    let mut written = [b'-'; 36];
    for (to, from) in [(0..8, 0..8), (9..13, 8..12), (14..18, 12..16), (19..23, 16..20), (24..36, 20..32)] {
        if let (Some(to), Some(from)) = (written.get_mut(to), digits.get(from)) {
            to.copy_from_slice(from);
        }
    }
    std::str::from_utf8(&written).unwrap_or_default().into()
}

/// A number's 32 hexadecimal digits: all at once, which the compiler does side by side. Ids are made for each request: `format!` would
/// take most of their time.
#[must_use]
pub fn hexadecimal(number: u128) -> [u8; 32] {
    let mut written = [0; 32];
    for (pair, byte) in written.as_chunks_mut::<2>().0.iter_mut().zip(number.to_be_bytes()) {
        *pair = [byte >> 4, byte & 15].map(|value| if value < 10 { b'0' + value } else { b'a' + value - 10 });
    }
    written
}

/// Adds an address as it is usually written. Every forwarded request carries one, so that the four numbers are not left to `fmt`.
pub fn push_address(text: &mut String, address: IpAddr) {
    let IpAddr::V4(address) = address else {
        text.push_str(&address.to_string());
        return;
    };
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        for (unit, least) in [(100, 100), (10, 10), (1, 0)] {
            if octet >= least {
                text.push(char::from(b'0' + octet / unit % 10));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_library_writes_them() {
        for octet in 0..=255 {
            for address in [IpAddr::from([octet, 255 - octet, 0, 10]), IpAddr::from([octet.into(), 0, 0, 0, 0, 0, 0, 1])] {
                let mut text = "a, ".to_owned();
                push_address(&mut text, address);
                assert_eq!(text, format!("a, {address}"));
            }
        }
    }

    #[test]
    fn a_request_id_is_a_version_4_uuid() {
        assert_eq!(&*format_request_id(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(&*format_request_id(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
