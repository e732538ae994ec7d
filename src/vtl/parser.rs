//! Text into a tree: recursive descent over the text itself, with the white-space rules of Velocity's own lexer.

use std::collections::HashMap;
use std::sync::Arc;

use super::ast::{Block, Call, Expression, Macro, Node, NodeKind, Reference, Slot, Template};
use super::error::{Error, ErrorKind};
use super::limits::{DEPTH, TEXT};

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// When it is not well formed, or larger or deeper than is allowed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut names = Names::default();
        let mut parser = Parser::new(text, &mut names);
        let body = parser.template()?;
        let macros = parser.macros;
        Ok(Self { text: text.into(), body: Arc::new(body), names: names.list, macros })
    }
}

/// The variables that a template names.
#[derive(Debug, Default, Clone)]
pub(super) struct Names {
    pub(super) list: Vec<Arc<str>>,
    index: HashMap<Arc<str>, Slot>,
}

impl Names {
    pub(super) fn from_list(list: Vec<Arc<str>>) -> Self {
        let index = list.iter().cloned().enumerate().map(|(slot, name)| (name, slot)).collect();
        Self { list, index }
    }

    pub(super) fn slot(&mut self, name: &str) -> Slot {
        if let Some(slot) = self.index.get(name) {
            return *slot;
        }
        let name: Arc<str> = name.into();
        let slot = self.list.len();
        self.list.push(Arc::clone(&name));
        self.index.insert(name, slot);
        slot
    }
}

/// What ended a block.
#[derive(Debug, PartialEq, Eq)]
enum Closed {
    Text,
    End,
    Else,
    ElseIf,
}

pub(super) struct Parser<'t, 'n> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    pub(super) names: &'n mut Names,
    pub(super) macros: HashMap<Arc<str>, Arc<Macro>>,
    pub(super) depth: usize,
}

impl<'t, 'n> Parser<'t, 'n> {
    pub(super) fn new(text: &'t str, names: &'n mut Names) -> Self {
        Self { text, at: 0, names, macros: HashMap::new(), depth: 0 }
    }

    /// The whole text as one block.
    pub(super) fn template(&mut self) -> Result<Block, Error> {
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

    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(super) fn eat(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    pub(super) fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    pub(super) fn expect(&mut self, wanted: &str) -> Result<(), Error> {
        self.blanks();
        if self.eat(wanted) {
            return Ok(());
        }
        let found = self.peek().map_or_else(|| "the end of the template".to_owned(), |c| format!("`{c}`"));
        Err(self.error(format!("`{wanted}` was expected, not {found}")))
    }

    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        Error::at(ErrorKind::Parse, self.text, self.at, message)
    }

    /// Guards recursion: a stack that overflows cannot be caught.
    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.error(format!("the template is nested more than {DEPTH} levels deep")));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn block(&mut self) -> Result<(Block, Closed), Error> {
        let mut nodes = Vec::new();
        let mut plain = Plain { from: self.at, text: String::new() };
        while let Some(c) = self.peek() {
            match c {
                '$' => self.dollar(&mut nodes, &mut plain)?,
                '#' => {
                    if let Some(end) = self.hash(&mut nodes, &mut plain)? {
                        plain.flush(&mut nodes, self.at);
                        return Ok((Block(nodes), end));
                    }
                }
                '\\' => self.backslashes(&mut nodes, &mut plain)?,
                _ => {
                    let rest = self.rest();
                    let end = rest.find(['$', '#', '\\']).unwrap_or(rest.len());
                    plain.text.push_str(rest.get(..end).unwrap_or_default());
                    self.at += end;
                }
            }
        }
        plain.flush(&mut nodes, self.at);
        Ok((Block(nodes), Closed::Text))
    }

    fn dollar(&mut self, nodes: &mut Vec<Node>, plain: &mut Plain) -> Result<(), Error> {
        let at = self.at;
        if let Some(reference) = self.reference()? {
            plain.flush(nodes, at);
            nodes.push(Node { at, kind: NodeKind::Reference(reference) });
            plain.from = self.at;
            return Ok(());
        }
        self.at = at + 1;
        if matches!(self.rest(), "" | "!") {
            self.at = at;
            return Err(self.error("`$` is the last character"));
        }
        plain.text.push('$');
        Ok(())
    }

    /// Backslashes before a reference or a directive: each pair is one, an odd one makes text of what follows.
    fn backslashes(&mut self, nodes: &mut Vec<Node>, plain: &mut Plain) -> Result<(), Error> {
        let start = self.at;
        let count = self.rest().len() - self.rest().trim_start_matches('\\').len();
        self.at += count;
        let what = self.at;
        let length = match self.peek() {
            Some('$') => self.reference()?.map(|_| self.at - what),
            Some('#') => self.known_directive(),
            _ => None,
        };
        self.at = what;
        let Some(length) = length else {
            plain.text.push_str(self.text.get(start..what).unwrap_or_default());
            return Ok(());
        };
        plain.text.push_str(&"\\".repeat(count / 2));
        if count % 2 == 1 {
            plain.text.push_str(self.text.get(what..what + length).unwrap_or_default());
            self.at = what + length;
        }
        let _ = nodes;
        Ok(())
    }

    /// The length of `#name` or `#{name}` if a directive or a macro of this name is known.
    fn known_directive(&self) -> Option<usize> {
        let (name, length) = directive_name(self.rest())?;
        (DIRECTIVES.contains(&name) || self.macros.contains_key(name)).then_some(length)
    }

    fn hash(&mut self, nodes: &mut Vec<Node>, plain: &mut Plain) -> Result<Option<Closed>, Error> {
        let at = self.at;
        if self.comment_or_literal(plain)? {
            return Ok(None);
        }
        let Some((name, length)) = directive_name(self.rest()) else {
            self.at += 1;
            if self.rest().is_empty() {
                self.at = at;
                return Err(self.error("`#` is the last character"));
            }
            plain.text.push('#');
            return Ok(None);
        };
        if name == "set" {
            plain.drop_blanks();
        }
        if let Some(end) = self.closing(name, length, nodes, plain) {
            return Ok(Some(end));
        }
        plain.flush(nodes, at);
        self.at += length;
        let node = self.nested(|parser| parser.directive(name, at))?;
        match node {
            Some(kind) => {
                nodes.push(Node { at, kind });
                plain.from = self.at;
            }
            None => plain.from = self.at,
        }
        Ok(None)
    }

    /// `##`, `#*`, `#[[`.
    fn comment_or_literal(&mut self, plain: &mut Plain) -> Result<bool, Error> {
        let rest = self.rest();
        if rest.starts_with("##") {
            self.at += rest.find('\n').map_or(rest.len(), |end| end + 1);
            return Ok(true);
        }
        if let Some(inside) = rest.strip_prefix("#*") {
            self.at += inside.find("*#").map_or(rest.len(), |end| end + 4);
            return Ok(true);
        }
        if let Some(inside) = rest.strip_prefix("#[[") {
            let end = inside.find("]]#").ok_or_else(|| self.error("`#[[` has no `]]#`"))?;
            let literal = inside.get(..end).unwrap_or_default();
            if literal.contains("#[[") {
                return Err(self.error("`#[[` stands within another one"));
            }
            plain.text.push_str(literal);
            self.at += end + 6;
            return Ok(true);
        }
        Ok(false)
    }

    fn closing(&mut self, name: &str, length: usize, nodes: &mut Vec<Node>, plain: &mut Plain) -> Option<Closed> {
        let end = match name {
            "end" => Closed::End,
            "else" => Closed::Else,
            "elseif" => Closed::ElseIf,
            _ => return None,
        };
        plain.flush(nodes, self.at);
        self.at += length;
        if end != Closed::ElseIf {
            self.newline();
        }
        Some(end)
    }

    /// Blanks and the newline behind a directive belong to it.
    pub(super) fn newline(&mut self) {
        let rest = self.rest();
        let after = rest.trim_start_matches([' ', '\t']);
        let after = after.strip_prefix("\r\n").or_else(|| after.strip_prefix('\n'));
        if let Some(after) = after {
            self.at += rest.len() - after.len();
        }
    }

    fn directive(&mut self, name: &str, at: usize) -> Result<Option<NodeKind>, Error> {
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
        let name: Arc<str> = self.identifier().ok_or_else(|| self.error("`#macro` needs a name"))?.into();
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
        let body = Arc::new(self.closed_block(start)?);
        // The first definition stays.
        self.macros.entry(name).or_insert_with(|| Arc::new(Macro { parameters, body }));
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
        Ok(NodeKind::Define(variable.root, Arc::new(self.closed_block(start)?)))
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
        let name: Arc<str> = self.identifier().ok_or_else(|| self.error("`#@` needs a macro's name"))?.into();
        let arguments = self.macro_arguments()?;
        self.newline();
        let slot = self.names.slot("bodyContent");
        let body = Arc::new(self.closed_block(at)?);
        Ok(NodeKind::Call(Call { name, arguments, text: "".into(), body: Some((slot, body)) }))
    }
}

const DIRECTIVES: [&str; 14] =
    ["set", "if", "elseif", "else", "end", "foreach", "macro", "define", "break", "stop", "evaluate", "parse", "include", "@"];

/// The name behind `#`, in braces or not, and how far it reaches.
fn directive_name(rest: &str) -> Option<(&str, usize)> {
    let inside = rest.strip_prefix('#')?;
    let called = |name: &str| {
        identifier(name)
            .is_some_and(|word| name.get(word.len()..).is_some_and(|rest| rest.trim_start_matches([' ', '\t']).starts_with('(')))
    };
    if inside.strip_prefix('@').is_some_and(called) {
        return inside.get(..1).map(|name| (name, 2));
    }
    if let Some(braced) = inside.strip_prefix('{') {
        let name = identifier(braced)?;
        return braced.get(name.len()..)?.starts_with('}').then_some((name, name.len() + 3));
    }
    let name = identifier(inside)?;
    // `#elsewhere` is no `#else`, but `#end#end`, `#else2` and `#endx` show that the lexer ends a known word early.
    Some((name, name.len() + 1))
}

/// A letter or `_`, then letters, digits, `_` and `-`.
pub(super) fn identifier(text: &str) -> Option<&str> {
    let first = text.chars().next().filter(|c| c.is_ascii_alphabetic() || *c == '_')?;
    let rest = text.get(first.len_utf8()..)?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
    text.get(..end + first.len_utf8())
}

/// Text that has not become a node yet.
struct Plain {
    from: usize,
    text: String,
}

impl Plain {
    fn flush(&mut self, nodes: &mut Vec<Node>, _upto: usize) {
        if !self.text.is_empty() {
            nodes.push(Node { at: self.from, kind: NodeKind::Text(std::mem::take(&mut self.text).into()) });
        }
    }

    /// Blanks directly before `#set` belong to it, unless other text came first: then they are that text's.
    fn drop_blanks(&mut self) {
        if self.text.bytes().all(|byte| byte == b' ' || byte == b'\t') {
            self.text.clear();
        }
    }
}
