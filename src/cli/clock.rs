//! The commands' clock: everything below them is handed one.

use std::time::SystemTime;

/// What time it is.
#[expect(clippy::disallowed_methods, reason = "a command has a clock")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}
