//! Expressions: what stands in `#set` and `#if`.

use super::Parser;
use super::token::Kind;
use crate::vtl::ast::{Expression, Operator};
use crate::vtl::error::Error;
use crate::vtl::limits::DEPTH;

/// Operators by precedence, loosest first.
const LEVELS: [&[Operator]; 6] = [
    &[Operator::Or],
    &[Operator::And],
    &[Operator::Equal, Operator::NotEqual],
    &[Operator::Less, Operator::LessOrEqual, Operator::Greater, Operator::GreaterOrEqual],
    &[Operator::Add, Operator::Subtract],
    &[Operator::Multiply, Operator::Divide, Operator::Remainder],
];

impl Parser<'_, '_> {
    pub(super) fn expression(&mut self) -> Result<Expression, Error> {
        self.nested(|parser| parser.level(0))
    }

    fn level(&mut self, level: usize) -> Result<Expression, Error> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        let mut length = 0;
        while let Kind::Operator(operator) = self.peek(0)?
            && operators.contains(&operator)
        {
            // A chain becomes a tree as deep as it is long, and rendering follows it.
            length += 1;
            if length > DEPTH {
                return Err(self.wrong(format!("the expression has more than {DEPTH} operators in a row")));
            }
            self.take()?;
            let right = self.level(level + 1)?;
            left = Expression::Binary(operator, Box::new((left, right)));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, Error> {
        self.blanks()?;
        if self.eat(Kind::Not)? {
            return self.nested(Self::unary).map(|inner| Expression::Not(Box::new(inner)));
        }
        let value = if self.eat(Kind::Open)? {
            let inner = self.expression()?;
            self.expect(Kind::Close)?;
            inner
        } else {
            self.value()?
        };
        self.blanks()?;
        Ok(value)
    }

    /// A literal or a reference between blanks.
    pub(super) fn parameter(&mut self) -> Result<Expression, Error> {
        self.blanks()?;
        let value = self.value()?;
        self.blanks()?;
        Ok(value)
    }

    /// A literal or a reference.
    pub(super) fn value(&mut self) -> Result<Expression, Error> {
        match self.peek(0)? {
            Kind::Identifier | Kind::FormalOpen => self.reference_value(),
            Kind::String => self.string(),
            Kind::Integer => self.integer(),
            Kind::Float => self.float(),
            Kind::True => self.take().map(|_| Expression::Boolean(true)),
            Kind::False => self.take().map(|_| Expression::Boolean(false)),
            Kind::ListOpen => self.nested(Self::list),
            Kind::MapOpen => self.nested(Self::map),
            _ => Err(self.wrong("a value was expected")),
        }
    }
}
