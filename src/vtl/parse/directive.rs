//! `#set`, `#if`, `#foreach` and the other directives.

use super::Parser;
use super::block::Nodes;
use super::reference::Meaning;
use super::token::Kind;
use crate::vtl::ast::{Block, Call, Expression, Macro, Node, NodeKind, Slot};
use crate::vtl::error::{Error, ErrorKind};

const NO_FILES: NodeKind = NodeKind::Fails(ErrorKind::Resource, "there are no other files that a template could include");

/// An argument of a directive or a macro.
struct Argument<'t> {
    at: usize,
    /// Its first token.
    image: &'t str,
    /// All of it as it is written.
    literal: &'t str,
    /// Nothing: a bare word.
    value: Option<Expression>,
}

impl<'t> Parser<'t, '_> {
    pub(super) fn set(&mut self, nodes: &mut Nodes) -> Result<(), Error> {
        let token = self.take()?;
        let at = self.place(token.at + token.image.find('#').unwrap_or_default());
        self.blanks()?;
        if !matches!(self.peek(0)?, Kind::Identifier | Kind::FormalOpen) {
            return Err(self.wrong("`#set` needs a reference to set"));
        }
        let found = self.reference()?;
        self.blanks()?;
        self.expect(Kind::Assign)?;
        let value = self.expression()?;
        self.expect(Kind::Close)?;
        self.lexer.leave_set();
        if let Meaning::Reference(mut target) | Meaning::Escaped(mut target, _) = found.meaning {
            if target.parts.is_empty() {
                target.root = self.variable(found.image);
            }
            nodes.node(at, NodeKind::Set(target, value));
        }
        Ok(())
    }

    /// A variable that a directive sets is named by the first token without its `$`: for `${x}` and `$!x` that is no name that a
    /// reference could read.
    fn variable(&mut self, image: &str) -> Slot {
        self.names.slot(image.strip_prefix('$').unwrap_or("$"))
    }

    pub(super) fn if_(&mut self, nodes: &mut Nodes) -> Result<(), Error> {
        let start = self.take()?.at;
        let kind = self.nested(|parser| {
            let mut branches = vec![parser.branch()?];
            while parser.eat(Kind::ElseIf)? {
                branches.push(parser.branch()?);
            }
            let otherwise = if parser.eat(Kind::Else)? { Some(parser.block()?) } else { None };
            parser.end(start)?;
            Ok(NodeKind::If(branches, otherwise))
        })?;
        nodes.node(self.place(start), kind);
        Ok(())
    }

    fn branch(&mut self) -> Result<(Expression, Block), Error> {
        self.blanks()?;
        self.expect(Kind::Open)?;
        let condition = self.expression()?;
        self.expect(Kind::Close)?;
        Ok((condition, self.block()?))
    }

    fn end(&mut self, start: usize) -> Result<(), Error> {
        match self.peek(0)? {
            Kind::End => self.take().map(drop),
            Kind::EndOfText => Err(self.error(start, "this directive has no `#end`")),
            _ => Err(self.wrong("`#end` was expected")),
        }
    }

    /// `#name`, with arguments or without.
    pub(super) fn directive(&mut self, nodes: &mut Nodes) -> Result<(), Error> {
        let token = self.take()?;
        let name = match token.kind {
            Kind::BracedWord => token.image.get(2..token.image.len() - 1),
            _ => token.image.get(1..),
        };
        let (name, start) = (name.unwrap_or_default(), token.at);
        self.lexer.enter_directive();
        let arguments = if self.lexer.opens_next() {
            Some(self.directive_arguments()?)
        } else {
            self.lexer.leave_directive();
            None
        };
        let kind = self.nested(|parser| match (name, arguments) {
            ("foreach", Some(arguments)) => parser.foreach(start, arguments),
            ("define", Some(arguments)) => parser.define(start, arguments),
            ("macro", Some(arguments)) => parser.macro_(start, arguments),
            ("literal", Some(arguments)) => parser.literal(start, arguments),
            ("foreach" | "define" | "macro" | "literal", None) => {
                Err(parser.error(start, format!("`#{name}` needs parentheses behind it")))
            }
            ("evaluate", arguments) => parser.evaluate(start, arguments),
            ("break", arguments) => parser.only_one(start, arguments).map(NodeKind::Break),
            ("stop", arguments) => parser.only_one(start, arguments).map(|_| NodeKind::Stop),
            // It fails only where it is asked for something.
            ("include", None) => Ok(NodeKind::Text("".into())),
            ("include", Some(arguments)) => {
                let none = parser.values(arguments)?.is_empty();
                Ok(if none { NodeKind::Text("".into()) } else { NO_FILES })
            }
            ("parse", arguments) => parser.values(arguments.unwrap_or_default()).map(|_| NO_FILES),
            (_, Some(arguments)) if name.starts_with('@') => parser.block_call(start, name, arguments),
            (_, None) if name.starts_with('@') => Ok(NodeKind::Text(format!("#{name}").into())),
            (_, arguments) => Ok(parser.call(start, name, arguments.unwrap_or_default(), None)),
        })?;
        let at = self.place(start);
        match kind {
            NodeKind::Text(text) => nodes.text(at, &text),
            kind => nodes.node(at, kind),
        }
        Ok(())
    }

    /// Separated by commas or by blanks.
    fn directive_arguments(&mut self) -> Result<Vec<Argument<'t>>, Error> {
        let mut arguments = Vec::new();
        self.blanks()?;
        self.expect(Kind::Open)?;
        loop {
            self.blanks()?;
            if self.eat(Kind::Close)? {
                return Ok(arguments);
            }
            if self.eat(Kind::Comma)? {
                self.blanks()?;
            }
            self.peek(0)?;
            let (at, mut image) = self.ahead.front().map_or((self.end, ""), |token| (token.at, token.image));
            let value = match self.peek(0)? {
                Kind::Word => {
                    self.take()?;
                    None
                }
                Kind::Identifier | Kind::FormalOpen => {
                    let found = self.reference()?;
                    image = found.image;
                    Some(match found.meaning {
                        Meaning::Reference(reference) | Meaning::Escaped(reference, _) => Expression::Reference(reference),
                        Meaning::Runt(_) | Meaning::Barred => Expression::Nothing,
                    })
                }
                _ => Some(self.value()?),
            };
            let literal = self.text.get(at..self.end).unwrap_or_default();
            arguments.push(Argument { at, image, literal, value });
        }
    }

    /// Arguments of which none may be a bare word.
    fn values(&self, arguments: Vec<Argument<'t>>) -> Result<Vec<Expression>, Error> {
        arguments
            .into_iter()
            .map(|Argument { at, value, .. }| value.ok_or_else(|| self.error(at, "a bare word is no argument here")))
            .collect()
    }

    fn only_one(&self, start: usize, arguments: Option<Vec<Argument<'t>>>) -> Result<Option<Expression>, Error> {
        let mut values = self.values(arguments.unwrap_or_default())?;
        if values.len() > 1 {
            return Err(self.error(start, "this directive has one argument at most"));
        }
        Ok(values.pop())
    }

    fn closed_block(&mut self, start: usize) -> Result<Block, Error> {
        let block = self.block()?;
        self.end(start)?;
        Ok(block)
    }

    fn foreach(&mut self, start: usize, arguments: Vec<Argument<'t>>) -> Result<NodeKind, Error> {
        let body = self.closed_block(start)?;
        let mut arguments = arguments.into_iter().enumerate().map(|(index, argument)| match argument.value {
            // The word between variable and list may be any.
            None if index != 1 => Err(self.error(argument.at, "a bare word is no argument here")),
            value => Ok((argument.image, value)),
        });
        let first = arguments.next().transpose()?;
        let _in = arguments.next().transpose()?;
        let list = arguments.next().transpose()?;
        let fourth = arguments.next().transpose()?;
        arguments.try_for_each(|argument| argument.map(drop))?;
        let (Some((image, variable)), Some(_)) = (first, _in) else {
            return Ok(NodeKind::Fails(ErrorKind::Runtime, "`#foreach` is written `#foreach($item in $list)`"));
        };
        let slot = match variable {
            Some(Expression::Reference(reference)) => reference.root,
            _ => self.variable(image),
        };
        // What is rendered is the fourth child, which is the block only where there are three arguments.
        let body = match fourth {
            None => body,
            Some((_, Some(Expression::Reference(reference)))) => {
                Block(vec![Node { at: reference.at, kind: NodeKind::Reference(reference) }])
            }
            Some(_) => Block::default(),
        };
        Ok(NodeKind::Foreach(slot, list.and_then(|(_, value)| value).unwrap_or(Expression::Nothing), body))
    }

    fn define(&mut self, start: usize, arguments: Vec<Argument<'t>>) -> Result<NodeKind, Error> {
        let body = self.closed_block(start)?;
        match arguments.as_slice() {
            [Argument { image, value: Some(_), .. }] => Ok(NodeKind::Define(self.variable(image), body)),
            _ => Err(self.error(start, "`#define` needs a variable")),
        }
    }

    fn macro_(&mut self, start: usize, arguments: Vec<Argument<'t>>) -> Result<NodeKind, Error> {
        let mut arguments = arguments.into_iter();
        let name = match arguments.next() {
            Some(Argument { image, value: None, .. }) => image,
            Some(Argument { at, .. }) => return Err(self.error(at, "`#macro` needs a name, which is a bare word")),
            None => return Err(self.error(start, "`#macro` needs a name")),
        };
        let mut parameters = Vec::new();
        for argument in arguments {
            if argument.value.is_none() {
                return Err(self.error(argument.at, "a macro's parameters are variables"));
            }
            parameters.push(self.variable(argument.image));
        }
        let body = self.closed_block(start)?;
        // The first definition stays.
        self.macros.entry(name.into()).or_insert(Macro { parameters, body });
        Ok(NodeKind::Text("".into()))
    }

    /// `#literal()`: what stands in it is parsed, and printed as it was written, comments aside.
    fn literal(&mut self, start: usize, arguments: Vec<Argument<'t>>) -> Result<NodeKind, Error> {
        let around = self.literal.replace(String::new());
        let block = self.block()?;
        let text = std::mem::replace(&mut self.literal, around).unwrap_or_default();
        if let Some(around) = &mut self.literal {
            around.push_str(&text);
        }
        self.end(start)?;
        match arguments.first() {
            // What is printed is the first child, which is the block only where there are no arguments.
            Some(argument) => Ok(NodeKind::Text(argument.image.into())),
            None if block.0.is_empty() => Err(self.error(start, "`#literal()` holds nothing")),
            None => Ok(NodeKind::Text(text.into())),
        }
    }

    fn evaluate(&self, start: usize, arguments: Option<Vec<Argument<'t>>>) -> Result<NodeKind, Error> {
        let mut values = self.values(arguments.unwrap_or_default())?;
        match (values.pop(), values.pop()) {
            (
                Some(text @ (Expression::String(_) | Expression::Interpolated(..) | Expression::Reference(_) | Expression::Nothing)),
                None,
            ) => Ok(NodeKind::Evaluate(text)),
            _ => Err(self.error(start, "`#evaluate` needs one argument, a string or a reference")),
        }
    }

    /// A call if some macro has the name when it is rendered, else its own text.
    fn call(&self, start: usize, name: &str, arguments: Vec<Argument<'t>>, body: Option<(Slot, Block)>) -> NodeKind {
        let text = self.text.get(start..self.end).unwrap_or_default();
        let has_words = arguments.iter().any(|argument| argument.value.is_none());
        let literals = arguments.iter().map(|argument| argument.literal.into()).collect();
        let arguments = arguments.into_iter().map(|argument| argument.value.unwrap_or(Expression::Nothing)).collect();
        NodeKind::Call(Call { name: name.into(), arguments, literals, has_words, text: text.into(), body })
    }

    /// `#@name(…) … #end`: what stands between is `$bodyContent` to the macro.
    fn block_call(&mut self, start: usize, name: &str, arguments: Vec<Argument<'t>>) -> Result<NodeKind, Error> {
        let slot = self.names.slot("bodyContent");
        let body = self.closed_block(start)?;
        Ok(self.call(start, name.get(1..).unwrap_or_default(), arguments, Some((slot, body))))
    }
}
