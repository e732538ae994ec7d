//! Follows the frames of an HTTP/2 connection far enough to know whether a header block is under way (RFC 9113, section 4.1).
//!
//! The protocol's library waits for the rest of a block, and for the preface, as long as the connection lasts.

/// What a client begins with (RFC 9113, section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Where in the client's frames a reader is.
#[derive(Debug)]
pub(super) struct Frames {
    head: [u8; 9],
    have: usize,
    /// What is to come of the preface or the frame's payload, in bytes.
    left: usize,
    /// Whether a block, or the preface, has begun and not ended.
    open: bool,
    /// Whether it ends with this frame.
    ends: bool,
}

impl Frames {
    /// Nothing has come yet, not even the preface.
    pub(super) const fn new() -> Self {
        Self { head: [0; 9], have: 9, left: PREFACE.len(), open: true, ends: true }
    }

    /// Takes the bytes that come next; whether a header block, or the preface, is under way behind them.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.have < self.head.len() {
                let count = bytes.len().min(self.head.len() - self.have);
                for (place, byte) in self.head.iter_mut().skip(self.have).zip(bytes) {
                    *place = *byte;
                }
                self.have += count;
                bytes = bytes.get(count..).unwrap_or_default();
                if self.have < self.head.len() {
                    break;
                }
                self.begin();
            } else {
                let count = bytes.len().min(self.left);
                self.left -= count;
                bytes = bytes.get(count..).unwrap_or_default();
            }
            if self.left == 0 {
                self.have = 0;
                self.open &= !self.ends;
            }
        }
        self.open
    }

    const fn begin(&mut self) {
        let [a, b, c, kind, flags, ..] = self.head;
        self.left = u32::from_be_bytes([0, a, b, c]) as usize;
        let is_block = kind == HEADERS || kind == CONTINUATION;
        self.open |= is_block;
        self.ends = is_block && flags & END_HEADERS != 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0, 0, u8::try_from(length).unwrap(), kind, flags, 0, 0, 0, 1];
        bytes.resize(9 + length, 0);
        bytes
    }

    #[test]
    fn a_block_is_open_from_its_first_frame_to_the_last_byte_of_its_last() {
        let mut frames = Frames::new();
        assert!(frames.feed(&PREFACE[..10]));
        assert!(!frames.feed(&PREFACE[10..]));
        assert!(!frames.feed(&[frame(4, 0, 12), frame(0, 0, 100), frame(1, 4, 20)].concat()));
        let headers = frame(1, 0, 20);
        assert!(!frames.feed(&headers[..5]));
        assert!(frames.feed(&headers[5..]));
        assert!(frames.feed(&frame(9, 0, 0)));
        let last = frame(9, 4, 3);
        assert!(frames.feed(&last[..11]));
        assert!(!frames.feed(&last[11..]));
        assert!(!frames.feed(&frame(1, 5, 0)));
    }

    #[test]
    fn pieces_change_nothing() {
        let bytes = [PREFACE.to_vec(), frame(4, 0, 6), frame(1, 0, 3), frame(9, 4, 7), frame(6, 0, 8)].concat();
        let (mut whole, mut pieces) = (Frames::new(), Frames::new());
        let last = bytes.chunks(1).map(|byte| pieces.feed(byte)).last();
        assert_eq!(last, Some(whole.feed(&bytes)));
        assert_eq!((whole.have, whole.left, whole.open), (pieces.have, pieces.left, pieces.open));
    }
}
