//! File descriptors: as many as the process may have, and some left for what is not a client.

use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many may be used before no more connections are accepted; nothing: there is no limit.
static MOST: OnceLock<Option<u64>> = OnceLock::new();
/// How often is looked whether some have become free.
const PAUSE: Duration = Duration::from_millis(50);

/// Raises the soft limit to the hard one.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    let _ = MOST.set(limit.current.map(share));
}

/// 95 in a hundred: the rest is for endpoints, files and the admin address.
const fn share(limit: u64) -> u64 {
    limit - limit.div_ceil(20)
}

/// Returns once there are descriptors to spare. A new descriptor is the lowest that is free, so its number says how many are used.
pub(super) async fn leave_some(newest: RawFd) {
    let Some(most) = MOST.get().copied().flatten() else { return };
    if is_below(newest, most) {
        return;
    }
    tracing::warn!(
        "no more connections are accepted for now: {newest} file descriptors are open, and the limit leaves {most} for connections"
    );
    while !lowest_free().is_some_and(|lowest| is_below(lowest, most)) {
        tokio::time::sleep(PAUSE).await;
    }
    tracing::info!("connections are accepted again");
}

fn is_below(descriptor: RawFd, most: u64) -> bool {
    u64::try_from(descriptor).is_ok_and(|descriptor| descriptor < most)
}

/// The number that the next descriptor will have; nothing: there will be none.
fn lowest_free() -> Option<RawFd> {
    std::fs::File::open("/dev/null").ok().map(|file| file.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twentieth_is_left() {
        assert_eq!((share(1024), share(20), share(1)), (972, 19, 0));
    }
}
