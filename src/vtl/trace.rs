//! What a rendering did, told step by step.

/// Is told of each directive with the values that it saw.
pub trait Trace {
    /// A directive or reference at a line, and what came of it.
    fn step(&mut self, line: usize, what: &str, value: &str);
}
