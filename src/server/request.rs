//! One request of a connection, from its head to its record.

use std::net::IpAddr;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use pingora::server::ShutdownWatch;
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::convert;
use super::front_door::{self, Head, HeadLimits, Refused};
use super::pace::Pace;
use super::session::Session;
use crate::exchange::{Failure, Fields, Peer, Response, ResponseType};
use crate::mapping::coding;
use crate::observe::Ended;
use crate::pipeline::{Arrival, Exchange, Next, Reply};

/// Of an announced content, in bytes: what room is made for at once, so that it is not copied again as it grows. Memory that is not written is
/// not used either.
const RESERVED: u64 = 2 << 20;
/// The content of a request that was answered without it is read up to this size, so that the connection can be kept …
const DRAINED: u64 = 64 << 10;
/// … and for this long.
const DRAIN: Duration = Duration::from_secs(2);

/// What a client asks of its connection: the pipeline does not see these fields.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// To be told before it sends its content.
    pub(super) expects_continue: bool,
    /// `Upgrade`, of a request that may leave HTTP.
    pub(super) upgrade: Option<HeaderValue>,
}

impl Wishes {
    fn of(head: &Head) -> Self {
        let expects = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
        let upgrade = head.fields.last("upgrade").filter(|_| Self::may_upgrade(head));
        Self { expects_continue: head.fields.last("expect").is_some_and(expects), upgrade: upgrade.cloned() }
    }

    /// To WebSocket, by the whole of its handshake (RFC 9110, section 7.8; RFC 6455, section 4.1): what another reader would not take for one
    /// must not turn what follows into bytes that nobody reads.
    fn may_upgrade(head: &Head) -> bool {
        let options = head.fields.all("connection").flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
        let has_content = head.fields.contains("transfer-encoding") || head.fields.last("content-length").is_some_and(|value| value != "0");
        head.version == http::Version::HTTP_11
            && head.http_method == http::Method::GET
            && !has_content
            && head.fields.last("upgrade").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
            && options.map(<[u8]>::trim_ascii).any(|option| option.eq_ignore_ascii_case(b"upgrade"))
    }
}

impl Connection {
    /// Serves a request whose head is read; whether the connection can take another.
    pub(super) async fn serve(&self, session: &mut Session, head: Head, shutdown: &ShutdownWatch) -> bool {
        let started = Instant::now();
        let limits = HeadLimits::new(self.edge.aws_limits.load(Ordering::Relaxed));
        let target = match front_door::check(&head, limits) {
            Ok(target) => target,
            Err(refused) => {
                self.refuse(session, refused).await;
                return false;
            }
        };
        let wishes = Wishes::of(&head);
        let peer = self.peer(&head.fields);
        let mut exchange = self.edge.pipeline.begin(convert::request(head, target, peer), arrival());
        let (sent, received) = self.answer(session, &mut exchange, &wishes, shutdown).await;
        self.record(&mut exchange, started.elapsed(), received);
        sent
    }

    /// Answers what is no request, or none that is served; the connection ends with it.
    pub(super) async fn refuse(&self, session: &mut Session, Refused(status, message): Refused) {
        session.close();
        let http_method = session.http_method();
        let _ = session.send(&convert::refusal(status, message), &http_method).await;
        self.edge.observer.metrics().refused.inc();
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
    async fn answer(&self, session: &mut Session, exchange: &mut Exchange, wishes: &Wishes, shutdown: &ShutdownWatch) -> (bool, u64) {
        let response = match self.edge.pipeline.admit(exchange).await {
            Next::Respond(response) => response,
            Next::Forward(forward) => return self.forward(session, exchange, forward, wishes, shutdown).await,
            Next::Content { limit } => match self.content(session, limit, wishes).await {
                Ok((content, held)) => {
                    let received = content.len() as u64;
                    let reply = self.edge.pipeline.reply(exchange, content).await;
                    drop(held);
                    let sent = match reply {
                        Reply::Whole(response) => self.deliver(session, exchange, &response, wishes).await,
                        Reply::Streamed(response, rest, deadline) => self.pass_on(session, exchange, response, rest, deadline).await,
                    };
                    return (sent, received);
                }
                Err(failure) => {
                    session.close();
                    self.edge.pipeline.fail(exchange, failure)
                }
            },
        };
        (self.deliver(session, exchange, &response, wishes).await, 0)
    }

    /// Sends a response and reads what is left of the request, within bounds.
    pub(super) async fn deliver(&self, session: &mut Session, exchange: &Exchange, response: &Response, wishes: &Wishes) -> bool {
        if !session.is_http2() && !drain(session, wishes).await {
            session.close();
        }
        session.send(response, &exchange.context.http_method).await.is_ok()
    }

    /// The whole content, counted against what all requests together may hold.
    async fn content(&self, session: &mut Session, limit: u64, wishes: &Wishes) -> Result<(Bytes, Held<'_>), Failure> {
        let mut held = Held { edge: &self.edge, bytes: 0 };
        let announced = session.content_length();
        if announced == Some(0) {
            return Ok((Bytes::new(), held));
        }
        if announced.is_some_and(|length| length > limit) {
            return Err(coding::too_large());
        }
        session.continue_if(wishes.expects_continue).await;
        let mut pace = Pace::new();
        let mut content = Bytes::new();
        let mut whole = BytesMut::new();
        while let Some(piece) = pace.next(session).await? {
            let length = (content.len() + whole.len() + piece.len()) as u64;
            if length > limit {
                return Err(coding::too_large());
            }
            held.add(piece.len() as u64)?;
            // A content that comes in one piece is not copied.
            if content.is_empty() && whole.is_empty() {
                content = piece;
                continue;
            }
            if whole.is_empty() {
                whole.reserve(usize::try_from(announced.unwrap_or(0).min(RESERVED)).unwrap_or(0));
                whole.extend_from_slice(&std::mem::take(&mut content));
            }
            whole.extend_from_slice(&piece);
        }
        Ok((if whole.is_empty() { content } else { whole.freeze() }, held))
    }

    /// Where a request comes from: the connection, or what trusted proxies say of it.
    fn peer(&self, fields: &Fields) -> Peer {
        let address = self.address.ip();
        let source_ip = if self.trusts_peer() { self.behind_proxies(fields).unwrap_or(address) } else { address };
        Peer { source_ip, address, local_port: self.local_port, secure: self.secure, client_certificate: self.client_certificate.clone() }
    }

    /// The last address of `X-Forwarded-For` that is not a trusted proxy's own.
    fn behind_proxies(&self, fields: &Fields) -> Option<IpAddr> {
        let networks = self.edge.trusted_proxies.read().unwrap_or_else(PoisonError::into_inner);
        let chain: Vec<IpAddr> = fields
            .all("x-forwarded-for")
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map_while(|part| part.trim().parse().ok())
            .collect();
        let client = chain.iter().rev().find(|address| !networks.iter().any(|network| network.contains(**address)));
        client.or_else(|| chain.first()).copied()
    }
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
        if before + bytes > self.edge.request_buffers.load(Ordering::Relaxed) {
            return Err(Failure::internal(ResponseType::Default5xx, "memory.requestBuffers is used up").with_status(503));
        }
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.edge.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[expect(clippy::disallowed_methods, reason = "the server has the clock that it hands to the pipeline")]
fn arrival() -> Arrival {
    let now_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Arrival { now_ms: u64::try_from(now_ms).unwrap_or(u64::MAX), random: fastrand::u128(..) }
}

/// Reads away what is left of a short content; false where the connection cannot be kept.
async fn drain(session: &mut Session, wishes: &Wishes) -> bool {
    // A client that was not told to send its content may never do so.
    if wishes.expects_continue && !session.is_content_done() {
        return false;
    }
    let deadline = Instant::now() + DRAIN;
    let mut read = 0;
    while !session.is_content_done() {
        match timeout_at(deadline, session.read_content()).await {
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
