//! Mapping templates: which one is used, what it reads, what it leaves behind.

use indexmap::IndexMap;

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
/// Renders.
pub fn render(_template: &Template, _input: &Input<'_>) -> Result<(String, Overrides), Failure> {
    Err(Failure::configuration("templates"))
}
