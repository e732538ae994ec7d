//! The chunked transfer coding (RFC 9112, section 7.1), read strictly: what has two readings is refused.

use bytes::{Buf, Bytes, BytesMut};

use super::Broken;

/// The longest line of a chunk's size with its extensions.
const SIZE_LINE: usize = 4 << 10;
/// What all sizes and extensions of one content may take beyond their digits and line ends.
const EXTENSIONS: usize = 16 << 10;
/// All trailer fields together.
const TRAILERS: usize = 8 << 10;

/// A reader of chunked content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunked {
    state: State,
    /// What extensions have taken so far, in bytes.
    extensions: usize,
}

/// Where a reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a chunk's size.
    Size,
    /// Within a chunk, so many bytes before its end.
    Data(u64),
    /// Before the line end that closes a chunk.
    DataEnd,
    /// After the last chunk, so many bytes of trailer fields read.
    Trailers(usize),
    /// At the end.
    Done,
}

/// What could be read from the bytes that are there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Content.
    Piece(Bytes),
    /// More bytes are needed.
    More,
    /// There is no more content.
    End,
}

impl Chunked {
    /// At the beginning.
    pub(super) const fn new() -> Self {
        Self { state: State::Size, extensions: 0 }
    }

    /// Whether [`Self::step`] would give content or the end without more bytes.
    pub(super) fn is_at_hand(&self, input: &[u8]) -> bool {
        let rest = match self.state {
            State::Done => return true,
            State::Data(_) => return !input.is_empty(),
            State::Trailers(_) => return input.starts_with(b"\r\n"),
            State::DataEnd => input.get(2..).unwrap_or_default(),
            State::Size => input,
        };
        let Some(end) = rest.iter().take(SIZE_LINE).position(|&byte| byte == b'\n') else { return false };
        let (line, behind) = rest.split_at(end + 1);
        let is_last = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).all(|&byte| byte == b'0');
        if is_last { behind.starts_with(b"\r\n") } else { !behind.is_empty() }
    }

    /// Takes from `input` what can be taken.
    pub(super) fn step(&mut self, input: &mut BytesMut) -> Result<Step, Broken> {
        loop {
            match self.state {
                State::Size => {
                    let Some(line) = line(input, SIZE_LINE)? else { return Ok(Step::More) };
                    // Blanks among them: they are as good as nothing, too.
                    self.extensions += line.len() - line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
                    if self.extensions > EXTENSIONS {
                        return Err(Broken::Refused("the extensions of chunks are longer than is read"));
                    }
                    self.state = match size(&line)? {
                        0 => State::Trailers(0),
                        size => State::Data(size),
                    };
                }
                State::Data(left) => {
                    if input.is_empty() {
                        return Ok(Step::More);
                    }
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let left = left - here as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Ok(Step::Piece(input.split_to(here).freeze()));
                }
                State::DataEnd => {
                    let Some(end) = input.get(..2) else { return Ok(Step::More) };
                    if end != b"\r\n" {
                        return Err(Broken::Refused("a chunk is longer than its size"));
                    }
                    input.advance(2);
                    self.state = State::Size;
                }
                State::Trailers(read) => {
                    let Some(line) = line(input, TRAILERS - read)? else { return Ok(Step::More) };
                    if !line.is_empty() && !is_field(&line) {
                        return Err(Broken::Refused("a trailer is no field"));
                    }
                    self.state = if line.is_empty() { State::Done } else { State::Trailers(read + line.len()) };
                }
                State::Done => return Ok(Step::End),
            }
        }
    }
}

/// A name, a colon, and anything but controls: what is dropped must all the same be what it says.
fn is_field(line: &[u8]) -> bool {
    let name = line.split(|&byte| byte == b':').next().filter(|name| name.len() < line.len()).unwrap_or_default();
    let is_text = |&byte: &u8| byte == b'\t' || (byte >= 0x20 && byte != 0x7f);
    http::HeaderName::from_bytes(name).is_ok() && line.iter().all(is_text)
}

/// A line without its end, if it is there; it must not be longer than `limit`.
fn line(input: &mut BytesMut, limit: usize) -> Result<Option<Bytes>, Broken> {
    let found = input.iter().take(limit + 2).position(|&byte| byte == b'\n');
    let Some(at) = found else {
        return if input.len() > limit { Err(Broken::Refused("a chunk's size or the trailers are longer than is read")) } else { Ok(None) };
    };
    let line = input.split_to(at + 1).freeze();
    match line.strip_suffix(b"\r\n") {
        Some(content) if !content.contains(&b'\r') => Ok(Some(line.slice(..content.len()))),
        _ => Err(Broken::Refused("a line of the chunked coding does not end as it must")),
    }
}

/// `chunk-size [ chunk-ext ]`.
fn size(line: &[u8]) -> Result<u64, Broken> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii_end();
    let wrong = || Broken::Refused("a chunk's size is no number");
    if !(1..=15).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(wrong());
    }
    let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
    u64::from_str_radix(digits, 16).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The content and whether the end was reached; nothing where the coding is refused.
    fn read(text: &[u8], by: usize) -> Option<(Vec<u8>, bool)> {
        let (mut state, mut input, mut content) = (Chunked::new(), BytesMut::new(), Vec::new());
        for piece in text.chunks(by) {
            input.extend_from_slice(piece);
            loop {
                match state.step(&mut input).ok()? {
                    Step::Piece(piece) => content.extend_from_slice(&piece),
                    Step::More => break,
                    Step::End => return Some((content, true)),
                }
            }
        }
        Some((content, false))
    }

    #[test]
    fn chunks_are_read_however_they_arrive() {
        let text = b"5;a=\"b\"\r\nhello\r\n00A \r\n, you all!!\r\n0\r\nX: y\r\n\r\n";
        assert!(read(text, 1000).is_none(), "a chunk that is longer than its size");
        let text = b"5;a=\"b\"\r\nhello\r\n00A \r\n, you all!\r\n0\r\nX: y\r\n\r\n";
        for by in 1..text.len() {
            assert_eq!(read(text, by), Some((b"hello, you all!".to_vec(), true)), "{by}");
        }
    }

    #[test]
    fn what_is_at_hand_is_content_or_the_end_and_not_only_framing() {
        let (mut state, mut input) = (Chunked::new(), BytesMut::from(&b"5\r\nhello\r\n"[..]));
        assert!(state.is_at_hand(&input));
        assert_eq!(state.step(&mut input).unwrap(), Step::Piece(Bytes::from_static(b"hello")));
        assert!(!state.is_at_hand(&input), "the line end that closes a chunk is nothing to wait for");
        input.extend_from_slice(b"3\r\n");
        assert!(!state.is_at_hand(&input));
        input.extend_from_slice(b"y");
        assert!(state.is_at_hand(&input));
        assert_eq!(state.step(&mut input).unwrap(), Step::Piece(Bytes::from_static(b"y")));
        input.extend_from_slice(b"ou\r\n0\r\n");
        assert_eq!(state.step(&mut input).unwrap(), Step::Piece(Bytes::from_static(b"ou")));
        assert!(!state.is_at_hand(&input));
        input.extend_from_slice(b"\r\n");
        assert!(state.is_at_hand(&input));
        assert_eq!(state.step(&mut input).unwrap(), Step::End);
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for text in [
            &b"\r\nhello\r\n0\r\n\r\n"[..],
            b"5\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello",
            b"0x5\r\nhello",
            b"5 5\r\nhello",
            b"5\r\nhelloX\r\n",
            b"-1\r\n",
        ] {
            assert_eq!(read(text, 1000), None, "{}", text.escape_ascii());
        }
        assert_eq!(read(&[b'1'; 16], 1), Some((Vec::new(), false)));
        assert_eq!(read(b"1111111111111111\r\n", 100), None, "more than any content");
        assert_eq!(read(&[b'1'; 5000], 100), None, "a line without an end");
        let extended = |lines: usize| format!("1;{}\r\na\r\n", "e".repeat(4000)).repeat(lines).into_bytes();
        assert!(read(&extended(4), 1000).is_some() && read(&extended(5), 1000).is_none(), "extensions without an end");
        assert_eq!(read(b"0\r\n\r", 100), Some((Vec::new(), false)), "no end without its last line");
        for trailer in ["GET / HTTP/1.1", ": x", "A : b", " folded", "A: \x01"] {
            assert_eq!(read(format!("0\r\n{trailer}\r\n\r\n").as_bytes(), 100), None, "{trailer}");
        }
    }
}
