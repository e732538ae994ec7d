//! Requests to endpoints: in one piece, or piece by piece.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::v1::Connector;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;
use tokio::time::{Instant, timeout, timeout_at};

use super::error::{self, Error, ErrorKind};
use super::head::{accept, head};
use super::link::Attempt;
use super::origins::{Chosen, Origins};
use crate::exchange::{EndpointRequest, EndpointResponse};

/// Addresses that one request tries.
const ADDRESSES: usize = 4;
/// As long as there is another address, one that does not accept is given up after this time: the kernel has asked three times by then.
const HURRY: Duration = Duration::from_secs(3);
/// Idle connections kept for all origins together.
const POOL: usize = 4096;
/// Interim responses (1xx) before a final one.
const INTERIM: usize = 10;
/// Of a response that is completed in memory.
const CONTENT: usize = 64 << 20;

/// The client that everything outbound goes through.
pub struct Client {
    connector: Connector,
    origins: Origins,
    content_limit: usize,
    repeated: AtomicU64,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("origins", &self.origins).finish_non_exhaustive()
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

/// A request under way: the head is sent, content may follow, a response comes.
pub struct Stream {
    session: HttpSession,
    peer: Arc<HttpPeer>,
    endpoint: Arc<crate::exchange::Endpoint>,
    reused: bool,
    /// The target of a VPC link that answers, or does not.
    attempt: Option<Attempt>,
}

impl Client {
    /// A client with an empty pool. Origins' certificates are checked with the system's roots.
    #[must_use]
    pub fn new() -> Self {
        Self {
            connector: Connector::new(Some(ConnectorOptions::new(POOL))),
            origins: Origins::default(),
            content_limit: CONTENT,
            repeated: AtomicU64::new(0),
        }
    }

    /// Who answers for endpoints.
    #[must_use]
    pub const fn origins(&self) -> &Origins {
        &self.origins
    }

    /// How many requests were sent again since the connection had been closed while it was idle.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// How many idle connections were closed since their origin sent something that nobody had asked for.
    #[must_use]
    pub fn unexpected(&self) -> u64 {
        self.connector.unexpected_data_connection_count()
    }

    /// Asks an endpoint and waits for its whole response; says how long it took.
    ///
    /// # Errors
    /// When there is no response within the request's time.
    pub async fn call(&self, request: &EndpointRequest) -> Result<(EndpointResponse, Duration), Error> {
        let started = Instant::now();
        let answered = self.whole(request, started + request.timeout).await;
        answered.map(|response| (response, started.elapsed())).map_err(|error| error.after(started.elapsed()))
    }

    async fn whole(&self, request: &EndpointRequest, deadline: Instant) -> Result<EndpointResponse, Error> {
        let (mut stream, head) = self.begun(request, deadline).await?;
        let address = stream.address();
        let content = timeout_at(deadline, stream.content(self.content_limit)).await;
        let content = content.map_err(|_| timed_out(request, "end of the response").at(address))??;
        self.release(stream).await;
        Ok(EndpointResponse { content, ..head })
    }

    /// Sends a request with its content, and waits until its response begins.
    ///
    /// # Errors
    /// When it does not within the request's time.
    pub async fn begin(&self, request: &EndpointRequest) -> Result<(Stream, EndpointResponse), Error> {
        let started = Instant::now();
        self.begun(request, started + request.timeout).await.map_err(|error| error.after(started.elapsed()))
    }

    async fn begun(&self, request: &EndpointRequest, deadline: Instant) -> Result<(Stream, EndpointResponse), Error> {
        let late = |missing| timed_out(request, missing);
        let ask = |again| timeout_at(deadline, self.ask(request, deadline, again));
        let mut stream = ask(false).await.map_err(|_| late("connection"))??;
        let mut address = stream.address();
        let head = match timeout_at(deadline, stream.head()).await.map_err(|_| late("response").at(address))? {
            // A connection that the origin had closed while it was idle: nothing was answered, so once more on a new one.
            Err((_, true)) if repeatable(request) => {
                stream = ask(true).await.map_err(|_| late("connection"))??;
                address = stream.address();
                timeout_at(deadline, stream.head()).await.map_err(|_| late("response").at(address))?.map_err(|(error, _)| error)?
            }
            other => other.map_err(|(error, _)| error)?,
        };
        Ok((stream, head))
    }

    /// The rest of a response that has begun.
    ///
    /// # Errors
    /// When it breaks off, or takes longer than the request's time.
    pub async fn rest(&self, request: &EndpointRequest, stream: &mut Stream) -> Result<Bytes, Error> {
        let content = timeout(request.timeout, stream.content(self.content_limit)).await;
        content.map_err(|_| timed_out(request, "end of the response"))?
    }

    /// Sends a whole request, on a connection that is new for certain if it is sent `again`.
    async fn ask(&self, request: &EndpointRequest, deadline: Instant, again: bool) -> Result<Stream, Error> {
        let length = Some(request.content.len() as u64);
        let mut stream = if again { self.reopen(request, length, deadline).await? } else { self.open(request, length, deadline).await? };
        if !request.content.is_empty() {
            stream.send(&request.content).await?;
        }
        stream.finish().await?;
        Ok(stream)
    }

    /// Sends a request's head. `content_length`: how much content follows, nothing for an unknown length. At `deadline` the caller gives up.
    ///
    /// # Errors
    /// When no connection is made.
    pub async fn open(&self, request: &EndpointRequest, content_length: Option<u64>, deadline: Instant) -> Result<Stream, Error> {
        let head = head(request, content_length)?;
        let (mut session, reused, chosen) = self.connect(request, deadline).await?;
        match session.write_request_header(Box::new(head)).await {
            Ok(_) => Ok(Stream::new(session, chosen, request, reused)),
            Err(_) if reused => self.reopen(request, content_length, deadline).await,
            Err(cause) => Err(failed(request, ErrorKind::Protocol, &cause, &chosen)),
        }
    }

    /// A connection to the first address that accepts one: a host may have several, and not all of them need be served.
    async fn connect(&self, request: &EndpointRequest, deadline: Instant) -> Result<(HttpSession, bool, Chosen), Error> {
        for attempt in 1.. {
            let chosen = self.origins.choose(&request.endpoint, deadline).await?;
            let is_last = attempt >= chosen.addresses.min(ADDRESSES);
            let connecting = self.connector.get_http_session(&*chosen.peer);
            let connected = if is_last { Ok(connecting.await) } else { timeout(HURRY.min(request.timeout / 2), connecting).await };
            let failure = match connected {
                Ok(Ok((session, reused))) => return Ok((session, reused, chosen)),
                Ok(Err(cause)) => failed(request, ErrorKind::Connect, &cause, &chosen),
                Err(_) => timed_out(request, "connection").at(chosen.address()),
            };
            chosen.took_none();
            if is_last {
                return Err(failure);
            }
        }
        Err(Error::new(ErrorKind::Connect, request.endpoint.authority(), "no address accepts a connection"))
    }

    /// The same on a connection that is new for certain.
    ///
    /// # Errors
    /// When no connection is made.
    pub async fn reopen(&self, request: &EndpointRequest, content_length: Option<u64>, deadline: Instant) -> Result<Stream, Error> {
        self.repeated.fetch_add(1, Ordering::Relaxed);
        let chosen = self.origins.choose(&request.endpoint, deadline).await?;
        let mut fresh = HttpPeer::clone(&chosen.peer);
        // Another group is another pool, which has no connection yet.
        fresh.group_key = fastrand::u64(1..);
        let (mut session, _) = match self.connector.get_http_session(&fresh).await {
            Ok(connected) => connected,
            Err(cause) => {
                let failure = failed(request, ErrorKind::Connect, &cause, &chosen);
                chosen.took_none();
                return Err(failure);
            }
        };
        match session.write_request_header(Box::new(head(request, content_length)?)).await {
            Ok(_) => Ok(Stream::new(session, chosen, request, false)),
            Err(cause) => Err(failed(request, ErrorKind::Protocol, &cause, &chosen)),
        }
    }

    /// Gives a connection back once its response is read to the end; one that is not is closed.
    pub async fn release(&self, stream: Stream) {
        let idle = stream.peer.options.idle_timeout;
        self.connector.release_http_session(stream.session, &*stream.peer, idle).await;
    }
}

/// Whether a request may be sent once more after nothing of a response came (RFC 9110, section 9.2.2).
#[must_use]
pub(crate) fn repeatable(request: &EndpointRequest) -> bool {
    matches!(request.http_method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS)
}

impl Stream {
    fn new(session: HttpSession, chosen: Chosen, request: &EndpointRequest, reused: bool) -> Self {
        Self { session, peer: chosen.peer, endpoint: Arc::clone(&request.endpoint), reused, attempt: chosen.attempt }
    }

    /// Who answers.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        address(&self.peer)
    }

    /// Sends a piece of content.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn send(&mut self, content: &[u8]) -> Result<(), Error> {
        match self.session.write_body(content).await {
            Ok(_) => Ok(()),
            Err(cause) => Err(self.broken(&cause)),
        }
    }

    /// Says that no more content follows.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn finish(&mut self) -> Result<(), Error> {
        match self.session.finish_body().await {
            Ok(_) => Ok(()),
            Err(cause) => Err(self.broken(&cause)),
        }
    }

    /// Waits for the final response's head. May be dropped and asked again.
    ///
    /// # Errors
    /// When there is none; `true` beside it if the connection was an idle one that the origin had given up.
    pub async fn head(&mut self) -> Result<EndpointResponse, (Error, bool)> {
        for _ in 0..INTERIM {
            if let Err(cause) = self.session.read_response().await {
                let stale = self.reused && matches!(cause.retry, pingora::RetryType::ReusedOnly);
                if let Some(attempt) = self.attempt.as_mut().filter(|_| stale) {
                    attempt.forget();
                    self.attempt = None;
                }
                return Err((self.broken(&cause), stale));
            }
            let Some(header) = self.session.resp_header() else { break };
            let status = header.status.as_u16();
            if (100..200).contains(&status) && !(status == 101 && self.session.is_upgrade_req()) {
                if status == 101 {
                    return Err((self.refuse("101 where no upgrade was asked for"), false));
                }
                continue;
            }
            let accepted = accept(header);
            if let Some(attempt) = &mut self.attempt {
                attempt.ended(status < 500);
            }
            return accepted.map_err(|detail| (self.refuse(detail), false));
        }
        Err((self.refuse("more interim responses than are read"), false))
    }

    /// The next piece of the response's content; nothing at its end. May be dropped and asked again.
    ///
    /// # Errors
    /// When the content breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match self.session.read_body_bytes().await {
            Ok(piece) => Ok(piece),
            Err(cause) => Err(self.broken(&cause)),
        }
    }

    /// Whether the connection has left HTTP for what an upgrade agreed on.
    #[must_use]
    pub fn was_upgraded(&self) -> bool {
        self.session.was_upgraded()
    }

    /// Lets content pass unframed from here on.
    pub fn upgrade(&mut self) {
        self.session.maybe_upgrade_body_writer();
    }

    async fn content(&mut self, limit: usize) -> Result<Bytes, Error> {
        let too_large = "the response is larger than is kept in memory";
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        let announced = self.session.get_header("content-length").and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(self.refuse_as(ErrorKind::TooLarge, too_large));
        }
        let mut piece = self.next().await?;
        if piece.is_none() {
            return Ok(first);
        }
        // One buffer of the size that was announced; pieces as small as the origin likes must not cost more than what is in them.
        let mut whole = BytesMut::with_capacity(announced.unwrap_or(0));
        whole.extend_from_slice(&first);
        while let Some(bytes) = piece {
            if whole.len() + bytes.len() > limit {
                return Err(self.refuse_as(ErrorKind::TooLarge, too_large));
            }
            whole.extend_from_slice(&bytes);
            piece = self.next().await?;
        }
        Ok(whole.freeze())
    }

    fn broken(&mut self, cause: &pingora::Error) -> Error {
        self.refuse_as(ErrorKind::Protocol, &error::cause(cause))
    }

    fn refuse(&mut self, detail: &str) -> Error {
        self.refuse_as(ErrorKind::Protocol, detail)
    }

    /// What the origin sent is no answer; a group leaves out a target that does so too often.
    pub(crate) fn refuse_as(&mut self, kind: ErrorKind, detail: &str) -> Error {
        if let Some(attempt) = &mut self.attempt {
            attempt.ended(false);
        }
        Error::new(kind, self.endpoint.authority(), detail).at(self.address())
    }
}

/// The request's time is over, and this is what had not come.
pub(crate) fn timed_out(request: &EndpointRequest, missing: &str) -> Error {
    let detail = format!("no {missing} within {} ms (timeoutInMillis)", request.timeout.as_millis());
    Error::new(ErrorKind::Timeout, request.endpoint.authority(), detail)
}

fn failed(request: &EndpointRequest, kind: ErrorKind, cause: &pingora::Error, chosen: &Chosen) -> Error {
    Error::new(kind, request.endpoint.authority(), error::cause(cause)).at(chosen.address())
}

pub(super) fn address(peer: &HttpPeer) -> Option<SocketAddr> {
    pingora::upstreams::peer::Peer::address(peer).as_inet().copied()
}
