//! Lambda's `Invoke`: at AWS, or at whatever else speaks it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};

use super::{Aws, Scope};
use crate::exchange::{Endpoint, EndpointRequest, FieldName, Fields};
use crate::outbound::Error;

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

impl Aws {
    /// Calls a function.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn invoke(&self, invocation: Invocation) -> Result<Invoked, Error> {
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
