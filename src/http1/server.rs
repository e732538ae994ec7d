//! The server's side: one request after the other on a connection.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use super::Broken;
use super::body::Incoming;
use super::chunked::Chunked;
use super::head::{self, ContentEnd, Refusal, RequestHead};
use crate::exchange::Fields;

/// From a head's first byte to its last.
const HEAD: Duration = Duration::from_secs(15);
/// A connection that asks nothing is closed after this time.
const KEEP_ALIVE: Duration = Duration::from_secs(310);
/// Content that brings nothing is given up after this time.
const CONTENT: Duration = Duration::from_secs(30);
/// A write must get on within this time.
const WRITE: Duration = Duration::from_secs(30);
/// A client that sends no more is taken to read on as long as no response pauses for this time.
const HALF_CLOSED: Duration = Duration::from_secs(5);
/// How long a closed connection is still read, so that its client sees the response before the end (RFC 9112, section 9.6) …
const LINGER: Duration = Duration::from_secs(30);
/// … and how long it waits for a client that sends nothing more. Both are nginx's: a large upload that was refused goes on for a while.
const SILENT: Duration = Duration::from_secs(5);
/// The end of what is written is told within this time.
const SHUTDOWN: Duration = Duration::from_secs(1);
/// What a usual head takes.
const USUAL: usize = 4 << 10;
/// Content up to this size goes out together with what waits before it.
const GATHERED: usize = 16 << 10;

/// How a response's content ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// There is none by definition (1xx, 204, 304), or nothing is said of it (an answer to HEAD).
    None,
}

/// What of the response is still to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outgoing {
    Length(u64),
    Chunked,
    /// Unframed: to the end of the connection.
    Close,
    Done,
}

/// A connection to a client.
#[derive(Debug)]
pub struct Session<S> {
    stream: S,
    /// Read and not yet taken.
    input: BytesMut,
    /// Written by us, not yet by the kernel.
    out: BytesMut,
    searched: usize,
    /// Since when a request is waited for, whatever empty lines come instead.
    idle_since: Option<Instant>,
    head_since: Option<Instant>,
    incoming: Incoming,
    outgoing: Outgoing,
    keep_alive: bool,
    is_head: bool,
    minor_version: u8,
}

/// Why there is no further request.
#[derive(Debug)]
pub enum Unread {
    /// The client is gone, or has been silent for too long, with nothing begun.
    Closed,
    /// A head that has begun broke off or took too long.
    Late,
    /// What came is no request.
    Refused(Refusal),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// A connection on which nothing was read yet.
    #[must_use]
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            out: BytesMut::new(),
            searched: 0,
            idle_since: None,
            head_since: None,
            incoming: Incoming::Done,
            outgoing: Outgoing::Done,
            keep_alive: true,
            is_head: false,
            minor_version: 1,
        }
    }

    /// Whether bytes of a request have come that was not read yet.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        !matches!(&*self.input, [] | [b'\r'])
    }

    /// The next request's head. May be dropped and asked again.
    ///
    /// # Errors
    /// When there is none.
    pub async fn read_head(&mut self) -> Result<RequestHead, Unread> {
        loop {
            // RFC 9112, section 2.2: empty lines before a request are nothing.
            while self.input.starts_with(b"\r\n") {
                self.input.advance(2);
                self.searched = 0;
                // What is left may be the next empty line's beginning, and must not have a time of its own.
                if self.input.is_empty() {
                    self.head_since = None;
                }
            }
            let end = head::end(&self.input, self.searched);
            if end.unwrap_or(self.input.len()) > head::LARGEST {
                let in_line = !self.input.iter().take(head::LARGEST).any(|&byte| byte == b'\n');
                let refusal = if in_line { Refusal(414, "Request URI too long") } else { Refusal(431, "Request Header Fields Too Large") };
                (self.is_head, self.minor_version, self.incoming) = (false, 1, Incoming::Close);
                return Err(Unread::Refused(refusal));
            }
            if let Some(end) = end {
                return self.begin(end).map_err(Unread::Refused);
            }
            self.searched = self.input.len();
            self.input.reserve(USUAL);
            let read = if self.searched == 0 {
                let since = *self.idle_since.get_or_insert_with(Instant::now);
                timeout_at(since + KEEP_ALIVE, self.stream.read_buf(&mut self.input)).await
            } else {
                let since = *self.head_since.get_or_insert_with(Instant::now);
                timeout_at(since + HEAD, self.stream.read_buf(&mut self.input)).await
            };
            match read {
                Ok(Ok(1..)) => {}
                _ if self.searched == 0 => return Err(Unread::Closed),
                Ok(Ok(0) | Err(_)) | Err(_) => return Err(Unread::Late),
            }
        }
    }

    fn begin(&mut self, end: usize) -> Result<RequestHead, Refusal> {
        (self.searched, self.idle_since, self.head_since) = (0, None, None);
        // What a refusal is written by: nothing is known of this request yet.
        (self.is_head, self.minor_version, self.incoming) = (false, 1, Incoming::Close);
        let bytes = self.input.split_to(end).freeze();
        let head = head::read_request_head(&bytes)?;
        self.incoming = match head.content_end {
            ContentEnd::Length(length) => Incoming::length(length),
            ContentEnd::Chunked => Incoming::Chunked(Chunked::new()),
            ContentEnd::Unsaid => Incoming::Done,
        };
        self.keep_alive &= head.keep_alive;
        self.is_head = head.http_method == http::Method::HEAD;
        self.minor_version = head.minor_version;
        Ok(head)
    }

    /// The length of the request's content, if it was announced; 0 where there is none.
    #[must_use]
    pub const fn content_length(&self) -> Option<u64> {
        match self.incoming {
            Incoming::Length(length) => Some(length),
            Incoming::Done => Some(0),
            Incoming::Chunked(_) | Incoming::Close => None,
        }
    }

    /// Whether all of the request's content was read.
    #[must_use]
    pub fn is_content_done(&self) -> bool {
        self.incoming == Incoming::Done
    }

    /// The next piece of the request's content; nothing at its end. May be dropped and asked again.
    ///
    /// # Errors
    /// When it breaks off, breaks the rules of its coding, or brings nothing for 30 s, which is [`io::ErrorKind::TimedOut`].
    pub async fn read_content(&mut self) -> Result<Option<Bytes>, Broken> {
        let read = timeout(CONTENT, self.incoming.next(&mut self.input, &mut self.stream)).await;
        let read = read.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
        if read.is_err() {
            // Where this request ends nobody knows, so nothing behind it can be read.
            self.keep_alive = false;
        }
        read
    }

    /// Waits until the client is gone. One that has only said that it sends no more looks the same for a while, and may still be reading: it is
    /// gone when nothing could be written to it for a moment. Nothing is read that is not the next request's; once that has begun, this never ends.
    pub async fn gone(&mut self) {
        if self.is_content_done() && self.input.is_empty() {
            self.input.reserve(USUAL);
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) => return tokio::time::sleep(HALF_CLOSED).await,
                Ok(_) => {}
                Err(_) => return,
            }
        }
        std::future::pending().await
    }

    /// Whether only the connection's end tells where the response ends.
    #[must_use]
    pub fn ends_with_connection(&self) -> bool {
        self.outgoing == Outgoing::Close
    }

    /// Tells a client that waits for it to send its content (RFC 9110, section 10.1.1).
    ///
    /// # Errors
    /// When the client is gone.
    pub async fn write_continue(&mut self) -> io::Result<()> {
        if self.minor_version == 0 || !self.input.is_empty() || self.is_content_done() {
            return Ok(());
        }
        self.out.put_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        self.flush().await
    }

    /// Lets the connection end with the response.
    pub const fn close(&mut self) {
        self.keep_alive = false;
    }

    /// Begins the response; what is written goes out with [`Self::flush`] or the end. `date` is the value of `Date`.
    pub fn write_head(&mut self, status: u16, fields: &Fields, framing: Framing, date: &[u8]) {
        let switched = status == 101;
        // HTTP/1.0 knows no chunks.
        let close = framing == Framing::Chunked && self.minor_version == 0;
        // Behind a status that is not final the client goes on to wait for one.
        self.keep_alive &= !close && status >= 200;
        self.outgoing = match framing {
            _ if switched => Outgoing::Close,
            _ if self.is_head => Outgoing::Done,
            Framing::Length(0) | Framing::None => Outgoing::Done,
            Framing::Length(length) => Outgoing::Length(length),
            Framing::Chunked if close => Outgoing::Close,
            Framing::Chunked => Outgoing::Chunked,
        };
        let out = &mut self.out;
        // Room for a usual head, and for content that goes out with it.
        let content = match framing {
            Framing::Length(length) => usize::try_from(length).ok().filter(|length| *length <= GATHERED && !self.is_head),
            Framing::Chunked | Framing::None => None,
        };
        out.reserve(1024 + content.unwrap_or_default());
        out.put_slice(b"HTTP/1.1 ");
        head::write_number(status.into(), out);
        out.put_u8(b' ');
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        out.put_slice(reason.unwrap_or_default().as_bytes());
        out.put_slice(b"\r\nDate: ");
        out.put_slice(date);
        out.put_slice(b"\r\n");
        head::write_fields(fields, out);
        match framing {
            Framing::Length(length) => {
                out.put_slice(b"Content-Length: ");
                head::write_number(length, out);
                out.put_slice(b"\r\n");
            }
            Framing::Chunked if !close => out.put_slice(b"Transfer-Encoding: chunked\r\n"),
            Framing::Chunked | Framing::None => {}
        }
        if !switched {
            out.put_slice(if self.keep_alive { b"Connection: keep-alive\r\n" } else { b"Connection: close\r\n" });
        }
        out.put_slice(b"\r\n");
        if switched {
            self.incoming = Incoming::Close;
        }
    }

    /// Writes a piece of the response's content. What goes beyond the announced length is left out.
    ///
    /// # Errors
    /// When the client is gone or does not read.
    pub async fn write_content(&mut self, content: &[u8]) -> io::Result<()> {
        let mut content = content;
        match self.outgoing {
            Outgoing::Done => return Ok(()),
            Outgoing::Length(left) => {
                let here = content.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                content = content.get(..here).unwrap_or_default();
                self.outgoing = if left == here as u64 { Outgoing::Done } else { Outgoing::Length(left - here as u64) };
            }
            Outgoing::Chunked if !content.is_empty() => {
                head::write_hexadecimal(content.len(), &mut self.out);
                self.out.put_slice(b"\r\n");
            }
            Outgoing::Chunked | Outgoing::Close => {}
        }
        let end: &[u8] = if self.outgoing == Outgoing::Chunked && !content.is_empty() { b"\r\n" } else { b"" };
        if self.out.len() + content.len() <= GATHERED {
            self.out.put_slice(content);
            self.out.put_slice(end);
            return Ok(());
        }
        let mut all = self.out.split().chain(content).chain(end);
        while all.has_remaining() {
            progress(self.stream.write_buf(&mut all)).await?;
        }
        Ok(())
    }

    /// Hands everything that was written to the kernel.
    ///
    /// # Errors
    /// When the client is gone or does not read.
    pub async fn flush(&mut self) -> io::Result<()> {
        while self.out.has_remaining() {
            // One piece: `write_buf` would take the way of several, which costs the kernel a twentieth of a small response more.
            let written = progress(self.stream.write(&self.out)).await?;
            self.out.advance(written);
        }
        in_time(self.stream.flush()).await
    }

    /// Ends the response. Content that is missing is an error, and the client must see it as one.
    ///
    /// # Errors
    /// When content is missing, or the client is gone or does not read.
    pub async fn finish(&mut self) -> io::Result<()> {
        match self.outgoing {
            Outgoing::Length(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Outgoing::Chunked => self.out.put_slice(b"0\r\n\r\n"),
            Outgoing::Close | Outgoing::Done => {}
        }
        self.outgoing = Outgoing::Done;
        self.flush().await
    }

    /// Whether another request may follow: this one was read and answered to its end, and neither side wants to close.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        self.keep_alive && self.incoming == Incoming::Done && self.outgoing == Outgoing::Done
    }

    /// The connection after it has left HTTP, with what was read of it already; `stand_in` takes its place here.
    pub fn detach(&mut self, stand_in: S) -> (S, BytesMut) {
        (std::mem::replace(&mut self.stream, stand_in), std::mem::take(&mut self.input))
    }

    /// Ends a connection whose response is complete: a client that is still sending gets to read it before the connection is gone.
    pub async fn linger(mut self) {
        let _ = timeout(SHUTDOWN, self.stream.shutdown()).await;
        if self.incoming == Incoming::Done && self.input.is_empty() {
            return;
        }
        let reading = async {
            loop {
                self.input.clear();
                self.input.reserve(USUAL);
                if !matches!(timeout(SILENT, self.stream.read_buf(&mut self.input)).await, Ok(Ok(1..))) {
                    return;
                }
            }
        };
        let _ = timeout(LINGER, reading).await;
    }
}

/// A write that must get on: how much of it did.
async fn progress(write: impl Future<Output = io::Result<usize>>) -> io::Result<usize> {
    match in_time(write).await {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        written => written,
    }
}

/// What the client lets happen within [`WRITE`]. Nearly always it is done at once, so that a timer is made only where it is not.
async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut work = pin!(work);
    match poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
        Poll::Ready(done) => done,
        Poll::Pending => timeout(WRITE, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
    }
}

#[cfg(test)]
mod tests;
