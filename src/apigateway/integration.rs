//! What answers a method.

use std::sync::Arc;
use std::time::Duration;

use http::Method as HttpMethod;
use regex::Regex;

use super::service_action::ServiceAction;
use crate::document::Spanned;
use crate::exchange::FieldName;
pub use crate::mapping::content_handling::ContentHandling;
use crate::mapping::expression::Expression;
pub use crate::mapping::template::PassthroughBehavior;
use crate::store::CircuitSettings;

/// `x-amazon-apigateway-integration`.
#[derive(Debug)]
pub struct Integration {
    /// `type`.
    pub integration_type: IntegrationType,
    /// The method that the endpoint is asked with; nothing: the client's.
    pub http_method: Option<HttpMethod>,
    /// `uri`, stage variables and path parameters still in it.
    pub uri: Option<Spanned<String>>,
    /// `connectionId` where `connectionType` is `VPC_LINK`.
    pub vpc_link: Option<Spanned<String>>,
    /// Mappings to the integration request.
    pub request_parameters: Vec<RequestParameter>,
    /// Templates by media type, in order.
    pub request_templates: Vec<(Box<str>, Template)>,
    /// What happens to content that no template is for.
    pub passthrough_behavior: PassthroughBehavior,
    /// Conversion of the request's content.
    pub content_handling: Option<ContentHandling>,
    /// How long the endpoint may take.
    pub timeout: Duration,
    /// `cacheNamespace`.
    pub cache_namespace: Option<String>,
    /// `cacheKeyParameters`.
    pub cache_key_parameters: Vec<String>,
    /// `tlsConfig.insecureSkipVerification`.
    pub insecure_skip_verification: bool,
    /// `x-headgate.allowLinkLocal`.
    pub allow_link_local: bool,
    /// `x-headgate.circuitBreaker`: when the endpoint is left alone; nothing: never.
    pub circuit_breaker: Option<CircuitSettings>,
    /// Responses in the order written; the default has no pattern.
    pub responses: Vec<IntegrationResponse>,
    /// `integrationSubtype`: an HTTP API's service action, such as `SQS-SendMessage`.
    pub service_action: Option<ServiceAction>,
    /// `payloadFormatVersion`.
    pub payload_format: PayloadFormat,
    /// `responseTransferMode` is `STREAM`: the client gets the response as it comes.
    pub streams_response: bool,
    /// `credentials`: the role that calls of AWS's services are made with, stage variables still in it.
    pub credentials: Option<Spanned<String>>,
}

/// `payloadFormatVersion`: the shape of a function's event and of its result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "API Gateway's own names")]
pub enum PayloadFormat {
    #[default]
    V1,
    V2,
}

/// A template's text with its parsed form.
pub type Template = Arc<crate::mapping::template::Template>;

/// `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "API Gateway's own names")]
pub enum IntegrationType {
    Http,
    HttpProxy,
    Mock,
    Aws,
    AwsProxy,
}

impl IntegrationType {
    /// As the control plane writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::HttpProxy => "HTTP_PROXY",
            Self::Mock => "MOCK",
            Self::Aws => "AWS",
            Self::AwsProxy => "AWS_PROXY",
        }
    }

    /// Whether the endpoint's response goes to the client as it is.
    #[must_use]
    pub const fn is_proxy(self) -> bool {
        matches!(self, Self::HttpProxy | Self::AwsProxy)
    }
}

/// A mapping to the integration request.
#[derive(Debug, Clone)]
pub struct RequestParameter {
    /// What is set.
    pub destination: RequestDestination,
    /// To what.
    pub source: Expression,
}

/// `integration.request.{header|querystring|path}.NAME`.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names say all")]
pub enum RequestDestination {
    Header(FieldName),
    QueryString(Box<str>),
    Path(Box<str>),
}

/// How one kind of endpoint response becomes a method response.
#[derive(Debug)]
pub struct IntegrationResponse {
    /// Matched with the whole selector; nothing is the default.
    pub selection_pattern: Option<Regex>,
    /// The status that the client gets.
    pub status_code: u16,
    /// Fields of the method response.
    pub response_parameters: Vec<(FieldName, Expression)>,
    /// Templates by media type, in order.
    pub response_templates: Vec<(Box<str>, Template)>,
    /// Conversion of the response's content.
    pub content_handling: Option<ContentHandling>,
}
