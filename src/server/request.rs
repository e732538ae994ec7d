//! One request of a connection, from its head to its record.

use std::net::IpAddr;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::Method;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use tokio::time::Instant;

use super::connection::Connection;
use super::convert::{self, Framing};
use super::front_door::{self, HeadLimits, Refused};
use crate::exchange::{Failure, Peer, Response, ResponseType};
use crate::mapping::coding;
use crate::observe::Ended;
use crate::pipeline::{Arrival, Exchange, Next, Reply};

/// Content that comes this slowly, in bytes a second, is given up …
const SLOWEST: u64 = 256;
/// … after this time.
const PATIENCE: Duration = Duration::from_secs(20);
/// Of an announced content, in bytes: what room is made for at once, so that it is not copied again as it grows. Memory that is not written is
/// not used either.
const RESERVED: u64 = 2 << 20;
/// The content of a request that was answered without it is read up to this size, so that the connection can be kept.
const DRAINED: u64 = 64 << 10;

impl Connection {
    /// Serves a request whose head is read; whether the connection can take another.
    pub(super) async fn serve(&self, session: &mut ServerSession, shutdown: &ShutdownWatch) -> bool {
        let started = Instant::now();
        let limits = HeadLimits::new(self.edge.aws_limits.load(Ordering::Relaxed));
        let request = match front_door::check(session.req_header(), limits).and_then(|target| one_length(session).map(|()| target)) {
            Ok(target) => convert::request(session.req_header(), &target, self.peer(session)),
            Err(Refused(status, message)) => {
                session.set_keepalive(None);
                let _ = send(session, &convert::refusal(status, message)).await;
                self.edge.observer.metrics().refused.inc();
                return false;
            }
        };
        let mut exchange = self.edge.pipeline.begin(request, arrival());
        let (sent, received) = self.answer(session, &mut exchange, shutdown).await;
        self.record(&mut exchange, started.elapsed(), received);
        sent
    }

    fn record(&self, exchange: &mut Exchange, latency: Duration, received: u64) {
        let mut context = std::mem::take(&mut exchange.context);
        let ended = Ended {
            metrics: exchange.operation().map(|operation| &operation.metrics),
            side: exchange.side(),
            access_log: exchange.stage().and_then(|stage| stage.access_log.as_ref()),
            tracer: exchange.tracer(),
            latency,
            received,
        };
        self.edge.observer.record(&mut context, ended);
    }

    /// Answers in one of the three ways that admission knows.
    async fn answer(&self, session: &mut ServerSession, exchange: &mut Exchange, shutdown: &ShutdownWatch) -> (bool, u64) {
        let response = match self.edge.pipeline.admit(exchange).await {
            Next::Respond(response) => response,
            Next::Forward(forward) => return self.forward(session, exchange, forward, shutdown).await,
            Next::Content { limit } => match self.content(session, limit).await {
                Ok(content) => {
                    let received = content.len() as u64;
                    let reply = self.edge.pipeline.reply(exchange, content).await;
                    self.edge.held.fetch_sub(received, Ordering::Relaxed);
                    let sent = match reply {
                        Reply::Whole(response) => self.deliver(session, &response).await,
                        Reply::Streamed(response, rest, deadline) => self.pass_on(session, exchange, response, rest, deadline).await,
                    };
                    return (sent, received);
                }
                Err(failure) => {
                    session.set_keepalive(None);
                    self.edge.pipeline.fail(exchange, failure)
                }
            },
        };
        (self.deliver(session, &response).await, 0)
    }

    /// Sends a response and reads what is left of the request, within bounds.
    pub(super) async fn deliver(&self, session: &mut ServerSession, response: &Response) -> bool {
        if !session.is_http2() && !drain(session).await {
            session.set_keepalive(None);
        }
        send(session, response).await.is_ok()
    }

    /// The whole content, counted against what all requests together may hold.
    async fn content(&self, session: &mut ServerSession, limit: u64) -> Result<Bytes, Failure> {
        if session.is_body_empty() {
            return Ok(Bytes::new());
        }
        let announced = session.req_header().headers.get("content-length").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(coding::too_large());
        }
        continue_if_expected(session).await;
        let mut held = Held { edge: &self.edge, bytes: 0 };
        let mut content = BytesMut::with_capacity(usize::try_from(announced.unwrap_or(0).min(RESERVED)).unwrap_or(0));
        let started = Instant::now();
        loop {
            let piece = match session.read_request_body().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(error) => return Err(unreadable(&error)),
            };
            if content.len() as u64 + piece.len() as u64 > limit {
                return Err(coding::too_large());
            }
            held.add(piece.len() as u64)?;
            content.extend_from_slice(&piece);
            if started.elapsed() > PATIENCE && (content.len() as u64) < SLOWEST * started.elapsed().as_secs() {
                return Err(too_slow());
            }
        }
        held.keep();
        Ok(content.freeze())
    }

    /// Where a request comes from: the connection, or what trusted proxies say of it.
    fn peer(&self, session: &ServerSession) -> Peer {
        let address = self.address.ip();
        let source_ip = if self.trusts_peer() { self.behind_proxies(session).unwrap_or(address) } else { address };
        Peer { source_ip, address, local_port: self.local_port, secure: self.secure }
    }

    /// The last address of `X-Forwarded-For` that is not a trusted proxy's own.
    fn behind_proxies(&self, session: &ServerSession) -> Option<IpAddr> {
        let networks = self.edge.trusted_proxies.read().unwrap_or_else(PoisonError::into_inner);
        let chain: Vec<IpAddr> = session
            .req_header()
            .headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map_while(|part| part.trim().parse().ok())
            .collect();
        let client = chain.iter().rev().find(|address| !networks.iter().any(|network| network.contains(**address)));
        client.or_else(|| chain.first()).copied()
    }

    /// Answers what could not be read as a request.
    pub(super) async fn refuse_unreadable(&self, session: &mut ServerSession) {
        let _ =
            session.write_error_response(ServerSession::generate_error(400), Bytes::from_static(b"{\"message\": \"Bad Request\"}")).await;
        self.edge.observer.metrics().refused.inc();
    }
}

/// The framework takes a length away that stands beside `chunked`; only the head's bytes still show it (RFC 9112, section 6.1).
fn one_length(session: &ServerSession) -> Result<(), Refused> {
    if session.is_http2() || !session.req_header().headers.contains_key("transfer-encoding") {
        return Ok(());
    }
    let raw = session.to_h1_raw();
    let has_length =
        raw.split(|&byte| byte == b'\n').any(|line| line.get(..15).is_some_and(|name| name.eq_ignore_ascii_case(b"content-length:")));
    if has_length { Err(Refused(400, "Bad Request")) } else { Ok(()) }
}

/// Gives back what a request held, however it ends.
struct Held<'e> {
    edge: &'e super::Edge,
    bytes: u64,
}

impl Held<'_> {
    fn add(&mut self, bytes: u64) -> Result<(), Failure> {
        let before = self.edge.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before + bytes > self.edge.request_buffers {
            return Err(Failure::internal(ResponseType::Default5xx, "memory.requestBuffers is used up").with_status(503));
        }
        Ok(())
    }

    /// From here on somebody else gives it back.
    const fn keep(&mut self) {
        self.bytes = 0;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.edge.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Tells a client that waits for it to send its content (RFC 9110, section 10.1.1).
pub(super) async fn continue_if_expected(session: &mut ServerSession) {
    let expects = session.req_header().headers.get("expect").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects && !session.is_http2() {
        let _ = session.write_continue_response().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the server has the clock that it hands to the pipeline")]
fn arrival() -> Arrival {
    let now_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Arrival { now_ms: u64::try_from(now_ms).unwrap_or(u64::MAX), random: fastrand::u128(..) }
}

/// Reads away what is left of a short content; false where the connection cannot be kept.
async fn drain(session: &mut ServerSession) -> bool {
    let mut read = 0;
    while !session.is_body_done() {
        let expects = session.req_header().headers.contains_key("expect");
        match tokio::time::timeout(Duration::from_secs(1), session.read_request_body()).await {
            _ if expects => return false,
            Ok(Ok(Some(piece))) => read += piece.len() as u64,
            Ok(Ok(None)) => break,
            _ => return false,
        }
        if read > DRAINED {
            return false;
        }
    }
    true
}

/// Writes a whole response.
pub(super) async fn send(session: &mut ServerSession, response: &Response) -> pingora::Result<()> {
    let bodiless = matches!(response.status, 204 | 304) || response.status < 200;
    let framing = if bodiless { Framing::None } else { Framing::Length(response.content.len() as u64) };
    let is_head = session.req_header().method == Method::HEAD;
    let head = convert::response(response, framing)?;
    session.write_response_header(Box::new(head)).await?;
    if bodiless || is_head {
        return Ok(());
    }
    session.write_response_body(response.content.clone(), true).await
}

fn unreadable(error: &pingora::Error) -> Failure {
    if matches!(error.etype(), pingora::ErrorType::ReadTimedout) {
        return too_slow();
    }
    Failure::new(ResponseType::BadRequestBody, "Bad Request").with_detail("the content could not be read")
}

fn too_slow() -> Failure {
    Failure::new(ResponseType::BadRequestBody, "Request Timeout").with_status(408)
}
