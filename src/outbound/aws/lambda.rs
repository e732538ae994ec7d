//! Lambda's `Invoke`: at AWS, or at whatever else speaks it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};

use super::{Aws, Scope};
use crate::exchange::{Endpoint, EndpointRequest, FieldName, Fields};
use crate::functions::{Answer, Call, name_of};
use crate::outbound::{Error, ErrorKind};

/// Whether the caller waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvocationType {
    /// `RequestResponse`: until the function has answered.
    RequestResponse,
    /// `Event`: until Lambda has taken the event.
    Event,
}

/// One call of a function.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Where Lambda answers.
    pub endpoint: Arc<Endpoint>,
    /// Its region.
    pub region: Box<str>,
    /// The function: a name or an ARN, qualifier included, percent-encoded as one segment.
    pub function: Arc<str>,
    /// Whether the caller waits.
    pub invocation_type: InvocationType,
    /// The event.
    pub payload: Bytes,
    /// How long the call may take.
    pub timeout: Duration,
}

/// What came of a call.
#[derive(Debug, Clone)]
pub struct Invoked {
    /// Lambda's own status: 200 also when the function failed.
    pub status: u16,
    /// `X-Amz-Function-Error`: the function failed, and the payload says how.
    pub function_error: bool,
    /// What the function returned.
    pub payload: Bytes,
}

/// A call of a function that runs here.
#[derive(Debug, Clone)]
pub struct Local<'l> {
    /// Its name or ARN, qualifier included.
    pub function: &'l str,
    /// The event.
    pub payload: Bytes,
    /// Whether the caller waits.
    pub invocation_type: InvocationType,
    /// `X-Amzn-Trace-Id`.
    pub trace_id: Option<Box<str>>,
    /// How long the caller waits; the function goes on for as long as its own time-out lets it.
    pub timeout: Duration,
}

impl Aws {
    /// Calls a function that runs here.
    ///
    /// # Errors
    /// When the caller's time is over.
    pub async fn invoke_here(&self, local: Local<'_>) -> Result<Answer, String> {
        let (name, qualifier) = name_of(local.function);
        let now_ms = (self.clock)().duration_since(std::time::SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let call = Call {
            qualifier: qualifier.map(Into::into),
            payload: local.payload,
            trace_id: local.trace_id,
            invoked_arn: local.function.into(),
            now_ms: u64::try_from(now_ms).unwrap_or(u64::MAX),
            random: fastrand::u128(..),
        };
        let (functions, name) = (Arc::clone(&self.functions), name.to_owned());
        // Its own task: the function runs on when its caller has gone.
        let running = tokio::spawn(async move { functions.invoke(&name, call).await });
        let gone = || "the function is not here any more".to_owned();
        if local.invocation_type == InvocationType::Event {
            return Ok(Answer {
                status: 202,
                function_error: false,
                payload: Bytes::new(),
                executed_version: "$LATEST".into(),
                log_tail: String::new(),
                error_type: None,
            });
        }
        let waited = tokio::time::timeout(local.timeout, running).await;
        let answered = waited.map_err(|_| format!("no answer within {} ms", local.timeout.as_millis()))?;
        answered.map_err(|error| error.to_string())?.ok_or_else(gone)
    }

    /// Calls a function, here where one of its name is, else at AWS.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn invoke(&self, invocation: Invocation) -> Result<Invoked, Error> {
        let name = percent_encoding::percent_decode_str(&invocation.function).decode_utf8_lossy();
        if self.functions.has(name_of(&name).0) {
            let call = Local {
                function: &name,
                payload: invocation.payload.clone(),
                invocation_type: invocation.invocation_type,
                trace_id: None,
                timeout: invocation.timeout,
            };
            let late = |detail: String| Error::new(ErrorKind::Timeout, name.clone().into_owned(), detail);
            let answer = self.invoke_here(call).await.map_err(late)?;
            return Ok(Invoked { status: answer.status, function_error: answer.function_error, payload: answer.payload });
        }
        let mut fields = Fields::with_capacity(6);
        fields.append_text(FieldName::from_static("Host"), &invocation.endpoint.authority());
        fields.append(FieldName::from_static("Content-Type"), HeaderValue::from_static("application/json"));
        let kind = match invocation.invocation_type {
            InvocationType::RequestResponse => "RequestResponse",
            InvocationType::Event => "Event",
        };
        fields.append(FieldName::from_static("X-Amz-Invocation-Type"), HeaderValue::from_static(kind));
        let request = EndpointRequest {
            path_and_query: format!("/2015-03-31/functions/{}/invocations", invocation.function),
            endpoint: invocation.endpoint,
            http_method: Method::POST,
            fields,
            content: invocation.payload,
            timeout: invocation.timeout,
        };
        let scope = Scope { service: "lambda".into(), region: invocation.region };
        let (response, _) = self.call(request, &scope).await?;
        Ok(Invoked { status: response.status, function_error: response.fields.contains("x-amz-function-error"), payload: response.content })
    }
}
