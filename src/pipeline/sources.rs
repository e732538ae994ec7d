//! What mapping expressions and substitutions read.

use std::borrow::Cow;

use crate::exchange::{Context, Failure, Fields, MethodRequest, ResponseType};
use crate::mapping::expression::{Expression, Message, body_value};
use crate::mapping::substitution::Variable;
use crate::snapshot::Release;

/// The messages at hand where an expression stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sources<'a> {
    request: &'a MethodRequest,
    context: &'a Context,
    release: Option<&'a Release>,
    response: Option<&'a Fields>,
    /// The body that `….body` reads, as text.
    body: &'a str,
}

/// One value, or several of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found<'a> {
    One(Cow<'a, str>),
    Many(Vec<&'a str>),
}

impl<'a> Found<'a> {
    /// All values as one text, joined by commas as header fields are.
    pub(super) fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::One(text) => text,
            Self::Many(values) => values.join(",").into(),
        }
    }
}

impl<'a> Sources<'a> {
    /// What can be read without any content.
    pub(super) const fn of_request(request: &'a MethodRequest, context: &'a Context, release: Option<&'a Release>) -> Self {
        Self { request, context, release, response: None, body: "" }
    }

    /// The same with the request's content.
    pub(super) const fn with_body(mut self, body: &'a str) -> Self {
        self.body = body;
        self
    }

    /// The same for an integration response.
    pub(super) const fn with_response(mut self, fields: &'a Fields, body: &'a str) -> Self {
        self.response = Some(fields);
        self.body = body;
        self
    }

    /// What an expression stands for; nothing: its source is missing, and the destination is left alone.
    ///
    /// # Errors
    /// When it reads JSON from content that is none.
    pub(super) fn find(&self, expression: &'a Expression) -> Result<Option<Found<'a>>, Failure> {
        Ok(match expression {
            Expression::Body(message, path) => {
                let value = body_value(self.body, path.as_deref()).map_err(|_| malformed(*message))?;
                value.map(Found::One)
            }
            Expression::MultiValueQueryString(name) => many(self.request.query().all(name).collect()),
            Expression::MultiValueHeader(message, name) => {
                many(self.fields(*message).all(name).filter_map(|value| std::str::from_utf8(value.as_bytes()).ok()).collect())
            }
            other => self.one(other).map(Found::One),
        })
    }

    /// The text of an expression that reads no content; content counts as missing.
    pub(super) fn text(&self, expression: &'a Expression) -> Option<Cow<'a, str>> {
        self.find(expression).ok().flatten().map(Found::into_text)
    }

    fn one(&self, expression: &'a Expression) -> Option<Cow<'a, str>> {
        match expression {
            Expression::Literal(text) => Some((&**text).into()),
            Expression::Path(name) => self.request.path_parameters.get(name).map(Cow::from),
            Expression::QueryString(name) => self.request.query().last(name).map(Cow::from),
            Expression::Header(message, name) => self.fields(*message).text(name).map(Cow::from),
            Expression::AnyParameter(name) => {
                let path = self.request.path_parameters.get(name);
                path.or_else(|| self.request.query().last(name)).or_else(|| self.request.request.fields.text(name)).map(Cow::from)
            }
            Expression::StageVariable(name) => self.stage_variable(name),
            Expression::Context(variable) => variable.read(self.context),
            Expression::Body(..) | Expression::MultiValueQueryString(_) | Expression::MultiValueHeader(..) => None,
        }
    }

    fn fields(&self, message: Message) -> &'a Fields {
        match (message, self.response) {
            (Message::IntegrationResponse, Some(fields)) => fields,
            _ => &self.request.request.fields,
        }
    }

    fn stage_variable(&self, name: &str) -> Option<Cow<'a, str>> {
        self.release?.variables.get(name).map(|value| value.as_str().into())
    }

    /// What a substitution's variable stands for.
    pub(super) fn variable(&self, wanted: &Variable) -> Option<Cow<'a, str>> {
        match wanted {
            Variable::Context(variable) => variable.read(self.context),
            Variable::StageVariable(name) => self.stage_variable(name),
            Variable::Header(name) => self.request.request.fields.text(name).map(Cow::from),
            Variable::Path(name) => self.request.path_parameters.get(name).map(Cow::from),
            Variable::QueryString(name) => self.request.query().last(name).map(Cow::from),
        }
    }
}

fn many(values: Vec<&str>) -> Option<Found<'_>> {
    match values.as_slice() {
        [] => None,
        [one] => Some(Found::One((*one).into())),
        _ => Some(Found::Many(values)),
    }
}

fn malformed(message: Message) -> Failure {
    match message {
        Message::MethodRequest => Failure::new(ResponseType::BadRequestBody, "Invalid JSON in request body"),
        Message::IntegrationResponse => Failure::configuration("a mapping reads JSON from an integration response that is none"),
    }
}
