//! `headgate run`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

use super::args::Run;
use super::messages::Messages;
use super::notify::{State, notify};
use super::{DONE, REFUSED, check, clock, measure, output};
use crate::admin::{Admin, Invoke, Operation, Operator, Reload};
use crate::config::watched;
use crate::control::{Gateway, Reloaded, Replaced};
use crate::document::Problems;
use crate::functions::{Answer, name_of};
use crate::observe::{Metrics, Observer};
use crate::outbound::aws::{InvocationType, Local};
use crate::pipeline::Pipeline;
use crate::server::{Edge, Listeners, echo};

/// How often watched files are compared.
const WATCH: Duration = Duration::from_millis(500);

/// Serving begins without AWS credentials where they take longer.
const CREDENTIALS: Duration = Duration::from_secs(3);

/// No function takes longer.
const LONGEST_CALL: Duration = Duration::from_secs(910);

/// A gateway that runs.
pub(super) struct Running {
    pub(super) gateway: Gateway,
    pub(super) edge: Arc<Edge>,
    listeners: Mutex<Listeners>,
    ready: AtomicBool,
    /// One reader of metrics at a time.
    measuring: std::sync::Mutex<()>,
}

/// Serves until it is told to stop.
pub(super) fn run(arguments: &Run) -> u8 {
    tracing_subscriber::fmt()
        .with_writer(Messages::start().clone())
        .with_ansi(false)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("HEADGATE_LOG").unwrap_or_else(|_| {
                tracing_subscriber::EnvFilter::new("info,pingora=off,pingora_core=off,pingora_proxy=off,aws_config=off")
            }),
        )
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("headgate").build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(serve(arguments));
            runtime.shutdown_timeout(Duration::from_millis(200));
            Messages::flush();
            code
        }
        Err(error) => refused(&format!("no threads can be started: {error}\n")),
    }
}

fn refused(message: &str) -> u8 {
    output::err(message);
    REFUSED
}

async fn serve(arguments: &Run) -> u8 {
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()))
    else {
        return refused("signals cannot be received\n");
    };
    let metrics = Arc::new(Metrics::new());
    count_panics(Arc::clone(&metrics));
    let gateway = Gateway::new(arguments.config.config.clone(), Arc::clone(&metrics), clock::now, clock::monotonic());
    let mut reloaded = match apart(|| gateway.load()) {
        Ok(reloaded) => reloaded,
        Err(problems) => {
            return refused(&format!("{}{}: {}\n", problems.to_text(), arguments.config.config.display(), check::summary(&problems)));
        }
    };
    let running = match start(gateway, metrics, &mut reloaded).await {
        Ok(running) => running,
        Err(message) => return refused(&format!("{message}\n")),
    };
    let process = &reloaded.process;
    let operator: Arc<dyn Operator> = Arc::<Running>::clone(&running);
    if let Err(error) = Admin::start(process.admin.address, process.admin.token_file.clone(), operator).await {
        return refused(&format!("the admin address {} cannot be listened on: {error}\n", process.admin.address));
    }
    running.ready.store(true, Ordering::Relaxed);
    running.count(true);
    notify(State::Ready);
    output::err(&banner(&running, &reloaded));
    tokio::spawn(Arc::clone(running.gateway.client()).check_health());
    tokio::spawn(keep_credentials(Arc::clone(&running)));
    if arguments.watch {
        tokio::spawn(watch(Arc::clone(&running)));
    }
    wait_for_stop(&running, &mut terminate, &mut interrupt, &mut hangup).await;
    stop(&running, Duration::from_secs(reloaded.process.drain_seconds), &mut interrupt).await;
    DONE
}

async fn start(gateway: Gateway, metrics: Arc<Metrics>, reloaded: &mut Reloaded) -> Result<Arc<Running>, String> {
    let edge = Arc::new(Edge {
        pipeline: Pipeline::new(Arc::clone(gateway.current())),
        observer: Observer::new(metrics),
        client: Arc::clone(gateway.client()),
        aws_limits: AtomicBool::new(reloaded.aws_limits),
        trusted_proxies: RwLock::new(reloaded.process.trusted_proxies.clone()),
        held: Default::default(),
        request_buffers: reloaded.process.request_buffers,
        under_way: Default::default(),
        connections: Default::default(),
    });
    gateway.apply(reloaded);
    if gateway.current().load().calls_aws() {
        // Before anybody can connect: the first requests find credentials, if there are any to be had soon.
        let _ = tokio::time::timeout(CREDENTIALS, gateway.aws().load_credentials()).await;
    }
    let mut listeners = Listeners::new(Arc::clone(&edge));
    listeners.apply(&reloaded.process.listeners, &reloaded.domain_names)?;
    if let Some(address) = reloaded.process.echo {
        echo(address).await.map_err(|error| format!("the echo origin cannot listen on {address}: {error}"))?;
    }
    Ok(Arc::new(Running { gateway, edge, listeners: Mutex::new(listeners), ready: AtomicBool::new(false), measuring: Default::default() }))
}

async fn wait_for_stop(running: &Arc<Running>, terminate: &mut Signal, interrupt: &mut Signal, hangup: &mut Signal) {
    loop {
        tokio::select! {
            _ = terminate.recv() => return,
            _ = interrupt.recv() => return,
            _ = hangup.recv() => drop(running.reload(Reload::All).await),
        }
    }
}

/// Not ready, no new connections, what is open comes to its end; a second interrupt ends it at once.
async fn stop(running: &Arc<Running>, limit: Duration, interrupt: &mut Signal) {
    running.ready.store(false, Ordering::Relaxed);
    notify(State::Stopping);
    tracing::info!("stopping: no new connections are accepted");
    let mut listeners = running.listeners.lock().await;
    tokio::select! {
        ended = listeners.drain(limit) => if !ended { tracing::warn!("what was still open after {} s was cut", limit.as_secs()) },
        _ = interrupt.recv() => tracing::warn!("interrupted again: what is open is cut"),
    }
    if let Some(tracer) = running.gateway.tracing() {
        tracer.flush().await;
    }
    tokio::task::block_in_place(|| {
        running.gateway.aws().functions().end();
        running.edge.observer.flush();
        if let Some(store) = running.gateway.durable() {
            store.close();
        }
    });
}

#[async_trait]
impl Operator for Running {
    fn ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    fn details(&self) -> Vec<String> {
        let snapshot = self.gateway.current().load();
        let mut details = vec![
            format!("stages: {}", snapshot.stages.len()),
            format!("connections: {}", self.edge.connections.load(Ordering::Relaxed)),
            format!("requests under way: {}", self.edge.under_way.load(Ordering::Relaxed)),
        ];
        if let Some(failure) = self.gateway.state_failure() {
            details.push(format!("state: cannot be written, counts are kept in memory: {failure}"));
        }
        details
    }

    fn metrics(&self) -> String {
        // Thousands of methods take some milliseconds, which no request of this thread must wait for.
        tokio::task::block_in_place(|| {
            let _one_at_a_time = self.measuring.lock().unwrap_or_else(PoisonError::into_inner);
            measure::gather(self);
            self.edge.observer.metrics().render()
        })
    }

    async fn invoke(&self, invocation: Invoke<'_>) -> Option<Answer> {
        let aws = self.gateway.aws();
        if !aws.functions().has(name_of(invocation.function).0) {
            return None;
        }
        let local = Local {
            invocation_type: if invocation.is_event { InvocationType::Event } else { InvocationType::RequestResponse },
            tail: invocation.tail,
            client_context: invocation.client_context.map(Into::into),
            ..Local::new(invocation.function, Bytes::copy_from_slice(invocation.payload), LONGEST_CALL)
        };
        aws.invoke_here(local).await.ok().map(|answered| answered.answer)
    }

    async fn control(&self, operation: Operation<'_>) -> Option<(u16, serde_json::Value)> {
        // One after the other with reloads, which come from elsewhere as well.
        let serve = || {
            let _alone = self.listeners.blocking_lock();
            self.gateway.serve_what_was_set().map(drop).map_err(|problems| problems.to_lines().join("; "))
        };
        tokio::task::block_in_place(|| super::control::answer(&self.gateway, &serve, operation))
    }

    async fn reload(&self, what: Reload) -> Result<serde_json::Value, serde_json::Value> {
        let result = {
            let mut listeners = self.listeners.lock().await;
            // Reading and compiling take their time; other requests must not wait for them on this thread.
            match what {
                Reload::All => self.reload_all(&mut listeners).await,
                Reload::State => tokio::task::block_in_place(|| self.gateway.serve_what_was_set())
                    .map(|problems| (problems, None))
                    .map_err(|problems| problems.to_lines()),
            }
        };
        self.count(result.is_ok());
        tokio::task::block_in_place(|| self.edge.observer.flush());
        match result {
            Ok((problems, replaced)) => {
                tracing::info!("configuration reloaded");
                if let Some(replaced) = replaced {
                    tokio::task::block_in_place(|| self.gateway.record(&replaced));
                }
                Ok(json!({ "reloaded": true, "stages": self.gateway.current().load().stages.len(), "problems": problems.to_json() }))
            }
            Err(lines) => {
                let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
                Messages::start().say(format!("{text}reload refused, keeping the running configuration\n").into_bytes());
                Err(json!({ "reloaded": false, "problems": lines }))
            }
        }
    }
}

/// Runs on a thread of its own: the memory that reading takes and serving does not goes back to the system with it.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// A panic is a bug; the runtime keeps it to the connection that it happened on, and it is counted.
fn count_panics(metrics: Arc<Metrics>) {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        metrics.panics.inc();
        usual(panic);
    }));
}

impl Running {
    /// Reads and serves everything anew: what was found, and what was replaced; or why not.
    async fn reload_all(&self, listeners: &mut Listeners) -> Result<(Problems, Option<Replaced>), Vec<String>> {
        let mut reloaded = tokio::task::block_in_place(|| apart(|| self.gateway.load())).map_err(|problems| problems.to_lines())?;
        if self.gateway.aws().roles().wants_any() {
            // Roles that are new are assumed before requests want them.
            let _ = tokio::time::timeout(CREDENTIALS, self.gateway.aws().load_credentials()).await;
        }
        listeners.apply(&reloaded.process.listeners, &reloaded.domain_names).map_err(|message| vec![message])?;
        self.edge.aws_limits.store(reloaded.aws_limits, Ordering::Relaxed);
        self.edge.trusted_proxies.write().unwrap_or_else(PoisonError::into_inner).clone_from(&reloaded.process.trusted_proxies);
        let replaced = self.gateway.apply(&mut reloaded);
        Ok((reloaded.problems, Some(replaced)))
    }

    fn count(&self, applied: bool) {
        let metrics = self.edge.observer.metrics();
        metrics.last_reload_successful.set(i64::from(applied));
        if applied {
            metrics.reloads.inc();
            metrics.last_reload.set(now_seconds());
        } else {
            metrics.reload_failures.inc();
        }
    }
}

fn now_seconds() -> i64 {
    let since = clock::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Asks for AWS credentials as soon as something is served that needs them, and keeps them fresh.
async fn keep_credentials(running: Arc<Running>) {
    while !running.gateway.current().load().calls_aws() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let aws = running.gateway.aws();
    tokio::join!(aws.credentials().keep_fresh(clock::now), aws.keep_roles());
}

/// Reloads when the content of a file that was read is another.
async fn watch(running: Arc<Running>) {
    let read = |files: Vec<PathBuf>| files.into_iter().map(|path| (watched(&path), path)).collect::<Vec<_>>();
    let mut known = read(running.gateway.files());
    loop {
        tokio::time::sleep(WATCH).await;
        let now = tokio::task::block_in_place(|| read(known.iter().map(|(_, path)| path.clone()).collect()));
        if now != known {
            let _ = running.reload(Reload::All).await;
            let files = running.gateway.files();
            known = if files.is_empty() { now } else { tokio::task::block_in_place(|| read(files)) };
        }
    }
}

/// What is served where.
fn banner(running: &Running, reloaded: &Reloaded) -> String {
    let snapshot = running.gateway.current().load();
    let mut text = format!("headgate {}\n", env!("CARGO_PKG_VERSION"));
    let listener = reloaded.process.listeners.first();
    let scheme = if listener.is_some_and(|listener| listener.tls.is_some()) { "https" } else { "http" };
    let port = listener.map_or(0, |listener| listener.address.port());
    let apis: std::collections::HashSet<&str> = snapshot.stages.iter().map(|stage| &*stage.release.facts.api_id).collect();
    for stage in &snapshot.stages {
        let facts = &stage.release.facts;
        let host = if apis.len() == 1 { "localhost".to_owned() } else { format!("{}.execute-api.localhost", facts.api_id) };
        text.push_str(&format!("  {scheme}://{host}:{port}/{}  {} methods\n", facts.stage, stage.release.operations.len()));
    }
    for function in reloaded.functions() {
        let lacks = function.lacks().map_or_else(String::new, |lacked| format!(", which answers 502: there is no {}", lacked.display()));
        text.push_str(&format!("  function {}: {}{lacks}\n", function.function_name, function.runtime_name));
    }
    for listener in &reloaded.process.listeners {
        text.push_str(&format!("  listening on {}{}\n", listener.address, if listener.tls.is_some() { " (TLS)" } else { "" }));
    }
    text.push_str(&format!("  admin on http://{}: /readyz, /metrics\n", reloaded.process.admin.address));
    let summary = check::summary(&reloaded.problems);
    if summary != "no problems" {
        text.push_str(&format!("  {summary}: `headgate check` shows them\n"));
    }
    text
}
