//! The thread that writes access logs. Requests add their lines to what waits; it is woken by the first of them, and writes what has come within a
//! moment in one piece: waking it for each line would cost a request more than the rest of its log.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::metrics::Shared;
use crate::apigateway::stage::LogDestination;

/// What may wait to be written to one destination, in bytes.
const WAITING: usize = 4 << 20;
/// With so much waiting, in bytes, it is written at once.
const HURRY: usize = 256 << 10;
/// How long a line may stay in memory.
const FLUSH: Duration = Duration::from_millis(200);
/// Nobody waits longer for the writer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The writer's end that requests hold.
#[derive(Debug)]
pub(super) struct LogWriter {
    queue: Arc<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    batches: Vec<Batch>,
    /// Who waits until everything is written and files are closed.
    flushes: Vec<SyncSender<()>>,
    has_ended: bool,
}

/// Lines for one destination.
#[derive(Debug)]
struct Batch {
    destination: LogDestination,
    text: String,
    lines: u64,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.flushes.is_empty() && !self.has_ended && self.batches.iter().all(|batch| batch.text.is_empty())
    }

    fn hurries(&self) -> bool {
        !self.flushes.is_empty() || self.has_ended || self.batches.iter().any(|batch| batch.text.len() >= HURRY)
    }
}

impl LogWriter {
    /// Starts the thread, which ends with the last line after this is dropped.
    pub(super) fn start(metrics: Shared) -> Self {
        let queue = Arc::<Queue>::default();
        let mut writing = Writing { open: Vec::new(), metrics };
        let served = Arc::clone(&queue);
        let started = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || writing.run(&served));
        if let Err(error) = started {
            tracing::error!("access logs are not written: {error}");
        }
        Self { queue }
    }

    /// Adds a line; false where too much waits already.
    pub(super) fn add(&self, destination: &LogDestination, line: &str) -> bool {
        let mut waiting = self.queue.waiting();
        let was_empty = waiting.is_empty();
        let place = waiting.batches.iter().position(|batch| batch.destination == *destination).unwrap_or_else(|| {
            waiting.batches.push(Batch { destination: destination.clone(), text: String::new(), lines: 0 });
            waiting.batches.len() - 1
        });
        let Some(batch) = waiting.batches.get_mut(place).filter(|batch| batch.text.len() + line.len() <= WAITING) else { return false };
        let before = batch.text.len();
        batch.text.push_str(line);
        batch.lines += 1;
        let wakes = was_empty || (before < HURRY && batch.text.len() >= HURRY);
        drop(waiting);
        if wakes {
            self.queue.changed.notify_one();
        }
        true
    }

    /// Waits until all lines are written, and lets files be opened anew, as log rotation wants it. Whoever reloads or stops does not wait for a
    /// reader that is stuck.
    pub(super) fn flush(&self) {
        let (done, wait) = sync_channel(1);
        self.queue.waiting().flushes.push(done);
        self.queue.changed.notify_one();
        let _ = wait.recv_timeout(PATIENCE);
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.queue.waiting().has_ended = true;
        self.queue.changed.notify_one();
    }
}

/// What is open; nothing: it cannot be written now.
struct Writing {
    open: Vec<(LogDestination, Box<dyn Write + Send>)>,
    metrics: Shared,
}

impl Writing {
    fn run(&mut self, queue: &Queue) {
        loop {
            let waiting = queue.changed.wait_while(queue.waiting(), |waiting| waiting.is_empty());
            let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            let gathered = queue.changed.wait_timeout_while(waiting, FLUSH, |waiting| !waiting.hurries());
            let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            let (batches, flushes, has_ended) =
                (std::mem::take(&mut waiting.batches), std::mem::take(&mut waiting.flushes), waiting.has_ended);
            drop(waiting);
            for batch in batches {
                self.write(&batch);
            }
            if !flushes.is_empty() {
                self.open.clear();
            }
            for done in flushes {
                let _ = done.send(());
            }
            if has_ended {
                return;
            }
        }
    }

    /// What cannot be written is counted and let go: a full disk loses lines, it does not stop the gateway. The next batch tries anew.
    fn write(&mut self, batch: &Batch) {
        let place = self.open.iter().position(|(destination, _)| *destination == batch.destination);
        let mut out = place.map(|place| self.open.swap_remove(place).1).or_else(|| open(&batch.destination));
        let written = out.as_mut().is_some_and(|out| out.write_all(batch.text.as_bytes()).and_then(|()| out.flush()).is_ok());
        match out.filter(|_| written) {
            Some(out) => self.open.push((batch.destination.clone(), out)),
            None => self.metrics.dropped_lines.inc_by(batch.lines),
        }
    }
}

fn open(destination: &LogDestination) -> Option<Box<dyn Write + Send>> {
    match destination {
        LogDestination::Stdout => Some(Box::new(std::io::stdout())),
        LogDestination::File(path) => match OpenOptions::new().create(true).append(true).open(path) {
            Ok(file) => Some(Box::new(file)),
            Err(error) => {
                tracing::error!("the access log {} cannot be written: {error}", path.display());
                None
            }
        },
    }
}
