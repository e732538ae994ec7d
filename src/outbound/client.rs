//! Requests to endpoints: in one piece, or piece by piece.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::v1::Connector;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::v1::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;
use tokio::time::{Instant, timeout_at};

use super::error::{Error, ErrorKind};
use super::origins::{Origins, error};
use crate::exchange::{EndpointRequest, EndpointResponse, FieldName, Fields};

/// Addresses that one request tries.
const ADDRESSES: usize = 4;
/// Idle connections kept for all origins together.
const POOL: usize = 4096;
/// Interim responses (1xx) before a final one.
const INTERIM: usize = 10;
/// Of a response's head: bytes and field lines.
const HEAD: (usize, usize) = (64 << 10, 200);
/// Of a response that is completed in memory.
const CONTENT: usize = 64 << 20;

/// The client that everything outbound goes through.
pub struct Client {
    connector: Connector,
    origins: Origins,
    content_limit: usize,
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
}

impl Client {
    /// A client with an empty pool. Origins' certificates are checked with the system's roots.
    #[must_use]
    pub fn new() -> Self {
        Self { connector: Connector::new(Some(ConnectorOptions::new(POOL))), origins: Origins::default(), content_limit: CONTENT }
    }

    /// Who answers for endpoints.
    #[must_use]
    pub const fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Asks an endpoint and waits for its whole response; says how long it took.
    ///
    /// # Errors
    /// When there is no response within the request's time.
    pub async fn call(&self, request: &EndpointRequest) -> Result<(EndpointResponse, Duration), Error> {
        let started = Instant::now();
        let deadline = started + request.timeout;
        let response = timeout_at(deadline, self.whole(request)).await.map_err(|_| timed_out(request))??;
        Ok((response, started.elapsed()))
    }

    async fn whole(&self, request: &EndpointRequest) -> Result<EndpointResponse, Error> {
        let mut stream = self.open(request, Some(request.content.len() as u64)).await?;
        if !request.content.is_empty() {
            stream.send(&request.content).await?;
        }
        stream.finish().await?;
        let head = match stream.head().await {
            // A connection that the origin had closed while it was idle: nothing was answered, so once more on a new one.
            Err((_, true)) if repeatable(request) => {
                stream = self.reopen(request, Some(request.content.len() as u64)).await?;
                if !request.content.is_empty() {
                    stream.send(&request.content).await?;
                }
                stream.finish().await?;
                stream.head().await.map_err(|(error, _)| error)?
            }
            other => other.map_err(|(error, _)| error)?,
        };
        let content = stream.content(self.content_limit).await?;
        self.release(stream).await;
        Ok(EndpointResponse { content, ..head })
    }

    /// Sends a request's head. `content_length`: how much content follows, nothing for an unknown length.
    ///
    /// # Errors
    /// When no connection is made.
    pub async fn open(&self, request: &EndpointRequest, content_length: Option<u64>) -> Result<Stream, Error> {
        let head = head(request, content_length)?;
        let (mut session, reused, peer) = self.connect(request).await?;
        match session.write_request_header(Box::new(head)).await {
            Ok(_) => Ok(Stream { session, peer, endpoint: Arc::clone(&request.endpoint), reused }),
            Err(_) if reused => self.reopen(request, content_length).await,
            Err(cause) => Err(failed(request, ErrorKind::Protocol, &cause)),
        }
    }

    /// A connection to the first address that accepts one: a host may have several, and not all of them need be served.
    async fn connect(&self, request: &EndpointRequest) -> Result<(HttpSession, bool, Arc<HttpPeer>), Error> {
        let first = self.origins.peer(&request.endpoint).await?;
        let mut peer = Arc::clone(&first);
        for attempt in 1.. {
            match self.connector.get_http_session(&*peer).await {
                Ok((session, reused)) => return Ok((session, reused, peer)),
                Err(cause) if attempt == ADDRESSES => return Err(failed(request, ErrorKind::Connect, &cause)),
                Err(cause) => {
                    peer = self.origins.peer(&request.endpoint).await?;
                    if Arc::ptr_eq(&peer, &first) {
                        return Err(failed(request, ErrorKind::Connect, &cause));
                    }
                }
            }
        }
        Err(error(&request.endpoint, ErrorKind::Connect, "no address accepts a connection"))
    }

    /// The same on a connection that is new for certain.
    ///
    /// # Errors
    /// When no connection is made.
    pub async fn reopen(&self, request: &EndpointRequest, content_length: Option<u64>) -> Result<Stream, Error> {
        let peer = self.origins.peer(&request.endpoint).await?;
        let mut fresh = HttpPeer::clone(&peer);
        // Another group is another pool, which has no connection yet.
        fresh.group_key = fastrand::u64(1..);
        let (mut session, _) =
            self.connector.get_http_session(&fresh).await.map_err(|cause| failed(request, ErrorKind::Connect, &cause))?;
        let sent = session.write_request_header(Box::new(head(request, content_length)?)).await;
        sent.map_err(|cause| failed(request, ErrorKind::Protocol, &cause))?;
        Ok(Stream { session, peer, endpoint: Arc::clone(&request.endpoint), reused: false })
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
    /// Sends a piece of content.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn send(&mut self, content: &[u8]) -> Result<(), Error> {
        self.session.write_body(content).await.map(drop).map_err(|cause| self.broken(&cause))
    }

    /// Says that no more content follows.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn finish(&mut self) -> Result<(), Error> {
        self.session.finish_body().await.map(drop).map_err(|cause| self.broken(&cause))
    }

    /// Waits for the final response's head. May be dropped and asked again.
    ///
    /// # Errors
    /// When there is none; `true` beside it if the connection was an idle one that the origin had given up.
    pub async fn head(&mut self) -> Result<EndpointResponse, (Error, bool)> {
        for _ in 0..INTERIM {
            if let Err(cause) = self.session.read_response().await {
                let stale = self.reused && matches!(cause.retry, pingora::RetryType::ReusedOnly);
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
            return accept(header).map_err(|detail| (self.refuse(detail), false));
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
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        let mut whole = BytesMut::new();
        let mut piece = Some(first);
        while let Some(bytes) = piece {
            if whole.len() + bytes.len() > limit {
                return Err(self.refuse_as(ErrorKind::TooLarge, "the response is larger than is kept in memory"));
            }
            let next = self.next().await?;
            if next.is_none() && whole.is_empty() {
                return Ok(bytes);
            }
            whole.extend_from_slice(&bytes);
            piece = next;
        }
        Ok(whole.freeze())
    }

    fn broken(&self, cause: &pingora::Error) -> Error {
        self.refuse_as(
            ErrorKind::Protocol,
            &format!("{} {}", cause.etype().as_str(), cause.context.as_ref().map_or("", |context| context.as_str())),
        )
    }

    fn refuse(&self, detail: &str) -> Error {
        self.refuse_as(ErrorKind::Protocol, detail)
    }

    fn refuse_as(&self, kind: ErrorKind, detail: &str) -> Error {
        error(&self.endpoint, kind, detail)
    }
}

/// A head within limits, without its framing.
fn accept(header: &ResponseHeader) -> Result<EndpointResponse, &'static str> {
    let size: usize = header.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > HEAD.0 || header.headers.len() > HEAD.1 {
        return Err("the response's head is larger than is read");
    }
    let lengths = header.headers.get_all("content-length");
    if lengths.iter().count() > 1 {
        return Err("the response has more than one Content-Length");
    }
    let mut fields = Fields::with_capacity(header.headers.len());
    for (name, value) in header.case_header_iter() {
        if let Some(name) = FieldName::parse(name.as_slice()) {
            fields.append(name, value.clone());
        }
    }
    Ok(EndpointResponse { status: header.status.as_u16(), selector: None, fields, content: Bytes::new() })
}

fn head(request: &EndpointRequest, content_length: Option<u64>) -> Result<RequestHeader, Error> {
    let refused = |_| error(&request.endpoint, ErrorKind::Refused, "the request cannot be written");
    let path = if request.path_and_query.is_empty() { "/" } else { &request.path_and_query };
    let mut head = RequestHeader::build(request.http_method.clone(), path.as_bytes(), Some(request.fields.len() + 2)).map_err(refused)?;
    for field in &request.fields {
        head.append_header(field.name.to_bytes(), field.value.clone()).map_err(refused)?;
    }
    match content_length {
        Some(0) if matches!(request.http_method, Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE) => {}
        Some(length) => head.insert_header("Content-Length", length.to_string()).map_err(refused)?,
        None => head.insert_header("Transfer-Encoding", "chunked").map_err(refused)?,
    }
    Ok(head)
}

fn timed_out(request: &EndpointRequest) -> Error {
    error(&request.endpoint, ErrorKind::Timeout, format!("no response within {} ms", request.timeout.as_millis()))
}

fn failed(request: &EndpointRequest, kind: ErrorKind, cause: &pingora::Error) -> Error {
    let context = cause.context.as_ref().map_or("", |context| context.as_str());
    error(&request.endpoint, kind, format!("{} {context}", cause.etype().as_str()))
}
