//! The addresses that clients connect to; added, removed and changed while others serve.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use pingora::apps::ServerApp;
use pingora::server::ShutdownWatch;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::connection::{Connection, KEEP_ALIVE};
use super::frames::PREFACE;
use super::gate::Gate;
use super::secure::{Secure, speaks_http2};
use super::socket::{HEAD, Socket};
use super::tls::ServerNames;
use super::{Edge, descriptors, proxy_protocol};
use crate::apigateway::account::DomainName;
use crate::config::Listener;

/// Connections that the kernel keeps for us.
const BACKLOG: u32 = 4096;
/// A PROXY header must have come by then.
const PROXY: Duration = Duration::from_secs(5);

/// All listeners that are open.
pub struct Listeners {
    edge: Arc<Edge>,
    stop: watch::Sender<bool>,
    open: HashMap<SocketAddr, Open>,
    inherited: HashMap<SocketAddr, TcpListener>,
}

struct Open {
    task: JoinHandle<()>,
    socket: Arc<TcpListener>,
    settings: Arc<RwLock<Arc<Settings>>>,
}

/// How connections of one listener begin; each keeps what it began with.
#[derive(Debug)]
struct Settings {
    tls: Option<ServerNames>,
    proxy_protocol: bool,
}

impl Listeners {
    /// No listener yet.
    #[must_use]
    pub fn new(edge: Arc<Edge>) -> Self {
        Self { edge, stop: watch::channel(false).0, open: HashMap::new(), inherited: HashMap::new() }
    }

    /// Sockets that another process has listened on: the next [`Self::apply`] takes those that it needs and closes the others.
    ///
    /// # Errors
    /// When one cannot be used.
    pub fn inherit(&mut self, sockets: impl IntoIterator<Item = (SocketAddr, std::net::TcpListener)>) -> io::Result<()> {
        for (address, socket) in sockets {
            self.inherited.insert(address, TcpListener::from_std(socket)?);
        }
        Ok(())
    }

    /// Every socket that is listened on, by the address that it was configured with.
    #[must_use]
    pub fn sockets(&self) -> Vec<(SocketAddr, Arc<TcpListener>)> {
        self.open.iter().map(|(address, open)| (*address, Arc::clone(&open.socket))).collect()
    }

    /// Opens what is new, changes what is known, closes what is gone. With an error nothing has changed.
    ///
    /// # Errors
    /// With the address that is at fault.
    pub fn apply(&mut self, listeners: &[Listener], domains: &[DomainName]) -> Result<(), String> {
        let mut prepared = Vec::new();
        for listener in listeners {
            let known = self.open.get(&listener.address);
            let before = known.map(Open::settings);
            let previous = before.as_ref().and_then(|settings| settings.tls.as_ref());
            let tls = listener.tls.as_ref().map(|tls| ServerNames::new(tls, domains, previous)).transpose();
            let tls = tls.map_err(|error| format!("{}: {error}", listener.address))?;
            let socket = match (known, self.inherited.remove(&listener.address)) {
                (Some(known), _) => Arc::clone(&known.socket),
                (None, Some(inherited)) => Arc::new(inherited),
                (None, None) => {
                    Arc::new(bind(listener.address).map_err(|error| format!("{} cannot be listened on: {error}", listener.address))?)
                }
            };
            prepared.push((listener.address, socket, Arc::new(Settings { tls, proxy_protocol: listener.proxy_protocol })));
        }
        self.inherited.clear();
        self.open.retain(|address, open| {
            let kept = listeners.iter().any(|listener| listener.address == *address);
            if !kept {
                open.task.abort();
            }
            kept
        });
        for (address, socket, settings) in prepared {
            if let Some(open) = self.open.get(&address) {
                *open.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
                continue;
            }
            let settings = Arc::new(RwLock::new(settings));
            let accepting = accept(Arc::clone(&socket), Arc::clone(&self.edge), Arc::clone(&settings), self.stop.subscribe());
            self.open.insert(address, Open { task: tokio::spawn(accepting), socket, settings });
        }
        Ok(())
    }

    /// Stops accepting and lets everything that is open come to its end, at most for `limit`. True when all did.
    pub async fn drain(&mut self, limit: Duration) -> bool {
        for (_, open) in self.open.drain() {
            open.task.abort();
            // The task holds its socket until it has ended; a connection that came to it meanwhile would be accepted by nobody.
            let _ = open.task.await;
        }
        self.stop.send_replace(true);
        let deadline = tokio::time::Instant::now() + limit;
        while self.edge.connections.load(Ordering::Relaxed) > 0 {
            if tokio::time::Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }
}

impl Open {
    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: Arc<TcpListener>, edge: Arc<Edge>, settings: Arc<RwLock<Arc<Settings>>>, stop: ShutdownWatch) {
    let local_port = listener.local_addr().map_or(0, |address| address.port());
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let descriptor = stream.as_raw_fd();
                let connection = Connection::new(Arc::clone(&edge), address, local_port);
                let settings = Arc::clone(&settings.read().unwrap_or_else(PoisonError::into_inner));
                tokio::spawn(serve(stream, connection, settings, stop.clone()));
                descriptors::leave_some(descriptor).await;
            }
            Err(error) => {
                // Out of memory, most likely: waiting is all that helps.
                tracing::error!("a connection could not be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(mut stream: TcpStream, mut connection: Connection, settings: Arc<Settings>, stop: ShutdownWatch) {
    let _ = stream.set_nodelay(true);
    if settings.proxy_protocol {
        match tokio::time::timeout(PROXY, proxy_protocol::read(&mut stream)).await {
            Ok(Ok(Some((source, destination)))) => {
                connection.address = source;
                connection.local_port = destination.port();
            }
            Ok(Ok(None)) => {}
            _ => {
                connection.edge.observer.metrics().refused.inc();
                return;
            }
        }
    }
    match &settings.tls {
        None => {
            let Ok(http2) = begins_http2(&stream, &stop).await else { return };
            drop(settings);
            if http2 {
                Arc::new(connection).process_new(Box::new(Socket::http2(stream)), &stop).await;
            } else {
                connection.serve_http1(Box::new(stream), &stop).await;
            }
        }
        Some(names) => {
            let gate = Arc::<Gate>::default();
            let Ok((stream, certificate)) = names.accept(Socket::encrypted(stream, Arc::clone(&gate))).await else { return };
            connection.secure = true;
            connection.client_certificate = certificate;
            drop(settings);
            if speaks_http2(&stream) {
                Arc::new(connection).process_new(Box::new(Secure::new(stream, gate)), &stop).await;
            } else {
                connection.serve_http1(Box::new(stream), &stop).await;
            }
        }
    }
}

/// Whether the client speaks HTTP/2 without TLS. Its first byte decides for all but a client that begins with `P`.
///
/// # Errors
/// Where it says nothing, or not all of a preface, in time.
async fn begins_http2(stream: &TcpStream, stop: &ShutdownWatch) -> io::Result<bool> {
    let mut seen = [0_u8; 24];
    let mut stopping = stop.clone();
    let silence = tokio::time::Instant::now() + KEEP_ALIVE;
    let mut deadline = silence;
    loop {
        let count = tokio::select! {
            peeked = stream.peek(&mut seen) => peeked?,
            _ = stopping.changed() => return Ok(false),
            () = tokio::time::sleep_until(deadline) => return Err(io::ErrorKind::TimedOut.into()),
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (so_far, wanted) = (seen.get(..count).unwrap_or_default(), PREFACE.get(..count).unwrap_or_default());
        if so_far != wanted || count == PREFACE.len() {
            return Ok(so_far == wanted);
        }
        if deadline == silence {
            deadline = tokio::time::Instant::now() + HEAD;
        }
        // The rest of a preface that came in pieces; the peek itself would return at once.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
