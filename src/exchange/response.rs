//! A response on its way: the endpoint's, the two that a cache keeps, and the client's.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::Value;

use super::Fields;

/// What the client gets.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// All fields but the framing's.
    pub fields: Fields,
    /// The content.
    pub content: Bytes,
}

/// What an endpoint answered.
#[derive(Debug, Clone)]
pub struct EndpointResponse {
    /// The endpoint's own status code.
    pub status: u16,
    /// The text that selection patterns are matched with; nothing: only the default response fits.
    pub selector: Option<Box<str>>,
    /// The endpoint's fields without its framing's.
    pub fields: Fields,
    /// The endpoint's content.
    pub content: Bytes,
}

/// What a response cache keeps: the endpoint's response and what the request's template overrode.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What came from the endpoint; an HTTP proxy's fields as the client sees them.
    pub response: EndpointResponse,
    /// What the integration request's template left in the override maps; nothing where none overrode anything.
    pub overrides: Option<Arc<Overrides>>,
}

impl Answer {
    /// A copy for one client's response, with room for the fields that the gateway adds. Content and values are shared.
    #[must_use]
    pub fn for_client(&self) -> Self {
        let EndpointResponse { status, selector, fields, content } = &self.response;
        let response =
            EndpointResponse { status: *status, selector: selector.clone(), fields: fields.clone_with_room(4), content: content.clone() };
        Self { response, overrides: self.overrides.clone() }
    }
}

/// `$context.requestOverride` and `$context.responseOverride`, as a template left them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// What the endpoint is asked instead.
    pub request: RequestOverride,
    /// What the client is told instead.
    pub response: ResponseOverride,
}

static NONE: LazyLock<Overrides> = LazyLock::new(Overrides::default);

impl Overrides {
    /// What a template finds where nothing was overridden yet.
    #[must_use]
    pub fn none() -> &'static Self {
        &NONE
    }

    /// Whether no template overrode anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `$context.requestOverride`; values are strings, or lists of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RequestOverride {
    /// Fields that replace mapped ones.
    pub header: IndexMap<String, Value>,
    /// Values for `{name}` in the URI.
    pub path: IndexMap<String, Value>,
    /// Query arguments.
    pub querystring: IndexMap<String, Value>,
    /// Names that mean nothing to the gateway but are kept for the response's template.
    pub other: IndexMap<String, Value>,
}

/// `$context.responseOverride`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResponseOverride {
    /// Fields that replace mapped ones.
    pub header: IndexMap<String, Value>,
    /// The status code, if it is a number from 200 to 599; anything else is ignored.
    pub status: Option<Value>,
    /// Names that mean nothing to the gateway but are kept for the response's template.
    pub other: IndexMap<String, Value>,
}

impl ResponseOverride {
    /// The status that the client gets, if the template set a possible one.
    #[must_use]
    pub fn status_code(&self) -> Option<u16> {
        let code = match self.status.as_ref()? {
            Value::Number(number) => number.as_u64()?,
            Value::String(text) => text.trim().parse().ok()?,
            _ => return None,
        };
        u16::try_from(code).ok().filter(|code| (200..=599).contains(code))
    }
}
