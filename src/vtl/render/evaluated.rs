//! What `#evaluate` has parsed.

use std::cell::OnceCell;

use crate::vtl::ast::{Block, Macros};

/// Keeps the templates that `#evaluate` makes for as long as values may borrow from them: a chain that only grows.
#[derive(Debug, Default)]
pub struct Evaluated(pub(super) Link);

pub(super) type Link = OnceCell<Box<Piece>>;

#[derive(Debug)]
pub(super) struct Piece {
    pub(super) block: Block,
    pub(super) macros: Macros,
    pub(super) next: Link,
}

impl Drop for Evaluated {
    /// Link by link: a loop can make a chain that is too long for the call stack.
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(mut piece) = next {
            next = piece.next.take();
        }
    }
}
