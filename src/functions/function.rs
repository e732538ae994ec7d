//! One function: its versions, their warm environments, and which of them a call gets.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::environment::{Environment, Outcome, Start};
use super::{Answer, Call};

/// A function as `AWS::Lambda::Function` describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionSettings {
    /// Its name.
    pub function_name: String,
    /// What runs it.
    pub runtime: Runtime,
    /// The program that runs the bootstrap of this program's own; of no meaning to `provided.*`.
    pub interpreter: PathBuf,
    /// `module.function`; nothing to `provided.*`.
    pub handler: String,
    /// The directory of its code, `$LATEST`.
    pub code: PathBuf,
    /// When that directory's content changed last, as text: another one is another function.
    pub code_fingerprint: String,
    /// `environment.variables`.
    pub environment: Vec<(String, String)>,
    /// How long a call may take.
    pub timeout: Duration,
    /// In MiB.
    pub memory_size: u32,
    /// Calls at one time; nothing: two for each processor.
    pub reserved_concurrency: Option<u32>,
    /// Copies that stay as they are.
    pub versions: Vec<Version>,
    /// Names of versions.
    pub aliases: Vec<Alias>,
}

/// A published version.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Its number.
    pub version: String,
    /// Its code.
    pub code: PathBuf,
}

/// A name for one version, or for two by weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Alias {
    /// The name.
    pub name: String,
    /// The version.
    pub function_version: String,
    /// Another version, and its share from 0 to 1.
    pub additional: Option<(String, f64)>,
}

/// What runs a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// Any `bootstrap` that speaks the Runtime API.
    Provided,
    /// Node.js, through a bootstrap of this program's own.
    Node,
    /// Python, likewise.
    Python,
}

/// A running function.
#[derive(Debug)]
pub(super) struct Function {
    settings: FunctionSettings,
    directory: PathBuf,
    /// Warm environments by version; the last that was used is the next that is.
    idle: Mutex<HashMap<Box<str>, Vec<Environment>>>,
    busy: AtomicUsize,
    retired: AtomicBool,
}

const LATEST: &str = "$LATEST";

impl Function {
    pub(super) fn new(settings: FunctionSettings, directory: PathBuf) -> Self {
        Self { settings, directory, idle: Mutex::default(), busy: AtomicUsize::new(0), retired: AtomicBool::new(false) }
    }

    pub(super) fn is(&self, settings: &FunctionSettings) -> bool {
        self.settings == *settings
    }

    /// Lets no environment be used again.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn end_idle(&self, after: Duration) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.values_mut().for_each(|environments| environments.retain(|environment| environment.idle_for() < after));
    }

    /// The version that a qualifier means, by chance where an alias is weighted.
    fn version(&self, qualifier: Option<&str>, random: u128) -> Option<Box<str>> {
        let qualifier = qualifier.unwrap_or(LATEST);
        if qualifier == LATEST || self.settings.versions.iter().any(|version| version.version == qualifier) {
            return Some(qualifier.into());
        }
        let alias = self.settings.aliases.iter().find(|alias| alias.name == qualifier)?;
        let share = ((random >> 11) as u64 >> 11) as f64 / (1_u64 << 53) as f64;
        Some(match &alias.additional {
            Some((version, weight)) if share < *weight => version.as_str().into(),
            _ => alias.function_version.as_str().into(),
        })
    }

    fn code(&self, version: &str) -> &PathBuf {
        self.settings.versions.iter().find(|known| known.version == version).map_or(&self.settings.code, |version| &version.code)
    }

    pub(super) async fn invoke(&self, call: Call) -> Answer {
        let Some(version) = self.version(call.qualifier.as_deref(), call.random) else {
            return refused(404, "ResourceNotFoundException", &format!("Function not found: {}", call.invoked_arn));
        };
        let limit = self.settings.reserved_concurrency.map_or_else(default_concurrency, |limit| limit as usize);
        let Some(_turn) = Turn::take(&self.busy, limit) else {
            return throttled();
        };
        let warm = self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&version).and_then(Vec::pop);
        let started = match warm {
            Some(environment) => Ok(environment),
            None => self.start(&version).await,
        };
        let environment = match started {
            Ok(environment) => environment,
            Err(outcome) => return self.answer(outcome, version, String::new()),
        };
        let request_id = format_id(call.random);
        let outcome = environment.invoke(&request_id, &call, self.settings.timeout).await;
        let log_tail = environment.log_tail();
        // What answered is used again; what did not is ended with everything that it started.
        if matches!(outcome, Outcome::Returned(_) | Outcome::Failed(_)) && !self.retired.load(Ordering::Relaxed) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).entry(version.clone()).or_default().push(environment);
        }
        self.answer(outcome, version, log_tail)
    }

    /// Starts a process. One that ends while it starts is started once more, as Lambda does.
    async fn start(&self, version: &str) -> Result<Environment, Outcome> {
        let start = Start { settings: &self.settings, version, code: self.code(version), directory: &self.directory };
        match Environment::start(&start).await {
            Err(Outcome::Exited(_)) => Environment::start(&start).await,
            other => other,
        }
    }

    fn answer(&self, outcome: Outcome, executed_version: Box<str>, log_tail: String) -> Answer {
        let failed = |kind: &str, message: String| Bytes::from(json!({ "errorType": kind, "errorMessage": message }).to_string());
        let (function_error, payload) = match outcome {
            Outcome::Returned(payload) => (false, payload),
            Outcome::Failed(payload) => (true, payload),
            Outcome::Exited(how) => (true, failed("Runtime.ExitError", how)),
            Outcome::TimedOut(request_id) => {
                let seconds = self.settings.timeout.as_secs_f64();
                (true, failed("Sandbox.Timedout", format!("RequestId: {request_id} Error: Task timed out after {seconds:.2} seconds")))
            }
            Outcome::TooLarge => {
                let message = "Response payload size exceeded maximum allowed payload size (6291556 bytes).";
                (true, failed("Function.ResponseSizeTooLarge", message.to_owned()))
            }
            Outcome::CannotStart(why) => return refused(502, "InvalidRuntimeException", &why),
        };
        Answer { status: 200, function_error, payload, executed_version, log_tail, error_type: None }
    }
}

/// A place among the calls that may run at one time.
struct Turn<'b>(&'b AtomicUsize);

impl<'b> Turn<'b> {
    fn take(busy: &'b AtomicUsize, limit: usize) -> Option<Self> {
        let taken = busy.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| (count < limit).then_some(count + 1));
        taken.is_ok().then_some(Self(busy))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A machine is no cloud: two calls for each processor, and never fewer than eight.
fn default_concurrency() -> usize {
    std::thread::available_parallelism().map_or(8, |processors| (processors.get() * 2).max(8))
}

fn refused(status: u16, error_type: &'static str, message: &str) -> Answer {
    let payload = json!({ "Type": "User", "Message": message }).to_string().into();
    Answer {
        status,
        function_error: false,
        payload,
        executed_version: LATEST.into(),
        log_tail: String::new(),
        error_type: Some(error_type),
    }
}

fn throttled() -> Answer {
    let payload = json!({ "Type": "User", "message": "Rate Exceeded.", "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded" });
    Answer { payload: payload.to_string().into(), ..refused(429, "TooManyRequestsException", "") }
}

/// A request's id, in the form of a UUID.
fn format_id(random: u128) -> String {
    let hex = format!("{random:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> FunctionSettings {
        FunctionSettings {
            function_name: "f".into(),
            runtime: Runtime::Provided,
            interpreter: PathBuf::new(),
            handler: String::new(),
            code: "latest".into(),
            code_fingerprint: String::new(),
            environment: Vec::new(),
            timeout: Duration::from_secs(3),
            memory_size: 128,
            reserved_concurrency: Some(0),
            versions: ["1", "2"].map(|version| Version { version: version.into(), code: version.into() }).to_vec(),
            aliases: vec![Alias { name: "prod".into(), function_version: "1".into(), additional: Some(("2".into(), 0.25)) }],
        }
    }

    #[test]
    fn qualifiers_mean_versions() {
        let function = Function::new(settings(), PathBuf::new());
        assert_eq!(function.version(None, 0).as_deref(), Some(LATEST));
        assert_eq!(function.version(Some("2"), 0).as_deref(), Some("2"));
        assert_eq!(function.version(Some("nobody"), 0), None);
        assert_eq!((function.code("2"), function.code(LATEST)), (&PathBuf::from("2"), &PathBuf::from("latest")));
        let second = (0..1000).filter(|_| function.version(Some("prod"), fastrand::u128(..)).as_deref() == Some("2")).count();
        assert!((180..320).contains(&second), "{second} of 1000 at a weight of 0.25");
    }

    #[tokio::test]
    async fn a_reservation_of_nothing_runs_nothing() {
        let function = Function::new(settings(), PathBuf::new());
        let call = Call { qualifier: None, payload: Bytes::new(), trace_id: None, invoked_arn: "arn".into(), now_ms: 0, random: 7 };
        let answer = function.invoke(call.clone()).await;
        assert_eq!((answer.status, answer.error_type), (429, Some("TooManyRequestsException")));
        let answer = function.invoke(Call { qualifier: Some("x".into()), ..call }).await;
        assert_eq!(answer.status, 404);
    }
}
