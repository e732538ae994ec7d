//! A method's circuit: asked before the endpoint is, and told how the call went.

use crate::exchange::{EndpointResponse, Failure, ResponseType};
use crate::snapshot::{Operation, Release};
use crate::store::{Change, Pass};

/// Lets the call through, or fails it without asking the endpoint. Nothing where the method has no circuit.
pub(super) fn enter(release: &Release, operation: &Operation) -> Result<Option<Pass>, Failure> {
    let Some(circuit) = &operation.circuit else { return Ok(None) };
    circuit.enter(release.clock.elapsed()).map(Some).map_err(|wait| Failure {
        retry_after: Some(wait),
        ..Failure::internal(
            ResponseType::IntegrationFailure,
            format!("the endpoint was not asked: the circuit is open (circuitBreaker), the next probe is in {} ms", wait.as_millis()),
        )
    })
}

/// Takes note of how the call went.
pub(super) fn left(release: &Release, operation: &Operation, pass: Option<Pass>, failed: bool) {
    let Some((circuit, pass)) = operation.circuit.as_ref().zip(pass) else { return };
    let change = circuit.left(pass, failed, release.clock.elapsed());
    let (facts, resource, method) = (&release.facts, &*operation.resource.path, &*operation.method_name);
    match change {
        Some(Change::Opened { failures, calls }) => tracing::warn!(
            api = &*facts.api_id,
            stage = &*facts.stage,
            "the circuit of {method} {resource} opens: {failures} of {calls} calls within {} s failed",
            circuit.settings().interval.as_secs()
        ),
        Some(Change::Closed) => {
            tracing::warn!(api = &*facts.api_id, stage = &*facts.stage, "the circuit of {method} {resource} closes: a probe was answered")
        }
        None => {}
    }
}

/// Whether an endpoint failed: no answer, one of the 5xx class, or a function that raised. A mistake in the configuration is not its fault.
pub(super) fn failed(answer: Result<&EndpointResponse, &Failure>) -> bool {
    match answer {
        Ok(response) => response.status >= 500 || response.fields.contains("x-amz-function-error"),
        Err(failure) => matches!(failure.response_type, ResponseType::IntegrationFailure | ResponseType::IntegrationTimeout),
    }
}
