//! Plain replacement of `$context.x` and its like: gateway responses and access log formats, which are no Velocity.

use std::borrow::Cow;

use super::context::ContextVariable;

/// A text taken apart once into what stays and what is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Substitution(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Variable(Variable),
}

/// What a text may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// `$context.x`, or `${context.x}`.
    Context(ContextVariable),
    /// `$stageVariables.x`.
    StageVariable(Box<str>),
    /// `$method.request.header.x`, with or without the dollar.
    Header(Box<str>),
    /// `$method.request.path.x`.
    Path(Box<str>),
    /// `$method.request.querystring.x`.
    QueryString(Box<str>),
}

/// What a name begins with, and what it then is.
type Prefix = (&'static str, fn(&str) -> Variable);

const PREFIXES: [Prefix; 6] = [
    ("context.", |name| Variable::Context(ContextVariable::parse(name))),
    ("stageVariables.", |name| Variable::StageVariable(name.into())),
    ("method.request.header.", |name| Variable::Header(name.into())),
    ("method.request.path.", |name| Variable::Path(name.into())),
    ("method.request.querystring.", |name| Variable::QueryString(name.into())),
    ("method.request.multivalueheader.", |name| Variable::Header(name.into())),
];

impl Substitution {
    /// Takes a text apart; every text is one.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let found = match c {
                '$' => dollar(rest),
                'm' if !plain.ends_with(|c: char| c.is_alphanumeric() || c == '.' || c == '_') => variable(rest),
                _ => None,
            };
            if let Some((variable, after)) = found {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain).into()));
                }
                parts.push(Part::Variable(variable));
                rest = after;
            } else {
                plain.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain.into()));
        }
        Self(parts)
    }

    /// Writes the text with each variable's value; `value` answers nothing where there is none.
    pub fn render<'v>(&self, out: &mut String, missing: &str, value: impl Fn(&Variable) -> Option<Cow<'v, str>>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable(variable) => out.push_str(value(variable).as_deref().unwrap_or(missing)),
            }
        }
    }

    /// The texts that stay, in the order in which they stand.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| if let Part::Text(text) = part { Some(&**text) } else { None })
    }

    /// The variables in the order in which they stand.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter().filter_map(|part| if let Part::Variable(variable) = part { Some(variable) } else { None })
    }
}

impl std::fmt::Display for Substitution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Variable(Variable::Context(variable)) => write!(f, "$context.{}", variable.path()),
            Part::Variable(Variable::StageVariable(name)) => write!(f, "$stageVariables.{name}"),
            Part::Variable(Variable::Header(name)) => write!(f, "$method.request.header.{name}"),
            Part::Variable(Variable::Path(name)) => write!(f, "$method.request.path.{name}"),
            Part::Variable(Variable::QueryString(name)) => write!(f, "$method.request.querystring.{name}"),
        })
    }
}

fn dollar(text: &str) -> Option<(Variable, &str)> {
    let text = text.strip_prefix('$')?;
    match text.strip_prefix('{') {
        Some(inside) => variable(inside).and_then(|(variable, rest)| Some((variable, rest.strip_prefix('}')?))),
        None => variable(text),
    }
}

fn variable(text: &str) -> Option<(Variable, &str)> {
    PREFIXES.iter().find_map(|(prefix, make)| {
        let rest = text.strip_prefix(prefix)?;
        let end = rest.find(|c: char| !is_name(c, prefix, rest)).unwrap_or(rest.len());
        let name = rest.get(..end)?.trim_end_matches(['.', '-', ':']);
        (!name.is_empty()).then(|| (make(name), rest.get(name.len()..).unwrap_or_default()))
    })
}

/// Whether a name may hold this character. Of `$context`, only what an authorizer or a token brings has hyphens and colons in its names.
fn is_name(c: char, prefix: &str, rest: &str) -> bool {
    match c {
        '-' => prefix != "context." || rest.starts_with("authorizer."),
        ':' => prefix == "context." && rest.starts_with("authorizer.claims."),
        _ => c.is_alphanumeric() || c == '_' || c == '.',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str) -> String {
        let mut out = String::new();
        Substitution::parse(text).render(&mut out, "-", |variable| match variable {
            Variable::Context(variable) if variable.path() == "none" => None,
            Variable::Context(variable) => Some(format!("<{}>", variable.path()).into()),
            Variable::StageVariable(name) | Variable::Header(name) => Some(format!("<{name}>").into()),
            _ => None,
        });
        out
    }

    #[test]
    fn replaces_names_and_nothing_else() {
        assert_eq!(render(r#"{"m":$context.error.messageString,"s":"${context.stage}"}"#), r#"{"m":<error.messageString>,"s":"<stage>"}"#);
        assert_eq!(render("#set($x = 1) $y $ ${context.x $context. é"), "#set($x = 1) $y $ ${context.x $context. é");
        assert_eq!(render("$stageVariables.a. method.request.header.X-Color $context.none"), "<a>. <X-Color> -");
        assert_eq!(render("a.method.request.header.x"), "a.method.request.header.x");
        assert_eq!(render("$context.a-$context.b: $context.stage-x"), "<a>-<b>: <stage>-x");
        assert_eq!(
            render("$context.authorizer.claims.custom:role, $context.authorizer.x-y"),
            "<authorizer.claims.custom:role>, <authorizer.x-y>"
        );
    }
}
