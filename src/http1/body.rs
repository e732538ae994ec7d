//! Content as it arrives, by the framing that the head announced.

use std::io;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::Broken;
use super::chunked::{Chunked, Step};

/// The most that is read at once.
const PIECE: usize = 32 << 10;
/// What is set aside for content of an announced length before it comes.
const ANNOUNCED: usize = 1 << 20;

/// What of a message's content is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Incoming {
    Length(u64),
    Chunked(Chunked),
    /// To the end of the connection.
    Close,
    Done,
}

impl Incoming {
    pub(super) const fn length(length: u64) -> Self {
        if length == 0 { Self::Done } else { Self::Length(length) }
    }

    /// Whether more content, or the end, can be taken from what is there already.
    pub(super) fn is_at_hand(&self, input: &[u8]) -> bool {
        match self {
            Self::Done => true,
            Self::Length(_) | Self::Close => !input.is_empty(),
            Self::Chunked(state) => state.is_at_hand(input),
        }
    }

    /// The next piece; nothing at the end. May be dropped and asked again.
    pub(super) async fn next<S: AsyncRead + Unpin>(&mut self, input: &mut BytesMut, stream: &mut S) -> Result<Option<Bytes>, Broken> {
        loop {
            match self {
                Self::Done => return Ok(None),
                Self::Length(left) => {
                    let left = usize::try_from(*left).unwrap_or(usize::MAX);
                    if !input.is_empty() {
                        let here = left.min(input.len());
                        *self = Self::length((left - here) as u64);
                        return Ok(Some(input.split_to(here).freeze()));
                    }
                    fill(input, stream, left.min(PIECE)).await?;
                }
                Self::Chunked(state) => match state.step(input)? {
                    Step::Piece(piece) => return Ok(Some(piece)),
                    Step::End => *self = Self::Done,
                    Step::More => fill(input, stream, PIECE).await?,
                },
                Self::Close => {
                    if !input.is_empty() {
                        return Ok(Some(input.split().freeze()));
                    }
                    // An error is no end, TLS that breaks off without saying so among them.
                    input.reserve(PIECE);
                    if stream.read_buf(input).await? == 0 {
                        *self = Self::Done;
                    }
                }
            }
        }
    }

    /// The whole content, or nothing where it is larger than `limit`.
    pub(super) async fn whole<S: AsyncRead + Unpin>(
        &mut self,
        input: &mut BytesMut,
        stream: &mut S,
        limit: usize,
    ) -> Result<Option<Bytes>, Broken> {
        if let Self::Length(length) = *self {
            let Some(length) = usize::try_from(length).ok().filter(|length| *length <= limit) else { return Ok(None) };
            if input.len() < length {
                // Read into its place at once. What is announced is not yet worth memory; beyond this the buffer grows with what comes.
                input.reserve((length - input.len()).min(ANNOUNCED));
                while input.len() < length {
                    let left = length - input.len();
                    if stream.read_buf(&mut (&mut *input).limit(left)).await? == 0 {
                        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                    }
                }
            }
            *self = Self::Done;
            return Ok(Some(input.split_to(length).freeze()));
        }
        let Some(first) = self.next(input, stream).await? else { return Ok(Some(Bytes::new())) };
        let Some(second) = self.next(input, stream).await? else { return Ok(Some(first).filter(|content| content.len() <= limit)) };
        let mut gathered = Gathered::default();
        gathered.append(first);
        let mut piece = Some(second);
        while let Some(bytes) = piece {
            if gathered.length + bytes.len() > limit {
                return Ok(None);
            }
            gathered.append(bytes);
            piece = self.next(input, stream).await?;
        }
        Ok(Some(gathered.into_whole()))
    }
}

/// Content whose length nobody announced. One buffer that grows would hold its old copy beside its new one at every step, and pieces as small as
/// the sender likes cost more than what is in them; so small pieces are put together in segments, large ones stay where they were read, and
/// all of them are copied once, at the end.
#[derive(Debug, Default)]
struct Gathered {
    segments: Vec<Bytes>,
    /// The small pieces behind the last segment.
    small: BytesMut,
    length: usize,
}

/// Of a segment of small pieces, in bytes.
const SEGMENT: usize = 256 << 10;
/// From here on a piece is a segment of its own, in bytes: half of what is read at once, so that no more than that again stays with it.
const LARGE: usize = PIECE / 2;

impl Gathered {
    fn append(&mut self, piece: Bytes) {
        self.length += piece.len();
        let is_large = piece.len() >= LARGE;
        if !self.small.is_empty() && (is_large || self.small.len() + piece.len() > SEGMENT) {
            self.segments.push(self.small.split().freeze());
        }
        if is_large { self.segments.push(piece) } else { self.small.extend_from_slice(&piece) }
    }

    fn into_whole(self) -> Bytes {
        if self.segments.is_empty() {
            return self.small.freeze();
        }
        let mut whole = BytesMut::with_capacity(self.length);
        self.segments.iter().for_each(|segment| whole.extend_from_slice(segment));
        whole.extend_from_slice(&self.small);
        whole.freeze()
    }
}

/// Reads once; the end of the stream is an error.
pub(super) async fn fill<S: AsyncRead + Unpin>(input: &mut BytesMut, stream: &mut S, capacity: usize) -> io::Result<()> {
    input.reserve(capacity.max(1));
    match stream.read_buf(input).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn content_of_any_length_is_put_together() {
        for length in [0, 1, 5_000, SEGMENT, SEGMENT + 1, 3 * SEGMENT + 7] {
            let sent: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let mut stream = &sent[..];
            let whole = Incoming::Close.whole(&mut BytesMut::new(), &mut stream, usize::MAX).await.unwrap();
            assert!(whole.unwrap() == sent, "{length}");
            let announced = Incoming::length(length as u64).whole(&mut BytesMut::new(), &mut &sent[..], usize::MAX).await.unwrap();
            assert!(announced.unwrap() == sent, "{length}");
        }
    }

    #[test]
    fn pieces_of_any_size_are_put_together_in_order() {
        let sizes = [1, LARGE, 3, 3, LARGE - 1, LARGE + 1, SEGMENT, 2, SEGMENT - 1];
        for repeats in [1, 100] {
            let pieces = sizes.iter().cycle().take(sizes.len() * repeats).enumerate();
            let (mut gathered, mut sent) = (Gathered::default(), Vec::new());
            for (index, size) in pieces {
                let piece = vec![index as u8; *size];
                sent.extend_from_slice(&piece);
                gathered.append(piece.into());
            }
            assert!(gathered.into_whole() == sent);
        }
        let mut small = Gathered::default();
        (0..SEGMENT).for_each(|_| small.append(Bytes::from_static(b"ab")));
        assert_eq!((small.segments.len(), small.into_whole().len()), (1, 2 * SEGMENT));
    }

    #[test]
    fn a_small_piece_keeps_none_of_the_buffer_that_it_was_read_into() {
        let read = Bytes::from(vec![0; PIECE]);
        let is_kept = |size: usize| {
            let mut gathered = Gathered::default();
            gathered.append(read.slice(..size));
            gathered.segments.first().map_or(gathered.small.as_ptr(), |segment| segment.as_ptr()) == read.as_ptr()
        };
        assert_eq!([1, LARGE - 1, LARGE, PIECE].map(is_kept), [false, false, true, true]);
    }

    #[tokio::test]
    async fn content_beyond_the_limit_is_nothing() {
        let sent = vec![0; SEGMENT];
        for mut incoming in [Incoming::Close, Incoming::length(SEGMENT as u64)] {
            assert!(incoming.whole(&mut BytesMut::new(), &mut &sent[..], SEGMENT - 1).await.unwrap().is_none());
        }
    }
}
