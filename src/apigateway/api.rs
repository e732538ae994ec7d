//! An API as a definition describes it.

use std::sync::Arc;

use http::Method as HttpMethod;
use indexmap::IndexMap;

use super::authorizer::Authorizer;
use super::gateway_response::GatewayResponse;
use super::integration::Integration;
use crate::document::Spanned;
use crate::exchange::ResponseType;

/// A REST API.
#[derive(Debug, Default)]
pub struct Api {
    /// `info.title`.
    pub name: String,
    /// Its resources in the order written, those without methods included.
    pub resources: Vec<Resource>,
    /// Draft 4 JSON schemas by model name.
    pub models: IndexMap<String, Spanned<serde_json::Value>>,
    /// Customised gateway responses.
    pub gateway_responses: Vec<(ResponseType, GatewayResponse)>,
    /// Media types whose content is binary.
    pub binary_media_types: Vec<String>,
    /// Responses from this size on, in bytes, are compressed; nothing: none are.
    pub minimum_compression_size: Option<u32>,
    /// Where a required API key is read from.
    pub api_key_source: ApiKeySource,
    /// The authorizers that the definition brings.
    pub authorizers: Vec<Authorizer>,
    /// The resource policy that guards all methods, as it is written: what it is short for depends on where it is served.
    pub policy: Option<Spanned<serde_json::Value>>,
    /// Whether only custom domains reach this API.
    pub disable_execute_api_endpoint: bool,
}

/// Where a required API key is read from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ApiKeySource {
    /// The header field `X-API-Key`.
    #[default]
    Header,
    /// What a Lambda authorizer returns as `usageIdentifierKey`.
    Authorizer,
}

/// A resource: a path and its methods.
#[derive(Debug)]
pub struct Resource {
    /// Six characters that stay the same as long as the path does.
    pub id: Box<str>,
    /// The path, such as `/pets/{petId}`.
    pub path: Box<str>,
    /// Its methods.
    pub methods: Vec<Method>,
}

/// A method of a resource.
#[derive(Debug)]
pub struct Method {
    /// Nothing is ANY.
    pub http_method: Option<HttpMethod>,
    /// Who may call it.
    pub authorization: Authorization,
    /// Whether an API key must be sent.
    pub api_key_required: bool,
    /// What is checked before the integration.
    pub request_validator: RequestValidator,
    /// Declared parameters that are required.
    pub required_parameters: Vec<RequiredParameter>,
    /// Model names by media type.
    pub request_models: IndexMap<String, String>,
    /// Statuses that the method declares.
    pub response_statuses: Vec<String>,
    /// What answers it; a method without one cannot be served.
    pub integration: Option<Spanned<Arc<Integration>>>,
}

/// Who may call a method.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Authorization {
    /// Anybody.
    #[default]
    None,
    /// Callers who sign with Signature Version 4.
    AwsIam,
    /// Callers whom the named authorizer lets in, if they have one of the scopes.
    Authorizer {
        /// The authorizer's name.
        name: String,
        /// OAuth scopes; any of them will do.
        scopes: Vec<String>,
    },
}

/// `x-amazon-apigateway-request-validator`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestValidator {
    /// `validateRequestBody`.
    pub body: bool,
    /// `validateRequestParameters`.
    pub parameters: bool,
}

/// A parameter that a request must bring. Ordered as the service lists what is missing: header, path, query, then by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequiredParameter {
    /// Where it stands.
    pub location: ParameterLocation,
    /// Its name.
    pub name: Box<str>,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names say all")]
pub enum ParameterLocation {
    Header,
    Path,
    QueryString,
}

impl Method {
    /// `GET`, …, or `ANY`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.http_method.as_ref().map_or("ANY", HttpMethod::as_str)
    }
}
