//! What a socket is told of a head that is awaited: of an HTTP/2 connection, block by block, or of the one request that there is time for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::frames::Frames;

/// Whether a head has begun and must be complete in time.
#[derive(Debug, Default)]
pub(crate) struct Gate(AtomicBool);

impl Gate {
    /// All that a client says is one head: it has begun, and ends with the connection.
    pub(crate) fn hurry(&self) {
        self.set_head_open(true);
    }

    pub(super) fn is_head_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set_head_open(&self, open: bool) {
        self.0.store(open, Ordering::Relaxed);
    }
}

/// Looks at the frames of an HTTP/2 client, after decryption.
#[derive(Debug)]
pub(super) struct Inspector {
    gate: Arc<Gate>,
    frames: Frames,
}

impl Inspector {
    /// The preface is awaited.
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        gate.set_head_open(true);
        Self { gate, frames: Frames::new() }
    }

    /// Takes what was read.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        let open = self.frames.feed(bytes);
        self.gate.set_head_open(open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_block_of_http2_is_a_head() {
        let gate = Arc::new(Gate::default());
        let mut inspector = Inspector::new(Arc::clone(&gate));
        assert!(gate.is_head_open());
        inspector.read(crate::server::frames::PREFACE);
        assert!(!gate.is_head_open());
        inspector.read(&[0, 0, 4, 1, 0, 0, 0, 0, 1]);
        assert!(gate.is_head_open());
    }
}
