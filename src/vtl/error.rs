//! Why a template has no output.

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The template is not well formed.
    Parse,
    /// A call failed while it was rendered.
    Runtime,
    /// It asked for another file, which there never is.
    Resource,
    /// It went beyond a limit.
    Limit,
}

/// A template that cannot be parsed or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Error {
    /// What kind of trouble it is.
    pub kind: ErrorKind,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl Error {
    /// An error at a byte of a text, or at the character that it falls into: escapes in a string put what stands behind them a little before
    /// where it is written.
    pub(super) fn at(kind: ErrorKind, text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..text.floor_char_boundary(offset)).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { kind, line, column, message: message.into() }
    }
}
