//! One line a request, in the stage's own format, written by a thread of its own: a request never waits for it.
//!
//! API Gateway substitutes values raw, which lets a client forge lines and JSON. Here what a client sends is escaped as inside a JSON
//! string, which changes nothing for ordinary values, and cut at 1 KiB.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::metrics::Shared;
use crate::apigateway::stage::{AccessLogSettings, LogDestination};
use crate::exchange::Context;
use crate::mapping::context::variable;
use crate::mapping::substitution::{Substitution, Variable};

/// Lines that may wait to be written.
const WAITING: usize = 8192;
/// Of one value, in bytes.
const VALUE: usize = 1024;
/// How long a line may stay in memory.
const FLUSH: Duration = Duration::from_millis(200);
/// Nobody waits longer for the writer.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is logged where a stage has settings but no format.
const DEFAULT_FORMAT: &str = concat!(
    r#"{"requestId":"$context.requestId","extendedRequestId":"$context.extendedRequestId","ip":"$context.identity.sourceIp","#,
    r#""caller":"$context.identity.caller","user":"$context.identity.user","requestTime":"$context.requestTime","#,
    r#""httpMethod":"$context.httpMethod","resourcePath":"$context.resourcePath","path":"$context.path","status":"$context.status","#,
    r#""protocol":"$context.protocol","responseLength":"$context.responseLength","responseLatency":"$context.responseLatency","#,
    r#""integrationLatency":"$context.integration.latency","error":"$context.error.message"}"#
);

enum Message {
    Line(LogDestination, String),
    /// Written, flushed and reopened, then answered.
    Flush(SyncSender<()>),
}

/// The writer's end that requests hold.
#[derive(Debug)]
pub struct AccessLogs {
    lines: SyncSender<Message>,
    metrics: Shared,
    formats: Mutex<HashMap<String, std::sync::Arc<Substitution>>>,
}

impl AccessLogs {
    /// Starts the writer.
    #[must_use]
    pub fn start(metrics: Shared) -> Self {
        let (lines, waiting) = sync_channel(WAITING);
        let started = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || write(&waiting));
        if let Err(error) = started {
            tracing::error!("access logs are not written: {error}");
        }
        Self { lines, metrics, formats: Mutex::default() }
    }

    /// Hands a request's line over, or counts that nobody could take it.
    pub fn log(&self, settings: &AccessLogSettings, context: &Context) {
        let format = self.format(settings.format.as_deref().unwrap_or(DEFAULT_FORMAT));
        let mut line = String::with_capacity(256);
        format.render(&mut line, "-", |wanted| match wanted {
            // These two are JSON already, as templates of gateway responses want them.
            Variable::Context(name) if matches!(&**name, "error.messageString" | "error.validationErrorString") => {
                variable(context, name).filter(|value| value.len() <= VALUE)
            }
            Variable::Context(name) => variable(context, name).map(escaped),
            _ => None,
        });
        line.push('\n');
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.lines.try_send(Message::Line(settings.destination.clone(), line))
        {
            self.metrics.dropped_lines.inc();
        }
    }

    /// A format is taken apart once, however many requests use it.
    fn format(&self, text: &str) -> std::sync::Arc<Substitution> {
        let mut formats = self.formats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = formats.get(text) {
            return std::sync::Arc::clone(known);
        }
        let parsed = std::sync::Arc::new(Substitution::parse(text));
        formats.insert(text.to_owned(), std::sync::Arc::clone(&parsed));
        parsed
    }

    /// Waits until all lines are written, and lets files be opened anew, as log rotation wants it.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        // A writer whose reader is stuck has no place in its queue: whoever reloads or stops must not wait for it.
        if self.lines.try_send(Message::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(PATIENCE);
        }
    }
}

fn escaped(value: Cow<'_, str>) -> Cow<'_, str> {
    let harmless = value.len() <= VALUE && !value.chars().any(|c| c.is_control() || matches!(c, '"' | '\\' | '\u{2028}' | '\u{2029}'));
    if harmless {
        return value;
    }
    let mut out = String::with_capacity(value.len().min(VALUE) + 16);
    for c in value.chars() {
        if out.len() >= VALUE {
            break;
        }
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn write(waiting: &Receiver<Message>) {
    let mut files: HashMap<LogDestination, Box<dyn Write>> = HashMap::new();
    let mut flushed = tokio::time::Instant::now();
    loop {
        if flushed.elapsed() >= FLUSH {
            files.values_mut().for_each(|file| drop(file.flush()));
            flushed = tokio::time::Instant::now();
        }
        match waiting.recv_timeout(FLUSH) {
            Ok(Message::Line(destination, line)) => {
                let out = files.entry(destination).or_insert_with_key(open);
                // A full disk loses lines; it does not stop the gateway.
                let _ = out.write_all(line.as_bytes());
            }
            Ok(Message::Flush(done)) => {
                files.values_mut().for_each(|file| drop(file.flush()));
                files.clear();
                let _ = done.send(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn open(destination: &LogDestination) -> Box<dyn Write> {
    match destination {
        LogDestination::Stdout => Box::new(BufWriter::new(std::io::stdout())),
        LogDestination::File(path) => match OpenOptions::new().create(true).append(true).open(path) {
            Ok(file) => Box::new(BufWriter::<File>::new(file)),
            Err(error) => {
                tracing::error!("the access log {} cannot be written: {error}", path.display());
                Box::new(std::io::sink())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_cannot_forge_a_line() {
        assert_eq!(escaped("curl/8\n{\"a\":1}\u{1b}[31m".into()), "curl/8\\u000A{\\\"a\\\":1}\\u001B[31m");
        assert_eq!(escaped("x".repeat(5000).into()).len(), VALUE);
    }
}
