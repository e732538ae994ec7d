//! What each state makes of what stands in it; `$` and `#` aside, which most states share.

use super::{Lexer, Result, State, Step, Unreadable, unreadable};
use crate::vtl::parse::scan;
use crate::vtl::parse::token::Kind;

impl Lexer<'_> {
    pub(super) fn plain(&mut self, rest: &str) -> Step {
        if !rest.starts_with('\\') {
            return self.take(rest.find(['$', '#', '\\']).unwrap_or(rest.len()), Kind::Text);
        }
        let count = self.backslashes();
        if count % 2 == 1
            && let Some(directive) = rest.get(count..).and_then(|rest| rest.strip_prefix('#'))
        {
            let word = scan::word(directive).max(scan::braced_word(directive));
            if word > 0 {
                return self.take(count + 1 + word, Kind::EscapedDirective);
            }
        }
        if count > 1 { self.take(2, Kind::Escapes) } else { self.take(1, Kind::Escape) }
    }

    fn name(&mut self, rest: &str) -> Option<Step> {
        let length = scan::identifier(rest);
        let kind = match rest.get(..length)? {
            "" => return None,
            "true" => Kind::True,
            "false" => Kind::False,
            _ => Kind::Identifier,
        };
        Some(self.take(length, kind))
    }

    /// A dot is a reference's only before a letter.
    fn dot(&mut self, rest: &str) -> Option<Step> {
        rest.strip_prefix('.')?.chars().next().filter(char::is_ascii_alphabetic)?;
        self.state = State::Modifier;
        Some(self.take(1, Kind::Dot))
    }

    pub(super) fn reference(&mut self, rest: &str) -> Step {
        if let Some(step) = self.name(rest).or_else(|| self.dot(rest)) {
            return step;
        }
        match rest.as_bytes().first() {
            Some(b'[') => {
                self.push(State::Index);
                self.take(1, Kind::IndexOpen)
            }
            Some(b'{') => self.take(1, Kind::FormalOpen),
            Some(b'}') => {
                self.pop();
                self.take(1, Kind::FormalClose)
            }
            Some(b'(') if self.state == State::Modifier => {
                self.opened += 1;
                self.state = State::Arguments;
                self.take(1, Kind::Open)
            }
            _ => {
                self.pop();
                Step::Stray
            }
        }
    }

    /// Strings, numbers, white space and the signs of lists and maps.
    fn literal(&mut self, rest: &str) -> Option<Step> {
        let white_space = scan::white_space(rest);
        if white_space > 0 {
            return Some(self.take(white_space, Kind::Blanks));
        }
        if let Some(length) = scan::string(rest) {
            self.literal_alone(State::Directive);
            return Some(self.take(length, Kind::String));
        }
        if let Some((kind, length)) = scan::number(rest) {
            if self.state != State::Arguments && (self.state != State::Index || kind == Kind::Float) {
                self.literal_alone(self.state);
            }
            return Some(self.take(length, kind));
        }
        if self.state == State::Index {
            return None;
        }
        if rest.starts_with("..") {
            return Some(self.take(2, Kind::Dots));
        }
        let kind = match rest.as_bytes().first()? {
            b'[' => Kind::ListOpen,
            b']' => Kind::ListClose,
            b'{' => Kind::MapOpen,
            b'}' => Kind::MapClose,
            b',' => Kind::Comma,
            b':' => Kind::Colon,
            _ => return None,
        };
        Some(self.take(1, kind))
    }

    /// A literal outside of all parentheses ends the state it stands in.
    fn literal_alone(&mut self, state: State) {
        if self.state == state && self.opened == 0 && !self.in_set {
            self.pop();
        }
    }

    pub(super) fn arguments(&mut self, rest: &str) -> Result<Step> {
        if self.state == State::Index {
            for (word, kind) in [("true", Kind::True), ("false", Kind::False)] {
                if rest.starts_with(word) {
                    return Ok(self.take(word.len(), kind));
                }
            }
            if rest.starts_with(']') {
                self.pop();
                return Ok(self.take(1, Kind::IndexClose));
            }
        } else if rest.starts_with(')') {
            self.state = State::Reference;
            return Ok(self.take(1, Kind::MethodClose));
        } else if let Some(step) = self.name(rest).or_else(|| self.dot(rest)) {
            return Ok(step);
        }
        self.literal(rest).ok_or_else(|| self.unexpected(rest))
    }

    fn unexpected(&self, rest: &str) -> Unreadable {
        let c = rest.chars().next().unwrap_or_default();
        let message = match (c, self.state) {
            ('"' | '\'', _) => "this string is not closed".to_owned(),
            (_, State::Arguments | State::Index) => format!("`{c}` cannot stand here: an argument or an index is no calculation"),
            _ => format!("`{c}` cannot stand here"),
        };
        unreadable(self.at, message)
    }

    pub(super) fn behind_hash(&mut self, rest: &str) -> Step {
        if let Some((kind, length)) = scan::number(rest) {
            self.literal_alone(State::Hash);
            return self.take(length, kind);
        }
        let (word, braced) = (scan::word(rest), scan::braced_word(rest));
        let length = word.max(braced);
        if length == 0 {
            self.pop();
            return Step::Stray;
        }
        let name = rest.get(..length).unwrap_or_default().trim_matches(['{', '}']);
        match name {
            "end" | "else" => {
                self.pop();
                let line_end = rest.get(length..).map_or(0, scan::line_end);
                self.take(length + line_end, if name == "end" { Kind::End } else { Kind::Else })
            }
            "if" | "elseif" => {
                self.state = State::Directive;
                self.take(length, if name == "if" { Kind::If } else { Kind::ElseIf })
            }
            _ => self.take(length, if braced > 0 { Kind::BracedWord } else { Kind::Word }),
        }
    }

    pub(super) fn within_directive(&mut self, rest: &str) -> Result<Step> {
        match rest.as_bytes().first() {
            Some(b'(') => {
                self.opened += 1;
                return Ok(self.take(1, Kind::Open));
            }
            Some(b')') => {
                self.close();
                return Ok(self.take(1 + rest.get(1..).map_or(0, scan::line_end), Kind::Close));
            }
            _ => {}
        }
        let (word, braced) = (scan::word(rest), scan::braced_word(rest));
        if word > 0 {
            return Ok(self.take(word, scan::keyword(rest.get(..word).unwrap_or_default())));
        }
        if braced > 0 {
            return Ok(self.take(braced, Kind::BracedWord));
        }
        if let Some(step) = self.literal(rest) {
            return Ok(step);
        }
        match scan::operator(rest) {
            Some((kind, length)) => Ok(self.take(length, kind)),
            None => Err(self.unexpected(rest)),
        }
    }

    /// A parenthesis closes the innermost state that has one open.
    fn close(&mut self) {
        loop {
            if self.opened == 0 {
                if !self.pop() {
                    return;
                }
            } else if self.opened == self.closed + 1 {
                self.pop();
                return;
            } else {
                self.closed += 1;
                return;
            }
        }
    }
}
