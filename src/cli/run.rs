//! `headgate run`.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

use super::args::Run;
use super::messages::Messages;
use super::notify::{State, notify};
use super::serving::Running;
use super::upgrade::{Inheritance, Successor};
use super::{DONE, REFUSED, check, clock, output, upgrade};
use crate::admin::{self, Access, Operator, Reload};
use crate::config::watched;
use crate::control::{Gateway, Reloaded};
use crate::observe::{Metrics, Observer};
use crate::pipeline::Pipeline;
use crate::server::{Edge, Listeners, echo, raise_limit};
use crate::store::{Baseline, Embedded, counted};

/// How often watched files are compared.
const WATCH: Duration = Duration::from_millis(500);

/// How often a file that was closed for a successor is tried to be opened again.
const REOPENINGS: u32 = 100;

/// Serving begins without AWS credentials where they take longer.
pub(super) const CREDENTIALS: Duration = Duration::from_secs(3);

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
    raise_limit();
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
    let Ok(mut signals) = Signals::new() else { return refused("signals cannot be received\n") };
    let metrics = Arc::new(Metrics::new());
    count_panics(Arc::clone(&metrics));
    let gateway = Gateway::new(arguments.config.config.clone(), Arc::clone(&metrics), clock::now, clock::monotonic());
    let mut inheritance = match arguments.upgrade.then(|| inherit(&arguments.config.config)).transpose() {
        Ok(inheritance) => inheritance,
        Err(message) => return refused(&format!("{message}\n")),
    };
    let mut reloaded = match apart(|| gateway.load()) {
        Ok(reloaded) => reloaded,
        Err(problems) => {
            return refused(&format!("{}{}: {}\n", problems.to_text(), arguments.config.config.display(), check::summary(&problems)));
        }
    };
    let inherited = inheritance.as_mut().map(|inheritance| std::mem::take(&mut inheritance.sockets)).unwrap_or_default();
    let running = match start(gateway, metrics, &mut reloaded, inherited).await {
        Ok(running) => running,
        Err(message) => return refused(&format!("{message}\n")),
    };
    running.ready.store(true, Ordering::Relaxed);
    running.count(true);
    if let Some(inheritance) = inheritance {
        take_over(&running, inheritance);
    }
    notify(State::Ready);
    output::err(&banner(&running, &reloaded));
    tokio::spawn(Arc::clone(running.gateway.client()).check_health());
    tokio::spawn(keep_credentials(Arc::clone(&running)));
    if arguments.watch {
        tokio::spawn(watch(Arc::clone(&running)));
    }
    let successor = wait_for_stop(&running, &mut signals).await;
    stop(&running, successor, &mut signals.interrupt).await;
    DONE
}

/// What the process is told.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    quit: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let of = |kind| signal(kind);
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            hangup: of(SignalKind::hangup())?,
            quit: of(SignalKind::quit())?,
        })
    }
}

async fn start(
    gateway: Gateway,
    metrics: Arc<Metrics>,
    reloaded: &mut Reloaded,
    mut inherited: HashMap<SocketAddr, TcpListener>,
) -> Result<Arc<Running>, String> {
    let edge = Arc::new(Edge {
        pipeline: Pipeline::new(Arc::clone(gateway.current())),
        observer: Observer::new(metrics),
        client: Arc::clone(gateway.client()),
        aws_limits: AtomicBool::new(reloaded.aws_limits),
        trusted_proxies: RwLock::new(reloaded.process.trusted_proxies.clone()),
        held: Default::default(),
        request_buffers: AtomicU64::new(reloaded.process.request_buffers),
        under_way: Default::default(),
        connections: Default::default(),
    });
    gateway.apply(reloaded);
    if gateway.current().load().calls_aws() {
        // Before anybody can connect: the first requests find credentials, if there are any to be had soon.
        let _ = tokio::time::timeout(CREDENTIALS, gateway.aws().load_credentials()).await;
    }
    let admin = &reloaded.process.admin;
    let access = Arc::new(Access::new(admin)?);
    let admin_socket = inherited.remove(&admin.address).map_or_else(|| TcpListener::bind(admin.address), Ok);
    let admin_socket =
        admin_socket.and_then(|socket| socket.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(socket)));
    let admin_socket =
        Arc::new(admin_socket.map_err(|error| format!("the admin address {} cannot be listened on: {error}", admin.address))?);
    let mut listeners = Listeners::new(Arc::clone(&edge));
    listeners.inherit(inherited).map_err(|error| format!("a socket that was handed over cannot be used: {error}"))?;
    listeners.apply(&reloaded.process.listeners, &reloaded.domain_names)?;
    if let Some(address) = reloaded.process.echo {
        echo(address).await.map_err(|error| format!("the echo origin cannot listen on {address}: {error}"))?;
    }
    let running = Arc::new(Running {
        gateway,
        edge,
        listeners: Mutex::new(listeners),
        access: Arc::clone(&access),
        admin_socket: Arc::clone(&admin_socket),
        admin_task: OnceLock::new(),
        drain_seconds: AtomicU64::new(reloaded.process.drain_seconds),
        fixed: (reloaded.process.admin.address, reloaded.process.state_directory.clone()),
        echo: reloaded.process.echo,
        ready: AtomicBool::new(false),
        measuring: Default::default(),
    });
    let operator: Arc<dyn Operator> = Arc::<Running>::clone(&running);
    let _ = running.admin_task.set(admin::start(admin_socket, access, operator));
    Ok(running)
}

/// Returns when the process is to end; with the one that goes on in its place, if there is one.
async fn wait_for_stop(running: &Arc<Running>, signals: &mut Signals) -> Option<Successor> {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return None,
            _ = signals.interrupt.recv() => return None,
            _ = signals.hangup.recv() => drop(running.reload(Reload::All).await),
            _ = signals.quit.recv() => match hand_over(running).await {
                Ok(successor) => return Some(successor),
                Err(error) => tracing::error!("nothing is handed over, serving goes on: {error}"),
            },
        }
    }
}

/// The sockets of the gateway that runs with the same state directory.
fn inherit(config: &Path) -> Result<Inheritance, String> {
    let (loaded, problems) = crate::config::load(config);
    let Some(loaded) = loaded.filter(|_| !problems.has_errors()) else {
        return Err(format!("{}{}: {}", problems.to_text(), config.display(), check::summary(&problems)));
    };
    let directory = loaded.process.state_directory;
    tokio::task::block_in_place(|| upgrade::inherit(&directory)).map_err(|error| format!("no listeners were handed over: {error}"))
}

/// Serves in a predecessor's place, and adds what it counts until its end.
fn take_over(running: &Running, mut inheritance: Inheritance) {
    let baseline = running.gateway.durable().map(|store| (Baseline::of(&store), store));
    if let Err(error) = inheritance.ready() {
        tracing::warn!("the gateway that handed its listeners over has ended meanwhile: {error}");
    }
    std::thread::spawn(move || match (inheritance.counted(), baseline) {
        (Ok(counted), Some((baseline, store))) => baseline.add(&counted, &store),
        (Ok(_), None) => {}
        (Err(error), _) => tracing::warn!("what the former gateway counted while it drained is not known: {error}"),
    });
}

/// Lets another process serve in this one's place. With an error, this one goes on.
async fn hand_over(running: &Running) -> std::io::Result<Successor> {
    // No reload changes listeners meanwhile.
    let listeners = running.listeners.lock().await;
    let mut sockets = listeners.sockets();
    sockets.push((running.fixed.0, Arc::clone(&running.admin_socket)));
    tokio::task::block_in_place(|| {
        let mut successor = upgrade::find(&running.fixed.1)?;
        let store = running.gateway.durable();
        if let Some(store) = &store {
            store.close();
        }
        let sockets: Vec<_> = sockets.iter().map(|(address, socket)| (*address, &**socket)).collect();
        let handed_over = successor.hand_over(&sockets);
        if let Some(store) = store.filter(|_| handed_over.is_err()) {
            reopen(&store);
        }
        handed_over.map(|()| successor)
    })
}

/// The successor that failed may have the file open for a moment more.
#[expect(clippy::disallowed_methods, reason = "whoever calls has said that this thread blocks")]
fn reopen(store: &Embedded) {
    let mut result = store.reopen();
    for _ in 0..REOPENINGS {
        if result.is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
        result = store.reopen();
    }
    if let Err(error) = result {
        tracing::error!("usage is counted in memory alone: {error}");
    }
}

/// Not ready, no new connections, what is open comes to its end; a second interrupt ends it at once.
async fn stop(running: &Arc<Running>, successor: Option<Successor>, interrupt: &mut Signal) {
    let limit = Duration::from_secs(running.drain_seconds.load(Ordering::Relaxed));
    running.ready.store(false, Ordering::Relaxed);
    match successor.as_ref().map(Successor::process) {
        None => notify(State::Stopping),
        Some(process) => {
            if let Some(process) = process {
                notify(State::Replaced(process));
            }
            if let Some(task) = running.admin_task.get() {
                task.abort();
            }
        }
    }
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
        let store = running.gateway.durable();
        if let Some(store) = &store {
            store.close();
        }
        if let Some(successor) = successor {
            let counted = store.map_or_else(|| json!([]), |store| counted(&store));
            if let Err(error) = successor.tell(&counted) {
                tracing::warn!("what was counted while draining could not be handed over: {error}");
            }
        }
    });
}

/// Runs on a thread of its own: the memory that reading takes and serving does not goes back to the system with it.
pub(super) fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
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
    let admin = &reloaded.process.admin;
    let scheme = if admin.tls.is_some() { "https" } else { "http" };
    text.push_str(&format!("  admin on {scheme}://{}: /readyz, /metrics\n", admin.address));
    let summary = check::summary(&reloaded.problems);
    if summary != "no problems" {
        text.push_str(&format!("  {summary}: `headgate check` shows them\n"));
    }
    text
}
