//! One execution environment: a process, and the Runtime API that it alone speaks to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Call;
use super::function::FunctionSettings;
use super::process::{LogTail, Process};
use super::runtime_api::{Invocation, RuntimeApi};

/// A process must ask for its first event within this time.
const INIT: Duration = Duration::from_secs(10);

/// What came of a call.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The function returned.
    Returned(Bytes),
    /// It told how it failed; the process can be used again.
    Failed(Bytes),
    /// The process ended; how, in Lambda's words.
    Exited(String),
    /// It did not answer in time; the request's id.
    TimedOut(String),
    /// It returned more than Lambda takes.
    TooLarge,
    /// There is no process: why.
    CannotStart(String),
}

/// What a process is started with.
pub(super) struct Start<'a> {
    pub(super) settings: &'a FunctionSettings,
    pub(super) version: &'a str,
    pub(super) code: &'a Path,
    pub(super) directory: &'a Path,
}

/// A process that waits for events. Dropping it ends it, with everything that it started.
#[derive(Debug)]
pub(super) struct Environment {
    api: Arc<RuntimeApi>,
    process: Process,
    used: Instant,
}

impl Environment {
    /// Starts a process, and waits until it asks for its first event.
    pub(super) async fn start(start: &Start<'_>) -> Result<Self, Outcome> {
        let api = RuntimeApi::listen().await.map_err(|error| Outcome::CannotStart(format!("the Runtime API cannot be served: {error}")))?;
        let process = Process::start(start, api.address()).map_err(Outcome::CannotStart)?;
        tokio::select! {
            ready = api.ready() => match ready {
                Ok(()) => Ok(Self { api, process, used: Instant::now() }),
                Err(report) => Err(Outcome::Failed(report)),
            },
            how = process.exited() => match api.init_error() {
                Some(report) => Err(Outcome::Failed(report)),
                None => Err(Outcome::Exited(format!("RequestId: unknown Error: {how}"))),
            },
            () = tokio::time::sleep(INIT.max(start.settings.timeout)) => Err(Outcome::TimedOut("unknown".to_owned())),
        }
    }

    /// Gives the process an event, and waits for its answer.
    pub(super) async fn invoke(&self, request_id: &str, call: &Call, timeout: Duration) -> Outcome {
        let (answer, answered) = oneshot::channel();
        let deadline_ms = call.now_ms + u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let invocation = Invocation {
            request_id: request_id.to_owned(),
            deadline_ms,
            invoked_arn: call.invoked_arn.to_string(),
            trace_id: call.trace_id.as_deref().unwrap_or_default().to_owned(),
            payload: if call.payload.is_empty() { Bytes::from_static(b"{}") } else { call.payload.clone() },
        };
        self.process.log().begin(request_id);
        self.api.give(invocation, answer);
        let outcome = tokio::select! {
            // An answer that came with the process' end counts.
            biased;
            answered = answered => answered.unwrap_or_else(|_| Outcome::Exited("the Runtime API was given up".to_owned())),
            how = self.process.exited() => Outcome::Exited(format!("RequestId: {request_id} Error: {how}")),
            () = tokio::time::sleep(timeout) => Outcome::TimedOut(request_id.to_owned()),
        };
        self.api.forget();
        outcome
    }

    pub(super) fn log_tail(&self) -> String {
        LogTail::text(self.process.log())
    }

    pub(super) fn idle_for(&self) -> Duration {
        self.used.elapsed()
    }
}
