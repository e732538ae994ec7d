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
                    match fill(input, stream, PIECE).await {
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => *self = Self::Done,
                        other => other?,
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
        let mut whole = BytesMut::from(first);
        let mut piece = Some(second);
        while let Some(bytes) = piece {
            if whole.len() + bytes.len() > limit {
                return Ok(None);
            }
            whole.extend_from_slice(&bytes);
            piece = self.next(input, stream).await?;
        }
        Ok(Some(whole.freeze()))
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
