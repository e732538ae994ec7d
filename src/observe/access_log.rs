//! One line a request, in the stage's own format, written by a thread of its own: a request never waits for it.
//!
//! API Gateway substitutes values raw, which lets a client forge lines and JSON. Here what a client sends is escaped as the line's form
//! wants it, which changes nothing for ordinary values, and cut at 1 KiB.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use super::metrics::Shared;
use crate::apigateway::stage::{AccessLogSettings, LogDestination, LogForm};
use crate::exchange::Context;
use crate::mapping::context::ContextVariable;
use crate::mapping::substitution::Variable;

/// Lines that may wait to be written.
const WAITING: usize = 8192;
/// Of one value, in bytes.
const VALUE: usize = 1024;
/// How long a line may stay in memory.
const FLUSH: Duration = Duration::from_millis(200);
/// Nobody waits longer for the writer.
const PATIENCE: Duration = Duration::from_secs(2);

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
}

impl AccessLogs {
    /// Starts the writer.
    #[must_use]
    pub fn start(metrics: Shared) -> Self {
        let (lines, waiting) = sync_channel(WAITING);
        let mut writer = Writer { open: HashMap::new(), metrics: Shared::clone(&metrics) };
        let started = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run(&waiting));
        if let Err(error) = started {
            tracing::error!("access logs are not written: {error}");
        }
        Self { lines, metrics }
    }

    /// Hands a request's line over, or counts that nobody could take it.
    pub fn log(&self, settings: &AccessLogSettings, context: &Context) {
        let line = line(settings, context);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.lines.try_send(Message::Line(settings.destination.clone(), line))
        {
            self.metrics.dropped_lines.inc();
        }
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

fn line(settings: &AccessLogSettings, context: &Context) -> String {
    let mut line = String::with_capacity(256);
    let form = settings.format.form;
    settings.format.line.render(&mut line, "-", |wanted| match wanted {
        Variable::Context(variable) => value(variable, context, form),
        _ => None,
    });
    line.push('\n');
    line
}

fn value<'c>(variable: &ContextVariable, context: &'c Context, form: LogForm) -> Option<Cow<'c, str>> {
    // In JSON this one brings its own quotes, as templates of gateway responses want it.
    if form == LogForm::Json && variable.path() == "error.messageString" {
        let failure = context.error.as_ref()?;
        return Some(failure.message.as_deref().map_or("null".into(), |message| format!("\"{}\"", escaped(message.into(), form)).into()));
    }
    // This one is escaped already, for the same reason.
    if form == LogForm::Json && variable.path() == "error.validationErrorString" {
        return context.error.as_ref()?.validation_errors.as_deref().map(|text| escaped(text.into(), form));
    }
    // A log is no place for what opens a door.
    if variable.path() == "identity.apiKey" {
        return variable.read(context).map(|value| escaped(masked(&value).into(), form));
    }
    variable.read(context).map(|value| escaped(value, form))
}

/// A secret by its last six characters, as the service's own logs show keys; one that is hardly longer is not shown.
#[must_use]
pub fn masked(value: &str) -> String {
    let hidden = value.chars().count().saturating_sub(6);
    format!("****{}", value.chars().skip(hidden).filter(|_| hidden >= 6).collect::<String>())
}

/// The value so that it stays one value of its line, and at most [`VALUE`] bytes of it.
fn escaped(value: Cow<'_, str>, form: LogForm) -> Cow<'_, str> {
    let harmless = value.len() <= VALUE && !value.chars().any(|c| is_special(c, form));
    if harmless {
        return value;
    }
    let mut out = String::with_capacity(value.len().min(VALUE) + 16);
    let mut quoted = false;
    for c in value.chars() {
        if out.len() >= VALUE {
            break;
        }
        match (form, c) {
            (LogForm::Json, '"' | '\\') => out.extend(['\\', c]),
            (LogForm::Csv | LogForm::QuotedCsv, '"') => out.push_str("\"\""),
            (LogForm::Xml, '&') => out.push_str("&amp;"),
            (LogForm::Xml, '<') => out.push_str("&lt;"),
            (LogForm::Xml, '>') => out.push_str("&gt;"),
            (LogForm::Xml, '"') => out.push_str("&quot;"),
            (LogForm::Xml, '\'') => out.push_str("&apos;"),
            // XML 1.0 has no way to write the other controls.
            (LogForm::Xml, '\t' | '\n' | '\r') => drop(write!(out, "&#{};", u32::from(c))),
            (LogForm::Xml, c) if c.is_control() => out.push('\u{fffd}'),
            (_, c) if is_line_breaking(c) => drop(write!(out, "\\u{:04X}", u32::from(c))),
            (_, c) => out.push(c),
        }
        quoted |= form == LogForm::Csv && matches!(c, '"' | ',');
    }
    if quoted { format!("\"{out}\"").into() } else { out.into() }
}

fn is_special(c: char, form: LogForm) -> bool {
    is_line_breaking(c)
        || match form {
            LogForm::Json => matches!(c, '"' | '\\'),
            LogForm::Xml => matches!(c, '&' | '<' | '>' | '"' | '\''),
            LogForm::Csv => matches!(c, '"' | ','),
            LogForm::QuotedCsv => c == '"',
        }
}

fn is_line_breaking(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The thread that writes.
struct Writer {
    open: HashMap<LogDestination, Destination>,
    metrics: Shared,
}

/// A destination and the lines that may still be lost with it.
struct Destination {
    out: Option<BufWriter<Box<dyn Write + Send>>>,
    unflushed: u64,
}

impl Writer {
    fn run(&mut self, waiting: &Receiver<Message>) {
        let mut flushed = tokio::time::Instant::now();
        loop {
            if flushed.elapsed() >= FLUSH {
                self.flush();
                flushed = tokio::time::Instant::now();
            }
            match waiting.recv_timeout(FLUSH) {
                Ok(Message::Line(destination, line)) => self.write(destination, &line),
                Ok(Message::Flush(done)) => {
                    self.flush();
                    self.open.clear();
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn write(&mut self, destination: LogDestination, line: &str) {
        let destination =
            self.open.entry(destination).or_insert_with_key(|destination| Destination { out: open(destination), unflushed: 0 });
        destination.unflushed += 1;
        let written = destination.out.as_mut().is_some_and(|out| out.write_all(line.as_bytes()).is_ok());
        if !written {
            destination.lose(&self.metrics);
        }
    }

    /// What could not be written is counted and let go: a full disk loses lines, it does not stop the gateway.
    fn flush(&mut self) {
        for destination in self.open.values_mut() {
            if destination.out.as_mut().is_some_and(|out| out.flush().is_ok()) {
                destination.unflushed = 0;
            } else {
                destination.lose(&self.metrics);
            }
        }
        // Tried again with the next line, but not for each.
        self.open.retain(|_, destination| destination.out.is_some());
    }
}

impl Destination {
    fn lose(&mut self, metrics: &Shared) {
        metrics.dropped_lines.inc_by(std::mem::take(&mut self.unflushed));
        if let Some(out) = self.out.take() {
            // Dropped as it is, it would try once more to write what was counted as lost.
            let _ = out.into_parts();
        }
    }
}

fn open(destination: &LogDestination) -> Option<BufWriter<Box<dyn Write + Send>>> {
    match destination {
        LogDestination::Stdout => Some(BufWriter::new(Box::new(std::io::stdout()))),
        LogDestination::File(path) => match OpenOptions::new().create(true).append(true).open(path) {
            Ok(file) => Some(BufWriter::new(Box::new(file))),
            Err(error) => {
                tracing::error!("the access log {} cannot be written: {error}", path.display());
                None
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::apigateway::stage::AccessLogFormat;
    use crate::exchange::{Failure, ResponseType};

    fn logged(format: &str, user_agent: &str) -> String {
        let mut context = Context { request_id: "r".into(), ..Context::default() };
        context.identity.user_agent = Some(user_agent.into());
        context.error = Some(Failure::new(ResponseType::BadRequestBody, "say \"a\" & b"));
        let format = Arc::new(AccessLogFormat::parse(format));
        line(&AccessLogSettings { destination: LogDestination::Stdout, format }, &context)
    }

    #[test]
    fn a_secret_is_known_by_its_end_and_no_more() {
        assert_eq!((masked("0123456789abcdefghij").as_str(), masked("short").as_str()), ("****efghij", "****"));
    }

    #[test]
    fn a_client_cannot_forge_a_line() {
        assert_eq!(escaped("curl/8\n{\"a\":1}\u{1b}[31m".into(), LogForm::Json), "curl/8\\u000A{\\\"a\\\":1}\\u001B[31m");
        assert_eq!(escaped("x".repeat(5000).into(), LogForm::Json).len(), VALUE);
    }

    #[test]
    fn values_stay_values_in_every_form() {
        let agent = "a\"b,<c>\n&'d'";
        let json =
            logged(r#"{"id":"$context.requestId","agent":"$context.identity.userAgent","error":$context.error.messageString}"#, agent);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["agent"], &json["error"]), (&agent.into(), &"say \"a\" & b".into()));
        let xml = logged(r#"<r id="$context.requestId"><a>$context.identity.userAgent</a><c>$context.identity.caller</c></r>"#, agent);
        assert_eq!(xml, "<r id=\"r\"><a>a&quot;b,&lt;c&gt;&#10;&amp;&apos;d&apos;</a><c>-</c></r>\n");
        let csv = logged("$context.requestId,$context.identity.userAgent,$context.error.message", agent);
        assert_eq!(csv, "r,\"a\"\"b,<c>\\u000A&'d'\",\"say \"\"a\"\" & b\"\n");
        let quoted = logged("\"$context.requestId\",\"$context.identity.userAgent\"", agent);
        assert_eq!(quoted, "\"r\",\"a\"\"b,<c>\\u000A&'d'\"\n");
    }
}
