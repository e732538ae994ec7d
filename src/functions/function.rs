//! One function: its warm environments, and which of them a call gets.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::answer::{Answer, Outcome, PAYLOAD};
use super::environment::{Environment, Invoked};
use super::log::{Report, framed};
use super::process::Start;
use super::settings::FunctionSettings;
use super::{Call, Streamed};
use crate::exchange::format_request_id;

/// Processes that are tried for one event: each of those before ended before it had taken it.
const TRIED: usize = 3;

/// A running function.
#[derive(Debug)]
pub(super) struct Function {
    /// As they are written: others are another function.
    settings: FunctionSettings,
    /// With copies in the place of versions' code.
    published: FunctionSettings,
    /// Where processes have their own directories.
    directory: PathBuf,
    /// Processes that may start at one time, of all functions together.
    starts: Arc<Semaphore>,
    /// Warm environments by version; the last that was used is the next that is.
    idle: Mutex<HashMap<Box<str>, Vec<Environment>>>,
    /// Calls that may be under way at one time.
    limit: usize,
    /// Calls under way.
    busy: AtomicUsize,
    /// Another function has taken its place.
    retired: AtomicBool,
}

impl Function {
    pub(super) fn new(settings: FunctionSettings, published: FunctionSettings, directory: PathBuf, starts: Arc<Semaphore>) -> Self {
        Self {
            limit: settings.reserved_concurrency.map_or_else(default_concurrency, |limit| limit as usize),
            settings,
            published,
            directory,
            starts,
            idle: Mutex::default(),
            busy: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
        }
    }

    pub(super) fn is(&self, settings: &FunctionSettings) -> bool {
        self.settings == *settings
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, HashMap<Box<str>, Vec<Environment>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets no environment be used again.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
        let idle = std::mem::take(&mut *self.idle());
        drop(idle);
    }

    /// Ends what ended by itself, and what nobody used for long.
    pub(super) fn end_idle(&self) {
        let mut over = Vec::new();
        for environments in self.idle().values_mut() {
            over.extend(environments.extract_if(.., |environment| environment.is_over(self.settings.idle_timeout)));
        }
        drop(over);
    }

    fn code(&self, version: &str) -> &Path {
        let published = self.published.versions.iter().find(|known| known.version == version);
        published.map_or(&self.published.code, |version| &version.code)
    }

    /// The version that a call reaches, or why it never reaches the function; `limit`: of its event, in bytes.
    pub(super) fn admit(&self, call: &Call, limit: usize) -> Result<Box<str>, Answer> {
        let version = self.settings.version(call.qualifier.as_deref(), call.random);
        let version = version.ok_or_else(|| Answer::not_found(&call.invoked_arn))?;
        if call.payload.len() > limit {
            return Err(Answer::too_large(call.payload.len(), limit));
        }
        if !call.is_json && !call.payload.is_empty() {
            serde_json::from_slice::<serde::de::IgnoredAny>(&call.payload).map_err(|error| Answer::no_json(&error))?;
        }
        Ok(version)
    }

    /// Calls the function; with a stream where it writes one and the caller reads it.
    pub(super) async fn invoke(self: Arc<Self>, call: Call) -> Streamed {
        let version = match self.admit(&call, PAYLOAD) {
            Ok(version) => version,
            Err(refusal) => return refusal.into(),
        };
        let Some(turn) = Turn::take(&self) else {
            return Answer::throttled(self.settings.reserved_concurrency.is_some()).into();
        };
        let request_id: Arc<str> = format_request_id(call.random).into();
        let since = Instant::now();
        let (environment, invoked) = match self.run(&version, &request_id, &call, since).await {
            Ok(ran) => ran,
            Err(outcome) => return outcome.answer(&request_id, self.settings.timeout, version).into(),
        };
        let outcome = match invoked {
            Invoked::Whole(outcome) => outcome,
            Invoked::Streams(streamed) if call.streams => {
                let (pieces, ended, deadline) = streamed.split();
                let answer = Outcome::Returned(bytes::Bytes::new()).answer(&request_id, self.settings.timeout, version.clone());
                tokio::spawn(async move {
                    if let Some(written) = environment.written(ended, deadline).await {
                        turn.0.keep(version, environment);
                        drop(turn);
                        written.tell().await;
                    }
                });
                return Streamed { answer, pieces: Some(pieces) };
            }
            Invoked::Streams(streamed) => environment.collect(streamed).await,
        };
        self.end(environment, outcome, version, &Ran { request_id: &request_id, call: &call, since }).into()
    }

    /// What is told of a call, and what becomes of its environment: what answered is used again; what did not is ended with everything that it
    /// started.
    fn end(&self, mut environment: Environment, outcome: Outcome, version: Box<str>, ran: &Ran<'_>) -> Answer {
        let lines = environment.log_tail();
        let init = environment.init();
        let log_tail = if ran.call.tail {
            let report = Report {
                request_id: ran.request_id,
                version: &version,
                duration: ran.since.elapsed(),
                init,
                memory_size: self.settings.memory_size,
                memory_used: environment.memory_used(),
            };
            framed(&lines, &report)
        } else {
            String::new()
        };
        if outcome.leaves_process() {
            self.keep(version.clone(), environment);
        }
        Answer { log_tail, ..outcome.answer(ran.request_id, self.settings.timeout, version) }
    }

    /// An environment that others may use from now on.
    fn keep(&self, version: Box<str>, mut environment: Environment) {
        environment.rest();
        let mut idle = self.idle();
        if self.retired.load(Ordering::SeqCst) {
            drop(idle);
            return;
        }
        match idle.get_mut(&version) {
            Some(environments) => environments.push(environment),
            None => drop(idle.insert(version, vec![environment])),
        }
    }

    /// Finds an environment that takes the event.
    async fn run(&self, version: &str, request_id: &Arc<str>, call: &Call, since: Instant) -> Result<(Environment, Invoked), Outcome> {
        for _ in 0..TRIED {
            let environment = match self.warm(version) {
                Some(environment) => environment,
                None => self.start(version).await?,
            };
            match environment.invoke(request_id, call, since, self.settings.timeout).await {
                Invoked::Whole(Outcome::NotTaken) => {}
                invoked => return Ok((environment, invoked)),
            }
        }
        Err(Outcome::NotTaken)
    }

    fn warm(&self, version: &str) -> Option<Environment> {
        let mut ended = Vec::new();
        let mut idle = self.idle();
        let environments = idle.get_mut(version)?;
        let found = loop {
            match environments.pop() {
                Some(environment) if environment.is_over(std::time::Duration::MAX) => ended.push(environment),
                other => break other,
            }
        };
        drop(idle);
        found
    }

    /// Starts a process. One that ends or takes too long while it starts is started once more under the function's own time, as Lambda does.
    async fn start(&self, version: &str) -> Result<Environment, Outcome> {
        // It is never closed.
        let _turn = self.starts.acquire().await;
        let start = Start { settings: &self.published, version, code: self.code(version), directory: &self.directory };
        match Environment::start(&start, self.settings.init_timeout).await {
            Err(Outcome::Exited(_) | Outcome::TimedOut) => Environment::start(&start, self.settings.timeout).await,
            other => other,
        }
    }
}

/// A call that ran.
struct Ran<'r> {
    request_id: &'r str,
    call: &'r Call,
    since: Instant,
}

/// A place among the calls that may run at one time.
struct Turn(Arc<Function>);

impl Turn {
    fn take(function: &Arc<Function>) -> Option<Self> {
        let has_room = |count| (count < function.limit).then_some(count + 1);
        let taken = function.busy.fetch_update(Ordering::AcqRel, Ordering::Acquire, has_room);
        taken.is_ok().then(|| Self(Arc::clone(function)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A machine is no cloud: two calls for each processor, and never fewer than eight.
fn default_concurrency() -> usize {
    std::thread::available_parallelism().map_or(8, |processors| (processors.get() * 2).max(8))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::functions::settings::tests::settings;

    #[tokio::test]
    async fn a_reservation_of_nothing_runs_nothing() {
        let function = Arc::new(Function::new(settings(), settings(), PathBuf::new(), Arc::new(Semaphore::new(1))));
        assert_eq!((function.code("2"), function.code("$LATEST")), (Path::new("2"), Path::new("latest")));
        let call = Call {
            qualifier: None,
            payload: Bytes::from_static(b"{}"),
            is_json: false,
            trace_id: None,
            client_context: None,
            invoked_arn: "arn".into(),
            streams: false,
            tail: false,
            now_ms: 0,
            random: 7,
        };
        let status = async |call: Call| {
            let answer = Arc::clone(&function).invoke(call).await.answer;
            (answer.status, answer.error_type)
        };
        assert_eq!(status(call.clone()).await, (429, Some("TooManyRequestsException")));
        assert_eq!(status(Call { qualifier: Some("x".into()), ..call.clone() }).await, (404, Some("ResourceNotFoundException")));
        assert_eq!(status(Call { payload: Bytes::from_static(b"{"), ..call.clone() }).await.0, 400);
        assert_eq!(status(Call { payload: vec![b' '; PAYLOAD + 1].into(), ..call }).await.0, 413);
    }
}
