//! A function's log: what its process writes, line by line, with the id of the request that it was written for.
//!
//! Both outputs are one pipe, so that lines keep their order. It is read as lines come, and once more when an answer has come: what was written
//! before an answer is in the pipe by then.

use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::unix::pipe::Receiver;

/// Of a request's log, in bytes: what `X-Amz-Log-Result` holds.
const TAIL: usize = 4096;
/// Of one line of it, in bytes.
const LINE: usize = 8192;
/// What is read at once, in bytes; and how often without a pause, so that a function that never stops writing holds nobody up.
const READ: usize = 8192;
const READS: usize = 64;

/// What one process writes.
#[derive(Debug)]
pub(super) struct Log {
    pipe: Receiver,
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    function: String,
    request_id: String,
    line: Vec<u8>,
    tail: String,
}

impl Log {
    /// A log, and the two outputs that write to it.
    pub(super) fn open(function: &str) -> std::io::Result<(Arc<Self>, Stdio, Stdio)> {
        let (read, write) = std::io::pipe()?;
        let second = write.try_clone()?;
        let pipe = Receiver::from_owned_fd(OwnedFd::from(read))?;
        let log = Arc::new(Self { pipe, lines: Mutex::new(Lines { function: function.to_owned(), ..Lines::default() }) });
        tokio::spawn(Arc::clone(&log).follow());
        Ok((log, write.into(), second.into()))
    }

    /// Lines from now on belong to this request.
    pub(super) fn begin(&self, request_id: &str) {
        let mut lines = self.lines();
        request_id.clone_into(&mut lines.request_id);
        lines.tail.clear();
    }

    /// Reads what is there, to the last byte, and gives the end of it.
    pub(super) fn settle(&self) -> String {
        let mut lines = self.lines();
        let mut buffer = [0; READ];
        for _ in 0..READS {
            match rustix::io::read(&self.pipe, &mut buffer) {
                Ok(read) if read > 0 => lines.take(buffer.get(..read).unwrap_or_default()),
                _ => break,
            }
        }
        lines.end_line();
        std::mem::take(&mut lines.tail)
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until the last of the processes that may write has closed its end.
    async fn follow(self: Arc<Self>) {
        let mut buffer = [0; READ];
        while self.pipe.readable().await.is_ok() {
            let mut lines = self.lines();
            match self.pipe.try_read(&mut buffer) {
                Ok(0) => return lines.end_line(),
                Ok(read) => lines.take(buffer.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, ends) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            // A line without an end is cut, and never kept whole.
            let room = LINE.saturating_sub(self.line.len()).min(text.len());
            self.line.extend_from_slice(text.get(..room).unwrap_or_default());
            if ends {
                self.write();
            }
        }
    }

    fn end_line(&mut self) {
        if !self.line.is_empty() {
            self.write();
        }
    }

    fn write(&mut self) {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        tracing::info!(function = self.function, request_id = self.request_id, "{line}");
        self.tail.push_str(&line);
        self.tail.push('\n');
        cut(&mut self.tail);
    }
}

/// What came of a request, for the lines that Lambda frames its log with.
#[derive(Debug)]
pub(super) struct Report<'r> {
    pub(super) request_id: &'r str,
    pub(super) version: &'r str,
    pub(super) duration: std::time::Duration,
    pub(super) init: Option<std::time::Duration>,
    pub(super) memory_size: u32,
    /// In bytes.
    pub(super) memory_used: u64,
}

/// The end of a request's log, framed as Lambda frames it.
pub(super) fn framed(lines: &str, report: &Report<'_>) -> String {
    let Report { request_id, version, duration, init, memory_size, memory_used } = report;
    let milliseconds = duration.as_secs_f64() * 1000.0;
    let mut text = format!(
        "START RequestId: {request_id} Version: {version}\n{lines}END RequestId: {request_id}\nREPORT RequestId: {request_id}\tDuration: \
         {milliseconds:.2} ms\tBilled Duration: {:.0} ms\tMemory Size: {memory_size} MB\tMax Memory Used: {} MB\t",
        milliseconds.ceil(),
        memory_used.div_ceil(1 << 20),
    );
    if let Some(init) = init {
        text.push_str(&format!("Init Duration: {:.2} ms\t", init.as_secs_f64() * 1000.0));
    }
    text.push('\n');
    cut(&mut text);
    text
}

/// Keeps the end.
fn cut(text: &mut String) {
    if text.len() > TAIL {
        let at = (text.len() - TAIL..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
        text.drain(..at);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn lines_are_bounded_and_the_end_is_kept() {
        let mut lines = Lines::default();
        lines.take(b"one\ntw");
        lines.take(b"o\n");
        assert_eq!(lines.tail, "one\ntwo\n");
        lines.take(&vec![b'x'; LINE * 3]);
        assert_eq!(lines.line.len(), LINE);
        lines.take("\nü\n".repeat(TAIL).as_bytes());
        assert!(lines.tail.len() <= TAIL && lines.tail.ends_with("ü\n"));
    }

    #[tokio::test]
    async fn what_was_written_before_is_read_now() {
        let (read, mut write) = std::io::pipe().unwrap();
        let log = Log { pipe: Receiver::from_owned_fd(OwnedFd::from(read)).unwrap(), lines: Mutex::default() };
        log.begin("a");
        write.write_all(b"first\nsecond").unwrap();
        assert_eq!(log.settle(), "first\nsecond\n");
        log.begin("b");
        assert_eq!(log.settle(), "", "what belonged to another request is gone");
    }

    #[test]
    fn a_log_is_framed_as_lambda_frames_it() {
        let report = Report {
            request_id: "id",
            version: "$LATEST",
            duration: std::time::Duration::from_micros(1230),
            init: None,
            memory_size: 128,
            memory_used: 40 << 20,
        };
        assert_eq!(
            framed("line\n", &report),
            "START RequestId: id Version: $LATEST\nline\nEND RequestId: id\nREPORT RequestId: id\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory \
             Size: 128 MB\tMax Memory Used: 40 MB\t\n"
        );
    }
}
