//! What stands between directives: text, references, comments, escapes.

use super::{Parser, identifier};
use crate::vtl::ast::{Block, Node, NodeKind};
use crate::vtl::error::Error;

/// What ended a block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Closed {
    Text,
    End,
    Else,
    ElseIf,
}

impl Parser<'_, '_> {
    pub(super) fn block(&mut self) -> Result<(Block, Closed), Error> {
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
