//! Mapping expressions: what stands on the right of a parameter mapping.
//!
//! `method.request.header.X`, `integration.response.body.a.b`, `context.identity.sourceIp`, `stageVariables.x`, `'literal'`.

use std::borrow::Cow;
use std::fmt;

use super::context::ContextVariable;
use super::{json, json_path};
use crate::vtl::{Texts, Value};

/// A parsed expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// `'text'`.
    Literal(Box<str>),
    /// `method.request.path.N`.
    Path(Box<str>),
    /// `method.request.querystring.N`: the last value.
    QueryString(Box<str>),
    /// `method.request.multivaluequerystring.N`: all of them.
    MultiValueQueryString(Box<str>),
    /// `method.request.header.N` or `integration.response.header.N`: the last value.
    Header(Message, Box<str>),
    /// `…multivalueheader.N`: all values, joined by commas.
    MultiValueHeader(Message, Box<str>),
    /// `…body`, or `…body.JSONPATH` without its `$.`.
    Body(Message, Option<Box<str>>),
    /// `method.input.params.N`: the first of path, query and header that has it; older definitions write it.
    AnyParameter(Box<str>),
    /// `stageVariables.N`.
    StageVariable(Box<str>),
    /// `context.N`.
    Context(ContextVariable),
}

/// Which message an expression reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// The client's request.
    MethodRequest,
    /// The endpoint's response.
    IntegrationResponse,
}

/// What an expression may read where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// `requestParameters`, and gateway responses.
    Request,
    /// `responseParameters`.
    Response,
}

impl Message {
    const fn prefix(self) -> &'static str {
        match self {
            Self::MethodRequest => "method.request",
            Self::IntegrationResponse => "integration.response",
        }
    }
}

impl Expression {
    /// Reads an expression; nothing if it is none that may stand in this scope.
    #[must_use]
    pub fn parse(text: &str, scope: Scope) -> Option<Self> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix('\'') {
            return rest.strip_suffix('\'').map(|literal| Self::Literal(literal.into()));
        }
        if let Some(name) = text.strip_prefix("stageVariables.") {
            return named(name).map(Self::StageVariable);
        }
        if let Some(name) = text.strip_prefix("context.") {
            return named(name).map(|name| Self::Context(ContextVariable::parse(&name)));
        }
        if scope == Scope::Request
            && let Some(name) = text.strip_prefix("method.input.params.")
        {
            return named(name).map(Self::AnyParameter);
        }
        let message = if scope == Scope::Request { Message::MethodRequest } else { Message::IntegrationResponse };
        let rest = text.strip_prefix(message.prefix())?.strip_prefix('.')?;
        let (kind, name) = rest.split_once('.').map_or((rest, None), |(kind, name)| (kind, Some(name)));
        match (kind, name.map(named)) {
            ("body", None) => Some(Self::Body(message, None)),
            ("body", Some(path)) => path.map(|path| Self::Body(message, Some(path))),
            ("header", Some(name)) => name.map(|name| Self::Header(message, name)),
            ("multivalueheader", Some(name)) => name.map(|name| Self::MultiValueHeader(message, name)),
            ("path", Some(name)) if scope == Scope::Request => name.map(Self::Path),
            ("querystring", Some(name)) if scope == Scope::Request => name.map(Self::QueryString),
            ("multivaluequerystring", Some(name)) if scope == Scope::Request => name.map(Self::MultiValueQueryString),
            _ => None,
        }
    }

    /// Whether the value is the message's whole content.
    #[must_use]
    pub const fn reads_whole_body(&self) -> bool {
        matches!(self, Self::Body(_, None))
    }

    /// Whether the message's content is needed to know the value.
    #[must_use]
    pub const fn reads_body(&self) -> bool {
        matches!(self, Self::Body(..))
    }
}

/// A parameter of an HTTP API's service integration: text with `$request.…`, `$context.…`, `$stageVariables.…` in it, in `${…}` or alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter(pub Vec<Piece>);

/// A part of such a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Text(Box<str>),
    /// What the request says.
    Value(Expression),
}

impl Parameter {
    /// Reads a parameter; nothing where it names what cannot be read.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if !text.contains("${") {
            return Some(Self(vec![match text.strip_prefix('$') {
                Some(name) => Piece::Value(of_http_api(name)?),
                None => Piece::Text(text.into()),
            }]));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, behind) = after.split_once('}')?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.into()));
            }
            pieces.push(Piece::Value(of_http_api(name)?));
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.into()));
        }
        Some(Self(pieces))
    }
}

/// `request.header.x` and its like, as HTTP APIs write them.
fn of_http_api(name: &str) -> Option<Expression> {
    if name == "request.path" {
        return Some(Expression::Context(ContextVariable::parse("path")));
    }
    let text = name.strip_prefix("request.").map_or_else(|| name.to_owned(), |rest| format!("method.request.{rest}"));
    Expression::parse(&text, Scope::Request)
}

fn named(name: &str) -> Option<Box<str>> {
    (!name.is_empty()).then(|| name.into())
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => write!(f, "'{text}'"),
            Self::Path(name) => write!(f, "method.request.path.{name}"),
            Self::QueryString(name) => write!(f, "method.request.querystring.{name}"),
            Self::MultiValueQueryString(name) => write!(f, "method.request.multivaluequerystring.{name}"),
            Self::Header(message, name) => write!(f, "{}.header.{name}", message.prefix()),
            Self::MultiValueHeader(message, name) => write!(f, "{}.multivalueheader.{name}", message.prefix()),
            Self::Body(message, None) => write!(f, "{}.body", message.prefix()),
            Self::Body(message, Some(path)) => write!(f, "{}.body.{path}", message.prefix()),
            Self::AnyParameter(name) => write!(f, "method.input.params.{name}"),
            Self::StageVariable(name) => write!(f, "stageVariables.{name}"),
            Self::Context(variable) => write!(f, "context.{}", variable.path()),
        }
    }
}

/// Why an expression has no usable value although the request is to go on no further.
#[derive(Debug, PartialEq, Eq)]
pub struct MalformedJson;

/// The value of `body` or `body.PATH`: an empty body is `{}`, a scalar is its text, anything else its JSON.
///
/// # Errors
/// When content that begins like JSON is none (recorded: the request fails then; other text passes as it is).
pub fn body_value<'b>(content: &'b str, path: Option<&str>) -> Result<Option<Cow<'b, str>>, MalformedJson> {
    if content.is_empty() {
        return Ok(path.is_none().then_some(Cow::Borrowed("{}")));
    }
    let texts = Texts::default();
    let parsed = json::document(content, &texts);
    if parsed.is_none() {
        return Err(MalformedJson);
    }
    let Some(path) = path else { return Ok(Some(Cow::Borrowed(content))) };
    Ok(parsed.and_then(|root| json_path::find(&root, path)).and_then(|value| match value {
        Value::Null => None,
        Value::String(text) => Some(Cow::Owned(text.to_string())),
        other => Some(Cow::Owned(other.to_json())),
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_is_none() {
        for text in [
            "",
            "true",
            "method.request",
            "method.request.header.",
            "method.request.cookie.a",
            "integration.response.header.x",
            "'open",
            "context.",
        ] {
            assert_eq!(Expression::parse(text, Scope::Request), None, "{text}");
        }
        assert_eq!(Expression::parse("method.request.header.x", Scope::Response), None);
    }

    #[test]
    fn a_body_that_begins_like_json_must_be_json() {
        assert_eq!(body_value("\n{wrong", None), Err(MalformedJson));
        assert_eq!(body_value("<x/>", None), Ok(Some("<x/>".into())));
        assert_eq!(body_value("", None), Ok(Some("{}".into())));
        assert_eq!(body_value(r#"{"a":[{"b":"c"}]}"#, Some("a[0].b")), Ok(Some("c".into())));
        assert_eq!(body_value(r#"{"a":1}"#, Some("b")), Ok(None));
    }

    /// Every kind of expression that may stand in a scope, with any name and any literal.
    fn expression(scope: Scope) -> impl Strategy<Value = Expression> {
        let message = if scope == Scope::Request { Message::MethodRequest } else { Message::IntegrationResponse };
        let kinds = if scope == Scope::Request { 11 } else { 7 };
        (0..kinds, "[a-zA-Z0-9._$\\[\\]*@'-]{1,12}", "\\PC{0,12}").prop_map(move |(kind, name, literal)| {
            let name: Box<str> = name.into();
            match kind {
                0 => Expression::Literal(literal.into()),
                1 => Expression::Header(message, name),
                2 => Expression::MultiValueHeader(message, name),
                3 => Expression::Body(message, None),
                4 => Expression::Body(message, Some(name)),
                5 => Expression::StageVariable(name),
                6 => Expression::Context(ContextVariable::parse(&name)),
                7 => Expression::Path(name),
                8 => Expression::QueryString(name),
                9 => Expression::MultiValueQueryString(name),
                _ => Expression::AnyParameter(name),
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(request in expression(Scope::Request), response in expression(Scope::Response)) {
            prop_assert_eq!(Expression::parse(&request.to_string(), Scope::Request), Some(request));
            prop_assert_eq!(Expression::parse(&response.to_string(), Scope::Response), Some(response));
        }

        #[test]
        fn what_reads_is_printed_as_it_stood(
            text in "(method\\.(request|input)|integration\\.response|context|stageVariables|)\\.?(header|body|path|querystring|params|')?[.a-z' ]{0,8}",
        ) {
            for scope in [Scope::Request, Scope::Response] {
                if let Some(expression) = Expression::parse(&text, scope) {
                    prop_assert_eq!(expression.to_string(), text.trim());
                }
            }
        }
    }
}
