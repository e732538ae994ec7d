//! Idle connections. What was used last is used first, so that the rest grows old and is closed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use tokio::time::Instant;

use super::transport::{Idleness, Transport};
use crate::http1::Connection;

/// Idle connections kept for all origins together.
const MOST: usize = 4096;
/// An idle connection is given up after this time, below what most origins keep it for.
const IDLE: Duration = Duration::from_secs(50);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pool {
    shelves: Mutex<Shelves>,
    unexpected: AtomicU64,
}

#[derive(Debug, Default)]
struct Shelves {
    by_peer: HashMap<u64, Vec<Idle>>,
    count: usize,
}

/// An idle connection.
type Idle = (Connection<Transport>, Instant);

impl Pool {
    /// A connection to the peer with this key, unless there is none that can still be used. `for_certain`: for a request that cannot
    /// be sent a second time.
    pub(super) fn take(&self, key: u64, for_certain: bool) -> Option<Connection<Transport>> {
        loop {
            let (mut connection, since) = self.pop(key)?;
            if since.elapsed() < IDLE && self.is_usable(&mut connection, for_certain) {
                return Some(connection);
            }
        }
    }

    fn is_usable(&self, connection: &mut Connection<Transport>, for_certain: bool) -> bool {
        let state = connection.stream.state(for_certain);
        self.count_unexpected(state == Idleness::Unexpected);
        state == Idleness::Quiet
    }

    /// How many connections were closed since their origin sent something that nobody had asked for.
    pub(super) fn unexpected(&self) -> u64 {
        self.unexpected.load(Ordering::Relaxed)
    }

    pub(super) fn count_unexpected(&self, came: bool) {
        if came {
            self.unexpected.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn pop(&self, key: u64) -> Option<Idle> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = shelves.by_peer.get_mut(&key)?.pop()?;
        shelves.count -= 1;
        Some(idle)
    }

    /// Keeps a connection whose last response was read to its end.
    pub(super) fn put(&self, key: u64, connection: Connection<Transport>) {
        let since = Instant::now();
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if shelves.count < MOST {
            shelves.count += 1;
            shelves.by_peer.entry(key).or_default().push((connection, since));
        }
    }

    /// Closes what is too old, and what its origin has closed.
    pub(super) fn sweep(&self) {
        let mut closed = Vec::new();
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        for shelf in shelves.by_peer.values_mut() {
            closed.extend(shelf.extract_if(.., |(connection, since)| since.elapsed() >= IDLE || !self.is_usable(connection, false)));
        }
        shelves.count -= closed.len();
        shelves.by_peer.retain(|_, shelf| !shelf.is_empty());
    }
}
