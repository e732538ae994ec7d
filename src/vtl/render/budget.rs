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

/// What a method that takes long asks on its way, and where it says what its result does not tell.
pub struct Watch<'s> {
    clock: Clock<'s>,
    time: Duration,
    started: Cell<Option<Duration>>,
    spent: Cell<u64>,
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

impl<'s> Watch<'s> {
    /// A watch that starts when it is looked at first.
    #[must_use]
    pub const fn new(clock: Clock<'s>, time: Duration) -> Self {
        Self { clock, time, started: Cell::new(None), spent: Cell::new(0) }
    }

    /// Counts steps of a call, beyond what its result's size tells: the rendering pays them when the call is over.
    pub fn spend(&self, steps: usize) {
        self.spent.set(self.spent.get().saturating_add(steps as u64));
    }

    pub(in crate::vtl) fn is_over(&self) -> bool {
        let now = (self.clock)();
        let started = self.started.get().unwrap_or(now);
        self.started.set(Some(started));
        now.saturating_sub(started) > self.time
    }
}

impl<'s> Budget<'s> {
    pub(super) const fn new(limits: &'s Limits, clock: Clock<'s>) -> Self {
        Self {
            limits,
            output: limits.output,
            calls: 0,
            steps: 0,
            look: if limits.steps < LOOK { limits.steps } else { LOOK },
            memory: 0,
            watch: Watch::new(clock, limits.time),
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

    /// Counts what calls have spent since the last time; false as for [`Self::step`].
    #[inline]
    pub(super) fn settle(&mut self) -> bool {
        let spent = self.watch.spent.take();
        spent == 0 || self.step(spent)
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
