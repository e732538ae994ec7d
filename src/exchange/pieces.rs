//! Content that comes piece by piece while its other end is still at work.

use bytes::Bytes;
use tokio::sync::mpsc;

/// Pieces under way at one time; whoever sends more waits.
const UNDER_WAY: usize = 4;

/// The receiving end.
#[derive(Debug)]
pub struct Pieces {
    rest: mpsc::Receiver<Piece>,
    unread: Option<Bytes>,
}

/// The sending end. Dropping it without [`Self::end`] breaks the content off.
#[derive(Debug)]
pub struct PieceSender(mpsc::Sender<Piece>);

#[derive(Debug)]
enum Piece {
    Content(Bytes),
    End,
    BrokenOff(Box<str>),
}

/// Why content ended before its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the content broke off: {0}")]
pub struct BrokenOff(pub Box<str>);

impl Pieces {
    /// Both ends.
    #[must_use]
    pub fn channel() -> (PieceSender, Self) {
        let (sender, rest) = mpsc::channel(UNDER_WAY);
        (PieceSender(sender), Self { rest, unread: None })
    }

    /// The next piece; nothing at the end. May be dropped and asked again.
    ///
    /// # Errors
    /// When there is no more, and what came is not the whole.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BrokenOff> {
        if let Some(unread) = self.unread.take() {
            return Ok(Some(unread));
        }
        match self.rest.recv().await {
            Some(Piece::Content(bytes)) => Ok(Some(bytes)),
            Some(Piece::End) => Ok(None),
            Some(Piece::BrokenOff(reason)) => Err(BrokenOff(reason)),
            None => Err(BrokenOff("who sent it has ended".into())),
        }
    }

    /// Gives back what was read too far: it comes next.
    pub fn unread(&mut self, bytes: Bytes) {
        self.unread = Some(bytes).filter(|bytes| !bytes.is_empty());
    }
}

impl PieceSender {
    /// Sends a piece on; false where nobody reads any more.
    pub async fn send(&self, bytes: Bytes) -> bool {
        bytes.is_empty() || self.0.send(Piece::Content(bytes)).await.is_ok()
    }

    /// Waits until nobody reads any more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }

    /// What was sent is the whole.
    pub async fn end(self) {
        let _ = self.0.send(Piece::End).await;
    }

    /// What was sent is not the whole.
    pub async fn break_off(self, reason: impl Into<Box<str>>) {
        let _ = self.0.send(Piece::BrokenOff(reason.into())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_end_is_told_from_a_break() {
        let (sender, mut pieces) = Pieces::channel();
        assert!(sender.send(Bytes::from_static(b"ab")).await && sender.send(Bytes::new()).await);
        sender.end().await;
        let first = pieces.next().await.unwrap().unwrap();
        pieces.unread(first.slice(1..));
        assert_eq!((pieces.next().await.unwrap().as_deref(), pieces.next().await), (Some(&b"b"[..]), Ok(None)));
        let (sender, mut pieces) = Pieces::channel();
        drop(sender);
        assert!(pieces.next().await.is_err());
        let (sender, pieces) = Pieces::channel();
        drop(pieces);
        assert!(!sender.send(Bytes::from_static(b"x")).await);
    }
}
