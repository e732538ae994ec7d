//! Text into a tree: recursive descent over the text itself, with the white-space rules of Velocity's own lexer.

mod block;
mod directive;
mod expression;
mod names;
mod reference;

use super::ast::{Block, Macros, Template};
use super::error::{Error, ErrorKind};
use super::limits::{DEPTH, TEXT};
use block::Closed;

pub(super) use names::{LOOP_SLOTS, Names};

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// When it is not well formed, or larger or deeper than is allowed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut names = Names::default();
        let (body, macros) = parse(text, &mut names)?;
        Ok(Self { text: text.into(), body, names, macros })
    }

    /// The template's text, in bytes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.text.len()
    }
}

/// Parses a text whose variables are added to those that are known.
pub(super) fn parse(text: &str, names: &mut Names) -> Result<(Block, Macros), Error> {
    let mut parser = Parser::new(text, names);
    let body = parser.template()?;
    Ok((body, parser.macros))
}

struct Parser<'t, 'n> {
    text: &'t str,
    at: usize,
    names: &'n mut Names,
    macros: Macros,
    depth: usize,
}

impl<'t, 'n> Parser<'t, 'n> {
    fn new(text: &'t str, names: &'n mut Names) -> Self {
        Self { text, at: 0, names, macros: Macros::new(), depth: 0 }
    }

    /// The whole text as one block.
    fn template(&mut self) -> Result<Block, Error> {
        if self.text.len() > TEXT {
            return Err(self.error("the template is larger than 1 MiB"));
        }
        let start = self.at;
        match self.block()? {
            (block, Closed::Text) => Ok(block),
            _ => {
                self.at = start.max(self.at.saturating_sub(1));
                Err(self.error("this directive closes nothing"))
            }
        }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn expect(&mut self, wanted: &str) -> Result<(), Error> {
        self.blanks();
        if self.eat(wanted) {
            return Ok(());
        }
        let found = self.peek().map_or_else(|| "the end of the template".to_owned(), |c| format!("`{c}`"));
        Err(self.error(format!("`{wanted}` was expected, not {found}")))
    }

    fn error(&self, message: impl Into<String>) -> Error {
        Error::at(ErrorKind::Parse, self.text, self.at, message)
    }

    /// Guards recursion: a stack that overflows cannot be caught.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.error(format!("the template is nested more than {DEPTH} levels deep")));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }
}

/// A letter or `_`, then letters, digits, `_` and `-`.
fn identifier(text: &str) -> Option<&str> {
    let first = text.chars().next().filter(|c| c.is_ascii_alphabetic() || *c == '_')?;
    let rest = text.get(first.len_utf8()..)?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
    text.get(..end + first.len_utf8())
}
