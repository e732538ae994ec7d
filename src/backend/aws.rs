//! AWS's services: Lambda, Step Functions, and all others by the same road.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::{Backend, Begun, failure_of};
use crate::exchange::{EndpointRequest, EndpointResponse, Failure, FieldName, Fields, ResponseType};
use crate::functions::Streamed;
use crate::outbound::aws::{Aws, InvocationType, Local, Signer};

/// A service that is asked with signed requests. Its status is what selection patterns are matched with.
#[derive(Debug)]
pub struct AwsService {
    aws: Arc<Aws>,
    signer: Signer,
}

impl AwsService {
    /// A backend that signs so.
    #[must_use]
    pub const fn new(aws: Arc<Aws>, signer: Signer) -> Self {
        Self { aws, signer }
    }
}

#[async_trait]
impl Backend for AwsService {
    async fn call(&self, request: EndpointRequest) -> Result<(EndpointResponse, Option<Duration>), Failure> {
        let (mut response, latency) = self.aws.call(request, &self.signer).await.map_err(|error| failure_of(&error))?;
        response.selector = Some(response.status.to_string().into());
        Ok((response, Some(latency)))
    }
}

/// A Lambda function. Selection patterns are matched with the `errorMessage` of a function that failed, and with nothing else.
#[derive(Debug)]
pub struct Lambda {
    aws: Arc<Aws>,
    signer: Signer,
    /// The function's name or ARN.
    function: Box<str>,
    /// Whether the integration is `AWS_PROXY`.
    is_proxy: bool,
    /// Whether it runs on this machine.
    runs_here: bool,
}

impl Lambda {
    /// A backend for the function of a call, which is named there.
    #[must_use]
    pub const fn new(aws: Arc<Aws>, signer: Signer, function: Box<str>, is_proxy: bool, runs_here: bool) -> Self {
        Self { aws, signer, function, is_proxy, runs_here }
    }

    /// Calls the function on this machine.
    async fn call_here(&self, request: EndpointRequest, streams: bool) -> Result<Begun, Failure> {
        let started = tokio::time::Instant::now();
        let is_event = request.fields.text("x-amz-invocation-type").is_some_and(|kind| kind == "Event");
        let local = Local {
            // An event of the gateway's own making is.
            is_json: self.is_proxy,
            invocation_type: if is_event { InvocationType::Event } else { InvocationType::RequestResponse },
            streams,
            trace_id: request.fields.text("x-amzn-trace-id").map(Into::into),
            ..Local::new(&self.function, request.content, request.timeout)
        };
        let Streamed { answer, pieces } = self.aws.invoke_here(local).await.map_err(|error| failure_of(&error))?;
        let mut fields = Fields::default();
        if answer.function_error {
            fields.append_text(FieldName::from_static("X-Amz-Function-Error"), "Unhandled");
        }
        if let Some(kind) = answer.error_type {
            fields.append_text(FieldName::from_static("x-amzn-ErrorType"), kind);
        }
        let response = EndpointResponse { status: answer.status, selector: None, fields, content: answer.payload };
        Ok(Begun { response, rest: pieces, latency: Some(started.elapsed()) })
    }

    /// What Lambda's answer means: a function that did not run is a failure, one that failed gives what patterns are matched with.
    fn judge(&self, mut begun: Begun) -> Result<Begun, Failure> {
        let response = &mut begun.response;
        if !(200..300).contains(&response.status) {
            return Err(refused(response, self.is_proxy));
        }
        response.selector = response.fields.contains("x-amz-function-error").then(|| error_message(&response.content).into());
        Ok(begun)
    }
}

#[async_trait]
impl Backend for Lambda {
    async fn call(&self, request: EndpointRequest) -> Result<(EndpointResponse, Option<Duration>), Failure> {
        let begun = if self.runs_here {
            self.call_here(request, false).await?
        } else {
            let (response, latency) = self.aws.call(request, &self.signer).await.map_err(|error| failure_of(&error))?;
            Begun { response, rest: None, latency: Some(latency) }
        };
        self.judge(begun).map(|begun| (begun.response, begun.latency))
    }

    async fn stream(&self, request: EndpointRequest) -> Result<Begun, Failure> {
        let begun = if self.runs_here {
            self.call_here(request, true).await?
        } else {
            let (response, rest, latency) = self.aws.stream(request, &self.signer).await.map_err(|error| failure_of(&error))?;
            Begun { response, rest, latency: Some(latency) }
        };
        self.judge(begun)
    }
}

/// What Lambda says when it did not run the function. Permission and throttling are recorded as 500, other refusals of a proxy as 502; an event
/// that is too large is the client's.
fn refused(response: &EndpointResponse, is_proxy: bool) -> Failure {
    let kind = response.fields.text("x-amzn-errortype").unwrap_or("no error type");
    let text: String = String::from_utf8_lossy(&response.content).chars().take(300).collect();
    let detail = format!("Lambda invocation failed with status: {} ({kind}): {text}", response.status);
    if response.status == 413 {
        return Failure::new(ResponseType::RequestTooLarge, "Request Too Long").with_detail(detail);
    }
    let failure = Failure::internal(ResponseType::IntegrationFailure, detail);
    if is_proxy && !matches!(response.status, 403 | 429) { failure.with_status(502) } else { failure }
}

/// The `errorMessage` of a function's error object.
fn error_message(payload: &[u8]) -> String {
    let error: Value = serde_json::from_slice(payload).unwrap_or_default();
    match error.get("errorMessage") {
        Some(Value::String(message)) => message.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}
