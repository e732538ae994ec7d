//! The Runtime API over HTTP.

use std::convert::Infallible;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{Invocation, Posted, Refused, RuntimeApi, Written};
use crate::exchange::Pieces;
use crate::functions::answer::Outcome;

/// Of a result, in bytes: what Lambda takes.
const RESULT: usize = 6_291_556;
/// Of a result that is streamed, in bytes.
const STREAMED: usize = 200 << 20;
/// Of an error report, in bytes.
const REPORT: usize = 256 << 10;
/// Connections that a process may have at one time.
const CONNECTIONS: usize = 64;

/// Accepts until the API is dropped.
pub(super) async fn serve(listener: TcpListener, api: Weak<RuntimeApi>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS {
            continue;
        }
        let _ = stream.set_nodelay(true);
        let api = Weak::clone(&api);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let api = api.upgrade();
                async move {
                    Ok::<_, Infallible>(match api {
                        Some(api) => answer(&api, request).await,
                        None => refusal(Refused::State),
                    })
                }
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(api: &Arc<RuntimeApi>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().strip_prefix("/2018-06-01/runtime/").unwrap_or_default();
    let (call, id) = match path.strip_prefix("invocation/").and_then(|rest| rest.rsplit_once('/')) {
        Some((id, call)) => (call, id),
        None => (path, ""),
    };
    let done = match (&head.method, call) {
        (&Method::GET, "invocation/next") => return api.next().await.map_or_else(refusal, event),
        (&Method::POST, "response") if is_streamed(&head.headers) => stream(api, id, body).await,
        (&Method::POST, "response") => match Limited::new(body, RESULT).collect().await {
            Ok(body) => api.answered(id, Outcome::Returned(body.to_bytes())),
            Err(_) => return api.answered(id, Outcome::TooLarge).map_or_else(refusal, |()| too_large()),
        },
        (&Method::POST, "error") => api.answered(id, Outcome::Failed(report(body).await)),
        (&Method::POST, "init/error") => api.fail_to_begin(report(body).await),
        _ => return text(StatusCode::NOT_FOUND, r#"{"errorMessage":"there is no such call","errorType":"NotFound"}"#),
    };
    done.map_or_else(refusal, |()| text(StatusCode::ACCEPTED, r#"{"status":"OK"}"#))
}

fn is_streamed(headers: &HeaderMap) -> bool {
    headers.get("lambda-runtime-function-response-mode").is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"streaming"))
}

/// Passes a response on as the process writes it. It is read to its end also where its reader has gone: the function works on.
async fn stream(api: &RuntimeApi, id: &str, mut body: Incoming) -> Result<(), Refused> {
    let (sender, pieces) = Pieces::channel();
    let (end, ended) = oneshot::channel();
    api.begin(id, Posted::Streams(pieces, ended))?;
    let mut length = 0;
    let mut is_read = true;
    let mut failure = None;
    while let Some(frame) = body.frame().await {
        // A connection that breaks drops both ends, and that tells it.
        let Ok(frame) = frame else { return Ok(()) };
        match frame.into_data() {
            Ok(data) => {
                length += data.len();
                if length > STREAMED {
                    failure.get_or_insert_with(|| "the response is larger than Lambda streams".into());
                }
                is_read = is_read && failure.is_none() && sender.send(data).await;
            }
            Err(frame) => failure = frame.into_trailers().ok().and_then(|trailers| reported(&trailers)),
        }
    }
    api.done();
    let _ = end.send(Written { sender, failure });
    Ok(())
}

/// What a function tells of its failure behind what it has written.
fn reported(trailers: &HeaderMap) -> Option<Box<str>> {
    use base64::Engine as _;
    let kind = trailers.get("lambda-runtime-function-error-type")?;
    let body = trailers.get("lambda-runtime-function-error-body").and_then(|body| {
        let report = base64::engine::general_purpose::STANDARD.decode(body.as_bytes()).ok()?;
        String::from_utf8(report).ok()
    });
    Some(body.unwrap_or_else(|| String::from_utf8_lossy(kind.as_bytes()).into_owned()).into())
}

/// A report as it was posted; one that is too long or no JSON says that much.
async fn report(body: Incoming) -> Bytes {
    let read = Limited::new(body, REPORT).collect().await.ok().map(http_body_util::Collected::to_bytes);
    read.filter(|bytes| serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()).unwrap_or_else(|| {
        Bytes::from_static(br#"{"errorType":"Runtime.Unknown","errorMessage":"the function told of an error in no form that can be read"}"#)
    })
}

fn refusal(refused: Refused) -> Response<Full<Bytes>> {
    match refused {
        Refused::State => {
            text(StatusCode::FORBIDDEN, r#"{"errorMessage":"State transition is not allowed","errorType":"InvalidStateTransition"}"#)
        }
        Refused::RequestId => text(StatusCode::BAD_REQUEST, r#"{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}"#),
    }
}

fn too_large() -> Response<Full<Bytes>> {
    let body = r#"{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}"#;
    text(StatusCode::PAYLOAD_TOO_LARGE, body)
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}

fn event(invocation: Invocation) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(invocation.payload));
    let fields = response.headers_mut();
    fields.insert("content-type", HeaderValue::from_static("application/json"));
    fields.insert("lambda-runtime-deadline-ms", HeaderValue::from(invocation.deadline_ms));
    let mut insert = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            fields.insert(name, value);
        }
    };
    insert("lambda-runtime-aws-request-id", &invocation.request_id);
    insert("lambda-runtime-invoked-function-arn", &invocation.invoked_arn);
    if let Some(trace_id) = &invocation.trace_id {
        insert("lambda-runtime-trace-id", trace_id);
    }
    if let Some(client_context) = &invocation.client_context {
        insert("lambda-runtime-client-context", client_context);
    }
    response
}
