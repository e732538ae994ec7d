//! Counts what a rendering costs.

use super::Meter;
use crate::vtl::limits::{Clock, Limits};

/// What was spent, and what may be.
pub(super) struct Budget<'s> {
    pub(super) limits: &'s Limits,
    pub(super) calls: usize,
    memory: usize,
    meter: Meter<'s>,
}

impl<'s> Budget<'s> {
    pub(super) const fn new(limits: &'s Limits, clock: Clock<'s>) -> Self {
        Self { limits, calls: 0, memory: 0, meter: Meter::new(limits, clock) }
    }

    pub(super) const fn meter(&self) -> &Meter<'s> {
        &self.meter
    }

    /// Counts what a value takes that has just been made. False: a limit is reached, and [`Self::reason`] says which.
    #[inline]
    pub(super) fn made(&mut self, bytes: usize, elements: usize) -> bool {
        self.memory = self.memory.saturating_add(bytes + elements * 16);
        bytes <= self.limits.string
            && elements <= self.limits.elements
            && self.memory <= self.limits.memory
            && self.meter.step((bytes / 64 + elements / 16) as u64)
    }

    /// The limit that was reached, by a value of this size if it was one.
    pub(super) fn reason(&self, bytes: usize, elements: usize) -> String {
        if bytes > self.limits.string {
            format!("a string of more than {} bytes", self.limits.string)
        } else if elements > self.limits.elements {
            format!("a list of more than {} elements", self.limits.elements)
        } else if self.memory > self.limits.memory {
            format!("more than {} bytes of values", self.limits.memory)
        } else if self.meter.is_used_up() {
            format!("more than {} steps", self.limits.steps)
        } else {
            format!("more than {} ms", self.limits.time.as_millis())
        }
    }
}
