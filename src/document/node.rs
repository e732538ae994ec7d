//! The tree: values, and the place of each in its file.

use std::sync::Arc;

use super::written;

/// A file's text and the name under which the user knows it.
#[derive(Debug)]
pub struct Source {
    /// The path as it was written or found.
    pub name: String,
    /// The whole text.
    pub text: String,
    line_starts: Vec<usize>,
}

/// A line and a column, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A range of bytes in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
}

impl Source {
    /// A source with its lines found.
    #[must_use]
    pub fn new(name: impl Into<String>, text: String) -> Arc<Self> {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Arc::new(Self { name: name.into(), text, line_starts })
    }

    /// The position of a byte.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let line = self.line_starts.partition_point(|&start| start <= offset).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }

    /// The first byte of a line; of one beyond the last, the end.
    #[must_use]
    pub fn line_start(&self, line: usize) -> usize {
        self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len())
    }

    /// The byte at a position; a column beyond its line is the line's end.
    #[must_use]
    pub fn offset(&self, position: Position) -> usize {
        let line = self.line(position.line);
        self.line_start(position.line) + line.char_indices().nth(position.column.saturating_sub(1)).map_or(line.len(), |(at, _)| at)
    }

    /// A line's text without its end.
    #[must_use]
    pub fn line(&self, line: usize) -> &str {
        let rest = self.text.get(self.line_start(line)..).unwrap_or_default();
        rest.split('\n').next().unwrap_or_default().trim_end_matches('\r')
    }
}

/// A value and where it was written.
#[derive(Debug, Clone)]
pub struct Node {
    /// What was written.
    pub value: Value,
    /// Where.
    pub span: Span,
    /// In which file.
    pub source: Arc<Source>,
    /// For a string: whether it stands in a block (`|`, `>`), which knows neither quotes nor escapes.
    pub block: bool,
}

/// What a document can hold. Numbers keep their text, so that nothing is lost before it is known what is wanted.
#[derive(Debug, Clone)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as written.
    Number(String),
    /// Text.
    String(String),
    /// A sequence; shared, since YAML's aliases repeat it.
    Array(Arc<Vec<Node>>),
    /// A mapping in the order written; keys are text whatever they were.
    Object(Arc<Vec<Entry>>),
}

/// One member of a mapping.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The member's value.
    pub node: Node,
}

impl Node {
    /// The member `key` of a mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The members of a mapping; none for anything else.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        if let Value::Object(entries) = &self.value { entries } else { &[] }
    }

    /// The elements of a sequence; none for anything else.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        if let Value::Array(items) = &self.value { items } else { &[] }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = &self.value { Some(text) } else { None }
    }

    /// The text of any scalar but null, as written.
    #[must_use]
    pub fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) | Value::Number(text) => Some(text),
            Value::Bool(true) => Some("true"),
            Value::Bool(false) => Some("false"),
            _ => None,
        }
    }

    /// Whether nothing was written.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// Whether this is a mapping.
    #[must_use]
    pub const fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    /// What this value is, for messages.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "a mapping",
        }
    }

    /// The same place with another value, for what is derived from it.
    #[must_use]
    pub fn with_value(&self, value: Value) -> Self {
        Self { value, span: self.span, source: Arc::clone(&self.source), block: self.block }
    }

    /// Where the node begins.
    #[must_use]
    pub fn position(&self) -> Position {
        self.source.position(self.span.start)
    }

    /// The byte of the file at which a place *inside this string* stands: exact however the string is written; its beginning where it is not
    /// written there at all.
    #[must_use]
    pub fn offset_in_text(&self, place: Position) -> usize {
        let written = self.source.text.get(self.span.start..self.span.end).unwrap_or_default();
        let value = self.scalar().unwrap_or_default();
        let line_start = value.split_inclusive('\n').take(place.line - 1).map(str::len).sum::<usize>();
        let line = value.get(line_start..).unwrap_or_default();
        let byte = line_start + line.char_indices().nth(place.column - 1).map_or(line.len(), |(at, _)| at);
        written::offset(written, self.block, value, byte).map_or(self.span.start, |offset| self.span.start + offset)
    }

    /// The same as JSON. A number that JSON cannot hold stays its text.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| text.parse::<f64>().map_or_else(|_| text.as_str().into(), Json::from))
            }
            Value::String(text) => Json::String(text.clone()),
            Value::Array(items) => items.iter().map(Self::to_json).collect(),
            Value::Object(entries) => Json::Object(entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect()),
        }
    }
}

/// A value that later steps may still refuse, with its place.
#[derive(Debug, Clone)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
    /// In which file.
    pub source: Arc<Source>,
}

impl<T> Spanned<T> {
    /// A value written at `node`.
    pub fn at(node: &Node, value: T) -> Self {
        Self { value, span: node.span, source: Arc::clone(&node.source) }
    }
}
