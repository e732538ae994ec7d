//! Counts what a rendering costs.

use std::cell::Cell;
use std::time::Duration;

use crate::vtl::limits::{Clock, Limits};

/// Steps between two looks at the clock: less than a millisecond of ordinary work.
const LOOK: u64 = 4096;

/// A limit that was reached, in words.
pub(super) type Exceeded = String;

/// What was spent, and what may be.
pub(super) struct Budget<'s> {
    pub(super) limits: &'s Limits,
    pub(super) calls: usize,
    steps: u64,
    look: u64,
    memory: usize,
    watch: Watch<'s>,
}

/// Tells whether the time is over; a method that walks a long text asks it on the way.
pub(in crate::vtl) struct Watch<'s> {
    clock: Clock<'s>,
    time: Duration,
    started: Cell<Option<Duration>>,
}

impl Watch<'_> {
    pub(in crate::vtl) fn is_over(&self) -> bool {
        let now = (self.clock)();
        let started = self.started.get().unwrap_or(now);
        self.started.set(Some(started));
        now.saturating_sub(started) > self.time
    }
}

impl<'s> Budget<'s> {
    pub(super) const fn new(limits: &'s Limits, clock: Clock<'s>) -> Self {
        let watch = Watch { clock, time: limits.time, started: Cell::new(None) };
        Self { limits, calls: 0, steps: 0, look: if limits.steps < LOOK { limits.steps } else { LOOK }, memory: 0, watch }
    }

    pub(super) const fn watch(&self) -> &Watch<'s> {
        &self.watch
    }

    #[inline]
    pub(super) fn step(&mut self, count: u64) -> Result<(), Exceeded> {
        self.steps += count;
        if self.steps > self.look { self.look() } else { Ok(()) }
    }

    #[cold]
    fn look(&mut self) -> Result<(), Exceeded> {
        self.look = self.steps + LOOK;
        if self.steps > self.limits.steps {
            return Err(format!("more than {} steps", self.limits.steps));
        }
        self.look = self.look.min(self.limits.steps);
        if self.watch.is_over() { Err(self.late()) } else { Ok(()) }
    }

    pub(super) fn late(&self) -> Exceeded {
        format!("more than {} ms", self.limits.time.as_millis())
    }

    /// Counts what a value takes that has just been made.
    pub(super) fn made(&mut self, bytes: usize, elements: usize) -> Result<(), Exceeded> {
        if bytes > self.limits.string {
            return Err(format!("a string of more than {} bytes", self.limits.string));
        }
        if elements > self.limits.elements {
            return Err(format!("a list of more than {} elements", self.limits.elements));
        }
        self.memory = self.memory.saturating_add(bytes + elements * 16);
        if self.memory > self.limits.memory {
            return Err(format!("more than {} bytes of values", self.limits.memory));
        }
        self.step((bytes / 64 + elements / 16) as u64)
    }
}
