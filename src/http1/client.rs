//! The client's side: one request and its response on a connection.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Broken;
use super::body::{Incoming, fill};
use super::chunked::Chunked;
use super::head::{self, ContentEnd, ResponseHead};

/// Interim responses (1xx) before a final one.
const INTERIM: usize = 10;
/// What is read at once where nothing says how much there is.
const HEAD: usize = 4 << 10;
/// Content up to this size goes out together with what waits before it.
const GATHERED: usize = 16 << 10;

/// A connection between two exchanges.
#[derive(Debug)]
pub struct Connection<S> {
    /// What is read and written.
    pub stream: S,
    /// Read and not yet taken.
    input: BytesMut,
}

/// A request under way.
#[derive(Debug)]
pub struct Exchange<S> {
    connection: Connection<S>,
    queued: Queued,
    outgoing: Outgoing,
    /// The final response's head was read.
    answered: bool,
    /// It came before all was sent, and nobody has asked for it yet.
    early: Option<Result<ResponseHead, (Broken, bool)>>,
    incoming: Incoming,
    searched: usize,
    interim: usize,
    is_head: bool,
    asks_upgrade: bool,
    keep_alive: bool,
}

/// What went on.
#[derive(Debug)]
pub enum Step {
    /// All that was queued is sent, or given up where the origin takes no more.
    Sent,
    /// A piece of the response's content came, or its end.
    Piece(Option<Bytes>),
}

/// Written by us, not yet by the kernel: what is small, then a large piece as it is, then what ends it.
#[derive(Debug, Default)]
struct Queued {
    small: BytesMut,
    piece: Bytes,
    end: &'static [u8],
    unflushed: bool,
}

impl Queued {
    fn is_sent(&self) -> bool {
        self.is_empty() && !self.unflushed
    }

    fn is_empty(&self) -> bool {
        self.small.is_empty() && self.piece.is_empty() && self.end.is_empty()
    }

    fn poll_write<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let mut all = (&mut self.small).chain(&mut self.piece).chain(&mut self.end);
            let mut slices = [IoSlice::new(&[]); 3];
            let count = all.chunks_vectored(&mut slices);
            let mut stream = Pin::new(&mut *stream);
            let written = match slices.get(..count).unwrap_or_default() {
                // The kernel takes one piece for less by the way of one.
                [one] => ready!(stream.as_mut().poll_write(context, one))?,
                several => ready!(stream.as_mut().poll_write_vectored(context, several))?,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            all.advance(written);
            self.unflushed = true;
        }
        ready!(Pin::new(stream).poll_flush(context))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }
}

/// What of the request is still to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outgoing {
    Length(u64),
    Chunked,
    Done,
    /// The origin takes no more; it may have answered all the same.
    Broken,
}

impl<S> Connection<S> {
    /// A connection that nothing was sent on yet.
    #[must_use]
    pub fn new(stream: S) -> Self {
        Self { stream, input: BytesMut::new() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Exchange<S> {
    /// A request whose head is `head`, not yet written. `content_length` as in [`super::write_request_head`].
    #[must_use]
    pub fn new(connection: Connection<S>, head: BytesMut, content_length: Option<u64>, is_head: bool) -> Self {
        let outgoing = content_length.map_or(Outgoing::Chunked, Outgoing::Length);
        Self {
            connection,
            queued: Queued { small: head, ..Queued::default() },
            outgoing,
            answered: false,
            early: None,
            incoming: Incoming::Done,
            searched: 0,
            interim: 0,
            is_head,
            asks_upgrade: false,
            keep_alive: false,
        }
    }

    /// The same with the wish to leave HTTP.
    #[must_use]
    pub fn with_upgrade(self, asked: bool) -> Self {
        Self { asks_upgrade: asked, ..self }
    }

    /// Sends a piece of content. That the origin takes no more is no error: it may have answered. One that answers without taking the rest is
    /// listened to, and gets no more (RFC 9112, section 9.5).
    ///
    /// # Errors
    /// When it does not fit the length that was announced.
    pub async fn send(&mut self, content: Bytes) -> Result<(), Broken> {
        self.queue(content)?;
        self.drain().await;
        Ok(())
    }

    /// Says that no more content follows.
    ///
    /// # Errors
    /// When content is missing.
    pub async fn finish(&mut self) -> Result<(), Broken> {
        self.queue_end()?;
        self.drain().await;
        Ok(())
    }

    /// Leaves a piece of content to [`Self::step`].
    ///
    /// # Errors
    /// As of [`Self::send`].
    pub fn queue(&mut self, content: Bytes) -> Result<(), Broken> {
        let length = content.len() as u64;
        match self.outgoing {
            _ if content.is_empty() => return Ok(()),
            Outgoing::Length(left) if left < length => return Err(Broken::Refused("the content is longer than its length said")),
            Outgoing::Length(left) => self.outgoing = Outgoing::Length(left - length),
            Outgoing::Chunked => {
                head::write_hexadecimal(content.len(), &mut self.queued.small);
                self.queued.small.extend_from_slice(b"\r\n");
                self.queued.end = b"\r\n";
            }
            Outgoing::Done | Outgoing::Broken => return Ok(()),
        }
        if content.len() <= GATHERED {
            self.queued.small.extend_from_slice(&content);
            self.queued.small.extend_from_slice(std::mem::take(&mut self.queued.end));
        } else {
            self.queued.piece = content;
        }
        Ok(())
    }

    /// Whether nothing is queued any more.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.queued.is_sent()
    }

    /// Leaves the end of the content to [`Self::step`].
    ///
    /// # Errors
    /// As of [`Self::finish`].
    pub fn queue_end(&mut self) -> Result<(), Broken> {
        match self.outgoing {
            Outgoing::Length(0) => self.outgoing = Outgoing::Done,
            Outgoing::Length(_) => return Err(Broken::Refused("the content is shorter than its length said")),
            Outgoing::Chunked => {
                self.queued.small.extend_from_slice(b"0\r\n\r\n");
                self.outgoing = Outgoing::Done;
            }
            Outgoing::Done | Outgoing::Broken => {}
        }
        Ok(())
    }

    /// Writes what is queued, or gives it up where the origin answers first.
    async fn drain(&mut self) {
        let drained = poll_fn(|context| {
            if let Poll::Ready(written) = self.queued.poll_write(&mut self.connection.stream, context) {
                return Poll::Ready(written.is_ok());
            }
            if self.answered {
                return Poll::Pending;
            }
            let head = ready!(pin!(self.read_head()).poll(context));
            self.early = Some(head);
            Poll::Ready(false)
        });
        if !drained.await {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        self.queued = Queued::default();
        self.outgoing = Outgoing::Broken;
    }

    /// The next piece of the response's content, while what is queued goes out. May be dropped and asked again.
    ///
    /// # Errors
    /// When the content breaks off.
    pub async fn step(&mut self) -> Result<Step, Broken> {
        poll_fn(|context| {
            if !self.queued.is_sent()
                && let Poll::Ready(written) = self.queued.poll_write(&mut self.connection.stream, context)
            {
                if written.is_err() {
                    self.give_up();
                }
                return Poll::Ready(Ok(Step::Sent));
            }
            pin!(self.next()).poll(context).map_ok(Step::Piece)
        })
        .await
    }

    /// The final response's head. May be dropped and asked again.
    ///
    /// # Errors
    /// When there is none that can be read; `true` beside it: the connection ended and nothing had come.
    pub async fn head(&mut self) -> Result<ResponseHead, (Broken, bool)> {
        if !self.queued.is_sent() {
            self.drain().await;
        }
        match self.early.take() {
            Some(early) => early,
            None => self.read_head().await,
        }
    }

    async fn read_head(&mut self) -> Result<ResponseHead, (Broken, bool)> {
        loop {
            match head::end(&self.connection.input, self.searched) {
                Some(end) if end > head::LARGEST => return Err((Broken::Refused("the response's head is larger than is read"), false)),
                Some(end) => {
                    self.searched = 0;
                    let bytes = self.connection.input.split_to(end).freeze();
                    let head = head::read_response(&bytes).map_err(|broken| (broken, false))?;
                    match head.status {
                        101 if !self.asks_upgrade => return Err((Broken::Refused("101 where no upgrade was asked for"), false)),
                        100 | 102..=199 if self.interim == INTERIM => {
                            return Err((Broken::Refused("more interim responses than are read"), false));
                        }
                        100 | 102..=199 => self.interim += 1,
                        _ => return Ok(self.begin(head)),
                    }
                }
                None if self.connection.input.len() > head::LARGEST => {
                    return Err((Broken::Refused("the response's head is larger than is read"), false));
                }
                None => {
                    self.searched = self.connection.input.len();
                    let nothing_came = self.searched == 0 && self.interim == 0;
                    fill(&mut self.connection.input, &mut self.connection.stream, HEAD)
                        .await
                        .map_err(|error| (error.into(), nothing_came))?;
                }
            }
        }
    }

    fn begin(&mut self, head: ResponseHead) -> ResponseHead {
        self.answered = true;
        self.keep_alive = head.keep_alive;
        self.incoming = match (head.status, head.content_end) {
            (101, _) => Incoming::Close,
            (204 | 304, _) => Incoming::Done,
            _ if self.is_head => Incoming::Done,
            (_, ContentEnd::Length(length)) => Incoming::length(length),
            (_, ContentEnd::Chunked) => Incoming::Chunked(Chunked::new()),
            (_, ContentEnd::Unsaid) => Incoming::Close,
        };
        head
    }

    /// The next piece of content; nothing at its end. May be dropped and asked again.
    ///
    /// # Errors
    /// When the content breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        self.incoming.next(&mut self.connection.input, &mut self.connection.stream).await
    }

    /// The whole content, or nothing where it is larger than `limit`.
    ///
    /// # Errors
    /// When the content breaks off.
    pub async fn content(&mut self, limit: usize) -> Result<Option<Bytes>, Broken> {
        self.incoming.whole(&mut self.connection.input, &mut self.connection.stream, limit).await
    }

    /// Whether more of the content is there without waiting.
    #[must_use]
    pub fn has_more_at_hand(&self) -> bool {
        self.incoming.is_at_hand(&self.connection.input)
    }

    /// The connection after a 101: from here on both directions are unframed. With it, what was read of it already.
    #[must_use]
    pub fn into_tunnel(self) -> (S, BytesMut) {
        (self.connection.stream, self.connection.input)
    }

    /// The connection, if it can take another request: all was sent, all was read, and nothing came beyond it.
    ///
    /// # Errors
    /// When it cannot; `true` where more came than the response.
    pub fn into_connection(self) -> Result<Connection<S>, bool> {
        let Self { mut connection, queued, outgoing, incoming, keep_alive, .. } = self;
        let is_complete = outgoing == Outgoing::Done && queued.is_sent() && incoming == Incoming::Done;
        let had_excess = is_complete && !connection.input.is_empty();
        connection.input = BytesMut::new();
        if is_complete && keep_alive && !had_excess { Ok(connection) } else { Err(had_excess) }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    fn exchange(content_length: Option<u64>) -> (Exchange<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(1024);
        (Exchange::new(Connection::new(ours), BytesMut::from("POST / HTTP/1.1\r\n\r\n"), content_length, false), theirs)
    }

    #[tokio::test]
    async fn the_end_of_content_whose_length_was_told_leaves_nothing_to_send() {
        let (mut exchange, _origin) = exchange(Some(4));
        exchange.send(Bytes::from_static(b"body")).await.unwrap();
        exchange.queue_end().unwrap();
        assert!(exchange.is_sent());
    }

    #[tokio::test]
    async fn what_an_origin_takes_no_more_is_not_waited_for() {
        let (mut exchange, mut origin) = exchange(None);
        origin.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\n").await.unwrap();
        exchange.send(Bytes::from(vec![0; 1 << 20])).await.unwrap();
        assert_eq!(exchange.head().await.unwrap().status, 413);
        exchange.queue(Bytes::from(vec![0; 1 << 20])).unwrap();
        exchange.queue_end().unwrap();
        assert!(exchange.is_sent());
        origin.write_all(b"no").await.unwrap();
        assert!(matches!(exchange.step().await, Ok(Step::Piece(Some(piece))) if piece == "no"));
        assert!(exchange.into_connection().is_err(), "nobody knows what the origin makes of the rest");
    }

    #[tokio::test]
    async fn what_is_queued_goes_out_while_the_response_is_read() {
        let (mut exchange, mut origin) = exchange(None);
        exchange.send(Bytes::from_static(b"a")).await.unwrap();
        origin.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        assert_eq!(exchange.head().await.unwrap().status, 200);
        exchange.queue(Bytes::from(vec![b'x'; 4000])).unwrap();
        origin.write_all(b"2\r\nok\r\n").await.unwrap();
        assert!(matches!(exchange.step().await, Ok(Step::Piece(Some(piece))) if piece == "ok"));
        assert!(!exchange.is_sent());
        let reading = tokio::spawn(async move {
            let mut read = vec![0; 4000];
            origin.read_exact(&mut read).await.map(|_| origin)
        });
        assert!(matches!(exchange.step().await, Ok(Step::Sent)));
        assert!(exchange.is_sent() && reading.await.unwrap().is_ok());
    }
}
