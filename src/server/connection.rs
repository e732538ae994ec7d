//! One client connection, as Pingora drives it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::server::ShutdownWatch;
use tokio::time::Instant;

use super::front_door::Refused;
use super::session::{Io, Session};
use super::{Edge, convert};
use crate::exchange::ClientCertificate;
use crate::http1::{self, Unread};

/// A connection that asks nothing is closed after this time.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(310);
/// When the process stops, an idle client may still ask for this long: what it sent before it could know is answered.
const LAST_WORD: Duration = Duration::from_millis(500);
/// An HTTP/2 client that grants no window gets this much time before its stream is given up.
const WRITE: Duration = Duration::from_secs(30);

/// What is known of a connection.
pub(super) struct Connection {
    pub(super) edge: Arc<Edge>,
    pub(super) address: SocketAddr,
    pub(super) local_port: u16,
    pub(super) secure: bool,
    pub(super) client_certificate: Option<Arc<ClientCertificate>>,
    options: HttpServerOptions,
}

impl Connection {
    /// A connection in the clear, counted until it goes.
    pub(super) fn new(edge: Arc<Edge>, address: SocketAddr, local_port: u16) -> Self {
        edge.connections.fetch_add(1, Ordering::Relaxed);
        edge.observer.metrics().connections.inc();
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(KEEP_ALIVE);
        Self { edge, address, local_port, secure: false, client_certificate: None, options }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.edge.connections.fetch_sub(1, Ordering::Relaxed);
        self.edge.observer.metrics().connections.dec();
    }
}

/// A request that is counted until it ends, however it ends.
struct UnderWay<'e>(&'e AtomicUsize);

impl<'e> UnderWay<'e> {
    fn begin(count: &'e AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// HTTP/2: the framework keeps the connection, each stream of it comes here.
#[async_trait]
impl HttpServerApp for Connection {
    async fn process_new_http(self: &Arc<Self>, mut session: ServerSession, shutdown: &ShutdownWatch) -> Option<ReusedHttpStream> {
        session.set_write_timeout(Some(WRITE));
        let head = convert::http2_head(session.req_header());
        let mut session = Session::Http2(Box::new(session));
        let under_way = UnderWay::begin(&self.edge.under_way);
        self.serve(&mut session, head, shutdown).await;
        drop(under_way);
        if let Session::Http2(session) = session {
            let _ = session.finish().await;
        }
        None
    }

    fn h2_options(&self) -> Option<H2Options> {
        let mut options = default_h2_options();
        options
            .initial_window_size(64 << 10)
            .initial_connection_window_size(1 << 20)
            .max_frame_size(16 << 10)
            .max_pending_accept_reset_streams(20);
        Some(options)
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }
}

impl Connection {
    /// Serves HTTP/1.1 until the client or the process ends it.
    pub(super) async fn serve_http1(self, stream: Box<dyn Io>, shutdown: &ShutdownWatch) {
        let mut stopping = shutdown.clone();
        let stopped = stopping.wait_for(|stopping| *stopping);
        tokio::pin!(stopped);
        let mut session = Session::Http1(http1::Session::new(stream));
        let mut is_stopping = false;
        let mut last_word = Instant::now();
        loop {
            let Session::Http1(http1) = &mut session else { return };
            let head = loop {
                tokio::select! {
                    biased;
                    head = http1.read_head() => break head,
                    _ = &mut stopped, if !is_stopping => {
                        is_stopping = true;
                        last_word = Instant::now() + LAST_WORD;
                    }
                    // Not at once: a request may be on its way already, and closing now would lose it.
                    () = tokio::time::sleep_until(last_word), if is_stopping && !http1.has_begun() => {
                        if !http1.has_begun() {
                            return;
                        }
                    }
                }
            };
            let head = match head {
                Ok(head) => head,
                Err(Unread::Closed | Unread::Late) => return,
                Err(Unread::Refused(http1::Refusal(status, message))) => {
                    self.refuse(&mut session, Refused(status, message)).await;
                    return session.linger().await;
                }
            };
            if is_stopping || *shutdown.borrow() {
                session.close();
            }
            let under_way = UnderWay::begin(&self.edge.under_way);
            let reusable = self.serve(&mut session, convert::http1_head(head), shutdown).await;
            drop(under_way);
            if !reusable || !session.is_reusable() {
                return session.linger().await;
            }
        }
    }

    /// Whether the caller's own address may be taken from what a proxy says.
    pub(super) fn trusts_peer(&self) -> bool {
        let networks = self.edge.trusted_proxies.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        !networks.is_empty() && networks.iter().any(|network| network.contains(self.address.ip()))
    }
}
