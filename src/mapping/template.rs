//! Mapping templates: which one is used, what it reads, what it leaves behind.

use std::cell::OnceCell;
use std::rc::Rc;

use indexmap::IndexMap;

use super::input::{Input as InputObject, Parameters};
use super::util::Util;
use super::variables::{ContextObject, ContextSource, stage_variables};
use crate::vtl::{Limits, Object, Value};

use crate::apigateway::integration::{PassthroughBehavior, Template};
use crate::exchange::{Context, Failure, MethodRequest, Overrides, ResponseType};

/// What a template reads.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The payload as text.
    pub body: &'a str,
    /// The client's request.
    pub request: &'a MethodRequest,
    /// The stage's variables.
    pub stage_variables: &'a IndexMap<String, String>,
    /// `$context`.
    pub context: &'a Context,
    /// What an earlier template overrode.
    pub overrides: &'a Overrides,
}

/// The request template for a media type; nothing: the content passes through.
///
/// # Errors
/// 415 where the passthrough behaviour forbids that.
pub fn for_request<'t>(
    templates: &'t [(Box<str>, Template)],
    media_type: &str,
    behavior: PassthroughBehavior,
) -> Result<Option<&'t Template>, Failure> {
    if let Some(template) = find(templates, media_type) {
        return Ok(Some(template));
    }
    match behavior {
        PassthroughBehavior::WhenNoMatch => Ok(None),
        PassthroughBehavior::WhenNoTemplates if templates.is_empty() => Ok(None),
        _ => Err(Failure::new(ResponseType::UnsupportedMediaType, "Unsupported Media Type")),
    }
}

/// The response template for what the client accepts, or else the first; nothing: the content is left as it is.
#[must_use]
pub fn for_response<'t>(templates: &'t [(Box<str>, Template)], accepted: &str) -> Option<&'t Template> {
    find(templates, accepted).or_else(|| templates.first().map(|(_, template)| template))
}

fn find<'t>(templates: &'t [(Box<str>, Template)], media_type: &str) -> Option<&'t Template> {
    let named = |name: &str| templates.iter().find(|(known, _)| **known == *name).map(|(_, template)| template);
    named(media_type).or_else(|| named("$default"))
}

/// Renders a template, and says what it left in the override maps.
///
/// # Errors
/// API Gateway's 500, with the reason for the log.
pub fn render(template: &Template, input: &Input<'_>, limits: &Limits) -> Result<(String, Overrides), Failure> {
    let parameters = || Parameters {
        path: owned(input.request.path_parameters.iter()),
        querystring: owned(input.request.query().iter()),
        header: input.request.request.fields.iter().map(|field| (field.name.as_str().to_owned(), field.text().into_owned())).collect(),
    };
    let context = || Rc::new(input.context.clone()) as Rc<dyn ContextSource>;
    let scope = Scope::new(input.body, &parameters, input.stage_variables, &context, input.overrides);
    let text = template.render(&scope, limits).map_err(|error| {
        Failure::configuration(format!("Execution failed due to configuration error: the mapping template failed: {error}"))
    })?;
    let overrides = scope.left();
    Ok((text, overrides))
}

fn owned<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The four references that API Gateway gives to a template, each made when it is first asked for.
pub struct Scope<'a> {
    /// The payload.
    pub body: &'a str,
    /// Makes `$input.params()`.
    pub parameters: &'a dyn Fn() -> Parameters,
    /// `$stageVariables`.
    pub stage_variables: &'a IndexMap<String, String>,
    /// Makes `$context`.
    pub context: &'a dyn Fn() -> Rc<dyn ContextSource>,
    /// What an earlier template overrode.
    pub overrides: &'a Overrides,
    made: OnceCell<Rc<ContextObject>>,
}

impl<'a> Scope<'a> {
    /// A scope in which nothing was asked for yet.
    #[must_use]
    pub const fn new(
        body: &'a str,
        parameters: &'a dyn Fn() -> Parameters,
        stage_variables: &'a IndexMap<String, String>,
        context: &'a dyn Fn() -> Rc<dyn ContextSource>,
        overrides: &'a Overrides,
    ) -> Self {
        Self { body, parameters, stage_variables, context, overrides, made: OnceCell::new() }
    }

    /// What is in the override maps after the rendering.
    #[must_use]
    pub fn left(&self) -> Overrides {
        self.made.get().map_or_else(|| self.overrides.clone(), |context| context.overrides())
    }
}

impl Object for Scope<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        match name {
            "input" => Some(Value::Object(Rc::new(InputObject::new(self.body, (self.parameters)())))),
            "util" => Some(Value::Object(Rc::new(Util))),
            "stageVariables" => Some(stage_variables(self.stage_variables)),
            "context" => {
                let context = self.made.get_or_init(|| Rc::new(ContextObject::new((self.context)(), self.overrides)));
                Some(Value::Object(Rc::<ContextObject>::clone(context)))
            }
            _ => None,
        }
    }
}
