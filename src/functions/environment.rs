//! One execution environment: a process, and the Runtime API that it alone speaks to.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Call;
use super::answer::Outcome;
use super::process::{Process, Start};
use super::runtime_api::{Invocation, Posted, RuntimeApi, Written};
use crate::exchange::Pieces;

/// An answer that is on its way when its process ends is waited for this long.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// Of a result that is streamed to somebody who wants it whole, in bytes.
const RESULT: usize = 6_291_556;

/// A process that waits for events. Dropping it ends it, with everything that it started.
#[derive(Debug)]
pub(super) struct Environment {
    api: Arc<RuntimeApi>,
    process: Process,
    /// In bytes.
    memory: u64,
    init: Duration,
    has_served: bool,
    used: Instant,
}

/// What an event came to.
pub(super) enum Invoked {
    /// All of it is known.
    Whole(Outcome),
    /// A response that the process is still writing.
    Streams(Streamed),
}

/// A response that is being written.
pub(super) struct Streamed {
    pub(super) pieces: Pieces,
    ended: oneshot::Receiver<Written>,
    deadline: Instant,
}

impl Environment {
    /// Starts a process, and waits until it asks for its first event.
    pub(super) async fn start(start: &Start<'_>, within: Duration) -> Result<Self, Outcome> {
        let started = Instant::now();
        let api = RuntimeApi::listen().await;
        let api = api.map_err(|error| Outcome::CannotStart(format!("the Runtime API cannot be served: {error}")))?;
        let process = Process::start(start, api.address())?;
        let memory = u64::from(start.settings.memory_size) << 20;
        let mut environment = Self { api, process, memory, init: Duration::ZERO, has_served: false, used: started };
        match environment.guard(environment.api.ready(), started + within).await {
            Ok(Ok(())) => {}
            Ok(Err(report)) => return Err(Outcome::Failed(report)),
            Err(outcome) => return Err(environment.api.init_error().map_or(outcome, Outcome::Failed)),
        }
        environment.init = started.elapsed();
        Ok(environment)
    }

    /// Gives the process an event, and waits for its answer, or for the beginning of one.
    pub(super) async fn invoke(&self, request_id: &Arc<str>, call: &Call, since: Instant, timeout: Duration) -> Invoked {
        let (answer, answered) = oneshot::channel();
        let deadline = Instant::now() + timeout;
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let invocation = Invocation {
            request_id: Arc::clone(request_id),
            deadline_ms: call.now_ms.saturating_add(milliseconds(deadline.duration_since(since))),
            invoked_arn: call.invoked_arn.clone(),
            trace_id: call.trace_id.clone(),
            client_context: call.client_context.clone(),
            payload: if call.payload.is_empty() { Bytes::from_static(b"{}") } else { call.payload.clone() },
        };
        self.process.log().begin(request_id);
        self.api.give(invocation, answer);
        match self.guard(answered, deadline).await {
            Ok(Ok(Posted::Whole(outcome))) => Invoked::Whole(outcome),
            Ok(Ok(Posted::Streams(pieces, ended))) => Invoked::Streams(Streamed { pieces, ended, deadline }),
            Ok(Err(_)) => Invoked::Whole(Outcome::Exited("Runtime exited without providing a reason".to_owned())),
            Err(Outcome::Exited(_)) if self.api.waits() => Invoked::Whole(Outcome::NotTaken),
            Err(outcome) => Invoked::Whole(outcome),
        }
    }

    /// Waits until a response that is being written by is written.
    pub(super) async fn written(&self, ended: oneshot::Receiver<Written>, deadline: Instant) -> Option<Written> {
        self.guard(ended, deadline).await.ok()?.ok()
    }

    /// The whole of a response that is being written.
    pub(super) async fn collect(&self, streamed: Streamed) -> Outcome {
        let Streamed { mut pieces, ended, deadline } = streamed;
        let whole = async {
            let mut whole = BytesMut::new();
            loop {
                match pieces.next().await {
                    Ok(None) => return Outcome::Returned(whole.freeze()),
                    Ok(Some(piece)) if whole.len() + piece.len() > RESULT => return Outcome::TooLarge,
                    Ok(Some(piece)) => whole.extend_from_slice(&piece),
                    Err(broken) => return Outcome::Failed(failure(&broken.0)),
                }
            }
        };
        let telling = async {
            if let Ok(written) = ended.await {
                written.tell().await;
            }
            std::future::pending::<Outcome>().await
        };
        let read = async {
            tokio::select! {
                outcome = whole => outcome,
                outcome = telling => outcome,
            }
        };
        self.guard(read, deadline).await.unwrap_or_else(|outcome| outcome)
    }

    /// Waits for some work of the process', as long as it lives, within its time and its memory.
    async fn guard<T>(&self, work: impl Future<Output = T>, deadline: Instant) -> Result<T, Outcome> {
        tokio::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => Ok(done),
            how = self.process.exited() => tokio::time::timeout(LAST_WORDS, work).await.map_err(|_| Outcome::Exited(how)),
            () = tokio::time::sleep_until(deadline) => Err(Outcome::TimedOut),
            () = self.process.outgrown(self.memory) => Err(Outcome::OutOfMemory),
        }
    }

    /// The end of what the function wrote to its log for the request.
    pub(super) fn log_tail(&self) -> String {
        self.process.log().settle()
    }

    /// How long the start took, told once.
    pub(super) fn init(&mut self) -> Option<Duration> {
        (!std::mem::replace(&mut self.has_served, true)).then_some(self.init)
    }

    pub(super) fn memory_used(&self) -> u64 {
        self.process.memory()
    }

    /// From now on nobody uses it.
    pub(super) fn rest(&mut self) {
        self.used = Instant::now();
    }

    /// Whether it is of no more use: it ended, or nobody used it for this long.
    pub(super) fn is_over(&self, after: Duration) -> bool {
        self.process.has_exited() || self.used.elapsed() >= after
    }
}

impl Streamed {
    /// What tells that it is written, and until when it may take.
    pub(super) fn split(self) -> (Pieces, oneshot::Receiver<Written>, Instant) {
        (self.pieces, self.ended, self.deadline)
    }
}

/// An error object: the function's own, or what is known.
fn failure(reason: &str) -> Bytes {
    let is_own = serde_json::from_str::<serde_json::Value>(reason).is_ok_and(|value| value.is_object());
    if is_own {
        return Bytes::copy_from_slice(reason.as_bytes());
    }
    json!({ "errorType": "Runtime.TruncatedResponse", "errorMessage": reason }).to_string().into()
}
