//! Counts the steps of a rendering, and looks at the clock from time to time.

use std::cell::Cell;
use std::time::Duration;

use crate::vtl::limits::{Clock, Limits};

/// Steps between two looks at the clock: less than a millisecond of ordinary work.
const LOOK: u64 = 4096;

/// The steps of one rendering. Whatever takes longer than its result is large pays for it here, so that nothing runs long between two looks.
pub struct Meter<'s> {
    clock: Clock<'s>,
    time: Duration,
    started: Cell<Option<Duration>>,
    /// All that may be made.
    limit: u64,
    /// Far from overflowing: what is added is at most some data's size, and little comes after the limit.
    made: Cell<u64>,
    /// How many may be made until somebody looks.
    look: Cell<u64>,
}

impl<'s> Meter<'s> {
    pub(super) const fn new(limits: &Limits, clock: Clock<'s>) -> Self {
        let look = if limits.steps < LOOK { limits.steps } else { LOOK };
        Self { clock, time: limits.time, started: Cell::new(None), limit: limits.steps, made: Cell::new(0), look: Cell::new(look) }
    }

    /// Counts steps. False: they or the time are used up.
    #[inline]
    pub(super) fn step(&self, count: u64) -> bool {
        self.made.set(self.made.get() + count);
        self.made.get() <= self.look.get() || self.look()
    }

    /// Counts steps of something that is over: if they or the time are used up, the next step says so.
    pub fn spend(&self, steps: usize) {
        self.made.set(self.made.get() + steps as u64);
    }

    /// Counts steps of something that goes on.
    ///
    /// # Errors
    /// When they or the time are used up, which ends the rendering.
    pub(in crate::vtl) fn pay(&self, steps: usize) -> Result<(), String> {
        if self.step(steps as u64) { Ok(()) } else { Err("it takes too long".to_owned()) }
    }

    /// Looks at the clock at once. False: the steps or the time are used up.
    #[cold]
    pub(in crate::vtl) fn look(&self) -> bool {
        let now = (self.clock)();
        let started = self.started.get().unwrap_or(now);
        self.started.set(Some(started));
        if self.is_used_up() || now.saturating_sub(started) > self.time {
            return false;
        }
        self.look.set(self.made.get().saturating_add(LOOK).min(self.limit));
        true
    }

    /// Whether more steps were made than may be.
    pub(super) const fn is_used_up(&self) -> bool {
        self.made.get() > self.limit
    }
}
