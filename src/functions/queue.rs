//! Events whose callers do not wait (`InvocationType: Event`), tried again as Lambda tries them.
//!
//! They wait in memory: what has not succeeded when the process ends is lost.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Answer;

/// Before the second and the third try of an event whose function failed. There is no fourth.
const RETRIES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];
/// Between two tries of an event that did not reach its function; doubled each time …
const PAUSE: Duration = Duration::from_secs(1);
/// … up to this.
const LONGEST: Duration = Duration::from_secs(300);
/// An event that is older is given up.
const OLDEST: Duration = Duration::from_secs(6 * 3600);
/// Places for events that wait, or are under way, at one time. An event takes one, and one more for each 16 KiB: 160 MiB in all.
pub(super) const WAITING: usize = 10_000;

/// The places that an event of so many bytes takes.
pub(super) fn places(length: usize) -> u32 {
    u32::try_from(1 + length / (16 << 10)).unwrap_or(u32::MAX)
}

/// Calls until the function has succeeded or the event is given up; `name` is the function's, for the log. `call` gives nothing where there is
/// no such function any more.
pub(super) async fn deliver<F: Future<Output = Option<Answer>>>(name: &str, mut call: impl FnMut() -> F) {
    let accepted = Instant::now();
    let (mut retries, mut pause) = (RETRIES.into_iter(), PAUSE);
    loop {
        let Some(answer) = call().await else {
            tracing::warn!(function = name, "an event is given up: the function is not here any more");
            return;
        };
        let wait = if answer.status != 200 {
            let longer = (pause * 2).min(LONGEST);
            std::mem::replace(&mut pause, longer)
        } else if !answer.function_error {
            return;
        } else if let Some(wait) = retries.next() {
            wait
        } else {
            tracing::warn!(function = name, "an event is given up: the function failed {} times", RETRIES.len() + 1);
            return;
        };
        if accepted.elapsed() + wait > OLDEST {
            tracing::warn!(function = name, "an event is given up: it is {} s old", accepted.elapsed().as_secs());
            return;
        }
        sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, function_error: bool) -> Answer {
        let of_failure = bytes::Bytes::new();
        Answer { status, function_error, payload: of_failure, executed_version: "1".into(), log_tail: String::new(), error_type: None }
    }

    /// The seconds at which an event is tried whose tries come out as told; the last outcome is that of all that follow.
    async fn tried(outcomes: &[Option<(u16, bool)>]) -> Vec<u64> {
        let (started, mut tries) = (Instant::now(), Vec::new());
        deliver("f", || {
            let outcome = outcomes.get(tries.len()).or(outcomes.last()).copied().flatten();
            tries.push(started.elapsed().as_secs());
            std::future::ready(outcome.map(|(status, function_error)| answer(status, function_error)))
        })
        .await;
        tries
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_that_fails_has_two_more_tries() {
        assert_eq!(tried(&[Some((200, false))]).await, [0]);
        assert_eq!(tried(&[Some((200, true)), Some((200, false))]).await, [0, 60]);
        assert_eq!(tried(&[Some((200, true))]).await, [0, 60, 180]);
        assert_eq!(tried(&[None]).await, [0]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_does_not_reach_its_function_waits_longer_each_time_and_not_for_ever() {
        assert_eq!(tried(&[Some((429, false)), Some((429, false)), Some((502, false)), Some((200, true))]).await, [0, 1, 3, 7, 67, 187]);
        let tries = tried(&[Some((429, false))]).await;
        assert!(tries.last().is_some_and(|last| (20_000..=OLDEST.as_secs()).contains(last)) && tries.len() < 100, "{tries:?}");
    }
}
