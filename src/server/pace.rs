//! Reads a request's content no slower than a client that means it sends.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::session::{Session, Unreadable};
use crate::exchange::{Failure, ResponseType};

/// A body that brings nothing is given up after this time.
const IDLE: Duration = Duration::from_secs(30);
/// Content that comes this slowly, in bytes a second, is given up …
const SLOWEST: u64 = 256;
/// … after this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// How content has come so far.
#[derive(Debug)]
pub(super) struct Pace {
    started: Instant,
    /// The content read, in bytes.
    pub(super) received: u64,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), received: 0 }
    }

    /// The next piece; nothing at the end. Waiting for it may be given up and begun again.
    ///
    /// # Errors
    /// 408 where the client is too slow, 400 where what it sends cannot be read.
    pub(super) async fn next(&mut self, session: &mut Session) -> Result<Option<Bytes>, Failure> {
        let read = timeout_at(self.deadline(Instant::now()), session.read_content());
        let piece = read.await.map_err(|_| too_slow())?.map_err(unreadable)?;
        self.received += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        if piece.is_some() && self.is_behind(Instant::now()) { Err(too_slow()) } else { Ok(piece) }
    }

    /// When the next piece is too late: after a silence, or when nothing that could come in time would make the pace.
    fn deadline(&self, now: Instant) -> Instant {
        let silent = now + IDLE;
        let behind = self.started + PATIENCE.max(Duration::from_secs(self.received / SLOWEST + 1));
        silent.min(behind)
    }

    fn is_behind(&self, now: Instant) -> bool {
        let elapsed = now.duration_since(self.started);
        elapsed > PATIENCE && self.received < SLOWEST * elapsed.as_secs()
    }
}

fn unreadable(why: Unreadable) -> Failure {
    match why {
        Unreadable::Late => too_slow(),
        Unreadable::Broken => {
            Failure::new(ResponseType::BadRequestBody, "Bad Request").with_detail("the client's content could not be read")
        }
    }
}

fn too_slow() -> Failure {
    Failure::new(ResponseType::BadRequestBody, "Request Timeout").with_status(408).with_detail("the client sent its content too slowly")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(received: u64) -> (Pace, Instant) {
        let pace = Pace { received, ..Pace::new() };
        let started = pace.started;
        (pace, started)
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_cut_after_thirty_seconds_and_sooner_where_nothing_could_make_up_for_it() {
        let seconds = |received, now: u64| {
            let (pace, started) = pace(received);
            (pace.deadline(started + Duration::from_secs(now)) - started).as_secs()
        };
        assert_eq!(seconds(0, 0), 20, "nothing in 20 s is less than any pace");
        assert_eq!(seconds(1 << 20, 0), 30);
        assert_eq!(seconds(1 << 20, 100), 130);
        assert_eq!(seconds(256 * 25, 10), 26);
    }

    #[tokio::test(start_paused = true)]
    async fn less_than_256_bytes_a_second_is_too_slow_after_twenty_seconds() {
        let is_behind = |received, seconds: u64| {
            let (pace, started) = pace(received);
            pace.is_behind(started + Duration::from_secs(seconds))
        };
        assert!(!is_behind(1, 20));
        assert!(is_behind(256 * 21 - 1, 21) && !is_behind(256 * 21, 21));
        assert!(is_behind(256 * 3599, 3600));
    }
}
