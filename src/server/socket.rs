//! The socket under TLS, HTTP/2 and the admin address, with the time limits that the framework lacks, and writes gathered into one.
//!
//! A head must be complete 15 s after it began, however it trickles; a write must get on within 30 s. Both cost nothing while
//! nobody is slow: a timer is made only when a read or a write has to wait.

use std::io;
use std::os::fd::AsRawFd as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::{ALPN, Shutdown, Ssl, UniqueID, UniqueIDType};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::gate::{Gate, Inspector};

/// From a head's beginning to its last byte.
pub(super) const HEAD: Duration = Duration::from_secs(15);
/// Without any progress of a write.
const WRITE: Duration = Duration::from_secs(30);
/// Writes are gathered up to this size.
const GATHERED: usize = 8 << 10;

/// See the module. `S` is a `TcpStream` but for tests.
#[derive(Debug)]
pub(crate) struct Socket<S = TcpStream> {
    stream: S,
    gate: Arc<Gate>,
    inspector: Option<Inspector>,
    head_since: Option<Instant>,
    read_timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
    gathered: Vec<u8>,
    written: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// A socket whose bytes somebody else decrypts and looks at.
    pub(crate) const fn encrypted(stream: S, gate: Arc<Gate>) -> Self {
        Self { stream, gate, inspector: None, head_since: None, read_timer: None, write_timer: None, gathered: Vec::new(), written: 0 }
    }

    /// A socket on which HTTP/2 is spoken in the clear.
    pub(super) fn http2(stream: S) -> Self {
        let gate = Arc::<Gate>::default();
        let inspector = Some(Inspector::new(Arc::clone(&gate)));
        Self { inspector, ..Self::encrypted(stream, gate) }
    }

    /// What is under it.
    pub(super) const fn stream(&self) -> &S {
        &self.stream
    }

    fn poll_late_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.gate.is_head_open() {
            self.head_since = None;
            self.read_timer = None;
            return Poll::Pending;
        }
        let since = *self.head_since.get_or_insert_with(Instant::now);
        let timer = self.read_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(since + HEAD)));
        timer.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the head was not complete in time")))
    }

    /// Writes what is gathered.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.gathered.len() {
            let rest = self.gathered.get(self.written..).unwrap_or_default();
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    self.written += count;
                    self.write_timer = None;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.poll_stalled(cx),
            }
        }
        self.gathered.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_stalled<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE)));
        timer.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the client did not read in time")))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(result) => {
                if let Some(inspector) = &mut self.inspector {
                    inspector.read(buf.filled().get(before..).unwrap_or_default());
                }
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_late_head(cx),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.gathered.len() + bytes.len() <= GATHERED {
            self.gathered.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(self.poll_out(cx))?;
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(result) => {
                self.write_timer = None;
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_stalled(cx),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Socket {
    async fn shutdown(&mut self) {
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for Socket {
    fn id(&self) -> UniqueIDType {
        self.stream.as_raw_fd()
    }
}

impl Ssl for Socket {
    /// Not negotiated here: the client's preface has decided.
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inspector.is_some().then_some(ALPN::H2)
    }
}

/// What the framework asks of its own streams and never of these.
macro_rules! tells_nothing_more {
    ($stream:ty) => {
        impl pingora::protocols::Peek for $stream {}

        impl pingora::protocols::GetTimingDigest for $stream {
            fn get_timing_digest(&self) -> Vec<Option<pingora::protocols::TimingDigest>> {
                Vec::new()
            }
        }

        impl pingora::protocols::GetProxyDigest for $stream {
            fn get_proxy_digest(&self) -> Option<std::sync::Arc<pingora::protocols::raw_connect::ProxyDigest>> {
                None
            }
        }

        impl pingora::protocols::GetSocketDigest for $stream {
            fn get_socket_digest(&self) -> Option<std::sync::Arc<pingora::protocols::SocketDigest>> {
                None
            }
        }
    };
}

pub(super) use tells_nothing_more;

tells_nothing_more!(Socket);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};

    use super::*;
    use crate::server::frames::PREFACE;

    fn pair() -> (DuplexStream, Socket<DuplexStream>) {
        let (client, server) = duplex(1024);
        (client, Socket::http2(server))
    }

    async fn cut_after(socket: &mut Socket<DuplexStream>) -> Option<(u64, io::ErrorKind)> {
        let started = Instant::now();
        let mut bytes = [0; 64];
        loop {
            match tokio::time::timeout(Duration::from_secs(3600), socket.read(&mut bytes)).await {
                Ok(Ok(0)) | Err(_) => return None,
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Some((started.elapsed().as_secs(), error.kind())),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_preface_or_header_block_is_cut_after_fifteen_seconds_however_it_trickles() {
        let (mut client, mut socket) = pair();
        tokio::spawn(async move {
            let block = [&PREFACE[..], &[0, 0, 40, 1, 0, 0, 0, 0, 1], &[0; 40]].concat();
            client.write_all(&block[..33]).await.unwrap();
            for byte in &block[33..] {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if client.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
        });
        assert_eq!(cut_after(&mut socket).await, Some((15, io::ErrorKind::TimedOut)));
        let (mut client, mut socket) = pair();
        client.write_all(b"PRI * ").await.unwrap();
        assert_eq!(cut_after(&mut socket).await, Some((15, io::ErrorKind::TimedOut)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_between_requests_is_not_a_slow_head() {
        let (mut client, mut socket) = pair();
        client.write_all(PREFACE).await.unwrap();
        assert!(cut_after(&mut socket).await.is_none());
        drop(client);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_no_time_is_cut_though_it_says_nothing() {
        let (client, server) = duplex(1024);
        let gate = Arc::new(Gate::default());
        gate.hurry();
        assert_eq!(cut_after(&mut Socket::encrypted(server, gate)).await, Some((15, io::ErrorKind::TimedOut)));
        drop(client);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_cut_and_little_is_kept_for_it() {
        let (client, mut socket) = pair();
        let started = Instant::now();
        let (mut sent, piece) = (0, [0; 4096]);
        let error = loop {
            match socket.write(&piece).await {
                Ok(count) => sent += count,
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), started.elapsed().as_secs()), (io::ErrorKind::TimedOut, 30));
        assert!(sent <= 1024 + 2 * GATHERED, "{sent}");
        drop(client);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_a_little_now_and_then_is_kept() {
        let (mut client, mut socket) = pair();
        tokio::spawn(async move {
            let mut bytes = [0; 512];
            loop {
                tokio::time::sleep(Duration::from_secs(20)).await;
                if client.read(&mut bytes).await.is_err() {
                    return;
                }
            }
        });
        for _ in 0..20 {
            socket.write_all(&[0; 1024]).await.unwrap();
        }
    }
}
