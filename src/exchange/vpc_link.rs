//! What a `connectionId` means here: a group of origins.

use std::time::Duration;

/// A VPC link: what a `connectionId` stands for here.
#[derive(Debug, Clone, PartialEq)]
pub struct VpcLink {
    /// The id that integrations name.
    pub id: String,
    /// `host:port` of each origin.
    pub targets: Vec<String>,
    /// How origins are asked whether they are well.
    pub health_check: Option<HealthCheck>,
    /// `x-headgate.outlierDetection`: when a target is left out for its failures; nothing: never.
    pub outlier_detection: Option<OutlierDetection>,
}

/// When a target is left out, and for how long. A failure is no answer, or one of the 5xx class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutlierDetection {
    /// So many failures …
    pub failures: u32,
    /// … in this time are too many.
    pub interval: Duration,
    /// How long it is left out for the first time; each time in a row is twice as long …
    pub base_ejection: Duration,
    /// … up to this.
    pub max_ejection: Duration,
}

impl Default for OutlierDetection {
    fn default() -> Self {
        let [interval, base_ejection, max_ejection] = [10, 10, 300].map(Duration::from_secs);
        Self { failures: 5, interval, base_ejection, max_ejection }
    }
}

/// A health check: `GET path`; any 2xx or 3xx is well.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthCheck {
    /// The path asked.
    pub path: String,
    /// Seconds between two checks.
    pub interval_seconds: u64,
}
