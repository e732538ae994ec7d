//! What happened, told: metrics for Prometheus, access logs in the stage's own format.

mod access_log;
mod endpoints;
mod metrics;
mod record;
mod traces;

pub use access_log::AccessLogs;
pub use endpoints::EndpointMetrics;
pub use metrics::{Metrics, OperationMetrics, SideMetrics};
pub use record::{Ended, Observer};
pub use traces::Tracer;
