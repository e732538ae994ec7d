//! What happened, told: metrics for Prometheus, access logs in the stage's own format.

mod access_log;
mod endpoints;
mod log_writer;
mod metrics;
mod record;
mod series;
mod sides;
mod traces;

pub use access_log::{AccessLogs, masked};
pub use endpoints::EndpointMetrics;
pub use metrics::{Metrics, OperationMetrics};
pub use record::{Ended, Observer};
pub use sides::{SideMetrics, SideSummary};
pub use traces::Tracer;
