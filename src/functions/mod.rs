//! Lambda functions that run on this machine: one process an execution environment, spoken to by the Lambda Runtime API.
//!
//! It knows nothing of the gateway. What a caller sees is what Lambda's `Invoke` answers.

mod environment;
mod function;
mod process;
mod runtime_api;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;

use function::Function;
pub use function::{Alias, FunctionSettings, Runtime, Version};

/// Every function that runs here.
#[derive(Debug)]
pub struct Functions {
    known: ArcSwap<HashMap<Box<str>, Arc<Function>>>,
    /// Where processes have their own directories.
    directory: PathBuf,
    reaper: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// A version's number or an alias; nothing: `$LATEST`.
    pub qualifier: Option<Box<str>>,
    /// The event.
    pub payload: Bytes,
    /// `X-Amzn-Trace-Id`.
    pub trace_id: Option<Box<str>>,
    /// The ARN that the function is told it was called by.
    pub invoked_arn: Box<str>,
    /// The time, in milliseconds since 1970.
    pub now_ms: u64,
    /// Evenly distributed over all its values: which version a weighted alias means, and the request's id.
    pub random: u128,
}

/// What came of it, as `Invoke` answers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 200 also when the function failed; 429 and its like when it did not run.
    pub status: u16,
    /// Whether the function failed.
    pub function_error: bool,
    /// What it returned, or how it failed.
    pub payload: Bytes,
    /// The version that ran.
    pub executed_version: Box<str>,
    /// The last of what it wrote to its log.
    pub log_tail: String,
    /// `x-amzn-ErrorType` of a refusal.
    pub error_type: Option<&'static str>,
}

/// A function's name, and its qualifier, of a name or an ARN with one or without.
#[must_use]
pub fn name_of(function: &str) -> (&str, Option<&str>) {
    let rest = function.rsplit_once(":function:").map_or(function, |(_, rest)| rest);
    let rest = rest.strip_prefix("function:").unwrap_or(rest);
    rest.split_once(':').map_or((rest, None), |(name, qualifier)| (name, Some(qualifier)))
}

/// Environments that nobody used are ended after this time.
const IDLE: Duration = Duration::from_secs(300);
/// How often they are looked for.
const REAP: Duration = Duration::from_secs(10);

impl Functions {
    /// No functions. Their processes' directories are made below `directory`.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { known: ArcSwap::default(), directory, reaper: Mutex::default() }
    }

    /// Takes the functions of a configuration over. One that did not change keeps its warm processes; those of one that did end with what
    /// they are doing.
    pub fn apply(self: &Arc<Self>, settings: &[FunctionSettings]) {
        let old = self.known.load();
        let mut known = HashMap::new();
        for settings in settings {
            let same = old.get(&*settings.function_name).filter(|old| old.is(settings));
            let function = same.cloned().unwrap_or_else(|| Arc::new(Function::new(settings.clone(), self.directory.clone())));
            known.insert(settings.function_name.as_str().into(), function);
        }
        let gone: Vec<_> = old.iter().filter(|(name, function)| !known.get(*name).is_some_and(|new| Arc::ptr_eq(new, function))).collect();
        gone.iter().for_each(|(_, function)| function.retire());
        self.known.store(Arc::new(known));
        self.reap();
    }

    /// Ends what nobody uses, from the first function on.
    fn reap(self: &Arc<Self>) {
        let mut reaper = self.reaper.lock().unwrap_or_else(PoisonError::into_inner);
        if reaper.is_some() || self.known.load().is_empty() {
            return;
        }
        let functions = Arc::downgrade(self);
        *reaper = Some(tokio::spawn(async move {
            while let Some(functions) = functions.upgrade() {
                functions.known.load().values().for_each(|function| function.end_idle(IDLE));
                drop(functions);
                tokio::time::sleep(REAP).await;
            }
        }));
    }

    /// Whether a function of this name runs here.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.known.load().contains_key(name)
    }

    /// Calls a function, and waits for its answer; nothing where none of the name runs here.
    pub async fn invoke(&self, name: &str, call: Call) -> Option<Answer> {
        let function = self.known.load().get(name).cloned()?;
        Some(function.invoke(call).await)
    }

    /// Ends every process.
    pub fn end(&self) {
        self.known.load().values().for_each(|function| function.retire());
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
