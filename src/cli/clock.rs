//! The commands' clock: everything below them is handed one.

use std::time::{Instant, SystemTime};

use crate::store::Clock;

/// What time it is.
#[expect(clippy::disallowed_methods, reason = "a command has a clock")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

/// A clock that never goes back, for token buckets.
#[expect(clippy::disallowed_methods, reason = "a command has a clock")]
pub(super) fn monotonic() -> Clock {
    let started = Instant::now();
    Clock::new(move || started.elapsed())
}
