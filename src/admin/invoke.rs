//! Lambda's own `Invoke` and `InvokeWithResponseStream`, so that its SDKs and its CLI reach the functions that run here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Response;
use pingora::http::RequestHeader;

use super::Operator;
use crate::exchange::Query;
use crate::functions::Answer;
use crate::outbound::aws::{EVENT_STREAM, Event, message};

/// A call of a function, as it came.
#[derive(Debug, Clone, Copy)]
pub struct Invoke<'i> {
    /// Its name or ARN, with the qualifier behind it where one was given.
    pub function: &'i str,
    /// `Event` rather than `RequestResponse`.
    pub is_event: bool,
    /// Whether the end of the function's log is wanted.
    pub tail: bool,
    /// `X-Amz-Client-Context`, decoded.
    pub client_context: Option<&'i str>,
    /// The event.
    pub payload: &'i [u8],
}

/// The function that a path names, and whether its response is to come as an event stream.
fn function(path: &str) -> Option<(&str, bool)> {
    let whole = path.strip_prefix("/2015-03-31/functions/").and_then(|rest| rest.strip_suffix("/invocations"));
    let streamed = || path.strip_prefix("/2021-11-15/functions/")?.strip_suffix("/response-streaming-invocations");
    whole.map(|function| (function, false)).or_else(|| Some((streamed()?, true)))
}

/// Whether a request calls a function.
pub(super) fn is_invoke(head: &RequestHeader) -> bool {
    head.method == http::Method::POST && function(head.uri.path()).is_some()
}

/// Calls the function.
pub(super) async fn invoke(operator: &dyn Operator, head: &RequestHeader, content: &[u8]) -> Option<Response<Vec<u8>>> {
    let (path, streams) = function(head.uri.path())?;
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let mut function = percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned();
    let query = Query::parse(head.uri.query().unwrap_or_default());
    if let Some(qualifier) = query.last("Qualifier") {
        match crate::functions::name_of(&function).1 {
            None => {
                function.push(':');
                function.push_str(qualifier);
            }
            Some(own) if own == qualifier => {}
            Some(_) => {
                let message = "The derived qualifier from the function name does not match the specified qualifier.";
                return refused(400, "InvalidParameterValueException", message);
            }
        }
    }
    let client_context = match text("x-amz-client-context").map(|encoded| STANDARD.decode(encoded).map(String::from_utf8)) {
        None => None,
        Some(Ok(Ok(context))) => Some(context),
        Some(_) => return refused(400, "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object."),
    };
    let kind = text("x-amz-invocation-type").unwrap_or("RequestResponse");
    if kind == "DryRun" {
        return Response::builder().status(204).body(Vec::new()).ok();
    }
    let call = Invoke {
        function: &function,
        is_event: kind == "Event",
        tail: text("x-amz-log-type") == Some("Tail"),
        client_context: client_context.as_deref(),
        payload: content,
    };
    match operator.invoke(call).await {
        None => refused(404, "ResourceNotFoundException", &format!("Function not found: {function}")),
        Some(answer) if streams && answer.status == 200 => event_stream(&answer),
        Some(answer) => whole(&answer, call.tail),
    }
}

fn whole(answer: &Answer, tail: bool) -> Option<Response<Vec<u8>>> {
    let mut response = Response::builder()
        .status(answer.status)
        .header("Content-Type", "application/json")
        .header("X-Amz-Executed-Version", &*answer.executed_version);
    if answer.function_error {
        response = response.header("X-Amz-Function-Error", "Unhandled");
    }
    if let Some(kind) = answer.error_type {
        response = response.header("x-amzn-ErrorType", kind);
    }
    if tail {
        response = response.header("X-Amz-Log-Result", STANDARD.encode(&answer.log_tail));
    }
    response.header("Content-Length", answer.payload.len()).body(answer.payload.to_vec()).ok()
}

/// The answer as Lambda streams it: what the function wrote, then the end.
fn event_stream(answer: &Answer) -> Option<Response<Vec<u8>>> {
    let text = String::from_utf8_lossy(&answer.payload);
    let (payload, failure) = if answer.function_error { (Bytes::new(), Some(text.into_owned())) } else { (answer.payload.clone(), None) };
    let mut body = Vec::with_capacity(payload.len() + 512);
    for piece in payload.chunks(64 << 10) {
        body.extend(message(&Event::PayloadChunk(payload.slice_ref(piece))));
    }
    body.extend(message(&Event::InvokeComplete(failure)));
    let response = Response::builder().header("Content-Type", EVENT_STREAM).header("X-Amz-Executed-Version", &*answer.executed_version);
    response.header("Content-Length", body.len()).body(body).ok()
}

fn refused(status: u16, kind: &str, message: &str) -> Option<Response<Vec<u8>>> {
    let body = serde_json::json!({ "Type": "User", "Message": message }).to_string().into_bytes();
    let response = Response::builder().status(status).header("Content-Type", "application/json").header("x-amzn-ErrorType", kind);
    response.header("Content-Length", body.len()).body(body).ok()
}
