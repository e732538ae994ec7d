//! What a method asks for and this build cannot enforce: refused, never served unguarded.

use crate::exchange::Failure;
use crate::snapshot::Operation;

/// Lets a request through only if everything that guards its method is enforced.
pub(super) fn check(operation: &Operation) -> Result<(), Failure> {
    match &operation.not_enforced {
        Some(what) => Err(Failure::configuration(format!("{what} is not enforced yet, so the method is refused"))),
        None => Ok(()),
    }
}
