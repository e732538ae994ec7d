//! Counts what a rendering costs.

use std::cell::Cell;
use std::time::Duration;

use crate::vtl::limits::{Clock, Limits};

/// Steps between two looks at the clock: less than a millisecond of ordinary work.
const LOOK: u64 = 4096;

/// What was spent, and what may be.
pub(super) struct Budget<'s> {
    pub(super) limits: &'s Limits,
    /// Of the output, in bytes: looked at after each node.
    pub(super) output: usize,
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
        Self {
            limits,
            output: limits.output,
            calls: 0,
            steps: 0,
            look: if limits.steps < LOOK { limits.steps } else { LOOK },
            memory: 0,
            watch,
        }
    }

    pub(super) const fn watch(&self) -> &Watch<'s> {
        &self.watch
    }

    /// Counts steps. False: a limit is reached, and [`Self::reason`] says which.
    #[inline]
    pub(super) fn step(&mut self, count: u64) -> bool {
        self.steps += count;
        self.steps <= self.look || self.look()
    }

    #[cold]
    fn look(&mut self) -> bool {
        self.look = (self.steps + LOOK).min(self.limits.steps);
        self.steps <= self.limits.steps && !self.watch.is_over()
    }

    /// Counts what a value takes that has just been made; false as for [`Self::step`].
    #[inline]
    pub(super) fn made(&mut self, bytes: usize, elements: usize) -> bool {
        self.memory = self.memory.saturating_add(bytes + elements * 16);
        bytes <= self.limits.string
            && elements <= self.limits.elements
            && self.memory <= self.limits.memory
            && self.step((bytes / 64 + elements / 16) as u64)
    }

    /// The limit that was reached, by a value of this size if it was one.
    pub(super) fn reason(&self, bytes: usize, elements: usize) -> String {
        if bytes > self.limits.string {
            format!("a string of more than {} bytes", self.limits.string)
        } else if elements > self.limits.elements {
            format!("a list of more than {} elements", self.limits.elements)
        } else if self.memory > self.limits.memory {
            format!("more than {} bytes of values", self.limits.memory)
        } else if self.steps > self.limits.steps {
            format!("more than {} steps", self.limits.steps)
        } else {
            format!("more than {} ms", self.limits.time.as_millis())
        }
    }
}
