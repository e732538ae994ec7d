//! Text into a tree that remembers where every value was written, and the problems found in it.

mod fields;
mod json;
mod node;
mod parse;
mod problem;
mod written;
mod yaml;

#[cfg(test)]
mod tests;

pub use fields::{Fields, entries, flag, items, text};
pub use node::{Entry, Node, Position, Source, Span, Spanned, Value};
pub use parse::{Limits, parse, source};
pub use problem::{Problem, Problems, Severity, nearest};
