//! Text into tokens, as Velocity's own lexer does it: what a sign means depends on the state that earlier signs have led to. Much of what
//! surprises in the language comes from there and nowhere else: which white space is eaten, or that behind `$x#set(…)`, where the lexer is
//! back within the reference, a word is taken for a name and only its text is left.

mod states;

use super::scan;
use super::token::{Kind, Token};

/// Why no token could be read, and where.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) at: usize,
    pub(super) message: String,
}

type Result<T> = std::result::Result<T, Unreadable>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// Behind `$`.
    Reference,
    /// Behind a reference's dot.
    Modifier,
    /// Within a method's parentheses.
    Arguments,
    /// Within a reference's brackets.
    Index,
    /// Behind `#`.
    Hash,
    /// Within a directive's parentheses.
    Directive,
}

/// A state that was left for another, with its parentheses.
#[derive(Debug, Clone, Copy)]
struct Left {
    state: State,
    opened: usize,
    closed: usize,
}

/// What one look at the text gave.
enum Step {
    /// A sign that belongs to the token that follows.
    More,
    /// A sign that ends what was begun, and is itself looked at again.
    Stray,
    Token(Kind),
    /// A token whose image ends before what was read.
    Part(Kind, usize),
    /// What was read is no part of any token.
    Skipped,
}

pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    state: State,
    opened: usize,
    closed: usize,
    left: Vec<Left>,
    in_set: bool,
    /// The end of the backslashes that were counted last: a run of them is counted once.
    run: usize,
}

impl<'t> Lexer<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, at: 0, state: State::Text, opened: 0, closed: 0, left: Vec::new(), in_set: false, run: 0 }
    }

    /// A directive's name was read: what follows are its parentheses.
    pub(super) const fn enter_directive(&mut self) {
        self.state = State::Directive;
    }

    /// The directive has no parentheses.
    pub(super) fn leave_directive(&mut self) {
        self.pop();
    }

    /// `#set( … )` is complete.
    pub(super) const fn leave_set(&mut self) {
        self.in_set = false;
    }

    /// Whether a parenthesis opens next, white space aside.
    pub(super) fn opens_next(&self) -> bool {
        let rest = self.rest();
        rest.get(scan::white_space(rest)..).is_some_and(|rest| rest.starts_with('('))
    }

    /// # Errors
    /// Where no token fits.
    pub(super) fn token(&mut self) -> Result<Token<'t>> {
        let mut strays = String::new();
        let mut start = self.at;
        loop {
            if self.rest().is_empty() {
                if start < self.at {
                    let begun = self.text.get(start..).unwrap_or_default();
                    return Err(unreadable(start, format!("`{begun}` begins something, and then the template ends")));
                }
                return Ok(Token { kind: Kind::EndOfText, image: "", at: start, strays });
            }
            let (kind, end) = match self.step(start)? {
                Step::More => continue,
                Step::Stray => {
                    strays.extend(scan::strays(self.text.get(start..self.at).unwrap_or_default()));
                    start = self.at;
                    continue;
                }
                Step::Skipped => {
                    start = self.at;
                    continue;
                }
                Step::Token(kind) => (kind, self.at),
                Step::Part(kind, end) => (kind, end),
            };
            // Of what led to a dot, the dot is left.
            let start = if kind == Kind::Dot { end - 1 } else { start };
            return Ok(Token { kind, image: self.text.get(start..end).unwrap_or_default(), at: start, strays });
        }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, state: State) {
        self.left.push(Left { state: self.state, opened: self.opened, closed: self.closed });
        self.opened = 0;
        self.state = state;
    }

    fn pop(&mut self) -> bool {
        match self.left.pop() {
            Some(left) => {
                (self.state, self.opened, self.closed) = (left.state, left.opened, left.closed);
                true
            }
            None => {
                (self.state, self.opened) = (State::Text, 0);
                false
            }
        }
    }

    fn take(&mut self, length: usize, kind: Kind) -> Step {
        self.at += length;
        Step::Token(kind)
    }

    fn step(&mut self, start: usize) -> Result<Step> {
        let rest = self.rest();
        if matches!(self.state, State::Text | State::Reference | State::Modifier | State::Arguments)
            && let Some(length) = scan::set_directive(rest)
        {
            self.push(State::Directive);
            self.in_set = true;
            self.opened = 1;
            return Ok(self.take(length, Kind::Set));
        }
        match rest.as_bytes().first() {
            Some(b'$' | b'\\') => {
                if let Some(step) = self.dollar(rest) {
                    return Ok(step);
                }
            }
            Some(b'#') => return self.hash(start, rest),
            _ => {}
        }
        match self.state {
            State::Text => Ok(self.plain(rest)),
            State::Reference | State::Modifier => Ok(self.reference(rest)),
            State::Arguments | State::Index => self.arguments(rest),
            State::Hash => Ok(self.behind_hash(rest)),
            State::Directive => self.within_directive(rest),
        }
    }

    fn backslashes(&mut self) -> usize {
        if self.run <= self.at {
            self.run = self.at + scan::backslashes(self.rest());
        }
        self.run - self.at
    }

    /// `$`, `$!`, each with the backslashes before its signs.
    fn dollar(&mut self, rest: &str) -> Option<Step> {
        let before = self.backslashes();
        let inside = rest.get(before..)?.strip_prefix('$')?;
        if before == 0 && matches!(self.state, State::Text | State::Reference) {
            let empty = [("[", 2), (".", 2), ("![", 3), ("\\![", 4)].into_iter().find(|(text, _)| inside.starts_with(text));
            if let Some((_, length)) = empty {
                return Some(self.take(length, Kind::EmptyIndex));
            }
        }
        let more = scan::backslashes(inside);
        let bang = if inside.get(more..)?.starts_with('!') { more + 1 } else { 0 };
        let behind = inside.get(bang..)?;
        // `${AWS::Region}` is CloudFormation's and not replaced yet: text here, of which the lint tells; Velocity refuses it.
        if is_placeholder(behind) {
            return Some(self.take(before + 1 + bang, Kind::Text));
        }
        if self.state == State::Reference {
            self.pop();
        }
        self.push(State::Reference);
        self.at += before + 1 + bang;
        Some(Step::More)
    }

    /// `##`, `#*`, `#[[`, or `#` alone.
    fn hash(&mut self, start: usize, rest: &str) -> Result<Step> {
        let at = self.at;
        // Behind a property (`$x.y##`) the lexer knows no line comment.
        if self.state != State::Modifier && rest.starts_with("##") {
            if self.state == State::Reference {
                self.pop();
            }
            let Some(end) = rest.find(['\n', '\r']) else { return self.open_comment(rest).map(|()| Step::Part(Kind::Comment, at)) };
            self.at += end + rest.get(end..).map_or(0, scan::line_end);
            return Ok(Step::Part(Kind::Comment, at));
        }
        if let Some(inside) = rest.strip_prefix("#[[") {
            let end = inside.find("]]#").ok_or_else(|| unreadable(at, "`#[[` has no `]]#`"))?;
            return Ok(self.take(3 + end + 3, Kind::Literal));
        }
        if let Some(inside) = rest.strip_prefix("#*") {
            let formal = usize::from(inside.starts_with('*') && !inside.starts_with("*#") && inside.len() > 1);
            return match inside.get(formal..).and_then(|inside| inside.find("*#")) {
                // Only an empty comment keeps what stands before it: `$#**#` is `$`, `$#*c*#` is nothing.
                Some(end) => {
                    self.at += 2 + formal + end + 2;
                    Ok(Step::Part(Kind::Comment, if end == 0 { at } else { start }))
                }
                None if inside.is_empty() => Err(unreadable(at, "the comment `#*` begins, and then the template ends")),
                None => self.open_comment(inside).map(|()| Step::Skipped),
            };
        }
        if matches!(self.state, State::Reference | State::Modifier) {
            self.pop();
        }
        self.push(State::Hash);
        self.at += 1;
        Ok(Step::More)
    }

    /// A comment up to the end of the text, which must not be a sign that might begin something.
    fn open_comment(&mut self, inside: &str) -> Result<()> {
        let at = self.at;
        self.at = self.text.len();
        let bang = inside.strip_suffix('!').is_some_and(|before| before.trim_end_matches('\\').ends_with('$'));
        let opens = inside.ends_with(['$', '#']) || inside.ends_with("#*") || inside.ends_with("#[[");
        // The signs that begin the comment are none of those.
        if bang || (opens && inside != "##") { Err(unreadable(at, "a `$` or `#` is the last sign of this comment")) } else { Ok(()) }
    }
}

fn unreadable(at: usize, message: impl Into<String>) -> Unreadable {
    Unreadable { at, message: message.into() }
}

/// Whether `{name::` begins here.
fn is_placeholder(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('{') else { return false };
    inside.get(scan::identifier(inside)..).is_some_and(|rest| rest.starts_with("::") && rest.len() < inside.len())
}
