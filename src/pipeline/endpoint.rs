//! The call itself, and whoever watches it.

use std::time::Duration;

use bytes::Bytes;

use super::integration_request::{self, Asked};
use super::{circuit, integration_response, trace};
use crate::exchange::{Answer, EndpointRequest, EndpointResponse, Failure};

/// What passes between the gateway and an endpoint, for whoever wants to see it.
pub(super) enum Seen<'s> {
    Request(&'s EndpointRequest),
    Response(&'s EndpointResponse, Option<Duration>),
}

/// Sees what passes, and changes nothing of it.
pub(super) type Watch<'w> = &'w (dyn Fn(Seen<'_>) + Sync);

/// Asks the endpoint.
pub(super) async fn ask(asked: Asked<'_>, content: &Bytes, watch: Watch<'_>) -> Result<(Answer, Option<Duration>), Failure> {
    let (request, overrides) = integration_request::build(asked, content)?;
    watch(Seen::Request(&request));
    let pass = circuit::enter(asked.release, asked.operation)?;
    trace::call_begins(asked, &request);
    let called = asked.operation.backend.call(request).await;
    trace::call_ends(asked);
    circuit::left(asked.release, asked.operation, pass, circuit::failed(called.as_ref().map(|(response, _)| response)));
    let (mut response, latency) = called?;
    watch(Seen::Response(&response, latency));
    let limit = asked.release.streamed_content_limit;
    if let Some(limit) = limit.filter(|limit| response.content.len() as u64 > *limit) {
        return Err(response_too_large(response.content.len() as u64, limit));
    }
    if integration_response::passes(&asked.operation.integration) {
        // Here rather than where the response is built, so that what a cache keeps is renamed once and not for each request.
        response.fields = integration_response::proxied_fields(response.fields);
    }
    Ok((Answer { response, overrides }, latency))
}

/// What API Gateway says of a response beyond its ceiling, which holds here under `limits: aws`.
#[must_use]
pub fn response_too_large(length: u64, limit: u64) -> Failure {
    Failure::configuration(format!(
        "Execution failed due to configuration error: Integration response of reported length {length} is larger than allowed maximum of {limit} bytes."
    ))
}
