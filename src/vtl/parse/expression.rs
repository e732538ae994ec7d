//! Expressions: what stands in `#set`, `#if` and between brackets.

use super::Parser;
use crate::vtl::ast::{Block, Expression, NodeKind, Operator};
use crate::vtl::error::Error;

/// Operators by precedence, loosest first, longer spellings before shorter ones.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("or", Operator::Or)],
    &[("&&", Operator::And), ("and", Operator::And)],
    &[("==", Operator::Equal), ("!=", Operator::NotEqual), ("eq", Operator::Equal), ("ne", Operator::NotEqual)],
    &[
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("le", Operator::LessOrEqual),
        ("ge", Operator::GreaterOrEqual),
        ("lt", Operator::Less),
        ("gt", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)],
];

impl Parser<'_, '_> {
    pub(super) fn expression(&mut self) -> Result<Expression, Error> {
        self.nested(|parser| parser.level(0))
    }

    fn level(&mut self, level: usize) -> Result<Expression, Error> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        let mut length = 0;
        while let Some(operator) = self.operator(operators) {
            // A chain becomes a tree as deep as it is long, and rendering follows it.
            length += 1;
            if length > crate::vtl::limits::DEPTH {
                return Err(self.error("the expression is too long"));
            }
            let right = self.level(level + 1)?;
            left = Expression::Binary(operator, Box::new((left, right)));
        }
        Ok(left)
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        self.blanks();
        for (text, operator) in operators {
            let rest = self.rest();
            let Some(after) = rest.strip_prefix(text) else { continue };
            let next = after.chars().next();
            let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic());
            // `-1` is one number, so a minus is an operator only with a blank or a sign behind it.
            let fits = if is_word {
                next.is_none_or(|c| !c.is_ascii_alphanumeric())
            } else {
                *text != "-" || !next.is_some_and(|c| c.is_ascii_digit())
            };
            if fits {
                self.at += text.len();
                return Some(*operator);
            }
        }
        None
    }

    fn unary(&mut self) -> Result<Expression, Error> {
        self.blanks();
        let rest = self.rest();
        let word = rest.starts_with("not") && !rest.get(3..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
        if word || rest.starts_with('!') {
            self.at += if word { 3 } else { 1 };
            return self.nested(Self::unary).map(|inner| Expression::Not(Box::new(inner)));
        }
        if self.eat("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            return Ok(inner);
        }
        self.argument()
    }

    /// A literal or a reference.
    pub(super) fn argument(&mut self) -> Result<Expression, Error> {
        self.nested(Self::argument_within)
    }

    fn argument_within(&mut self) -> Result<Expression, Error> {
        self.blanks();
        match self.peek() {
            Some('$') => self.reference()?.map(Expression::Reference).ok_or_else(|| self.error("`$` begins no reference here")),
            Some('\'') => self.string('\'').map(|text| Expression::String(text.into())),
            Some('"') => self.interpolated(),
            Some('[') => self.list(),
            Some('{') => self.map(),
            Some(c) if c == '-' || c == '.' || c.is_ascii_digit() => self.number(),
            _ => match identifier_at(self.rest()) {
                Some(word @ ("true" | "false")) => {
                    self.at += word.len();
                    Ok(Expression::Boolean(word == "true"))
                }
                _ => {
                    let found = self.peek().map_or_else(|| "the template ends".to_owned(), |c| format!("`{c}` stands"));
                    Err(self.error(format!("{found} where a value was expected")))
                }
            },
        }
    }

    /// The text between quotes; a quote is doubled to stand in it.
    fn string(&mut self, quote: char) -> Result<String, Error> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.bump() {
                Some(c) if c == quote => {
                    if self.peek() != Some(quote) {
                        return Ok(text);
                    }
                    self.at += 1;
                    text.push(quote);
                }
                Some(c) => text.push(c),
                None => {
                    self.at = start;
                    return Err(self.error("this string is not closed"));
                }
            }
        }
    }

    /// A double-quoted string is a template of its own; its escapes are Unicode's only.
    fn interpolated(&mut self) -> Result<Expression, Error> {
        let start = self.at;
        let text = unicode_escapes(&self.string('"')?);
        if !text.contains(['$', '#']) {
            return Ok(Expression::String(text.into()));
        }
        // A newline keeps the string's last sign from being the template's: there, `$` alone would be an error.
        let padded = format!("{text}\n");
        let (block, macros) = {
            let mut inner = Parser::new(&padded, self.names);
            inner.depth = self.depth;
            let block =
                inner.template().map_err(|error| Error::at(error.kind, self.text, start, format!("in this string: {}", error.message)))?;
            (block, inner.macros)
        };
        for (name, definition) in macros {
            self.macros.entry(name).or_insert(definition);
        }
        Ok(Expression::Interpolated(without_padding(block)))
    }

    fn list(&mut self) -> Result<Expression, Error> {
        self.at += 1;
        self.blanks();
        if self.eat("]") {
            return Ok(Expression::List(Vec::new()));
        }
        let first = self.argument()?;
        self.blanks();
        if self.eat("..") {
            let last = self.argument()?;
            if [&first, &last].iter().any(|end| !matches!(end, Expression::Integer(_) | Expression::Reference(_))) {
                return Err(self.error("a range goes from a whole number to a whole number"));
            }
            self.expect("]")?;
            return Ok(Expression::Range(Box::new(first), Box::new(last)));
        }
        let mut items = vec![first];
        loop {
            self.blanks();
            if self.eat("]") {
                return Ok(Expression::List(items));
            }
            self.expect(",")?;
            items.push(self.argument()?);
        }
    }

    fn map(&mut self) -> Result<Expression, Error> {
        self.at += 1;
        let mut entries = Vec::new();
        self.blanks();
        if self.eat("}") {
            return Ok(Expression::Map(entries));
        }
        loop {
            let key = self.argument()?;
            self.expect(":")?;
            entries.push((key, self.argument()?));
            self.blanks();
            if self.eat("}") {
                return Ok(Expression::Map(entries));
            }
            self.expect(",")?;
        }
    }

    fn number(&mut self) -> Result<Expression, Error> {
        let rest = self.rest();
        let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let sign = usize::from(rest.starts_with('-'));
        let mut length = sign + digits(rest.get(sign..).unwrap_or_default());
        if length == sign
            && !rest.get(sign..).is_some_and(|rest| {
                rest.starts_with('.') && rest.get(1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            })
        {
            return Err(self.error("`-` stands where a value was expected"));
        }
        let whole = length;
        if rest.get(length..).is_some_and(|rest| rest.starts_with('.') && !rest.starts_with(".."))
            && digits(rest.get(length + 1..).unwrap_or_default()) > 0
        {
            length += 1 + digits(rest.get(length + 1..).unwrap_or_default());
        }
        if let Some(exponent) = rest.get(length..).and_then(|rest| rest.strip_prefix(['e', 'E'])) {
            let sign = usize::from(exponent.starts_with(['-', '+']));
            let count = digits(exponent.get(sign..).unwrap_or_default());
            if count > 0 {
                length += 1 + sign + count;
            }
        }
        let text = rest.get(..length).unwrap_or_default();
        let value = if length > whole {
            text.parse().map(Expression::Double).ok()
        } else {
            text.parse()
                .map(Expression::Integer)
                .ok()
                .or_else(|| text.parse().ok().filter(|_| text.len() <= 1000).map(|number| Expression::BigInteger(Box::new(number))))
        };
        self.at += length;
        value.ok_or_else(|| self.error("this number is too long"))
    }
}

fn identifier_at(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    text.get(..end).filter(|word| !word.is_empty())
}

/// `\u0041` is `A`.
fn unicode_escapes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\u") {
        out.push_str(before);
        let code = after.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        match code {
            Some(c) => {
                out.push(c);
                rest = after.get(4..).unwrap_or_default();
            }
            None => {
                out.push_str("\\u");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Takes the newline that was added for the parser off again, if a directive has not taken it already.
fn without_padding(mut block: Block) -> Block {
    if let Some(last) = block.0.last_mut()
        && let NodeKind::Text(text) = &mut last.kind
        && let Some(shorter) = text.strip_suffix('\n')
    {
        *text = shorter.into();
    }
    block
}
