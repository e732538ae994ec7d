//! Text into a [`Node`], by JSON's rules if it begins as JSON, else by YAML's.

use std::sync::Arc;

use super::node::{Node, Source, Span};
use super::problem::{Problems, Severity};
use super::{json, yaml};

/// How large a document may be: what a person writes is far below, what is made to hurt is not.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of the text.
    pub bytes: usize,
    /// Of collections within collections.
    pub depth: usize,
    /// Of values, counting those that aliases repeat.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 16 << 20, depth: 64, nodes: 2_000_000 }
    }
}

/// Reads a document. What is wrong with it goes to `problems`; nothing is returned where there is no tree to go on with.
pub fn parse(name: &str, bytes: &[u8], limits: Limits, problems: &mut Problems) -> Option<Node> {
    let source = source(name, bytes, limits, problems)?;
    let read = if source.text.trim_start().starts_with(['{', '[']) {
        json::read(&source, limits, problems)
    } else {
        yaml::read(&source, limits, problems)
    };
    match read {
        Ok(node) => Some(node),
        Err(Refused { span, message }) => {
            problems.at(Severity::Error, &source, span, message);
            None
        }
    }
}

/// A file's text, if it is text and not too large.
pub fn source(name: &str, bytes: &[u8], limits: Limits, problems: &mut Problems) -> Option<Arc<Source>> {
    if bytes.len() > limits.bytes {
        problems.general(format!("{name}: the file is too large: at most {} bytes are read", limits.bytes));
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(Source::new(name, text.strip_prefix('\u{feff}').unwrap_or(text).to_owned())),
        Err(error) => {
            let valid = error.valid_up_to();
            let source = Source::new(name, String::from_utf8_lossy(bytes).into_owned());
            // What is valid stands at the same place in the text that is shown.
            let span = Span { start: valid, end: valid + 1 };
            problems.at(Severity::Error, &source, span, format!("the file is not UTF-8: byte {} of it is not valid", valid + 1));
            None
        }
    }
}

/// Why there is no tree.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) span: Span,
    pub(super) message: String,
}

impl Refused {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }
}

/// Reports the second of two members with one key, which would otherwise silently win or lose.
pub(super) fn duplicate(source: &Arc<Source>, span: Span, key: &str, problems: &mut Problems) {
    problems.at(Severity::Error, source, span, format!("the key `{key}` is there twice"));
}
