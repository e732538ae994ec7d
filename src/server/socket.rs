//! A client's socket with the time limits that the framework lacks, and writes gathered into one.
//!
//! A head must be complete 15 s after its first byte, however it trickles; a write must get on within 30 s. Both cost nothing while
//! nobody is slow: a timer is made only when a read or a write has to wait.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// From a head's first byte to its last.
const HEAD: Duration = Duration::from_secs(15);
/// Without any progress of a write.
const WRITE: Duration = Duration::from_secs(30);
/// Writes are gathered up to this size.
const GATHERED: usize = 8 << 10;

/// What the connection tells its socket.
#[derive(Debug, Default)]
pub(super) struct Gate {
    awaiting_head: AtomicBool,
    head_begun: AtomicBool,
}

impl Gate {
    /// A new head may begin.
    pub(super) fn await_head(&self) {
        self.head_begun.store(false, Ordering::Relaxed);
        self.awaiting_head.store(true, Ordering::Relaxed);
    }

    /// The head is complete.
    pub(super) fn head_complete(&self) {
        self.awaiting_head.store(false, Ordering::Relaxed);
    }

    /// Whether a byte of the awaited head has come.
    pub(super) fn head_begun(&self) -> bool {
        self.head_begun.load(Ordering::Relaxed)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    gate: Arc<Gate>,
    head_since: Option<Instant>,
    read_timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
    gathered: Vec<u8>,
    written: usize,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, gate: Arc<Gate>) -> Self {
        Self { stream, gate, head_since: None, read_timer: None, write_timer: None, gathered: Vec::new(), written: 0 }
    }

    fn note_read(&mut self, bytes: usize) {
        if !self.gate.awaiting_head.load(Ordering::Relaxed) {
            self.head_since = None;
            self.read_timer = None;
        } else if bytes > 0 && !self.gate.head_begun.swap(true, Ordering::Relaxed) {
            self.head_since = Some(Instant::now());
            self.read_timer = None;
        }
    }

    fn poll_late_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(since) = self.head_since.filter(|_| self.gate.head_begun() && self.gate.awaiting_head.load(Ordering::Relaxed)) else {
            return Poll::Pending;
        };
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

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(result) => {
                self.note_read(buf.filled().len() - before);
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_late_head(cx),
        }
    }
}

impl AsyncWrite for Socket {
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

impl VirtualSocket for Socket {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.stream.set_nodelay(true),
            _ => Ok(()),
        }
    }
}
