//! One request's way in and its response's way out, whichever HTTP the client speaks: HTTP/1.1 by `http1`, HTTP/2 by Pingora.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::date::get_cached_date;
use tokio::io::{AsyncRead, AsyncWrite, Empty};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::convert;
use super::socket::Socket;
use crate::exchange::Response;
use crate::http1::{self, Broken, Framing};

/// A large response goes out in pieces of this size on HTTP/2.
const PIECE: usize = 64 << 10;

/// A client's connection, in the clear or over TLS.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send + Sync {
    /// Has the connection end with a reset once it is dropped.
    fn reset(&self);
}

impl Io for TcpStream {
    fn reset(&self) {
        let _ = rustix::net::sockopt::set_socket_linger(self, Some(Duration::ZERO));
    }
}

impl Io for TlsStream<Socket> {
    fn reset(&self) {
        self.get_ref().0.stream().reset();
    }
}

impl Io for Empty {
    fn reset(&self) {}
}

/// See the module.
pub(super) enum Session {
    /// A connection that brings one request after the other.
    Http1(http1::Session<Box<dyn Io>>),
    /// One stream of a connection.
    Http2(Box<ServerSession>),
}

/// Why content could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It brought nothing for too long.
    Late,
    /// It broke off, or breaks HTTP's rules.
    Broken,
}

impl Session {
    pub(super) const fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }

    /// The method of a request that is not served. On HTTP/1.1 an answer to HEAD leaves its content out by itself.
    pub(super) fn http_method(&self) -> Method {
        match self {
            Self::Http1(_) => Method::GET,
            Self::Http2(session) => session.req_header().method.clone(),
        }
    }

    /// The length of the request's content, if it is known; 0 where there is none.
    pub(super) fn content_length(&mut self) -> Option<u64> {
        match self {
            Self::Http1(session) => session.content_length(),
            Self::Http2(session) => {
                let length = session.req_header().headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
                if session.is_body_empty() { Some(0) } else { length }
            }
        }
    }

    /// Whether all of the request's content was read.
    pub(super) fn is_content_done(&mut self) -> bool {
        match self {
            Self::Http1(session) => session.is_content_done(),
            Self::Http2(session) => session.is_body_done(),
        }
    }

    /// The next piece of the request's content; nothing at its end. May be dropped and asked again.
    pub(super) async fn read_content(&mut self) -> Result<Option<Bytes>, Unreadable> {
        match self {
            Self::Http1(session) => session.read_content().await.map_err(|broken| match broken {
                Broken::Io(error) if error.kind() == io::ErrorKind::TimedOut => Unreadable::Late,
                _ => Unreadable::Broken,
            }),
            Self::Http2(session) => session.read_request_body().await.map_err(|error| match error.etype() {
                pingora::ErrorType::ReadTimedout => Unreadable::Late,
                _ => Unreadable::Broken,
            }),
        }
    }

    /// Waits until the client has gone away while its response goes on. A request's content must have been read to its end.
    pub(super) async fn gone(&mut self) {
        match self {
            Self::Http1(session) => session.gone().await,
            Self::Http2(session) => match session.watch_h2_stream_close() {
                Some(closed) => drop(closed.await),
                None => std::future::pending().await,
            },
        }
    }

    /// Tells a client that waits for it to send its content; `expects` is what its `Expect` says.
    pub(super) async fn continue_if(&mut self, expects: bool) {
        if let Self::Http1(session) = self
            && expects
        {
            // A client that is gone is found out by reading.
            let _ = session.write_continue().await;
        }
    }

    /// Lets the connection end with the response. A stream ends with it anyway.
    pub(super) const fn close(&mut self) {
        if let Self::Http1(session) = self {
            session.close();
        }
    }

    /// Begins the response.
    pub(super) async fn write_head(&mut self, response: &Response, framing: Framing) -> io::Result<()> {
        match self {
            Self::Http1(session) => {
                session.write_head(response.status, &response.fields, framing, get_cached_date().as_bytes());
                Ok(())
            }
            Self::Http2(session) => {
                let head = convert::response(response, framing).map_err(io::Error::other)?;
                session.write_response_header(Box::new(head)).await.map_err(io::Error::other)
            }
        }
    }

    /// Writes a piece of the response's content; it may wait for more of it before it goes out.
    pub(super) async fn write_content(&mut self, content: Bytes) -> io::Result<()> {
        match self {
            Self::Http1(session) => session.write_content(&content).await,
            Self::Http2(session) => session.write_response_body(content, false).await.map_err(io::Error::other),
        }
    }

    /// Sends what waits.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Http1(session) => session.flush().await,
            Self::Http2(_) => Ok(()),
        }
    }

    /// Ends the response.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Http1(session) => session.finish().await,
            Self::Http2(session) => session.finish_body().await.map_err(io::Error::other),
        }
    }

    /// Writes a whole response.
    pub(super) async fn send(&mut self, response: &Response, http_method: &Method) -> io::Result<()> {
        let bodiless = matches!(response.status, 204 | 304) || response.status < 200;
        let framing = if bodiless { Framing::None } else { Framing::Length(response.content.len() as u64) };
        self.write_head(response, framing).await?;
        let is_empty = bodiless || http_method == Method::HEAD;
        match self {
            Self::Http1(session) => {
                if !is_empty {
                    session.write_content(&response.content).await?;
                }
                session.finish().await
            }
            Self::Http2(_) if is_empty => Ok(()),
            Self::Http2(session) => {
                let mut content = response.content.clone();
                // The client has its time for each piece, not for all of them.
                while content.len() > PIECE {
                    session.write_response_body(content.split_to(PIECE), false).await.map_err(io::Error::other)?;
                }
                session.write_response_body(content, true).await.map_err(io::Error::other)
            }
        }
    }

    /// The connection after it has left HTTP, with what was read of it already. Only HTTP/1.1 can leave.
    pub(super) fn detach(&mut self) -> Option<(Box<dyn Io>, BytesMut)> {
        match self {
            Self::Http1(session) => Some(session.detach(Box::new(tokio::io::empty()))),
            Self::Http2(_) => None,
        }
    }

    /// Whether the connection can take another request.
    pub(super) fn is_reusable(&self) -> bool {
        matches!(self, Self::Http1(session) if session.is_reusable())
    }

    /// Ends a connection so that its client can read what was written last.
    pub(super) async fn linger(self) {
        if let Self::Http1(session) = self {
            session.linger().await;
        }
    }

    /// Breaks a response off so that the client sees that it is not whole.
    pub(super) async fn abort(&mut self) {
        match self {
            // What was written goes out and the rest does not: no last chunk, no whole length.
            Self::Http1(session) => {
                let _ = session.flush().await;
                session.close();
                if session.ends_with_connection() {
                    // A plain end would be the response's own.
                    let (stream, _) = session.detach(Box::new(tokio::io::empty()));
                    stream.reset();
                }
            }
            Self::Http2(session) => session.shutdown().await,
        }
    }
}
