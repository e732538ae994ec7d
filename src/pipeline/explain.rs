//! The same steps with a log of each, in the words and the order of TestInvokeMethod's; every operation is completed in memory.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::endpoint::Seen;
use super::{Exchange, Next, Pipeline};
use crate::apigateway::integration::IntegrationType;
use crate::exchange::{EndpointRequest, Failure, Field, Fields, Response, ResponseType, Scheme, decode_form};
use crate::observe::masked;

/// Of one line that shows header fields, in characters; the service cuts there too.
const FIELDS: usize = 998;

impl Pipeline {
    /// Runs a request that has begun to its end, telling `log` each step when it is done.
    pub async fn explain(&self, exchange: &mut Exchange, content: Bytes, log: &mut (dyn FnMut(String) + Send)) -> Response {
        let log = &Mutex::new(log);
        let tell = |line: String| (log.lock().unwrap_or_else(PoisonError::into_inner))(line);
        tell(format!("Starting execution for request: {}", exchange.context.request_id));
        let next = self.admit(exchange).await;
        tell(format!("HTTP Method: {}, Resource Path: {}", exchange.request.request.http_method, exchange.request.resource_path));
        tell(format!("Method request path: {}", pairs(exchange.request.path_parameters.iter())));
        tell(format!("Method request query string: {}", pairs(exchange.request.query().iter())));
        tell(format!("Method request headers: {}", fields(&exchange.request.request.fields)));
        tell(format!("Method request body before transformations: {}", text(&content)));
        let has_endpoint = exchange.operation().is_some_and(|operation| operation.integration.integration_type != IntegrationType::Mock);
        let watch = |seen: Seen<'_>| {
            if has_endpoint {
                endpoint(&seen).into_iter().for_each(&tell);
            }
        };
        let response = match next {
            Next::Respond(response) => response,
            Next::Forward(_) | Next::Content { .. } => self.complete_watched(exchange, content, &watch).await,
        };
        if let Some(failure) = &exchange.context.error {
            tell(failed(failure));
        } else {
            tell(format!("Method response body after transformations: {}", text(&response.content)));
            tell(format!("Method response headers: {}", fields(&response.fields)));
            tell("Successfully completed execution".to_owned());
        }
        tell(format!("Method completed with status: {}", response.status));
        response
    }
}

fn endpoint(seen: &Seen<'_>) -> Vec<String> {
    match seen {
        Seen::Request(request) => {
            let uri = uri(request);
            vec![
                format!("Endpoint request URI: {uri}"),
                format!("Endpoint request headers: {}", fields(&request.fields)),
                format!("Endpoint request body after transformations: {}", text(&request.content)),
                format!("Sending request to {uri}"),
            ]
        }
        Seen::Response(response, latency) => {
            let latency = latency.map_or(0, |latency| latency.as_millis());
            vec![
                format!("Received response. Status: {}, Integration latency: {latency} ms", response.status),
                format!("Endpoint response headers: {}", fields(&response.fields)),
                format!("Endpoint response body before transformations: {}", text(&response.content)),
            ]
        }
    }
}

fn uri(request: &EndpointRequest) -> String {
    let scheme = if request.endpoint.scheme == Scheme::Https { "https" } else { "http" };
    format!("{scheme}://{}{}", request.endpoint.authority(), without_secrets(&request.path_and_query))
}

/// The arguments of a presigned request that prove something, in lower case.
const PROOFS: [&str; 3] = ["x-amz-signature", "x-amz-credential", "x-amz-security-token"];

/// A target as it may be shown: who could send what a presigned one says could act as its signer.
fn without_secrets(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let argument = |argument: &str| match argument.split_once('=') {
        Some((name, value)) => format!("{name}={}", shown(name, value)),
        None => argument.to_owned(),
    };
    format!("{path}?{}", query.split('&').map(argument).collect::<Vec<_>>().join("&"))
}

fn shown<'v>(name: &str, value: &'v str) -> std::borrow::Cow<'v, str> {
    // However it is spelled: who verifies it decodes it first.
    if PROOFS.contains(&&*decode_form(name).to_ascii_lowercase()) { masked(value).into() } else { value.into() }
}

/// What ended the execution, after the service's beginning of such lines.
fn failed(failure: &Failure) -> String {
    let is_told = failure.detail.starts_with("Execution failed");
    match failure.response_type {
        ResponseType::ApiConfigurationError if !is_told => format!("Execution failed due to configuration error: {}", failure.detail),
        _ => failure.detail.to_string(),
    }
}

fn text(content: &Bytes) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(content)
}

fn pairs<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>) -> String {
    let members: Vec<String> = pairs.map(|(name, value)| format!("{name}={}", shown(name, value))).collect();
    format!("{{{}}}", members.join(", "))
}

/// Credentials are shown by their last six characters, as the service's own log shows keys.
const SECRET: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "x-api-key", "x-amz-security-token"];

fn fields(fields: &Fields) -> String {
    let shown = |field: &Field| {
        let is_secret = SECRET.iter().any(|name| field.name.is(name));
        if is_secret { masked(&field.text()) } else { field.text().into_owned() }
    };
    let members: Vec<String> = fields.iter().map(|field| format!("{}={}", field.name.as_str(), shown(field))).collect();
    let line = format!("{{{}}}", members.join(", "));
    match line.char_indices().nth(FIELDS) {
        Some((end, _)) => format!("{} [TRUNCATED]", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::FieldName;

    #[test]
    fn credentials_are_masked() {
        let mut given = Fields::default();
        given.append_text(FieldName::from_static("X-Api-Key"), "0123456789abcdefghij");
        given.append_text(FieldName::from_static("Authorization"), "short");
        given.append_text(FieldName::from_static("Accept"), "*/*");
        assert_eq!(fields(&given), "{X-Api-Key=****efghij, Authorization=****, Accept=*/*}");
    }

    #[test]
    fn what_a_presigned_request_proves_itself_by_is_masked() {
        assert_eq!(
            without_secrets("/a?x=1&X-Amz-Signature=0123456789abcdef&x%2Damz-security-token=s&y"),
            "/a?x=1&X-Amz-Signature=****abcdef&x%2Damz-security-token=****&y"
        );
        assert_eq!(without_secrets("/a"), "/a");
    }

    #[test]
    fn long_fields_are_cut() {
        let mut given = Fields::default();
        given.append_text(FieldName::from_static("X"), &"a".repeat(2000));
        assert_eq!(fields(&given), format!("{{X={} [TRUNCATED]", "a".repeat(FIELDS - 3)));
    }
}
