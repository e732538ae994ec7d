//! The Lambda Runtime API (2018-06-01), host side: one address for each process, so that none can speak for another.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

use super::environment::Outcome;

/// Of a result, in bytes: what Lambda takes.
const RESULT: usize = 6_291_556;
/// Of an error report, in bytes.
const REPORT: usize = 256 << 10;

/// An event on its way to the process.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) request_id: String,
    pub(super) deadline_ms: u64,
    pub(super) invoked_arn: String,
    pub(super) trace_id: String,
    pub(super) payload: Bytes,
}

/// What one process asks and tells.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    address: SocketAddr,
    state: Mutex<State>,
    given: Notify,
    asked: Notify,
    server: Mutex<Option<tokio::task::AbortHandle>>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Option<Invocation>,
    current: Option<(String, oneshot::Sender<Outcome>)>,
    has_asked: bool,
    init_error: Option<Bytes>,
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        if let Some(server) = self.server.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            server.abort();
        }
    }
}

impl RuntimeApi {
    /// Serves on a free port of the loopback address until it is dropped.
    pub(super) async fn listen() -> std::io::Result<Arc<Self>> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let api = Arc::new(Self {
            address: listener.local_addr()?,
            state: Mutex::default(),
            given: Notify::new(),
            asked: Notify::new(),
            server: Mutex::default(),
        });
        let weak = Arc::downgrade(&api);
        let server = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let Some(api) = weak.upgrade() else { return };
                let weak = Arc::downgrade(&api);
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        let api = weak.upgrade();
                        async move {
                            let answer = match api {
                                Some(api) => api.answer(request).await,
                                None => text(StatusCode::GONE, "{}"),
                            };
                            Ok::<_, Infallible>(answer)
                        }
                    });
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        *api.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server.abort_handle());
        Ok(api)
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the process asks for its first event, or tells why it never will.
    pub(super) async fn ready(&self) -> Result<(), Bytes> {
        loop {
            let asked = self.asked.notified();
            {
                let state = self.state();
                if let Some(report) = &state.init_error {
                    return Err(report.clone());
                }
                if state.has_asked {
                    return Ok(());
                }
            }
            asked.await;
        }
    }

    pub(super) fn init_error(&self) -> Option<Bytes> {
        self.state().init_error.clone()
    }

    /// Gives the process an event; its answer goes to `answer`.
    pub(super) fn give(&self, invocation: Invocation, answer: oneshot::Sender<Outcome>) {
        let mut state = self.state();
        state.current = Some((invocation.request_id.clone(), answer));
        state.waiting = Some(invocation);
        drop(state);
        self.given.notify_one();
    }

    /// No answer counts any more.
    pub(super) fn forget(&self) {
        let mut state = self.state();
        state.current = None;
        state.waiting = None;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().trim_start_matches("/2018-06-01/runtime/").to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        match (request.method(), parts.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, "response"]) => {
                let id = (*id).to_owned();
                match Limited::new(request.into_body(), RESULT).collect().await {
                    Ok(body) => self.done(&id, Outcome::Returned(body.to_bytes())),
                    Err(_) => {
                        self.done(&id, Outcome::TooLarge);
                        text(
                            StatusCode::PAYLOAD_TOO_LARGE,
                            r#"{"errorMessage":"Exceeded maximum allowed payload size","errorType":"RequestEntityTooLarge"}"#,
                        )
                    }
                }
            }
            (&Method::POST, ["invocation", id, "error"]) => {
                let id = (*id).to_owned();
                let report = report(request).await;
                self.done(&id, Outcome::Failed(report))
            }
            (&Method::POST, ["init", "error"]) => {
                let report = report(request).await;
                self.state().init_error = Some(report);
                self.asked.notify_waiters();
                text(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
            }
            _ => text(StatusCode::NOT_FOUND, r#"{"errorMessage":"there is no such call","errorType":"NotFound"}"#),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        self.state().has_asked = true;
        self.asked.notify_waiters();
        loop {
            let given = self.given.notified();
            if let Some(invocation) = self.state().waiting.take() {
                return event(invocation);
            }
            given.await;
        }
    }

    /// An answer counts for the event that is under way, and once.
    fn done(&self, id: &str, outcome: Outcome) -> Response<Full<Bytes>> {
        let mut state = self.state();
        if state.current.as_ref().is_none_or(|(current, _)| current != id) {
            return text(StatusCode::BAD_REQUEST, r#"{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}"#);
        }
        if let Some((_, answer)) = state.current.take() {
            let _ = answer.send(outcome);
        }
        text(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
    }
}

/// A report as it was posted; one that is too long or no JSON says that much.
async fn report(request: Request<Incoming>) -> Bytes {
    let read = Limited::new(request.into_body(), REPORT).collect().await.ok().map(http_body_util::Collected::to_bytes);
    read.filter(|bytes| serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()).unwrap_or_else(|| {
        Bytes::from_static(br#"{"errorType":"Runtime.Unknown","errorMessage":"the function told of an error in no form that can be read"}"#)
    })
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

fn event(invocation: Invocation) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(invocation.payload));
    let fields = [
        ("lambda-runtime-aws-request-id", invocation.request_id),
        ("lambda-runtime-deadline-ms", invocation.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", invocation.invoked_arn),
        ("lambda-runtime-trace-id", invocation.trace_id),
        ("content-type", "application/json".to_owned()),
    ];
    for (name, value) in fields {
        if let Ok(value) = http::HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
