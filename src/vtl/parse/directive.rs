//! `#set`, `#if`, `#foreach` and the other directives.

use super::Parser;
use super::block::Closed;
use crate::vtl::ast::{Block, Call, Expression, Macro, NodeKind, Reference};
use crate::vtl::error::Error;

impl Parser<'_, '_> {
    pub(super) fn directive(&mut self, name: &str, at: usize) -> Result<Option<NodeKind>, Error> {
        let kind = match name {
            "set" => self.set()?,
            "if" => self.if_()?,
            "foreach" => self.foreach()?,
            "macro" => return self.macro_().map(|()| None),
            "define" => self.define()?,
            "break" => NodeKind::Break,
            "stop" => NodeKind::Stop,
            "evaluate" => {
                self.expect("(")?;
                let text = self.argument()?;
                self.expect(")")?;
                NodeKind::Evaluate(text)
            }
            "@" => return self.block_call(at).map(Some),
            "parse" | "include" => {
                self.arguments_or_nothing()?;
                NodeKind::Resource
            }
            _ => self.call(name, at)?,
        };
        if matches!(kind, NodeKind::Set(..)) {
            self.newline();
        }
        Ok(Some(kind))
    }

    fn set(&mut self) -> Result<NodeKind, Error> {
        self.expect("(")?;
        self.blanks();
        let formal = self.rest().starts_with("${") || self.rest().starts_with("$!{");
        let mut target = self.reference()?.ok_or_else(|| self.error("`#set` needs a reference to set"))?;
        if formal && target.parts.is_empty() {
            // Velocity sets a variable of another name then, braces included, which no reference reads.
            target.root = self.names.slot(&format!("{{{}}}", target.root));
        }
        self.expect("=")?;
        let value = self.expression()?;
        self.expect(")")?;
        Ok(NodeKind::Set(target, value))
    }

    fn if_(&mut self) -> Result<NodeKind, Error> {
        let mut branches = Vec::new();
        loop {
            let start = self.at;
            self.expect("(")?;
            let condition = self.expression()?;
            self.expect(")")?;
            self.newline();
            let (block, end) = self.block()?;
            branches.push((condition, block));
            match end {
                Closed::ElseIf => {}
                Closed::End => return Ok(NodeKind::If(branches, None)),
                Closed::Else => {
                    let block = self.closed_block(start)?;
                    return Ok(NodeKind::If(branches, Some(block)));
                }
                Closed::Text => return Err(self.unclosed(start)),
            }
        }
    }

    /// A block that only `#end` may end.
    fn closed_block(&mut self, start: usize) -> Result<Block, Error> {
        match self.block()? {
            (block, Closed::End) => Ok(block),
            (_, Closed::Text) => Err(self.unclosed(start)),
            _ => Err(self.error("`#else` stands where only `#end` can")),
        }
    }

    fn unclosed(&mut self, start: usize) -> Error {
        self.at = start;
        self.error("this directive has no `#end`")
    }

    fn foreach(&mut self) -> Result<NodeKind, Error> {
        let start = self.at;
        self.expect("(")?;
        self.blanks();
        let variable =
            self.reference()?.filter(|reference| reference.parts.is_empty()).ok_or_else(|| self.error("`#foreach` needs a variable"))?;
        self.blanks();
        // Velocity takes any word here, and no list at all for an empty one.
        if self.identifier().is_none() {
            return Err(self.error("`#foreach` is written `#foreach($item in $list)`"));
        }
        self.blanks();
        let list = if self.rest().starts_with(')') { Expression::List(Vec::new()) } else { self.argument()? };
        self.expect(")")?;
        self.newline();
        Ok(NodeKind::Foreach(variable.root, list, self.closed_block(start)?))
    }

    fn macro_(&mut self) -> Result<(), Error> {
        let start = self.at;
        self.expect("(")?;
        self.blanks();
        let name: Box<str> = self.identifier().ok_or_else(|| self.error("`#macro` needs a name"))?.into();
        let mut parameters = Vec::new();
        loop {
            self.blanks();
            self.eat(",");
            self.blanks();
            if self.eat(")") {
                break;
            }
            let parameter: Option<Reference> = self.reference()?;
            parameters.push(
                parameter
                    .filter(|reference| reference.parts.is_empty())
                    .ok_or_else(|| self.error("a macro's parameters are variables"))?
                    .root,
            );
        }
        self.newline();
        let body = self.closed_block(start)?;
        // The first definition stays.
        self.macros.entry(name).or_insert(Macro { parameters, body });
        Ok(())
    }

    fn define(&mut self) -> Result<NodeKind, Error> {
        let start = self.at;
        self.expect("(")?;
        self.blanks();
        let variable =
            self.reference()?.filter(|reference| reference.parts.is_empty()).ok_or_else(|| self.error("`#define` needs a variable"))?;
        self.expect(")")?;
        self.newline();
        Ok(NodeKind::Define(variable.root, self.closed_block(start)?))
    }

    /// `#name(…)`: a call if some macro has the name, else text.
    fn call(&mut self, name: &str, at: usize) -> Result<NodeKind, Error> {
        let before = self.at;
        let mut arguments = Vec::new();
        let rest = self.rest();
        if rest.trim_start_matches([' ', '\t']).starts_with('(') {
            match self.macro_arguments() {
                Ok(read) => arguments = read,
                Err(_) if !self.macros.contains_key(name) => self.at = before,
                Err(error) => return Err(error),
            }
        }
        let text = self.text.get(at..self.at).unwrap_or_default().into();
        if self.at > before {
            self.newline();
        }
        Ok(NodeKind::Call(Call { name: name.into(), arguments, text, body: None }))
    }

    /// `#@name(…) … #end`: what stands between is `$bodyContent` to the macro.
    fn block_call(&mut self, at: usize) -> Result<NodeKind, Error> {
        let name: Box<str> = self.identifier().ok_or_else(|| self.error("`#@` needs a macro's name"))?.into();
        let arguments = self.macro_arguments()?;
        self.newline();
        let slot = self.names.slot("bodyContent");
        let body = self.closed_block(at)?;
        Ok(NodeKind::Call(Call { name, arguments, text: "".into(), body: Some((slot, body)) }))
    }
}
