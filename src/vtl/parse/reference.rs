//! References: `$x`, `$!x`, `${x.y[0].z('a')}`.

use super::Parser;
use super::token::Kind;
use crate::vtl::ast::{Expression, Part, Reference};
use crate::vtl::error::Error;

/// A reference as it was found.
pub(super) struct Found<'t> {
    pub(super) at: usize,
    /// What is printed before it: signs that led to it, and half of the backslashes.
    pub(super) before: String,
    pub(super) meaning: Meaning<'t>,
    /// The first token without what is printed before it.
    pub(super) image: &'t str,
}

/// What becomes of it.
pub(super) enum Meaning<'t> {
    Reference(Reference),
    /// An odd number of backslashes stands before it: it is evaluated, and then its text is printed.
    Escaped(Reference, String),
    /// A name without `$`, which only the lexer takes for a reference: of its text the first token is left.
    Runt(&'t str),
    /// `$\!x`: neither text nor value.
    Barred,
}

impl<'t> Parser<'t, '_> {
    pub(super) fn reference(&mut self) -> Result<Found<'t>, Error> {
        let first = self.take()?;
        let formal = first.kind == Kind::FormalOpen;
        let name = if formal { self.expect(Kind::Identifier)?.image } else { first.image };
        let parts = self.nested(Self::parts)?;
        if formal {
            self.expect(Kind::FormalClose)?;
        }
        let at = self.place(first.at);
        let Some(dollar) = first.image.rfind('$') else {
            return Ok(Found { at, before: String::new(), meaning: Meaning::Runt(first.image), image: first.image });
        };
        let image = first.image.get(dollar..).unwrap_or_default();
        if first.image.contains("\\!") {
            return Ok(Found { at, before: String::new(), meaning: Meaning::Barred, image });
        }
        let backslashes = super::scan::backslashes(first.image);
        let mut before = first.image.get(..backslashes / 2).unwrap_or_default().to_owned();
        let name = if formal { name } else { image.trim_start_matches(['$', '!']) };
        let reference = Reference { at: self.place(first.at + dollar), root: self.names.slot(name), parts };
        let meaning = if backslashes % 2 == 1 {
            Meaning::Escaped(reference, self.text.get(first.at + dollar..self.end).unwrap_or_default().to_owned())
        } else {
            before.push_str(first.image.get(backslashes..dollar).unwrap_or_default());
            Meaning::Reference(reference)
        };
        Ok(Found { at, before, meaning, image })
    }

    /// A reference as a value.
    pub(super) fn reference_value(&mut self) -> Result<Expression, Error> {
        Ok(match self.reference()?.meaning {
            Meaning::Reference(reference) | Meaning::Escaped(reference, _) => Expression::Reference(reference),
            Meaning::Runt(_) | Meaning::Barred => Expression::Nothing,
        })
    }

    fn parts(&mut self) -> Result<Vec<Part>, Error> {
        let mut parts = Vec::new();
        self.indexes(&mut parts)?;
        while self.peek(0)? == Kind::Dot && self.peek(1)? == Kind::Identifier {
            self.take()?;
            let name = self.take()?.image;
            // Where no argument can follow, the parenthesis is text.
            let call = self.peek(0)? == Kind::Open && {
                let next = self.peek(1)?;
                next == Kind::MethodClose || next.begins_value()
            };
            if call {
                self.take()?;
                parts.push(Part::Method(name.into(), self.arguments()?));
            } else {
                parts.push(Part::Property(name.into()));
            }
            self.indexes(&mut parts)?;
        }
        Ok(parts)
    }

    fn indexes(&mut self, parts: &mut Vec<Part>) -> Result<(), Error> {
        while self.eat(Kind::IndexOpen)? {
            self.blanks()?;
            let index = match self.peek(0)? {
                Kind::String | Kind::Integer | Kind::True | Kind::False | Kind::Identifier | Kind::FormalOpen => self.value()?,
                _ => return Err(self.wrong("an index is a string, a whole number or a reference, no calculation")),
            };
            self.blanks()?;
            self.expect(Kind::IndexClose)?;
            parts.push(Part::Index(index));
        }
        Ok(())
    }

    /// A method's arguments, each a literal or a reference.
    fn arguments(&mut self) -> Result<Vec<Expression>, Error> {
        let mut arguments = Vec::new();
        if self.eat(Kind::MethodClose)? {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.parameter()?);
            if self.eat(Kind::MethodClose)? {
                return Ok(arguments);
            }
            if !self.eat(Kind::Comma)? {
                return Err(self.wrong("`,` or `)` was expected, for an argument is a literal or a reference and no calculation"));
            }
        }
    }
}
