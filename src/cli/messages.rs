//! The program's own messages, written by a thread of their own: a reader of standard error that is stuck must not stop a request.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::output;

/// Messages that may wait to be written.
const WAITING: usize = 4096;
/// Nobody waits longer for the writer.
const PATIENCE: Duration = Duration::from_secs(2);

enum Message {
    Line(Vec<u8>),
    /// Answered once everything before it is written.
    Flush(SyncSender<()>),
}

/// Where messages go.
#[derive(Debug, Clone)]
pub(super) struct Messages {
    lines: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

static MESSAGES: OnceLock<Messages> = OnceLock::new();

impl Messages {
    /// Starts the writer, once for the process.
    pub(super) fn start() -> &'static Self {
        MESSAGES.get_or_init(|| {
            let (lines, waiting) = sync_channel(WAITING);
            // Where no thread can be started the receiver goes, and each line finds that out.
            let _ = std::thread::Builder::new().name("messages".to_owned()).spawn(move || write(&waiting));
            Self { lines, dropped: Arc::default() }
        })
    }

    /// Hands a message over, or counts that nobody could take it.
    pub(super) fn say(&self, line: Vec<u8>) {
        if self.lines.try_send(Message::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Messages that nobody took in time.
    pub(super) fn dropped() -> u64 {
        MESSAGES.get().map_or(0, |messages| messages.dropped.load(Ordering::Relaxed))
    }

    /// Waits until everything is written, but not for long.
    pub(super) fn flush() {
        let Some(messages) = MESSAGES.get() else { return };
        let (done, wait) = sync_channel(1);
        if messages.lines.try_send(Message::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(PATIENCE);
        }
    }
}

fn write(waiting: &Receiver<Message>) {
    while let Ok(message) = waiting.recv() {
        match message {
            Message::Line(line) => output::err(&String::from_utf8_lossy(&line)),
            Message::Flush(done) => drop(done.send(())),
        }
    }
}

/// One message, which the subscriber writes in one piece.
#[derive(Debug)]
pub(super) struct Line(Messages);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.say(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Messages {
    type Writer = Line;

    fn make_writer(&'w self) -> Line {
        Line(self.clone())
    }
}
