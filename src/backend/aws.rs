//! AWS's services: Lambda, Step Functions, and all others by the same road.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::{Backend, failure_of};
use crate::exchange::{EndpointRequest, EndpointResponse, Failure, FieldName, Fields, ResponseType};
use crate::functions::name_of;
use crate::outbound::aws::{Aws, InvocationType, Local, Scope};

/// A service that is asked with signed requests. Its status is what selection patterns are matched with.
#[derive(Debug)]
pub struct AwsService {
    aws: Arc<Aws>,
    scope: Scope,
}

impl AwsService {
    /// A backend that signs for `scope`.
    #[must_use]
    pub const fn new(aws: Arc<Aws>, scope: Scope) -> Self {
        Self { aws, scope }
    }
}

#[async_trait]
impl Backend for AwsService {
    async fn call(&self, request: EndpointRequest) -> Result<(EndpointResponse, Option<Duration>), Failure> {
        let (mut response, latency) = self.aws.call(request, &self.scope).await.map_err(|error| failure_of(&error))?;
        response.selector = Some(response.status.to_string().into());
        Ok((response, Some(latency)))
    }
}

/// A Lambda function. Selection patterns are matched with the `errorMessage` of a function that failed, and with nothing else.
#[derive(Debug)]
pub struct Lambda {
    aws: Arc<Aws>,
    scope: Scope,
    /// The function's name or ARN.
    function: Box<str>,
    /// Whether the integration is `AWS_PROXY`.
    is_proxy: bool,
}

impl Lambda {
    /// A backend that signs for `scope`.
    #[must_use]
    pub const fn new(aws: Arc<Aws>, scope: Scope, function: Box<str>, is_proxy: bool) -> Self {
        Self { aws, scope, function, is_proxy }
    }

    /// Calls the function on this machine.
    async fn call_here(&self, request: EndpointRequest) -> Result<(EndpointResponse, Duration), Failure> {
        let started = tokio::time::Instant::now();
        let is_event = request.fields.text("x-amz-invocation-type").is_some_and(|kind| kind == "Event");
        let local = Local {
            function: &self.function,
            payload: request.content,
            invocation_type: if is_event { InvocationType::Event } else { InvocationType::RequestResponse },
            trace_id: request.fields.text("x-amzn-trace-id").map(Into::into),
            timeout: request.timeout,
        };
        let answer = self.aws.invoke_here(local).await.map_err(|detail| {
            Failure::new(ResponseType::IntegrationTimeout, "Endpoint request timed out").with_detail(format!("{}: {detail}", self.function))
        })?;
        let mut fields = Fields::default();
        if answer.function_error {
            fields.append_text(FieldName::from_static("X-Amz-Function-Error"), "Unhandled");
        }
        if let Some(kind) = answer.error_type {
            fields.append_text(FieldName::from_static("x-amzn-ErrorType"), kind);
        }
        Ok((EndpointResponse { status: answer.status, selector: None, fields, content: answer.payload }, started.elapsed()))
    }
}

#[async_trait]
impl Backend for Lambda {
    async fn call(&self, request: EndpointRequest) -> Result<(EndpointResponse, Option<Duration>), Failure> {
        let (mut response, latency) = if self.aws.functions().has(name_of(&self.function).0) {
            self.call_here(request).await?
        } else {
            self.aws.call(request, &self.scope).await.map_err(|error| failure_of(&error))?
        };
        if !(200..300).contains(&response.status) {
            return Err(refused(&response, self.is_proxy));
        }
        response.selector = response.fields.contains("x-amz-function-error").then(|| error_message(&response.content).into());
        Ok((response, Some(latency)))
    }
}

/// What Lambda says when it did not run the function. Permission and throttling are recorded as 500, other refusals of a proxy as 502.
fn refused(response: &EndpointResponse, is_proxy: bool) -> Failure {
    let kind = response.fields.text("x-amzn-errortype").unwrap_or("no error type");
    let text: String = String::from_utf8_lossy(&response.content).chars().take(300).collect();
    let detail = format!("Lambda invocation failed with status: {} ({kind}): {text}", response.status);
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
