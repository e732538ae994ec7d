//! Lambda functions that run on this machine: one process an execution environment, spoken to by the Lambda Runtime API.
//!
//! It knows nothing of the gateway. What a caller sees is what Lambda's `Invoke` answers.

mod answer;
mod environment;
mod family;
mod function;
mod log;
mod process;
mod published;
mod queue;
mod runtime_api;
mod settings;
mod variables;

use std::collections::HashMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::Semaphore;

pub use answer::Answer;
use answer::EVENT;
use function::Function;
pub use settings::{Alias, FunctionSettings, Runtime, Version};

use crate::exchange::Pieces;

/// Every function that runs here.
#[derive(Debug)]
pub struct Functions {
    known: ArcSwap<HashMap<Box<str>, Arc<Function>>>,
    /// Where processes have their own directories; made for the first function.
    directory: PathBuf,
    starts: Arc<Semaphore>,
    /// Places for events whose callers do not wait.
    queued: Arc<Semaphore>,
    reaper: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// A version's number or an alias; nothing: `$LATEST`.
    pub qualifier: Option<Box<str>>,
    /// The event.
    pub payload: Bytes,
    /// Whether the event is known to be JSON.
    pub is_json: bool,
    /// `X-Amzn-Trace-Id`.
    pub trace_id: Option<Box<str>>,
    /// `X-Amz-Client-Context`, decoded.
    pub client_context: Option<Box<str>>,
    /// The ARN that the function is told it was called by.
    pub invoked_arn: Box<str>,
    /// Whether a response is wanted as the function writes it.
    pub streams: bool,
    /// Whether the end of the function's log is wanted.
    pub tail: bool,
    /// The time, in milliseconds since 1970.
    pub now_ms: u64,
    /// Evenly distributed over all its values: which version a weighted alias means, and the request's id.
    pub random: u128,
}

/// An answer, and the response that is still being written where the function streams one.
#[derive(Debug)]
pub struct Streamed {
    /// What is known; its payload is empty where there are pieces.
    pub answer: Answer,
    /// The response as the function writes it.
    pub pieces: Option<Pieces>,
}

impl From<Answer> for Streamed {
    fn from(answer: Answer) -> Self {
        Self { answer, pieces: None }
    }
}

/// A function's name, and its qualifier, of a name or an ARN with one or without.
#[must_use]
pub fn name_of(function: &str) -> (&str, Option<&str>) {
    let rest = function.rsplit_once(":function:").map_or(function, |(_, rest)| rest);
    let rest = rest.strip_prefix("function:").unwrap_or(rest);
    rest.split_once(':').map_or((rest, None), |(name, qualifier)| (name, Some(qualifier)))
}

/// How often processes are looked for that nobody needs.
const REAP: Duration = Duration::from_secs(1);

impl Default for Functions {
    fn default() -> Self {
        Self::new()
    }
}

impl Functions {
    /// No functions.
    #[must_use]
    pub fn new() -> Self {
        // A name that nobody can have taken before.
        let directory = std::env::temp_dir().join(format!("headgate-functions-{:032x}", fastrand::u128(..)));
        let starts = std::thread::available_parallelism().map_or(2, |processors| processors.get().max(2));
        let [starts, queued] = [starts, queue::WAITING].map(|places| Arc::new(Semaphore::new(places)));
        Self { known: ArcSwap::default(), directory, starts, queued, reaper: Mutex::default() }
    }

    /// Takes the functions of a configuration over. One that did not change keeps its warm processes; those of one that did end with what
    /// they are doing. Versions are published below `published`.
    pub fn apply(self: &Arc<Self>, settings: &[FunctionSettings], published: &Path) {
        let old = self.known.load();
        let mut known = HashMap::new();
        for settings in settings {
            let same = old.get(&*settings.function_name).filter(|old| old.is(settings));
            let function = same.cloned().unwrap_or_else(|| {
                let copies = published::published(settings, published);
                Arc::new(Function::new(settings.clone(), copies, self.directory.clone(), Arc::clone(&self.starts)))
            });
            known.insert(settings.function_name.as_str().into(), function);
        }
        let gone: Vec<_> = old.iter().filter(|(name, function)| !known.get(*name).is_some_and(|new| Arc::ptr_eq(new, function))).collect();
        gone.iter().for_each(|(_, function)| function.retire());
        self.known.store(Arc::new(known));
        self.begin();
    }

    /// From the first function on: a directory of our own, and somebody who ends what nobody uses.
    fn begin(self: &Arc<Self>) {
        let mut reaper = self.reaper.lock().unwrap_or_else(PoisonError::into_inner);
        if reaper.is_some() || self.known.load().is_empty() {
            return;
        }
        // One that is there already may be somebody else's, who would see and change what functions are started with.
        if let Err(error) = std::fs::DirBuilder::new().mode(0o700).create(&self.directory) {
            tracing::error!("{} cannot be made, so no function starts: {error}", self.directory.display());
        }
        let functions = Arc::downgrade(self);
        *reaper = Some(tokio::spawn(async move {
            while let Some(functions) = functions.upgrade() {
                functions.known.load().values().for_each(|function| function.end_idle());
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

    /// Calls a function, and waits for its answer, or for the beginning of one that is streamed; nothing where none of the name runs here.
    pub async fn invoke(&self, name: &str, call: Call) -> Option<Streamed> {
        let function = self.known.load().get(name).cloned()?;
        Some(function.invoke(call).await)
    }

    /// Takes an event whose caller does not wait, and says so, or why it is not taken; nothing where no function of the name runs here.
    #[must_use]
    pub fn queue(self: &Arc<Self>, name: &str, call: Call) -> Option<Answer> {
        let function = self.known.load().get(name).cloned()?;
        if let Err(refusal) = function.admit(&call, EVENT) {
            return Some(refusal);
        }
        let places = queue::places(call.payload.len());
        let Ok(place) = Arc::clone(&self.queued).try_acquire_many_owned(places) else { return Some(Answer::throttled(false)) };
        let (functions, name, accepted) = (Arc::downgrade(self), name.to_owned(), tokio::time::Instant::now());
        tokio::spawn(async move {
            let _place = place;
            queue::deliver(&name, || {
                let (functions, name) = (functions.upgrade(), name.clone());
                // Each try has the function's whole time.
                let waited = u64::try_from(accepted.elapsed().as_millis()).unwrap_or(u64::MAX);
                let call = Call { now_ms: call.now_ms.saturating_add(waited), ..call.clone() };
                async move { Some(functions?.invoke(&name, call).await?.answer) }
            })
            .await;
        });
        Some(Answer::accepted())
    }

    /// Ends every process.
    pub fn end(&self) {
        self.known.load().values().for_each(|function| function.retire());
        if self.reaper.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_qualifiers() {
        for (function, expected) in [
            ("f", ("f", None)),
            ("f:prod", ("f", Some("prod"))),
            ("123456789012:function:f", ("f", None)),
            ("arn:aws:lambda:us-east-1:123456789012:function:f:3", ("f", Some("3"))),
        ] {
            assert_eq!(name_of(function), expected, "{function}");
        }
    }
}
