//! One line a request, in the stage's own format, written by a thread of its own: a request never waits for it.
//!
//! API Gateway substitutes values raw, which lets a client forge lines and JSON. Here what a client sends is escaped as the line's form
//! wants it, which changes nothing for ordinary values, and cut at 1 KiB.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::log_writer::LogWriter;
use super::metrics::Shared;
use crate::apigateway::stage::{AccessLogSettings, LogForm};
use crate::exchange::Context;
use crate::mapping::context::ContextVariable;
use crate::mapping::substitution::Variable;

/// Of one value, in bytes.
const VALUE: usize = 1024;
/// Where requests leave their lines.
#[derive(Debug)]
pub struct AccessLogs {
    writer: LogWriter,
    metrics: Shared,
}

impl AccessLogs {
    /// Starts the writer.
    #[must_use]
    pub fn start(metrics: Shared) -> Self {
        Self { writer: LogWriter::start(Shared::clone(&metrics)), metrics }
    }

    /// Hands a request's line over, or counts that nobody could take it.
    pub fn log(&self, settings: &AccessLogSettings, context: &Context) {
        if !self.writer.add(&settings.destination, &line(settings, context)) {
            self.metrics.dropped_lines.inc();
        }
    }

    /// Waits until all lines are written, and lets files be opened anew, as log rotation wants it.
    pub fn flush(&self) {
        self.writer.flush();
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
    let harmless = is_plain(&value) || !value.chars().any(|c| is_special(c, form));
    if harmless && value.len() <= VALUE {
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

/// Whether a text has nothing that any form escapes: most have not, and this is looked at many bytes at a time.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| (0x20..0x7f).contains(&byte) & !matches!(byte, b'"' | b'\'' | b'\\' | b'&' | b'<' | b'>' | b',');
    text.bytes().fold(true, |all, byte| all & plain(byte))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::apigateway::stage::{AccessLogFormat, LogDestination};
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
