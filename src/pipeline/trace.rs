//! A request's place in its trace: taken from the caller, or begun here, and told to the endpoint.

use http::HeaderValue;

use super::integration_request::Asked;
use super::{Arrival, standard_headers};
use crate::apigateway::integration::IntegrationType;
use crate::exchange::{Context, EndpointRequest, FieldName, Fields, Request};
use crate::snapshot::Release;

const TRACEPARENT: FieldName = FieldName::from_static("traceparent");
const TRACESTATE: FieldName = FieldName::from_static("tracestate");

/// Decides whether the request is recorded. `tracingEnabled: false` leaves that to the caller, as at X-Ray.
pub(super) fn begin(context: &mut Context, request: &Request, release: &Release, arrival: Arrival) {
    let active = release.tracing_enabled != Some(false);
    if let Some(tracer) = &release.tracer {
        let trace = tracer.begin(request, active, (arrival.now_ms, arrival.random), release.clock.elapsed());
        context.trace_id = Some(trace.x_ray().into());
        context.trace = Some(Box::new(trace));
    } else if release.tracing_enabled == Some(true) {
        let incoming = request.fields.text("x-amzn-trace-id");
        context.trace_id = Some(standard_headers::trace_id(incoming, arrival.now_ms, arrival.random, true).into());
    }
}

/// The endpoint is about to be asked; a mock has none.
pub(super) fn call_begins(asked: Asked<'_>, request: &EndpointRequest) {
    if let Some(trace) = &asked.context.trace
        && asked.operation.integration.integration_type != IntegrationType::Mock
    {
        trace.call_begins(request, asked.release.clock.elapsed());
    }
}

/// It has answered, or has not.
pub(super) fn call_ends(asked: Asked<'_>) {
    if let Some(trace) = &asked.context.trace {
        trace.call_ends(asked.release.clock.elapsed());
    }
}

/// Tells an HTTP endpoint of the trace, in the place of what the client told. AWS's services read `X-Amzn-Trace-Id` alone.
pub(super) fn pass_on(asked: Asked<'_>, fields: &mut Fields) {
    let Some(trace) = &asked.context.trace else { return };
    if asked.operation.aws.is_some() {
        return;
    }
    fields.remove("traceparent");
    fields.remove("tracestate");
    fields.append(TRACEPARENT, HeaderValue::from_str(&trace.traceparent()).unwrap_or(HeaderValue::from_static("")));
    if let Some(state) = &trace.state {
        fields.append_text(TRACESTATE, state);
    }
}
