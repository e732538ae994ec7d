//! Why a block ends before its end.

use crate::vtl::error::Error;

/// An early end. Boxed where it is returned, so that what every node returns stays small.
pub(super) enum End {
    /// The rendering has failed.
    Failed(Error),
    /// `#break`: for the innermost that can take it, or for the loop at a level.
    Break(Option<usize>),
    /// `#stop`.
    Stop,
}

pub(super) type Fault = Box<End>;
/// What comes of a node or a block.
pub(super) type Outcome = Result<(), Fault>;

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::new(End::Failed(error))
    }
}

/// Takes a `#break` that is for no loop in particular.
pub(super) fn until_break(outcome: Outcome) -> Outcome {
    match outcome {
        Err(end) if matches!(*end, End::Break(None)) => Ok(()),
        other => other,
    }
}
