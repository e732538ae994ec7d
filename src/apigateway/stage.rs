//! A stage as `aws apigateway get-stage` prints it.

use std::sync::Arc;

use indexmap::IndexMap;

use super::deployment::Deployment;
use crate::document::Spanned;
use crate::mapping::substitution::Substitution;

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
    /// What of this an operator set at run time, one sentence each.
    pub set_at_run_time: Vec<String>,
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

impl StickyBy {
    /// Reads `header.NAME`, `apiKey` or `sourceIp`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match (text, text.strip_prefix("header.")) {
            (_, Some(name)) if !name.is_empty() => Some(Self::Header(name.into())),
            ("apiKey", _) => Some(Self::ApiKey),
            ("sourceIp", _) => Some(Self::SourceIp),
            _ => None,
        }
    }
}

impl std::fmt::Display for StickyBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header.{name}"),
            Self::ApiKey => f.write_str("apiKey"),
            Self::SourceIp => f.write_str("sourceIp"),
        }
    }
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
    /// How a request is written.
    pub format: Arc<AccessLogFormat>,
}

/// `format`, taken apart once.
#[derive(Debug, PartialEq, Eq)]
pub struct AccessLogFormat {
    /// What stays and what is replaced.
    pub line: Substitution,
    /// How values are kept from breaking the line.
    pub form: LogForm,
}

/// The kinds of line that API Gateway's guide shows. Values are escaped as the form wants it: a client must not be able to forge a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    /// JSON, and Common Log Format and its like, whose readers know the same escapes between quotes.
    Json,
    /// XML.
    Xml,
    /// Values between commas (RFC 4180).
    Csv,
    /// The same with the quotes written in the format.
    QuotedCsv,
}

impl AccessLogFormat {
    /// Takes a format apart. Which form it has shows: JSON begins with a bracket, XML with an element, and CSV has nothing but commas,
    /// perhaps with quotes, between two values.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let line = Substitution::parse(text);
        let form = match text.trim_start().chars().next() {
            Some('<') => LogForm::Xml,
            Some('{' | '[') => LogForm::Json,
            _ => {
                let separates = |text: &str| matches!(text.trim_matches('"').trim(), "" | ",");
                match (
                    line.texts().all(separates),
                    line.texts().any(|text| text.contains(',')),
                    line.texts().any(|text| text.contains('"')),
                ) {
                    (true, true, true) => LogForm::QuotedCsv,
                    (true, true, false) => LogForm::Csv,
                    _ => LogForm::Json,
                }
            }
        };
        Self { line, form }
    }
}

/// Where access log lines go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LogDestination {
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(std::path::PathBuf),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_shows_its_form() {
        let form = |text| AccessLogFormat::parse(text).form;
        assert_eq!(form("$context.identity.sourceIp,$context.status,$context.requestId"), LogForm::Csv);
        assert_eq!(form("\"$context.path\",\"$context.requestId\""), LogForm::QuotedCsv);
        assert_eq!(form(r#"<request id="$context.requestId"><ip>$context.identity.sourceIp</ip></request>"#), LogForm::Xml);
        assert_eq!(form(r#"{"requestId":"$context.requestId"}"#), LogForm::Json);
        assert_eq!(form(r#"$context.identity.sourceIp [$context.requestTime] "$context.httpMethod" $context.requestId"#), LogForm::Json);
        assert_eq!(form("$context.requestId"), LogForm::Json);
    }
}
