//! The addresses that clients connect to; added and removed while others serve.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pingora::apps::{HttpServerOptions, ServerApp};
use pingora::listeners::tls::Acceptor;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::l4::virt::VirtualSocketStream;
use pingora::protocols::{ALPN, Ssl as _};
use pingora::server::ShutdownWatch;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::connection::Connection;
use super::socket::Socket;
use super::tls::{Certificates, acceptor, certified_key};
use super::{Edge, connection};
use crate::apigateway::account::DomainName;
use crate::config::Listener;

/// Connections that the kernel keeps for us.
const BACKLOG: u32 = 4096;
/// A TLS handshake must be over by then.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// What an HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// All listeners that are open.
pub struct Listeners {
    edge: Arc<Edge>,
    stop: watch::Sender<bool>,
    open: HashMap<SocketAddr, Open>,
}

struct Open {
    task: JoinHandle<()>,
    certificates: Option<Arc<Certificates>>,
}

impl Listeners {
    /// No listener yet.
    #[must_use]
    pub fn new(edge: Arc<Edge>) -> Self {
        Self { edge, stop: watch::channel(false).0, open: HashMap::new() }
    }

    /// Opens what is new, takes certificates over, closes what is gone. With an error nothing has changed.
    ///
    /// # Errors
    /// With the address or the file that is at fault.
    pub fn apply(&mut self, listeners: &[Listener], domains: &[DomainName]) -> Result<(), String> {
        let mut by_name = HashMap::new();
        for domain in domains {
            if let Some((certificate, key)) = &domain.certificate {
                by_name
                    .insert(domain.domain_name.to_ascii_lowercase(), certified_key(Path::new(&certificate.value), Path::new(&key.value))?);
            }
        }
        let mut prepared = Vec::new();
        for listener in listeners {
            let default = listener.tls.as_ref().map(|tls| certified_key(&tls.certificate, &tls.private_key)).transpose()?;
            let known = self.open.get(&listener.address);
            let reopen = known.is_none_or(|known| known.certificates.is_some() != default.is_some());
            let socket = if known.is_none() {
                Some(bind(listener.address).map_err(|error| format!("{} cannot be listened on: {error}", listener.address))?)
            } else {
                None
            };
            if known.is_some() && reopen {
                return Err(format!("{}: changing between TLS and plain text needs a restart", listener.address));
            }
            prepared.push((listener.address, default, socket));
        }
        self.open.retain(|address, open| {
            let kept = listeners.iter().any(|listener| listener.address == *address);
            if !kept {
                open.task.abort();
            }
            kept
        });
        for (address, default, socket) in prepared {
            let certificates = match (self.open.get(&address).and_then(|open| open.certificates.clone()), default) {
                (known, Some(default)) => {
                    let certificates = known.unwrap_or_default();
                    certificates.replace(default, by_name.clone());
                    Some(certificates)
                }
                (_, None) => None,
            };
            if let Some(socket) = socket {
                let acceptor = certificates.clone().map(acceptor).transpose()?;
                let task = tokio::spawn(accept(socket, Arc::clone(&self.edge), acceptor.map(Arc::new), self.stop.subscribe()));
                self.open.insert(address, Open { task, certificates });
            }
        }
        Ok(())
    }

    /// Stops accepting and lets everything that is open come to its end, at most for `limit`. True when all did.
    pub async fn drain(&mut self, limit: Duration) -> bool {
        for open in self.open.values() {
            open.task.abort();
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

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, edge: Arc<Edge>, acceptor: Option<Arc<Acceptor>>, stop: ShutdownWatch) {
    let local_port = listener.local_addr().map_or(0, |address| address.port());
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                edge.connections.fetch_add(1, Ordering::Relaxed);
                edge.observer.metrics().connections.inc();
                let options = HttpServerOptions::default();
                let secure = acceptor.is_some();
                let connection = Connection { edge: Arc::clone(&edge), address, local_port, secure, options };
                tokio::spawn(serve(stream, connection, acceptor.clone(), stop.clone()));
            }
            Err(error) => {
                // Out of descriptors, most likely: waiting is all that helps.
                tracing::error!("a connection could not be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, mut connection: Connection, acceptor: Option<Arc<Acceptor>>, stop: ShutdownWatch) {
    let _ = stream.set_nodelay(true);
    connection.options.h2_idle_timeout = Some(Duration::from_secs(310));
    let Some(acceptor) = acceptor else {
        if begins_http2(&stream, &stop).await {
            connection.options.h2c = true;
            Arc::new(connection).process_new(Box::new(L4Stream::from(stream)), &stop).await;
        } else {
            connection.serve_http1(Box::new(stream), &stop).await;
        }
        return;
    };
    let socket = L4Stream::from(VirtualSocketStream::new(Box::new(Socket::new(stream))));
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.tls_handshake(socket)).await else { return };
    if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
        Arc::new(connection).process_new(Box::new(stream), &stop).await;
    } else {
        connection.serve_http1(Box::new(stream), &stop).await;
    }
}

/// Whether the client speaks HTTP/2 without TLS. Its first byte decides for all but a client that begins with `P`.
async fn begins_http2(stream: &TcpStream, stop: &ShutdownWatch) -> bool {
    let mut seen = [0_u8; 24];
    let mut stopping = stop.clone();
    let deadline = tokio::time::Instant::now() + connection::BODY_IDLE;
    loop {
        let count = tokio::select! {
            peeked = stream.peek(&mut seen) => match peeked { Ok(count) if count > 0 => count, _ => return false },
            _ = stopping.changed() => return false,
        };
        let (so_far, wanted) = (seen.get(..count).unwrap_or_default(), PREFACE.get(..count).unwrap_or_default());
        if so_far != wanted || count == PREFACE.len() {
            return so_far == wanted;
        }
        if tokio::time::Instant::now() > deadline {
            return false;
        }
        // The rest of a preface that came in pieces; the peek itself would return at once.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
