//! Text into steps.

use super::filter::{Comparison, Filter, Operand, Within};
use super::{Function, JsonPath, Step};

/// Of a path's text, in bytes.
const LENGTH: usize = 4096;
/// Parentheses within parentheses.
const DEPTH: usize = 32;

/// Reads a whole path.
pub(super) fn path(text: &str) -> Option<Vec<Step>> {
    let text = text.trim();
    if text.is_empty() || text.len() > LENGTH {
        return None;
    }
    // What does not begin with `$` is read as if `$.` stood before it: `.a` is a deep scan then.
    let text = if text.starts_with(['$', '@']) { text.to_owned() } else { format!("$.{text}") };
    let mut cursor = Cursor { text: &text, at: 1, depth: 0, in_filter: false };
    let steps = cursor.steps()?;
    cursor.rest().is_empty().then_some(steps)
}

struct Cursor<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    /// Within a filter, where operators end a name.
    in_filter: bool,
}

impl<'t> Cursor<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn eat(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len() } else { 0 };
        found
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, while_: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !while_(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn name(&mut self) -> Option<Box<str>> {
        let ends = if self.in_filter { ".[]()' ,=!<>&|~" } else { ".[( " };
        let name = self.take(|c| !ends.contains(c));
        (!name.is_empty()).then(|| name.into())
    }

    fn steps(&mut self) -> Option<Vec<Step>> {
        let mut steps = Vec::new();
        loop {
            if self.eat("..") {
                steps.push(Step::Descend);
                if self.rest().starts_with('[') {
                    continue;
                }
                steps.push(if self.eat("*") { Step::Wildcard } else { Step::Property(self.name()?) });
            } else if self.eat(".") {
                // `$.[0]` is `$[0]`.
                if !self.rest().starts_with('[') {
                    steps.push(self.dotted()?);
                }
            } else if self.eat("[") {
                steps.push(self.bracket()?);
            } else {
                return Some(steps);
            }
        }
    }

    fn dotted(&mut self) -> Option<Step> {
        if self.eat("*") {
            return Some(Step::Wildcard);
        }
        let name = self.name()?;
        if !self.eat("()") {
            return Some(Step::Property(name));
        }
        let function = match &*name {
            "length" | "size" => Function::Length,
            "sum" => Function::Sum,
            "min" => Function::Min,
            "max" => Function::Max,
            "avg" => Function::Average,
            "stddev" => Function::Deviation,
            "keys" => Function::Keys,
            "first" => Function::First,
            "last" => Function::Last,
            _ => return None,
        };
        Some(Step::Function(function))
    }

    fn bracket(&mut self) -> Option<Step> {
        self.blanks();
        let step = if self.eat("*") {
            Step::Wildcard
        } else if self.eat("?") {
            self.blanks();
            if !self.eat("(") {
                return None;
            }
            let around = std::mem::replace(&mut self.in_filter, true);
            let filter = self.either()?;
            self.in_filter = around;
            self.blanks();
            if !self.eat(")") {
                return None;
            }
            Step::Filter(filter)
        } else if self.rest().starts_with(['\'', '"']) {
            self.names()?
        } else {
            self.numbers()?
        };
        self.blanks();
        self.eat("]").then_some(step)
    }

    fn names(&mut self) -> Option<Step> {
        let mut names = Vec::new();
        loop {
            self.blanks();
            names.push(self.quoted()?.into());
            self.blanks();
            if !self.eat(",") {
                break;
            }
        }
        Some(if names.len() == 1 { Step::Property(names.pop()?) } else { Step::Properties(names) })
    }

    fn quoted(&mut self) -> Option<String> {
        let quote = self.rest().chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        self.at += 1;
        let mut out = String::new();
        loop {
            let c = self.rest().chars().next()?;
            self.at += c.len_utf8();
            match c {
                c if c == quote => return Some(out),
                '\\' => {
                    let next = self.rest().chars().next()?;
                    self.at += next.len_utf8();
                    out.push(next);
                }
                other => out.push(other),
            }
        }
    }

    fn integer(&mut self) -> Option<i64> {
        let start = self.at;
        self.eat("-");
        self.take(|c| c.is_ascii_digit());
        self.text.get(start..self.at)?.parse().ok()
    }

    fn numbers(&mut self) -> Option<Step> {
        let first = self.integer();
        self.blanks();
        if self.eat(":") {
            self.blanks();
            let to = if self.rest().starts_with(']') { None } else { Some(self.integer()?) };
            // What the service's slices say of steps is that they are not looked at.
            if self.eat(":") {
                self.integer();
            }
            return (first.is_some() || to.is_some()).then_some(Step::Slice(first, to));
        }
        let mut indexes = vec![first?];
        while self.eat(",") {
            self.blanks();
            indexes.push(self.integer()?);
            self.blanks();
        }
        Some(if indexes.len() == 1 { Step::Index(indexes.pop()?) } else { Step::Indexes(indexes) })
    }

    fn either(&mut self) -> Option<Filter> {
        let mut alternatives = vec![self.both()?];
        self.blanks();
        while self.eat("||") {
            alternatives.push(self.both()?);
            self.blanks();
        }
        Some(Filter::Any(alternatives))
    }

    fn both(&mut self) -> Option<Filter> {
        let mut parts = vec![self.condition()?];
        self.blanks();
        while self.eat("&&") {
            parts.push(self.condition()?);
            self.blanks();
        }
        Some(Filter::All(parts))
    }

    fn condition(&mut self) -> Option<Filter> {
        self.depth += 1;
        if self.depth > DEPTH {
            return None;
        }
        self.blanks();
        let condition = if self.eat("!") {
            Filter::Not(Box::new(self.condition()?))
        } else if self.eat("(") {
            let inner = self.either()?;
            self.blanks();
            if !self.eat(")") {
                return None;
            }
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Some(condition)
    }

    fn comparison(&mut self) -> Option<Filter> {
        let left = self.operand()?;
        self.blanks();
        let Some(comparison) = self.operator() else { return Some(Filter::Exists(left)) };
        self.blanks();
        if comparison == Comparison::Matches {
            return self.pattern().map(|pattern| Filter::Matches(left, pattern));
        }
        Some(Filter::Compare(left, comparison, self.operand()?))
    }

    /// Signs, or words in any case that something other than a letter follows.
    fn operator(&mut self) -> Option<Comparison> {
        const SIGNS: [(&str, Comparison); 7] = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("=~", Comparison::Matches),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        const WORDS: [(&str, Comparison); 9] = [
            ("in", Comparison::Within(Within::In)),
            ("nin", Comparison::Within(Within::NotIn)),
            ("all", Comparison::Within(Within::All)),
            ("subsetof", Comparison::Within(Within::SubsetOf)),
            ("anyof", Comparison::Within(Within::AnyOf)),
            ("noneof", Comparison::Within(Within::NoneOf)),
            ("contains", Comparison::Contains),
            ("size", Comparison::Size),
            ("empty", Comparison::Empty),
        ];
        let rest = self.rest();
        let word = rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        let sign = SIGNS.iter().find(|(text, _)| rest.starts_with(text));
        let (text, comparison) = sign.or_else(|| WORDS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)))?;
        self.at += text.len();
        Some(*comparison)
    }

    fn pattern(&mut self) -> Option<super::filter::Pattern> {
        if !self.eat("/") {
            return None;
        }
        let text = self.take(|c| c != '/').to_owned();
        if !self.eat("/") {
            return None;
        }
        let ignore_case = self.eat("i");
        super::filter::Pattern::new(&text, ignore_case)
    }

    fn operand(&mut self) -> Option<Operand> {
        self.blanks();
        let rest = self.rest();
        if self.eat("@") {
            return self.steps().map(|steps| Operand::Path(JsonPath { steps }));
        }
        if self.eat("$") {
            return self.steps().map(|steps| Operand::Root(JsonPath { steps }));
        }
        if rest.starts_with(['\'', '"']) {
            return self.quoted().map(Operand::Text);
        }
        if self.eat("[") {
            let mut items = Vec::new();
            self.blanks();
            while !self.eat("]") {
                items.push(self.operand()?);
                self.blanks();
                self.eat(",");
                self.blanks();
            }
            return Some(Operand::List(items));
        }
        let word = self.take(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        match word {
            "true" => Some(Operand::Boolean(true)),
            "false" => Some(Operand::Boolean(false)),
            "null" => Some(Operand::Null),
            number => number.parse().map(Operand::Number).ok(),
        }
    }
}
