//! A request as spans: one of the server's kind, and one of the client's kind for its endpoint, named and described as OpenTelemetry's
//! semantic conventions for HTTP want it.

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use crate::exchange::{Context, ResponseType, Scheme, Trace, TracedCall};

/// Of one attribute that a client decides, in characters.
pub(super) const VALUE: usize = 1024;
/// `flags` of the specification: W3C's own lowest bit; bit 8 says that bit 9 is known, and bit 9 that the parent is in another process.
const SAMPLED: u32 = 1;
const LOCAL_PARENT: u32 = 0x100;
const REMOTE_PARENT: u32 = 0x300;

/// The spans of a request that has ended.
pub(super) fn spans(context: &Context, latency: Duration) -> Vec<Span> {
    let Some(trace) = &context.trace else { return Vec::new() };
    let start = Duration::from_millis(context.request_time_ms);
    let mut spans = vec![server(context, trace, start, latency)];
    spans.extend(trace.call.get().map(|call| client(context, trace, call, start)));
    spans
}

fn server(context: &Context, trace: &Trace, start: Duration, latency: Duration) -> Span {
    let method = context.http_method.as_str();
    let route = context.resource.as_ref().map(|resource| &*resource.path);
    let mut attributes = vec![
        attribute("http.request.method", method),
        attribute("url.scheme", if trace.secure { "https" } else { "http" }),
        attribute("url.path", &*context.path),
        attribute("server.address", &*context.domain_name),
        attribute("server.port", i64::from(trace.local_port)),
        attribute("http.response.status_code", i64::from(context.status)),
        attribute("http.response.body.size", i64::try_from(context.response_length).unwrap_or(i64::MAX)),
        attribute("headgate.request_id", &*context.request_id),
    ];
    attributes.extend(route.map(|route| attribute("http.route", route)));
    attributes.extend(context.identity.source_ip.map(|address| attribute("client.address", address.to_string().as_str())));
    attributes.extend(context.identity.user_agent.as_deref().map(|agent| attribute("user_agent.original", agent)));
    if let Some(stage) = &context.stage {
        attributes.push(attribute("headgate.api_id", &*stage.api_id));
        attributes.push(attribute("headgate.stage", &*stage.stage));
    }
    // A 4xx is the client's mistake and no error of the server (the conventions' own rule).
    let failed = context.status >= 500;
    if failed {
        attributes.push(error_type(context, context.status));
    }
    let detail = context.error.as_ref().map(|failure| &*failure.detail);
    Span {
        name: route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}")),
        span_id: trace.span_id.to_be_bytes().to_vec(),
        parent_span_id: trace.parent.map(|parent| parent.to_be_bytes().to_vec()).unwrap_or_default(),
        flags: SAMPLED | if trace.parent.is_some() { REMOTE_PARENT } else { LOCAL_PARENT },
        attributes,
        status: status(failed, detail),
        ..of(trace, SpanKind::Server, start, latency)
    }
}

fn client(context: &Context, trace: &Trace, call: &TracedCall, start: Duration) -> Span {
    let (endpoint, integration) = (&call.endpoint, &context.integration);
    let scheme = if endpoint.scheme == Scheme::Https { "https" } else { "http" };
    let mut attributes = vec![
        attribute("http.request.method", call.http_method.as_str()),
        attribute("server.address", &*endpoint.host),
        attribute("server.port", i64::from(endpoint.port)),
        attribute("url.full", format!("{scheme}://{}{}", endpoint.authority(), call.path).as_str()),
    ];
    attributes.extend(integration.status.map(|status| attribute("http.response.status_code", i64::from(status))));
    let failed = integration.status.is_none_or(|status| status >= 400);
    if failed {
        attributes.push(error_type(context, integration.status.unwrap_or(context.status)));
    }
    Span {
        name: call.http_method.as_str().to_owned(),
        span_id: trace.call_span_id.to_be_bytes().to_vec(),
        parent_span_id: trace.span_id.to_be_bytes().to_vec(),
        flags: SAMPLED | LOCAL_PARENT,
        attributes,
        status: status(failed, integration.error.as_deref()),
        ..of(trace, SpanKind::Client, start + call.after, call.took())
    }
}

fn of(trace: &Trace, kind: SpanKind, start: Duration, took: Duration) -> Span {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Span {
        trace_id: trace.trace_id.to_be_bytes().to_vec(),
        trace_state: trace.state.as_deref().unwrap_or_default().to_owned(),
        kind: kind.into(),
        start_time_unix_nano: nanoseconds(start),
        end_time_unix_nano: nanoseconds(start + took),
        ..Span::default()
    }
}

/// The failure's type where the gateway itself answered, else the status.
fn error_type(context: &Context, status: u16) -> KeyValue {
    let own = context.error.as_ref().map(|failure| ResponseType::name(failure.response_type));
    attribute("error.type", own.map_or_else(|| status.to_string(), str::to_owned).as_str())
}

fn status(failed: bool, detail: Option<&str>) -> Option<Status> {
    let message = detail.unwrap_or_default().chars().take(VALUE).collect();
    failed.then(|| Status { code: StatusCode::Error.into(), message })
}

/// The value of an attribute.
pub(super) trait IntoValue {
    /// As protobuf has it.
    fn into_value(self) -> Value;
}

impl IntoValue for &str {
    fn into_value(self) -> Value {
        Value::StringValue(self.chars().take(VALUE).collect())
    }
}

impl IntoValue for i64 {
    fn into_value(self) -> Value {
        Value::IntValue(self)
    }
}

pub(super) fn attribute(name: &str, value: impl IntoValue) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value.into_value()) }), ..Default::default() }
}
