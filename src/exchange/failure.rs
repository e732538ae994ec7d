//! A request that cannot be answered as its API intends: API Gateway's closed list of gateway responses.

use std::borrow::Cow;

/// The gateway response types, with API Gateway's default status and `x-amzn-ErrorType` for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are API Gateway's own; its guide defines them")]
pub enum ResponseType {
    AccessDenied,
    ApiConfigurationError,
    AuthorizerConfigurationError,
    AuthorizerFailure,
    BadRequestParameters,
    BadRequestBody,
    Default4xx,
    Default5xx,
    ExpiredToken,
    IntegrationFailure,
    IntegrationTimeout,
    InvalidApiKey,
    InvalidSignature,
    MissingAuthenticationToken,
    QuotaExceeded,
    RequestTooLarge,
    ResourceNotFound,
    Throttled,
    Unauthorized,
    UnsupportedMediaType,
    WafFiltered,
}

impl ResponseType {
    /// All types, in the order of API Gateway's guide.
    pub const ALL: [Self; 21] = [
        Self::AccessDenied,
        Self::ApiConfigurationError,
        Self::AuthorizerConfigurationError,
        Self::AuthorizerFailure,
        Self::BadRequestParameters,
        Self::BadRequestBody,
        Self::Default4xx,
        Self::Default5xx,
        Self::ExpiredToken,
        Self::IntegrationFailure,
        Self::IntegrationTimeout,
        Self::InvalidApiKey,
        Self::InvalidSignature,
        Self::MissingAuthenticationToken,
        Self::QuotaExceeded,
        Self::RequestTooLarge,
        Self::ResourceNotFound,
        Self::Throttled,
        Self::Unauthorized,
        Self::UnsupportedMediaType,
        Self::WafFiltered,
    ];

    /// The name as definitions write it, such as `DEFAULT_4XX`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessDenied => "ACCESS_DENIED",
            Self::ApiConfigurationError => "API_CONFIGURATION_ERROR",
            Self::AuthorizerConfigurationError => "AUTHORIZER_CONFIGURATION_ERROR",
            Self::AuthorizerFailure => "AUTHORIZER_FAILURE",
            Self::BadRequestParameters => "BAD_REQUEST_PARAMETERS",
            Self::BadRequestBody => "BAD_REQUEST_BODY",
            Self::Default4xx => "DEFAULT_4XX",
            Self::Default5xx => "DEFAULT_5XX",
            Self::ExpiredToken => "EXPIRED_TOKEN",
            Self::IntegrationFailure => "INTEGRATION_FAILURE",
            Self::IntegrationTimeout => "INTEGRATION_TIMEOUT",
            Self::InvalidApiKey => "INVALID_API_KEY",
            Self::InvalidSignature => "INVALID_SIGNATURE",
            Self::MissingAuthenticationToken => "MISSING_AUTHENTICATION_TOKEN",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::RequestTooLarge => "REQUEST_TOO_LARGE",
            Self::ResourceNotFound => "RESOURCE_NOT_FOUND",
            Self::Throttled => "THROTTLED",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::WafFiltered => "WAF_FILTERED",
        }
    }

    /// The type that a definition calls `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The status where no gateway response sets another. An integration that fails was recorded with 500, not the listed 504.
    #[must_use]
    pub const fn default_status(self) -> u16 {
        match self {
            Self::BadRequestParameters | Self::BadRequestBody | Self::Default4xx => 400,
            Self::Unauthorized => 401,
            Self::AccessDenied
            | Self::ExpiredToken
            | Self::InvalidApiKey
            | Self::InvalidSignature
            | Self::MissingAuthenticationToken
            | Self::WafFiltered => 403,
            Self::ResourceNotFound => 404,
            Self::RequestTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::QuotaExceeded | Self::Throttled => 429,
            Self::ApiConfigurationError
            | Self::AuthorizerConfigurationError
            | Self::AuthorizerFailure
            | Self::Default5xx
            | Self::IntegrationFailure => 500,
            Self::IntegrationTimeout => 504,
        }
    }

    /// The value of `x-amzn-ErrorType`.
    #[must_use]
    pub const fn error_type(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDeniedException",
            Self::AuthorizerConfigurationError => "AuthorizerConfigurationException",
            Self::AuthorizerFailure => "AuthorizerFailureException",
            Self::BadRequestParameters | Self::BadRequestBody | Self::UnsupportedMediaType | Self::Default4xx => "BadRequestException",
            Self::ExpiredToken => "ExpiredTokenException",
            Self::InvalidApiKey | Self::WafFiltered => "ForbiddenException",
            Self::InvalidSignature => "InvalidSignatureException",
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::QuotaExceeded => "LimitExceededException",
            Self::RequestTooLarge => "RequestTooLargeException",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::Throttled => "TooManyRequestsException",
            Self::Unauthorized => "UnauthorizedException",
            Self::ApiConfigurationError | Self::Default5xx | Self::IntegrationFailure | Self::IntegrationTimeout => {
                "InternalServerErrorException"
            }
        }
    }
}

/// Why a request got no answer of its API's own: what the client may know, and what only the log says.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Which gateway response is sent.
    pub response_type: ResponseType,
    /// The status where it differs from the type's own, such as 502 for a malformed function result.
    pub status: Option<u16>,
    /// What the client reads; nothing is sent as JSON's `null`.
    pub message: Option<Cow<'static, str>>,
    /// What the operator reads; never sent.
    pub detail: Cow<'static, str>,
    /// `$context.error.validationErrorString`.
    pub validation_errors: Option<String>,
    /// `x-amzn-ErrorType` where it differs from the type's own.
    pub error_type: Option<&'static str>,
    /// When another try may be let through: `Retry-After`, which is headgate's own addition.
    pub retry_after: Option<std::time::Duration>,
    /// How long the endpoint was waited for, where it is its failure; in milliseconds.
    pub integration_latency_ms: Option<u32>,
}

impl Failure {
    /// A failure with a message for the client, and the same for the log.
    #[must_use]
    pub fn new(response_type: ResponseType, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        Self {
            response_type,
            status: None,
            detail: message.clone(),
            message: Some(message),
            validation_errors: None,
            error_type: None,
            retry_after: None,
            integration_latency_ms: None,
        }
    }

    /// The 500 that hides its reason: `detail` goes to the log alone.
    #[must_use]
    pub fn configuration(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::internal(ResponseType::ApiConfigurationError, detail)
    }

    /// A 5xx of another type that hides its reason.
    #[must_use]
    pub fn internal(response_type: ResponseType, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(response_type, "Internal server error").with_detail(detail)
    }

    /// The same with another text for the log.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The same with another status.
    #[must_use]
    pub const fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The same with another `x-amzn-ErrorType`.
    #[must_use]
    pub const fn with_error_type(mut self, error_type: &'static str) -> Self {
        self.error_type = Some(error_type);
        self
    }

    /// The default status of this failure.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.unwrap_or_else(|| self.response_type.default_status())
    }

    /// Unknown hosts, stages and base paths: no API's gateway responses apply.
    #[must_use]
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ResponseType::AccessDenied, "Forbidden").with_error_type("ForbiddenException").with_detail(detail)
    }
}
