//! Lambda proxy integrations: the client's request becomes the event, the function's result the response.

use bytes::Bytes;
use http::HeaderValue;

use super::integration_request::Asked;
use super::standard_headers;
use crate::apigateway::integration::PayloadFormat;
use crate::exchange::{EndpointResponse, Failure, FieldName, Fields, Response, ResponseType};
use crate::mapping::lambda_proxy::{
    AuthorizerFormat, Event, Payload, StreamedHead, authorizer_request, payload_1, payload_2, result_1, result_2,
};

const CONTENT_TYPE: FieldName = FieldName::from_static("Content-Type");
const TRACE_ID: FieldName = FieldName::from_static("X-Amzn-Trace-Id");
const HOST: FieldName = FieldName::from_static("Host");

/// The event for a request.
pub(super) fn event(asked: Asked<'_>, content: &Bytes) -> Bytes {
    let fields = event_fields(asked);
    let is_binary = asked.release.binary_media_types.contains(&asked.request.media_type());
    let event = Event {
        request: asked.request,
        fields: &fields,
        context: asked.context,
        stage_variables: &asked.release.variables,
        payload: Payload { content, is_binary },
    };
    match asked.operation.integration.payload_format {
        PayloadFormat::V1 => payload_1(&event),
        PayloadFormat::V2 => payload_2(&event),
    }
    .into()
}

/// The event of a REQUEST authorizer: the proxy event without its content.
pub(super) fn authorizer_event(asked: Asked<'_>, method_arn: &str, identity: &[String], format: AuthorizerFormat) -> Bytes {
    let fields = event_fields(asked);
    let event = Event {
        request: asked.request,
        fields: &fields,
        context: asked.context,
        stage_variables: &asked.release.variables,
        payload: Payload { content: &[], is_binary: false },
    };
    authorizer_request(&event, method_arn, identity, format).into()
}

/// The client's fields as a function sees them. `Authorization` and `User-Agent` come in their usual spelling (recorded); a signature stays
/// behind.
fn event_fields(asked: Asked<'_>) -> Fields {
    let client = &asked.request.request.fields;
    let mut fields = Fields::with_capacity(client.len() + 5);
    for field in client {
        let name = &field.name;
        if standard_headers::is_signature(field) || standard_headers::is_set_for_functions(name) {
            continue;
        }
        let name = match () {
            () if name.is("Authorization") => FieldName::from_static("Authorization"),
            () if name.is("User-Agent") => FieldName::from_static("User-Agent"),
            () => name.clone(),
        };
        fields.append(name, field.value.clone());
    }
    fields.append_text(HOST, &asked.context.domain_name);
    standard_headers::forwarded_for(&mut fields, client.text("x-forwarded-for"), &asked.request.request.peer);
    if let Some(trace_id) = &asked.context.trace_id {
        fields.append_text(TRACE_ID, trace_id);
    }
    fields
}

/// The beginning of the client's response from what the function streams first. Its content is the function's to the byte.
pub(super) fn streamed_response(asked: Asked<'_>, head: StreamedHead, content: Bytes) -> Response {
    let mut fields = client_fields(&head.fields);
    if let Some(trace_id) = &asked.context.trace_id {
        fields.set(TRACE_ID, HeaderValue::from_str(trace_id).unwrap_or(HeaderValue::from_static("")));
    }
    Response { status: head.status, fields, content }
}

/// A function's fields as the client sees them.
fn client_fields(own: &Fields) -> Fields {
    let mut fields = Fields::with_capacity(own.len() + 4);
    for field in own {
        if let Some(name) = standard_headers::remapped_for_function(field.name.clone()) {
            fields.append(name, field.value.clone());
        }
    }
    if !fields.contains("content-type") {
        fields.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    fields
}

/// The client's response from what the function returned.
pub(super) fn response(asked: Asked<'_>, response: EndpointResponse) -> Result<Response, Failure> {
    if let Some(message) = response.selector {
        let detail = format!("Lambda execution failed: the function returned an error: {message}");
        return Err(Failure::internal(ResponseType::Default5xx, detail).with_status(502));
    }
    let result = match asked.operation.integration.payload_format {
        PayloadFormat::V1 => result_1(&response.content)?,
        PayloadFormat::V2 => result_2(&response.content)?,
    };
    let fields = client_fields(&result.fields);
    let status = result.status;
    // Without `Accept` nothing is decoded, whatever is listed (recorded).
    let accepts = asked.request.request.fields.contains("accept");
    let decodes = accepts && asked.release.binary_media_types.contains(&asked.request.accepted_media_type());
    Ok(Response { status, fields, content: result.content(decodes)? })
}
