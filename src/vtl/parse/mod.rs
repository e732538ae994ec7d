//! Text into a tree: tokens by Velocity's own lexer, and recursive descent over them.

mod block;
mod directive;
mod expression;
mod lexer;
mod literal;
mod names;
mod reference;
mod scan;
mod token;

use std::collections::VecDeque;

use super::ast::{Block, Macros, Template};
use super::error::{Error, ErrorKind};
use super::limits::{DEPTH, TEXT};
use lexer::{Lexer, Unreadable};
use token::{Kind, Token};

pub(super) use names::{LOOP_SLOTS, Names};

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// When it is not well formed, or larger or deeper than is allowed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut names = Names::default();
        let mut parser = Parser::new(text, Place::Within { whole: text, from: 0 }, &mut names);
        let body = parser.template()?;
        let macros = parser.macros;
        Ok(Self { text: text.into(), body, names, macros })
    }

    /// The template's text, in bytes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.text.len()
    }
}

/// Parses the text of an `#evaluate` that stands at a byte of the template. Its variables are added to those that are known.
pub(super) fn evaluated(text: &str, at: usize, names: &mut Names) -> Result<(Block, Macros), Error> {
    let mut parser = Parser::new(text, Place::At(at), names);
    let body = parser.template()?;
    Ok((body, parser.macros))
}

/// Where a text stands, for messages.
#[derive(Clone, Copy)]
enum Place<'t> {
    /// Within a template, from a byte on: the whole of it, or a string.
    Within { whole: &'t str, from: usize },
    /// Nowhere: all of it counts as being where it is evaluated.
    At(usize),
}

struct Parser<'t, 'n> {
    text: &'t str,
    place: Place<'t>,
    lexer: Lexer<'t>,
    ahead: VecDeque<Token<'t>>,
    /// Where the token ended that was taken last.
    end: usize,
    names: &'n mut Names,
    macros: Macros,
    depth: usize,
    /// What `#literal` has read so far.
    literal: Option<String>,
}

impl<'t, 'n> Parser<'t, 'n> {
    fn new(text: &'t str, place: Place<'t>, names: &'n mut Names) -> Self {
        Self { text, place, lexer: Lexer::new(text), ahead: VecDeque::new(), end: 0, names, macros: Macros::new(), depth: 0, literal: None }
    }

    /// The whole text as one block.
    fn template(&mut self) -> Result<Block, Error> {
        if self.text.len() > TEXT {
            return Err(self.error(0, format!("the template is larger than {TEXT} bytes")));
        }
        let block = self.block()?;
        match self.peek(0)? {
            Kind::EndOfText => Ok(block),
            Kind::End | Kind::Else | Kind::ElseIf => Err(self.wrong("this directive closes nothing")),
            _ => Err(self.wrong("this cannot stand here")),
        }
    }

    /// The kind of a token that was not taken yet.
    fn peek(&mut self, ahead: usize) -> Result<Kind, Error> {
        while self.ahead.len() <= ahead {
            let token = self.lexer.token().map_err(|Unreadable { at, message }| self.error(at, message))?;
            self.ahead.push_back(token);
        }
        Ok(self.ahead.get(ahead).map_or(Kind::EndOfText, |token| token.kind))
    }

    fn take(&mut self) -> Result<Token<'t>, Error> {
        self.peek(0)?;
        let token = self.ahead.pop_front().unwrap_or(Token { kind: Kind::EndOfText, image: "", at: self.end, strays: String::new() });
        self.end = token.at + token.image.len();
        if let Some(literal) = &mut self.literal {
            literal.push_str(&token.strays);
            literal.push_str(token.image);
            // Of a line comment, its signs and the end of its line are left.
            if token.kind == Kind::Comment && self.text.get(self.end..).is_some_and(|rest| rest.starts_with("##")) {
                literal.push_str("##\n");
            }
        }
        Ok(token)
    }

    fn eat(&mut self, kind: Kind) -> Result<bool, Error> {
        let found = self.peek(0)? == kind;
        if found {
            self.take()?;
        }
        Ok(found)
    }

    fn blanks(&mut self) -> Result<(), Error> {
        self.eat(Kind::Blanks).map(drop)
    }

    fn expect(&mut self, kind: Kind) -> Result<Token<'t>, Error> {
        if self.peek(0)? == kind { self.take() } else { Err(self.wrong(format!("{} was expected", kind.shown()))) }
    }

    /// An error at the next token, which is not what it should be.
    fn wrong(&self, message: impl std::fmt::Display) -> Error {
        match self.ahead.front() {
            Some(token) if token.kind != Kind::EndOfText => {
                let line = token.image.trim_end();
                let shown: String = line.chars().take(40).collect();
                let shown = if shown.is_empty() { "white space".to_owned() } else { format!("`{shown}`") };
                self.error(token.at, format!("{message}; found {shown}"))
            }
            _ => self.error(self.text.len(), format!("{message}; found the end of the template")),
        }
    }

    fn error(&self, at: usize, message: impl Into<String>) -> Error {
        match self.place {
            Place::Within { whole, from } => Error::at(ErrorKind::Parse, whole, from + at, message),
            Place::At(_) => Error::at(ErrorKind::Parse, self.text, at, message),
        }
    }

    /// A byte of this text as one of the template.
    const fn place(&self, at: usize) -> usize {
        match self.place {
            Place::Within { from, .. } => from + at,
            Place::At(place) => place,
        }
    }

    /// Guards recursion: a stack that overflows cannot be caught.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.wrong(format!("the template is nested more than {DEPTH} levels deep")));
        }
        let parsed = parse(self)?;
        self.depth -= 1;
        Ok(parsed)
    }
}
