//! Where traces go: what OpenTelemetry's own environment variables say, and `tracing` of a configuration.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use crate::exchange::{Endpoint, FieldName};

/// An OTLP receiver, and what is sent to it.
#[derive(Clone, PartialEq)]
pub struct TracingSettings {
    /// Who receives.
    pub endpoint: Arc<Endpoint>,
    /// The path of its traces.
    pub path: Box<str>,
    /// Fields that it wants, credentials among them.
    pub headers: Vec<(FieldName, HeaderValue)>,
    /// How long it may take.
    pub timeout: Duration,
    /// The share of the traces that nobody has decided on.
    pub sampling_rate: f64,
    /// `service.name`, and what else is known of this process.
    pub resource: Vec<(String, String)>,
}

/// Values of fields are secrets.
impl std::fmt::Debug for TracingSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TracingSettings").field("endpoint", &self.endpoint).field("path", &self.path).finish_non_exhaustive()
    }
}
