//! One client connection, as Pingora drives it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::server::ShutdownWatch;

use super::front_door::Refused;
use super::session::{Io, Session};
use super::{Edge, convert};
use crate::http1::{self, Unread};

/// A body that brings nothing is given up after this time.
pub(super) const BODY_IDLE: Duration = Duration::from_secs(30);

/// What is known of a connection.
pub(super) struct Connection {
    pub(super) edge: Arc<Edge>,
    pub(super) address: SocketAddr,
    pub(super) local_port: u16,
    pub(super) secure: bool,
    pub(super) options: HttpServerOptions,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.edge.connections.fetch_sub(1, Ordering::Relaxed);
        self.edge.observer.metrics().connections.dec();
    }
}

/// HTTP/2: the framework keeps the connection, each stream of it comes here.
#[async_trait]
impl HttpServerApp for Connection {
    async fn process_new_http(self: &Arc<Self>, mut session: ServerSession, shutdown: &ShutdownWatch) -> Option<ReusedHttpStream> {
        session.set_read_timeout(Some(BODY_IDLE));
        let head = convert::http2_head(session.req_header());
        let mut session = Session::Http2(Box::new(session));
        self.edge.under_way.fetch_add(1, Ordering::Relaxed);
        self.serve(&mut session, head, shutdown).await;
        self.edge.under_way.fetch_sub(1, Ordering::Relaxed);
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
        loop {
            let Session::Http1(http1) = &mut session else { return };
            let head = loop {
                tokio::select! {
                    biased;
                    head = http1.read_head() => break head,
                    _ = &mut stopped, if !is_stopping => {
                        is_stopping = true;
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
            self.edge.under_way.fetch_add(1, Ordering::Relaxed);
            let reusable = self.serve(&mut session, convert::http1_head(head), shutdown).await;
            self.edge.under_way.fetch_sub(1, Ordering::Relaxed);
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
