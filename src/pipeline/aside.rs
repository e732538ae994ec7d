//! Long work leaves the worker thread to the requests that wait behind it.

use tokio::runtime::{Handle, RuntimeFlavor};

/// A payload of this many bytes keeps the most expensive of the measured templates busy for half a millisecond.
const LARGE: usize = 64 << 10;

/// Runs work whose length depends on a payload's size; a large one's at a moment when another thread has taken over the worker's tasks.
pub(super) fn aside<T>(size: usize, work: impl FnOnce() -> T) -> T {
    let has_workers = || Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if size >= LARGE && has_workers() { tokio::task::block_in_place(work) } else { work() }
}
