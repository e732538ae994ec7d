//! Numbers, strings, lists and maps as they are written.

use super::token::Kind;
use super::{Parser, Place};
use crate::vtl::ast::{Block, Expression, Macros, NodeKind};
use crate::vtl::error::Error;

/// Digits of a whole number.
const DIGITS: usize = 1000;

impl Parser<'_, '_> {
    pub(super) fn integer(&mut self) -> Result<Expression, Error> {
        let token = self.take()?;
        if let Ok(number) = token.image.parse() {
            return Ok(Expression::Integer(number));
        }
        let big = Some(token.image).filter(|image| image.len() <= DIGITS).and_then(|image| image.parse().ok());
        big.map(|number| Expression::BigInteger(Box::new(number)))
            .ok_or_else(|| self.error(token.at, format!("this number has more than {DIGITS} digits")))
    }

    pub(super) fn float(&mut self) -> Result<Expression, Error> {
        let token = self.take()?;
        token.image.parse().map(Expression::Double).map_err(|_| self.error(token.at, "this is no number"))
    }

    /// A string; in double quotes it is a template of its own, and its only escapes are Unicode's.
    pub(super) fn string(&mut self) -> Result<Expression, Error> {
        let token = self.take()?;
        let inside = token.image.get(1..token.image.len() - 1).unwrap_or_default();
        if token.image.starts_with('\'') {
            return Ok(Expression::String(inside.replace("''", "'").into()));
        }
        let text = unescaped(inside).ok_or_else(|| self.error(token.at, "`\\u` in this string has no four digits behind it"))?;
        let text = text.replace("\"\"", "\"");
        if !inside.contains(['$', '#']) {
            return Ok(Expression::String(text.into()));
        }
        self.interpolated(token.at, text)
    }

    fn interpolated(&mut self, at: usize, text: String) -> Result<Expression, Error> {
        // A blank keeps the string's last sign from being the template's, and is taken off what is rendered. With a line comment in it,
        // the string goes as it is.
        let padded = if text.contains("##") { text.clone() } else { text.clone() + " " };
        let place = match self.place {
            Place::Within { whole, from } => Place::Within { whole, from: from + at + 1 },
            nowhere => nowhere,
        };
        let (block, macros) = self.nested(|parser| parser.within_string(&padded, place))?;
        for (name, definition) in macros {
            self.macros.entry(name).or_insert(definition);
        }
        Ok(without_padding(block, padded.len() > text.len()))
    }

    fn within_string(&mut self, text: &str, place: Place<'_>) -> Result<(Block, Macros), Error> {
        let mut inner = Parser::new(text, place, self.names);
        inner.depth = self.depth;
        let block = inner.template().map_err(|mut error| {
            error.message.insert_str(0, "in this string: ");
            error
        })?;
        Ok((block, inner.macros))
    }

    pub(super) fn list(&mut self) -> Result<Expression, Error> {
        self.take()?;
        if self.eat(Kind::ListClose)? {
            return Ok(Expression::List(Vec::new()));
        }
        let mut items = Vec::new();
        loop {
            items.push(self.parameter()?);
            if let [first @ (Expression::Integer(_) | Expression::BigInteger(_) | Expression::Reference(_) | Expression::Nothing)] =
                items.as_mut_slice()
                && self.eat(Kind::Dots)?
            {
                let first = std::mem::replace(first, Expression::Nothing);
                return self.range(first);
            }
            if self.eat(Kind::ListClose)? {
                return Ok(Expression::List(items));
            }
            self.expect(Kind::Comma)?;
        }
    }

    fn range(&mut self, first: Expression) -> Result<Expression, Error> {
        self.blanks()?;
        let last = match self.peek(0)? {
            Kind::Integer | Kind::Identifier | Kind::FormalOpen => self.value()?,
            _ => return Err(self.wrong("a range goes from a whole number to a whole number")),
        };
        self.blanks()?;
        self.expect(Kind::ListClose)?;
        Ok(Expression::Range(Box::new(first), Box::new(last)))
    }

    pub(super) fn map(&mut self) -> Result<Expression, Error> {
        self.take()?;
        let mut entries = Vec::new();
        self.blanks()?;
        if !self.closes_map()? {
            loop {
                let key = self.parameter()?;
                self.expect(Kind::Colon)?;
                entries.push((key, self.parameter()?));
                if !self.eat(Kind::Comma)? {
                    break;
                }
            }
        }
        if !self.closes_map()? {
            return Err(self.wrong("`,` or `}` was expected"));
        }
        // The lexer gives either, depending on what stands before.
        self.take()?;
        Ok(Expression::Map(entries))
    }

    fn closes_map(&mut self) -> Result<bool, Error> {
        Ok(matches!(self.peek(0)?, Kind::MapClose | Kind::FormalClose))
    }
}

/// `\u0041` is `A`; nothing where the digits are missing.
fn unescaped(text: &str) -> Option<String> {
    let Some((first, rest)) = text.split_once("\\u") else { return Some(text.to_owned()) };
    let mut out = first.to_owned();
    let mut units = Vec::new();
    for part in rest.split("\\u") {
        units.push(part.get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok())?);
        let plain = part.get(4..)?;
        if !plain.is_empty() {
            out.push_str(&String::from_utf16_lossy(&units));
            units.clear();
            out.push_str(plain);
        }
    }
    out.push_str(&String::from_utf16_lossy(&units));
    Some(out)
}

/// An interpolated string without the blank that was added to it: in its last text, or else when it has been rendered.
fn without_padding(mut block: Block, padded: bool) -> Expression {
    let text = block.0.last_mut().and_then(|last| if let NodeKind::Text(text) = &mut last.kind { Some(text) } else { None });
    let shorter = text.as_ref().and_then(|text| text.strip_suffix(' ')).map(Into::into);
    match (padded, text, shorter) {
        (true, Some(text), Some(shorter)) => {
            *text = shorter;
            Expression::Interpolated(block, false)
        }
        (padded, ..) => Expression::Interpolated(block, padded),
    }
}
