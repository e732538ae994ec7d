//! References: `$x`, `$!x`, `${x.y[0].z('a')}`.

use super::{Parser, identifier};
use crate::vtl::ast::{Expression, Part, Reference};
use crate::vtl::error::Error;

impl<'t> Parser<'t, '_> {
    pub(super) fn identifier(&mut self) -> Option<&'t str> {
        let name = identifier(self.rest())?;
        self.at += name.len();
        Some(name)
    }

    /// A reference; nothing where `$` begins none.
    pub(super) fn reference(&mut self) -> Result<Option<Reference>, Error> {
        let start = self.at;
        if !self.eat("$") {
            return Ok(None);
        }
        self.eat("!");
        let formal = self.eat("{");
        let Some(name) = self.identifier() else {
            self.at = start;
            return Ok(None);
        };
        // `${AWS::Region}` is CloudFormation's and not replaced yet: text here, of which the lint tells.
        if formal && self.rest().starts_with("::") {
            self.at = start;
            return Ok(None);
        }
        let root = self.names.slot(name);
        let parts = self.nested(Self::parts)?;
        if formal && !self.eat("}") {
            return Err(self.error("`${` has no `}`"));
        }
        Ok(Some(Reference { at: start, root, parts }))
    }

    fn parts(&mut self) -> Result<Vec<Part>, Error> {
        let mut parts = Vec::new();
        loop {
            let before = self.at;
            if self.eat("[") {
                let index = self.argument()?;
                self.expect("]")?;
                parts.push(Part::Index(index));
                continue;
            }
            if !self.eat(".") {
                return Ok(parts);
            }
            let Some(name) = self.identifier() else {
                self.at = before;
                return Ok(parts);
            };
            let name: Box<str> = name.into();
            if self.rest().len() > 1 && self.eat("(") {
                parts.push(Part::Method(name, self.arguments(")")?));
            } else {
                parts.push(Part::Property(name));
            }
        }
    }

    /// Arguments up to a closing sign. An argument is a literal or a reference, no calculation.
    pub(super) fn arguments(&mut self, close: &str) -> Result<Vec<Expression>, Error> {
        let mut arguments = Vec::new();
        self.blanks();
        if self.eat(close) {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.argument()?);
            self.blanks();
            if self.eat(close) {
                return Ok(arguments);
            }
            self.expect(",")?;
        }
    }

    /// A macro's arguments: separated by commas or by blanks.
    pub(super) fn macro_arguments(&mut self) -> Result<Vec<Expression>, Error> {
        let mut arguments = Vec::new();
        self.expect("(")?;
        loop {
            self.blanks();
            if self.eat(")") {
                return Ok(arguments);
            }
            arguments.push(self.argument()?);
            self.blanks();
            self.eat(",");
        }
    }

    pub(super) fn arguments_or_nothing(&mut self) -> Result<(), Error> {
        if self.rest().starts_with('(') { self.macro_arguments().map(drop) } else { Ok(()) }
    }
}
