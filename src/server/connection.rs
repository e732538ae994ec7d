//! One client connection, as Pingora drives it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::server::ShutdownWatch;

use super::Edge;
use super::socket::Gate;

/// A connection that asks nothing is closed after this time.
const KEEP_ALIVE_SECONDS: u64 = 310;
/// A body that brings nothing is given up after this time.
pub(super) const BODY_IDLE: Duration = Duration::from_secs(30);

/// What is known of a connection.
pub(super) struct Connection {
    pub(super) edge: Arc<Edge>,
    pub(super) address: SocketAddr,
    pub(super) local_port: u16,
    pub(super) secure: bool,
    pub(super) gate: Arc<Gate>,
    pub(super) options: HttpServerOptions,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.edge.connections.fetch_sub(1, Ordering::Relaxed);
        self.edge.observer.metrics().connections.dec();
    }
}

#[async_trait]
impl HttpServerApp for Connection {
    async fn process_new_http(self: &Arc<Self>, mut session: ServerSession, shutdown: &ShutdownWatch) -> Option<ReusedHttpStream> {
        let closing = *shutdown.borrow();
        session.set_keepalive(Some(KEEP_ALIVE_SECONDS));
        session.set_read_timeout(Some(BODY_IDLE));
        if !session.is_http2() && !self.read_head(&mut session, shutdown).await {
            return None;
        }
        session.set_keepalive((!closing && !*shutdown.borrow()).then_some(KEEP_ALIVE_SECONDS));
        self.edge.under_way.fetch_add(1, Ordering::Relaxed);
        let reusable = self.serve(&mut session, shutdown).await;
        self.edge.under_way.fetch_sub(1, Ordering::Relaxed);
        if !reusable || *shutdown.borrow() {
            session.set_keepalive(None);
        }
        let settings = HttpPersistentSettings::for_session(&session);
        let stream = session.finish().await.ok().flatten()?;
        Some(ReusedHttpStream::from_reusable_stream(stream, settings))
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
    /// Waits for a request; false when the connection is to be closed instead. A head that cannot be read is answered in short.
    async fn read_head(&self, session: &mut ServerSession, shutdown: &ShutdownWatch) -> bool {
        self.gate.await_head();
        let mut stopping = shutdown.clone();
        let read = loop {
            tokio::select! {
                biased;
                read = session.read_request() => break read,
                changed = stopping.changed() => {
                    if changed.is_err() || (*stopping.borrow() && !self.gate.head_begun()) {
                        return false;
                    }
                }
            }
        };
        self.gate.head_complete();
        match read {
            Ok(read) => read,
            Err(_) if self.gate.head_begun() => {
                session.set_keepalive(None);
                self.refuse_unreadable(session).await;
                false
            }
            Err(_) => false,
        }
    }

    /// Whether the caller's own address may be taken from what a proxy says.
    pub(super) fn trusts_peer(&self) -> bool {
        let networks = self.edge.trusted_proxies.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        !networks.is_empty() && networks.iter().any(|network| network.contains(self.address.ip()))
    }
}
