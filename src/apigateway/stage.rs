//! A stage as `aws apigateway get-stage` prints it.

use indexmap::IndexMap;

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
