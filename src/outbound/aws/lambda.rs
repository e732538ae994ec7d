//! Lambda's `Invoke`: at AWS, or at whatever else speaks it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};

use super::{Aws, Role, Scope, Signer};
use crate::exchange::{Endpoint, EndpointRequest, FieldName, Fields};
use crate::functions::{Answer, Call, Streamed, name_of};
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
    /// The role that signs; nothing: the gateway's own credentials.
    pub role: Option<Arc<Role>>,
    /// The function: a name or an ARN, qualifier included, percent-encoded as one segment.
    pub function: Arc<str>,
    /// Whether the caller waits.
    pub invocation_type: InvocationType,
    /// The event.
    pub payload: Bytes,
    /// How long the call may take.
    pub timeout: Duration,
    /// The largest result, in bytes.
    pub result_limit: usize,
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
    /// From asking until the answer was whole.
    pub latency: Duration,
}

/// A call of a function that runs here.
#[derive(Debug, Clone)]
pub struct Local<'l> {
    /// Its name or ARN, qualifier included.
    pub function: &'l str,
    /// The event.
    pub payload: Bytes,
    /// Whether the event is known to be JSON.
    pub is_json: bool,
    /// Whether the caller waits.
    pub invocation_type: InvocationType,
    /// Whether the caller reads a response as the function writes it.
    pub streams: bool,
    /// Whether the caller wants the end of the function's log.
    pub tail: bool,
    /// `X-Amzn-Trace-Id`.
    pub trace_id: Option<Box<str>>,
    /// `X-Amz-Client-Context`, decoded.
    pub client_context: Option<Box<str>>,
    /// How long the caller waits; the function goes on for as long as its own time-out lets it.
    pub timeout: Duration,
}

impl<'l> Local<'l> {
    /// A call whose caller waits for the whole answer.
    #[must_use]
    pub const fn new(function: &'l str, payload: Bytes, timeout: Duration) -> Self {
        Self {
            function,
            payload,
            is_json: false,
            invocation_type: InvocationType::RequestResponse,
            streams: false,
            tail: false,
            trace_id: None,
            client_context: None,
            timeout,
        }
    }
}

impl Aws {
    /// Calls a function that runs here.
    ///
    /// # Errors
    /// When the caller's time is over, or the function is not here any more.
    pub async fn invoke_here(&self, local: Local<'_>) -> Result<Streamed, Error> {
        let (name, qualifier) = name_of(local.function);
        let now_ms = (self.clock)().duration_since(std::time::SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let call = Call {
            qualifier: qualifier.map(Into::into),
            payload: local.payload,
            is_json: local.is_json,
            trace_id: local.trace_id,
            client_context: local.client_context,
            invoked_arn: local.function.into(),
            streams: local.streams,
            tail: local.tail,
            now_ms: u64::try_from(now_ms).unwrap_or(u64::MAX),
            random: fastrand::u128(..),
        };
        let failed = |kind, detail: &str| Error::new(kind, local.function.to_owned(), detail);
        let gone = || failed(ErrorKind::Refused, "the function is not here any more");
        if local.invocation_type == InvocationType::Event {
            return self.functions.queue(name, call).map(Into::into).ok_or_else(gone);
        }
        let (functions, name) = (Arc::clone(&self.functions), name.to_owned());
        let running = GoesOn(Some(Box::pin(async move { functions.invoke(&name, call).await })));
        let waited = tokio::time::timeout(local.timeout, running).await;
        let late = |_| failed(ErrorKind::Timeout, &format!("no answer within {} ms", local.timeout.as_millis()));
        waited.map_err(late)?.ok_or_else(gone)
    }

    /// Calls a function, here where one of its name is, else at AWS.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn invoke(&self, invocation: Invocation) -> Result<Invoked, Error> {
        let name = percent_encoding::percent_decode_str(&invocation.function).decode_utf8_lossy();
        if self.functions.has(name_of(&name).0) {
            let local = Local {
                is_json: true,
                invocation_type: invocation.invocation_type,
                ..Local::new(&name, invocation.payload.clone(), invocation.timeout)
            };
            let started = tokio::time::Instant::now();
            let Answer { status, function_error, payload, .. } = self.invoke_here(local).await?.answer;
            if payload.len() > invocation.result_limit {
                let detail = format!("the function answered more than {} bytes", invocation.result_limit);
                return Err(Error::new(ErrorKind::TooLarge, name.into_owned(), detail));
            }
            return Ok(Invoked { status, function_error, payload, latency: started.elapsed() });
        }
        let mut fields = Fields::with_capacity(6);
        fields.append_text(FieldName::from_static("Host"), &invocation.endpoint.authority());
        fields.append(FieldName::from_static("Content-Type"), HeaderValue::from_static("application/json"));
        let kind = match invocation.invocation_type {
            InvocationType::RequestResponse => "RequestResponse",
            InvocationType::Event => "Event",
        };
        fields.append(FieldName::from_static("X-Amz-Invocation-Type"), HeaderValue::from_static(kind));
        let mut request = EndpointRequest {
            path_and_query: format!("/2015-03-31/functions/{}/invocations", invocation.function),
            endpoint: invocation.endpoint,
            http_method: Method::POST,
            fields,
            content: invocation.payload,
            timeout: invocation.timeout,
        };
        let signer = Signer { scope: Scope { service: "lambda".into(), region: invocation.region }, role: invocation.role };
        self.sign(&mut request, &signer)?;
        let (response, latency) = self.client.call_within(&request, invocation.result_limit).await?;
        let function_error = response.fields.contains("x-amz-function-error");
        Ok(Invoked { status: response.status, function_error, payload: response.content, latency })
    }
}

/// A function's run, which goes on when nobody waits for it any more. As long as somebody does, it needs no task of its own.
struct GoesOn(Option<Pin<Box<dyn Future<Output = Option<Streamed>> + Send>>>);

impl Future for GoesOn {
    type Output = Option<Streamed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(run) = &mut self.0 else { return Poll::Ready(None) };
        let polled = run.as_mut().poll(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl Drop for GoesOn {
    fn drop(&mut self) {
        if let (Some(run), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(run);
        }
    }
}
