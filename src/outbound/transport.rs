//! Bytes to and from an origin: TCP of our own, TLS by Pingora's connector.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pingora::connectors::TransportConnector;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::error;
use super::origin::{CONNECT, Peer};

/// A connection's two directions.
#[derive(Debug)]
pub(super) enum Transport {
    /// In the clear.
    Plain(TcpStream),
    /// Over TLS.
    Tls(pingora::protocols::Stream),
}

impl Transport {
    /// A new connection to `peer`.
    ///
    /// # Errors
    /// With why there is none.
    pub(super) async fn connect(connector: &TransportConnector, peer: &Peer) -> Result<Self, String> {
        if peer.is_tls {
            // Boxed: a handshake's state is large, and every request in the clear would carry room for it.
            return Box::pin(connector.new_stream(&peer.http)).await.map(Self::Tls).map_err(|cause| error::cause(&cause));
        }
        let connected = tokio::time::timeout(CONNECT, TcpStream::connect(peer.address)).await;
        let stream = connected
            .map_err(|_| format!("no connection was accepted within {} s", CONNECT.as_secs()))?
            .map_err(|error| error.to_string())?;
        let _ = stream.set_nodelay(true);
        Ok(Self::Plain(stream))
    }

    /// What came while the connection was idle. Costs no system call where the runtime knows of nothing; `for_certain` asks the kernel: for
    /// requests that cannot be sent a second time.
    pub(super) fn state(&mut self, for_certain: bool) -> Idleness {
        let mut byte = [0; 1];
        let mut read = ReadBuf::new(&mut byte);
        match Pin::new(&mut *self).poll_read(&mut Context::from_waker(Waker::noop()), &mut read) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) if !read.filled().is_empty() => return Idleness::Unexpected,
            Poll::Ready(_) => return Idleness::Ended,
        }
        match self {
            Self::Plain(stream) if for_certain => match recv(&*stream, &mut [0_u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
                Err(rustix::io::Errno::AGAIN) => Idleness::Quiet,
                Ok((_, 1..)) => Idleness::Unexpected,
                _ => Idleness::Ended,
            },
            _ => Idleness::Quiet,
        }
    }
}

/// What came on a connection while nobody asked for anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idleness {
    /// Nothing: it can carry a request.
    Quiet,
    /// Its end.
    Ended,
    /// Bytes, which the next request must not take for its response.
    Unexpected,
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
