//! What is wrong with a document, told to the person who wrote it: all of it at once, each with its place.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::json;

use super::node::{Node, Source, Span, Spanned};

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be served.
    Error,
    /// It is served, but perhaps not as meant.
    Warning,
    /// Something worth knowing.
    Note,
}

impl Severity {
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One problem.
#[derive(Debug, Clone)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in the user's words.
    pub message: String,
    /// Where; nothing if no file is to blame.
    pub place: Option<(Arc<Source>, Span)>,
    /// What to do about it.
    pub help: Option<String>,
    /// Whether the line holds a secret, so that only its place is shown.
    pub secret: bool,
}

/// More than this many problems are only counted.
const SHOWN: usize = 500;

/// Everything that was found, in the order in which it was found.
#[derive(Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
    not_shown: usize,
    errors: usize,
    secret: bool,
    /// Whether the last problem is not in the list: it was told already, or there is no room.
    left_out: bool,
}

impl Problems {
    /// An error at a node.
    pub fn error(&mut self, node: &Node, message: impl Into<String>) -> &mut Self {
        self.at(Severity::Error, &node.source, node.span, message)
    }

    /// A warning at a node.
    pub fn warning(&mut self, node: &Node, message: impl Into<String>) -> &mut Self {
        self.at(Severity::Warning, &node.source, node.span, message)
    }

    /// A note at a node.
    pub fn note(&mut self, node: &Node, message: impl Into<String>) -> &mut Self {
        self.at(Severity::Note, &node.source, node.span, message)
    }

    /// A problem of a value that was read already.
    pub fn spanned<T>(&mut self, severity: Severity, value: &Spanned<T>, message: impl Into<String>) -> &mut Self {
        self.at(severity, &value.source, value.span, message)
    }

    /// A problem at a place.
    pub fn at(&mut self, severity: Severity, source: &Arc<Source>, span: Span, message: impl Into<String>) -> &mut Self {
        self.push(Problem { severity, message: message.into(), place: Some((Arc::clone(source), span)), help: None, secret: false })
    }

    /// Reads what holds secrets: its problems are named with their places, but their lines are not shown.
    pub fn secretly<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.secret, true);
        let result = read(self);
        self.secret = before;
        result
    }

    /// An error that no place in a file is to blame for.
    pub fn general(&mut self, message: impl Into<String>) -> &mut Self {
        self.push(Problem { severity: Severity::Error, message: message.into(), place: None, help: None, secret: false })
    }

    /// Takes the warnings back that say this of a value, since something worse follows.
    pub fn withdraw_warnings<T>(&mut self, value: &Spanned<T>, beginning: &str) {
        let is_it = |problem: &Problem| problem.severity == Severity::Warning && problem.message.starts_with(beginning);
        self.list.retain(|problem| !is_it(problem) || !problem.is_at(&value.source, value.span));
    }

    /// Whether an error was told of a value.
    #[must_use]
    pub fn has_error_at<T>(&self, value: &Spanned<T>) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error && problem.is_at(&value.source, value.span))
    }

    fn push(&mut self, mut problem: Problem) -> &mut Self {
        // What several readers see, such as a parameter that all methods of a path share, is told once.
        self.left_out = self.list.iter().any(|known| known.is_same(&problem));
        if self.left_out {
            return self;
        }
        problem.secret = self.secret;
        self.errors += usize::from(problem.severity == Severity::Error);
        if self.list.len() < SHOWN {
            self.list.push(problem);
            return self;
        }
        self.not_shown += 1;
        // However many warnings came first, what stands in the way is shown.
        let place = (problem.severity == Severity::Error).then(|| self.list.iter().rposition(|known| known.severity != Severity::Error));
        if let Some(place) = place.flatten() {
            self.list.remove(place);
            self.list.push(problem);
        } else {
            self.left_out = true;
        }
        self
    }

    /// Says what to do about the last problem.
    pub fn help(&mut self, help: impl Into<String>) {
        if !self.left_out
            && let Some(last) = self.list.last_mut()
        {
            last.help = Some(help.into());
        }
    }

    /// Whether further problems are only counted, so that nobody needs to look for help with them.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.not_shown > 0
    }

    /// Whether anything stands in the way of serving.
    #[must_use]
    pub const fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// All problems that are kept, in order.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// How many problems there are of a severity, as far as they are kept.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        if severity == Severity::Error { self.errors } else { self.list.iter().filter(|problem| problem.severity == severity).count() }
    }

    /// Everything as text, each problem with its line of source.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for problem in &self.list {
            problem.draw(&mut text);
        }
        if self.not_shown > 0 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "… and {} more problems\n", self.not_shown);
        }
        text
    }

    /// One line a problem: `file:line:column: error: message`.
    #[must_use]
    pub fn to_lines(&self) -> Vec<String> {
        self.list.iter().map(Problem::to_line).collect()
    }

    /// Everything as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        self.list.iter().map(Problem::to_json).collect()
    }
}

impl Problem {
    fn is_at(&self, source: &Arc<Source>, span: Span) -> bool {
        self.place.as_ref().is_some_and(|(known, place)| Arc::ptr_eq(known, source) && *place == span)
    }

    fn is_same(&self, other: &Self) -> bool {
        let same_place = match &other.place {
            Some((source, span)) => self.is_at(source, *span),
            None => self.place.is_none(),
        };
        same_place && self.severity == other.severity && self.message == other.message
    }

    fn draw(&self, out: &mut String) {
        let _ = writeln!(out, "{}: {}", self.severity.name(), self.message);
        if let Some((source, span)) = &self.place {
            let position = source.position(span.start);
            let number = position.line.to_string();
            let gutter = " ".repeat(number.len());
            let _ = writeln!(out, "{gutter}--> {}:{}:{}", source.name, position.line, position.column);
            if !self.secret {
                let (line, before) = shown(source.line(position.line), position.column - 1);
                let written = source.text.get(span.start..span.end).and_then(|text| text.lines().next());
                let width = written.map_or(1, |text| text.trim_end().chars().count());
                let room = line.chars().count().saturating_sub(before);
                let (blanks, marks) = (" ".repeat(before), "^".repeat(width.min(room).max(1)));
                let _ = writeln!(out, "{gutter} |\n{number} | {line}\n{gutter} | {blanks}{marks}");
            }
            if let Some(help) = &self.help {
                let _ = writeln!(out, "{gutter} = help: {help}");
            }
        } else if let Some(help) = &self.help {
            let _ = writeln!(out, "  = help: {help}");
        }
        out.push('\n');
    }

    /// `file:line:column: error: message`, for logs.
    #[must_use]
    pub fn to_line(&self) -> String {
        let place = self.place.as_ref().map(|(source, span)| {
            let position = source.position(span.start);
            format!("{}:{}:{}: ", source.name, position.line, position.column)
        });
        format!("{}{}: {}", place.unwrap_or_default(), self.severity.name(), self.message)
    }

    fn to_json(&self) -> serde_json::Value {
        let position = self.place.as_ref().map(|(source, span)| source.position(span.start));
        json!({
            "severity": self.severity.name(),
            "message": self.message,
            "file": self.place.as_ref().map(|(source, _)| source.name.as_str()),
            "line": position.map(|position| position.line),
            "column": position.map(|position| position.column),
            "sourceLine": self.place.as_ref().zip(position).filter(|_| !self.secret).map(|((source, _), position)| shown(source.line(position.line), position.column - 1).0),
            "help": self.help,
        })
    }
}

/// Of a line, in characters.
const WIDTH: usize = 200;
/// Of what stands before the place, where a line is too long to be shown from its beginning.
const BEFORE: usize = 60;

/// A line as a terminal may show it, and where in it the character `at` is: tabs one blank wide, so that marks stay below their text, no
/// controls, no endless lines.
fn shown(line: &str, at: usize) -> (String, usize) {
    let is_long = line.chars().nth(WIDTH).is_some();
    let skipped = if is_long && at + BEFORE > WIDTH { at - BEFORE } else { 0 };
    let mut text = if skipped > 0 { "…".to_owned() } else { String::new() };
    text.extend(line.chars().skip(skipped).take(WIDTH).map(|c| if c.is_control() { ' ' } else { c }));
    let before = (at - skipped + usize::from(skipped > 0)).min(text.chars().count());
    (text, before)
}

/// The known name that is closest to `name`, if any is close enough to be what was meant.
#[must_use]
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let near = known.into_iter().map(|known| (strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase()), known));
    near.filter(|(distance, known)| *distance <= 1 + known.len().min(name.len()) / 4).min().map(|(_, known)| known)
}
