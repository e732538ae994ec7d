//! Requests to endpoints: in one piece, or piece by piece.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use pingora::connectors::{ConnectorOptions, TransportConnector};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::{Error, ErrorKind};
use super::link::Attempt;
use super::origin::Peer;
use super::origins::{Chosen, Origins};
use super::pool::Pool;
use super::transport::Transport;
use crate::exchange::{Endpoint, EndpointRequest, EndpointResponse};
use crate::http1::{Broken, Connection, Exchange, Step, write_request_head};

/// Addresses that one request tries.
const ADDRESSES: usize = 4;
/// As long as there is another address, one that does not accept is given up after this time: the kernel has asked three times by then.
const HURRY: Duration = Duration::from_secs(3);
/// Of a response that is completed in memory.
const CONTENT: usize = 64 << 20;

/// The client that everything outbound goes through.
pub struct Client {
    connector: TransportConnector,
    pool: Pool,
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
    exchange: Exchange<Transport>,
    peer: Arc<Peer>,
    endpoint: Arc<Endpoint>,
    reused: bool,
    /// The target of a VPC link that answers, or does not.
    attempt: Option<Attempt>,
}

impl Client {
    /// A client with an empty pool. Origins' certificates are checked with the system's roots.
    #[must_use]
    pub fn new() -> Self {
        Self {
            // The connector only connects; idle connections are kept here.
            connector: TransportConnector::new(Some(ConnectorOptions::new(1))),
            pool: Pool::default(),
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
        self.pool.unexpected()
    }

    /// Asks an endpoint and waits for its whole response; says how long it took.
    ///
    /// # Errors
    /// When there is no response within the request's time.
    pub async fn call(&self, request: &EndpointRequest) -> Result<(EndpointResponse, Duration), Error> {
        self.call_within(request, self.content_limit).await
    }

    /// The same for a response of at most `content_limit` bytes of content.
    ///
    /// # Errors
    /// As [`Self::call`], and when there is more.
    pub async fn call_within(&self, request: &EndpointRequest, content_limit: usize) -> Result<(EndpointResponse, Duration), Error> {
        let started = Instant::now();
        let answered = self.whole(request, started + request.timeout, content_limit).await;
        answered.map(|response| (response, started.elapsed())).map_err(|error| error.after(started.elapsed()))
    }

    async fn whole(&self, request: &EndpointRequest, deadline: Instant, content_limit: usize) -> Result<EndpointResponse, Error> {
        let (mut stream, head) = self.begun(request, deadline).await?;
        let address = stream.address();
        let content = timeout_at(deadline, stream.content(content_limit)).await;
        let content = content.map_err(|_| timed_out(request, "end of the response").at(Some(address)))??;
        self.release(stream);
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
        let head = match timeout_at(deadline, stream.head()).await.map_err(|_| late("response").at(Some(address)))? {
            // A connection that the origin had closed while it was idle: nothing was answered, so once more on a new one.
            Err((_, true)) if repeatable(request) => {
                stream = ask(true).await.map_err(|_| late("connection"))??;
                address = stream.address();
                timeout_at(deadline, stream.head()).await.map_err(|_| late("response").at(Some(address)))?.map_err(|(error, _)| error)?
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
            stream.send(request.content.clone()).await?;
        }
        stream.finish().await?;
        Ok(stream)
    }

    /// Begins a request on an idle connection or a new one; its head goes out with what is sent first. `content_length`: how much content
    /// follows, nothing for an unknown length. At `deadline` the caller gives up.
    ///
    /// # Errors
    /// When no connection is made.
    pub async fn open(&self, request: &EndpointRequest, content_length: Option<u64>, deadline: Instant) -> Result<Stream, Error> {
        // A host may have several addresses, and not all of them need be served.
        for attempt in 1.. {
            let chosen = self.origins.choose(&request.endpoint, deadline).await?;
            if let Some(connection) = self.pool.take(chosen.peer.key, !repeatable(request) || content_length != Some(0)) {
                return begin(request, content_length, connection, chosen, true);
            }
            let is_last = attempt >= chosen.addresses.min(ADDRESSES);
            let connecting = Transport::connect(&self.connector, &chosen.peer);
            let connected = if is_last { Ok(connecting.await) } else { timeout(HURRY.min(request.timeout / 2), connecting).await };
            let failure = match connected {
                Ok(Ok(transport)) => return begin(request, content_length, Connection::new(transport), chosen, false),
                Ok(Err(cause)) => unconnected(request, cause, &chosen),
                Err(_) => timed_out(request, "connection").at(Some(chosen.address())),
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
        match Transport::connect(&self.connector, &chosen.peer).await {
            Ok(transport) => begin(request, content_length, Connection::new(transport), chosen, false),
            Err(cause) => {
                let failure = unconnected(request, cause, &chosen);
                chosen.took_none();
                Err(failure)
            }
        }
    }

    /// Gives a connection back once its response is read to the end; one that is not is closed.
    pub fn release(&self, stream: Stream) {
        let key = stream.peer.key;
        match stream.exchange.into_connection() {
            Ok(connection) => self.pool.put(key, connection),
            Err(had_excess) => self.pool.count_unexpected(had_excess),
        }
    }

    /// Closes idle connections that are too old or that their origin has closed.
    pub(super) fn sweep(&self) {
        self.pool.sweep();
    }
}

fn begin(
    request: &EndpointRequest,
    content_length: Option<u64>,
    connection: Connection<Transport>,
    chosen: Chosen,
    reused: bool,
) -> Result<Stream, Error> {
    // Room for a usual head and a small content.
    let mut out = BytesMut::with_capacity(1024);
    write_request_head(&request.http_method, &request.path_and_query, &request.fields, content_length, &mut out)
        .map_err(|broken| Error::new(ErrorKind::Refused, request.endpoint.authority(), broken.to_string()))?;
    let exchange = Exchange::new(connection, out, content_length, request.http_method == Method::HEAD);
    Ok(Stream { exchange, peer: chosen.peer, endpoint: Arc::clone(&request.endpoint), reused, attempt: chosen.attempt })
}

/// Whether a request may be sent once more after nothing of a response came (RFC 9110, section 9.2.2).
#[must_use]
pub(crate) fn repeatable(request: &EndpointRequest) -> bool {
    matches!(request.http_method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS)
}

impl Stream {
    /// Whether the request asks the origin to leave HTTP, which it does by a 101.
    #[must_use]
    pub fn with_upgrade(self, asked: bool) -> Self {
        Self { exchange: self.exchange.with_upgrade(asked), ..self }
    }

    /// Who answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.peer.address
    }

    /// Sends a piece of content.
    ///
    /// # Errors
    /// When it does not fit what was announced. An origin that takes no more may have answered: [`Self::head`] tells.
    pub async fn send(&mut self, content: Bytes) -> Result<(), Error> {
        match self.exchange.send(content).await {
            Ok(()) => Ok(()),
            Err(broken) => Err(self.broken(&broken)),
        }
    }

    /// Says that no more content follows.
    ///
    /// # Errors
    /// As of [`Self::send`].
    pub async fn finish(&mut self) -> Result<(), Error> {
        match self.exchange.finish().await {
            Ok(()) => Ok(()),
            Err(broken) => Err(self.broken(&broken)),
        }
    }

    /// Leaves a piece of content, or its end, to [`Self::step`].
    ///
    /// # Errors
    /// As of [`Self::send`].
    pub fn queue(&mut self, piece: Option<Bytes>) -> Result<(), Error> {
        let queued = match piece {
            Some(content) => self.exchange.queue(content),
            None => self.exchange.queue_end(),
        };
        queued.map_err(|broken| self.broken(&broken))
    }

    /// Whether nothing is queued any more.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.exchange.is_sent()
    }

    /// The next piece of the response's content, while what is queued goes out. May be dropped and asked again.
    ///
    /// # Errors
    /// When the content breaks off.
    pub async fn step(&mut self) -> Result<Step, Error> {
        match self.exchange.step().await {
            Ok(step) => Ok(step),
            Err(broken) => Err(self.broken(&broken)),
        }
    }

    /// Waits for the final response's head. May be dropped and asked again.
    ///
    /// # Errors
    /// When there is none; `true` beside it if the connection was an idle one that the origin had given up.
    pub async fn head(&mut self) -> Result<EndpointResponse, (Error, bool)> {
        match self.exchange.head().await {
            Ok(head) => {
                if let Some(attempt) = &mut self.attempt {
                    attempt.ended(head.status < 500);
                }
                Ok(EndpointResponse { status: head.status, selector: None, fields: head.fields, content: Bytes::new() })
            }
            Err((broken, nothing_came)) => {
                let stale = self.reused && nothing_came;
                if let Some(attempt) = self.attempt.as_mut().filter(|_| stale) {
                    attempt.forget();
                    self.attempt = None;
                }
                Err((self.broken(&broken), stale))
            }
        }
    }

    /// The next piece of the response's content; nothing at its end. May be dropped and asked again.
    ///
    /// # Errors
    /// When the content breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match self.exchange.next().await {
            Ok(piece) => Ok(piece),
            Err(broken) => Err(self.broken(&broken)),
        }
    }

    /// Whether more of the response's content is there without waiting.
    #[must_use]
    pub fn has_more_at_hand(&self) -> bool {
        self.exchange.has_more_at_hand()
    }

    /// The connection after a 101, with what was read of it already.
    #[must_use]
    pub fn into_tunnel(self) -> (impl AsyncRead + AsyncWrite + Unpin + Send, BytesMut) {
        self.exchange.into_tunnel()
    }

    async fn content(&mut self, limit: usize) -> Result<Bytes, Error> {
        match self.exchange.content(limit).await {
            Ok(Some(content)) => Ok(content),
            Ok(None) => Err(self.refuse_as(ErrorKind::TooLarge, "the response is larger than is kept in memory")),
            Err(broken) => Err(self.broken(&broken)),
        }
    }

    fn broken(&mut self, broken: &Broken) -> Error {
        self.refuse_as(ErrorKind::Protocol, &broken.to_string())
    }

    /// What the origin sent is no answer; a group leaves out a target that does so too often.
    pub(crate) fn refuse_as(&mut self, kind: ErrorKind, detail: &str) -> Error {
        if let Some(attempt) = &mut self.attempt {
            attempt.ended(false);
        }
        Error::new(kind, self.endpoint.authority(), detail).at(Some(self.address()))
    }
}

/// The request's time is over, and this is what had not come.
pub(crate) fn timed_out(request: &EndpointRequest, missing: &str) -> Error {
    let detail = format!("no {missing} within {} ms (timeoutInMillis)", request.timeout.as_millis());
    Error::new(ErrorKind::Timeout, request.endpoint.authority(), detail)
}

fn unconnected(request: &EndpointRequest, cause: String, chosen: &Chosen) -> Error {
    Error::new(ErrorKind::Connect, request.endpoint.authority(), cause).at(Some(chosen.address()))
}
