//! The answer to a request that failed: the API's own gateway response, or API Gateway's default.
//!
//! Defaults are written as the service writes them: what its execution engine says has a blank after the colon, what its front layer
//! says has none (36 bytes are recorded for the 500, the rest follows from it).

use std::fmt::Write as _;

use bytes::Bytes;
use http::HeaderValue;

use super::sources::Sources;
use super::standard_headers;
use crate::apigateway::gateway_response::GatewayResponse;
use crate::exchange::{Context, Failure, FieldName, Fields, MethodRequest, Response, ResponseType};
use crate::mapping::substitution::Substitution;
use crate::snapshot::Release;

const ERROR_TYPE: FieldName = FieldName::from_static("x-amzn-ErrorType");
const RETRY_AFTER: FieldName = FieldName::from_static("Retry-After");
const CONTENT_TYPE: FieldName = FieldName::from_static("Content-Type");

/// The response to `failure`; `context.error` holds it already, for what templates ask.
pub(super) fn render(failure: &Failure, release: Option<&Release>, request: &MethodRequest, context: &Context) -> Response {
    let custom = release.and_then(|release| release.gateway_responses.get(failure.response_type));
    let mut fields = Fields::with_capacity(8);
    let status = custom.and_then(|response| response.status_code).unwrap_or_else(|| failure.status());
    let sources = Sources::of_request(request, context, release);
    let content = match custom.and_then(|response| template(response, request)) {
        Some((media_type, template)) => {
            fields.append_text(CONTENT_TYPE, media_type);
            let mut text = String::new();
            template.render(&mut text, "", |variable| sources.variable(variable));
            Bytes::from(text)
        }
        None => {
            fields.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            default_content(failure)
        }
    };
    let error_type = failure.error_type.unwrap_or_else(|| failure.response_type.error_type());
    fields.append(ERROR_TYPE, HeaderValue::from_static(error_type));
    if let Some(wait) = failure.retry_after {
        // Whole seconds (RFC 9110, section 10.2.3), rounded up: a client that comes back then is not too early.
        fields.append_text(RETRY_AFTER, &(wait.as_millis().div_ceil(1000).max(1)).to_string());
    }
    for (name, expression) in custom.iter().flat_map(|response| &response.response_parameters) {
        if let Some((name, value)) = standard_headers::remapped(name.clone()).zip(sources.text(expression)) {
            fields.remove(name.as_str());
            fields.append_text(name, &value);
        }
    }
    standard_headers::identify(&mut fields, context);
    Response { status, fields, content }
}

/// What a failure says where no template says otherwise.
#[must_use]
pub fn default_content(failure: &Failure) -> Bytes {
    let key = if failure.response_type == ResponseType::AccessDenied && failure.error_type.is_none() { "Message" } else { "message" };
    let front_layer = matches!(failure.status(), 401 | 403 | 404 | 429) || failure.message.is_none();
    let blank = if front_layer { "" } else { " " };
    let message = failure.message.as_ref().map_or(serde_json::Value::Null, |message| message.as_ref().into());
    let mut text = String::with_capacity(48);
    // Writing to a string cannot fail.
    let _ = write!(text, "{{\"{key}\":{blank}{message}}}");
    Bytes::from(text)
}

/// The template for what the client accepts, or the JSON one, or the first.
fn template<'r>(response: &'r GatewayResponse, request: &MethodRequest) -> Option<(&'r str, &'r Substitution)> {
    let accepted = request.accepted_media_type();
    let named = |name: &str| response.response_templates.iter().find(|(known, _)| **known == *name);
    let found = named(&accepted).or_else(|| named("application/json")).or_else(|| response.response_templates.first());
    found.map(|(media_type, template)| (&**media_type, template))
}
