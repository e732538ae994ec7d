//! What a template may cost. Steps decide, so that the verdict is the same on every machine; time is only the backstop.

use std::time::Duration;

/// Limits of one rendering.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Nodes visited, list elements made, each 64 bytes of string made.
    pub steps: u64,
    /// Of the output, in bytes.
    pub output: usize,
    /// Of one string, in bytes.
    pub string: usize,
    /// Of one list or map, in elements.
    pub elements: usize,
    /// Of macros and `#evaluate` within each other.
    pub calls: usize,
    /// All strings and lists that one rendering makes, in bytes.
    pub memory: usize,
    /// Rounds of one loop; nothing: only the other limits count.
    pub rounds: Option<usize>,
    /// From the first look at the clock, which is a few thousand steps after the beginning.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 1_000_000,
            output: 10 << 20,
            string: 10 << 20,
            elements: 100_000,
            calls: 20,
            memory: 64 << 20,
            rounds: None,
            time: Duration::from_secs(1),
        }
    }
}

/// Time as something that runs: how much has passed since a beginning of its own. The engine has no clock by itself.
pub type Clock<'c> = &'c dyn Fn() -> Duration;

/// A clock that stands still: only steps count.
#[must_use]
pub const fn no_clock() -> Duration {
    Duration::ZERO
}

/// Collections within collections, in a template's text and in what is printed of its values.
pub(super) const DEPTH: usize = 100;
/// Of a template's text, in bytes.
pub(super) const TEXT: usize = 1 << 20;
