//! A stage as `aws apigateway get-stage` prints it.

use std::sync::Arc;

use indexmap::IndexMap;

use super::deployment::Deployment;
use crate::document::Spanned;

/// A stage.
#[derive(Debug)]
pub struct Stage {
    /// `stageName`.
    pub stage_name: Spanned<String>,
    /// `variables`.
    pub variables: IndexMap<String, String>,
    /// `methodSettings` by `resource path/METHOD`, `*/*` among them.
    pub method_settings: IndexMap<String, MethodSettings>,
    /// `accessLogSettings`.
    pub access_log: Option<AccessLogSettings>,
    /// `tracingEnabled`: whether requests are traced that nobody has decided on; nothing: it is not written.
    pub tracing_enabled: Option<bool>,
    /// The response cache's capacity in bytes, where `cacheClusterEnabled`.
    pub cache_capacity: Option<u64>,
    /// `canarySettings`.
    pub canary: Option<CanarySettings>,
    /// The deployment that it serves; nothing: the files as they are.
    pub deployment: Option<Arc<Deployment>>,
}

/// `canarySettings`: a share of the requests sees another deployment, or other variables.
#[derive(Debug, Clone)]
pub struct CanarySettings {
    /// How many of a hundred requests.
    pub percent_traffic: f64,
    /// Variables in the place of the stage's, or beside them.
    pub stage_variable_overrides: IndexMap<String, String>,
    /// Whether it reads and fills the stage's cache.
    pub use_stage_cache: bool,
    /// The deployment that it serves; nothing: the stage's.
    pub deployment: Option<Arc<Deployment>>,
    /// `x-headgate.stickyBy`: what keeps a caller on one side.
    pub sticky_by: Option<StickyBy>,
}

/// What a caller is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StickyBy {
    /// A header field.
    Header(Box<str>),
    /// The API key.
    ApiKey,
    /// The source address.
    SourceIp,
}

/// What of a method's settings is served by this build.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MethodSettings {
    /// `throttlingRateLimit`, in requests a second.
    pub throttling_rate_limit: Option<f64>,
    /// `throttlingBurstLimit`, in requests.
    pub throttling_burst_limit: Option<u32>,
    /// `cachingEnabled`.
    pub caching_enabled: Option<bool>,
    /// `cacheTtlInSeconds`.
    pub cache_ttl_seconds: Option<u32>,
    /// `requireAuthorizationForCacheControl`.
    pub require_authorization_for_cache_control: Option<bool>,
    /// `unauthorizedCacheControlHeaderStrategy`.
    pub unauthorized_cache_control: Option<UnauthorizedCacheControl>,
    /// `x-headgate.staleIfErrorSeconds`: so much longer an answer may stand in for a failure.
    pub stale_if_error_seconds: Option<u32>,
}

/// What becomes of `Cache-Control: max-age=0` of a caller who may not invalidate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "API Gateway's own names")]
pub enum UnauthorizedCacheControl {
    FailWith403,
    #[default]
    SucceedWithResponseHeader,
    SucceedWithoutResponseHeader,
}

/// `accessLogSettings`.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLogSettings {
    /// Where lines go.
    pub destination: LogDestination,
    /// The format; nothing: JSON with everything.
    pub format: Option<String>,
}

/// Where access log lines go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LogDestination {
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(std::path::PathBuf),
}
