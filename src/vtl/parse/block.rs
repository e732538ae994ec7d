//! What stands between directives: text, references, comments, escapes.

use super::Parser;
use super::reference::Meaning;
use super::token::Kind;
use crate::vtl::ast::{Block, Node, NodeKind};
use crate::vtl::error::Error;

/// Nodes as they come; text that comes in pieces is one node.
#[derive(Default)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    from: usize,
    text: String,
}

impl Nodes {
    pub(super) fn text(&mut self, at: usize, text: &str) {
        if self.text.is_empty() {
            self.from = at;
        }
        self.text.push_str(text);
    }

    pub(super) fn node(&mut self, at: usize, kind: NodeKind) {
        self.flush();
        self.nodes.push(Node { at, kind });
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.nodes.push(Node { at: self.from, kind: NodeKind::Text(std::mem::take(&mut self.text).into()) });
        }
    }

    fn finish(mut self) -> Block {
        self.flush();
        Block(self.nodes)
    }
}

impl Parser<'_, '_> {
    /// Everything up to a token that begins no statement, `#end` for one.
    pub(super) fn block(&mut self) -> Result<Block, Error> {
        let mut nodes = Nodes::default();
        while self.statement(&mut nodes)? {}
        Ok(nodes.finish())
    }

    fn statement(&mut self, nodes: &mut Nodes) -> Result<bool, Error> {
        match self.peek(0)? {
            Kind::Identifier => self.printed(nodes)?,
            Kind::FormalOpen if self.peek(1)? == Kind::Identifier => self.printed(nodes)?,
            Kind::If => self.if_(nodes)?,
            Kind::Set => self.set(nodes)?,
            Kind::Word | Kind::BracedWord => self.directive(nodes)?,
            Kind::Comment => {
                let token = self.take()?;
                nodes.text(self.place(token.at), token.image);
            }
            Kind::Literal => {
                let token = self.take()?;
                // What stands before `#[[` is cut off in its place: `$#[[xyz]]#` is `[xyz`.
                let inside = token.image.get(3..token.image.len() - 3).unwrap_or_default();
                nodes.text(self.place(token.at), inside);
            }
            Kind::EscapedDirective => self.escaped_directive(nodes)?,
            Kind::Escapes => self.escapes(nodes)?,
            Kind::Text
            | Kind::Escape
            | Kind::EmptyIndex
            | Kind::Dot
            | Kind::Open
            | Kind::Close
            | Kind::FormalOpen
            | Kind::FormalClose
            | Kind::String
            | Kind::Integer
            | Kind::Float => {
                let token = self.take()?;
                let at = self.place(token.at);
                nodes.text(at, &token.strays);
                nodes.text(at, token.image);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn printed(&mut self, nodes: &mut Nodes) -> Result<(), Error> {
        let found = self.reference()?;
        nodes.text(found.at, &found.before);
        match found.meaning {
            Meaning::Reference(reference) => nodes.node(reference.at, NodeKind::Reference(reference)),
            Meaning::Escaped(reference, text) => {
                let at = reference.at;
                let (slot, is_name) = (reference.root, reference.parts.is_empty());
                nodes.node(at, NodeKind::Discard(reference));
                let name = self.names.name(slot).filter(|_| is_name).unwrap_or_default();
                match text.strip_suffix(name).and_then(|text| text.strip_suffix('$')) {
                    Some(before) if is_name => {
                        nodes.text(at, before);
                        nodes.node(at, NodeKind::Name(slot, format!("${name}").into()));
                    }
                    _ => nodes.text(at, &text),
                }
            }
            Meaning::Runt(text) => nodes.text(found.at, text),
            Meaning::Barred => {}
        }
        Ok(())
    }

    /// Each pair of backslashes before a directive is one, and an odd one makes text of it; before other words they are as written.
    fn escaped_directive(&mut self, nodes: &mut Nodes) -> Result<(), Error> {
        let token = self.take()?;
        let backslashes = super::scan::backslashes(token.image);
        let directive = token.image.get(backslashes..).unwrap_or_default();
        let name = directive.get(1..).unwrap_or_default().trim_matches(['{', '}']);
        let at = self.place(token.at);
        if self.is_directive(name) {
            nodes.text(at, token.image.get(..(backslashes - 1) / 2).unwrap_or_default());
            nodes.text(at, directive);
        } else {
            nodes.text(at, token.image);
        }
        Ok(())
    }

    fn is_directive(&self, name: &str) -> bool {
        const DIRECTIVES: [&str; 14] = [
            "set", "if", "elseif", "else", "end", "foreach", "macro", "define", "break", "stop", "evaluate", "parse", "include", "literal",
        ];
        DIRECTIVES.contains(&name) || self.macros.contains_key(name)
    }

    /// Pairs of backslashes: one each before a directive, else as they are written.
    fn escapes(&mut self, nodes: &mut Nodes) -> Result<(), Error> {
        let at = self.place(self.end);
        let mut count = 0;
        while self.eat(Kind::Escapes)? {
            count += 1;
        }
        let next = self.ahead.front();
        let directive = next.is_some_and(|token| match token.kind {
            Kind::If | Kind::ElseIf | Kind::Else | Kind::End => true,
            Kind::Word => token.image.get(1..).is_some_and(|name| name != "set" && self.is_directive(name)),
            _ => false,
        });
        nodes.text(at, &(if directive { "\\" } else { "\\\\" }).repeat(count));
        Ok(())
    }
}
