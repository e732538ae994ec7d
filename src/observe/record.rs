//! The end of a request: what is counted and logged of it.

use std::sync::Arc;
use std::time::Duration;

use super::access_log::AccessLogs;
use super::metrics::{Metrics, OperationMetrics};
use super::sides::SideMetrics;
use super::traces::Tracer;
use crate::apigateway::stage::AccessLogSettings;
use crate::exchange::Context;

/// Counts and logs what ends.
#[derive(Debug)]
pub struct Observer {
    metrics: Arc<Metrics>,
    logs: AccessLogs,
    /// For requests that found no method.
    unrouted: OperationMetrics,
}

/// A request that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'e> {
    /// The series of its method, if it found one.
    pub metrics: Option<&'e OperationMetrics>,
    /// Its side of a canary.
    pub side: Option<&'e SideMetrics>,
    /// Its stage's access log.
    pub access_log: Option<&'e AccessLogSettings>,
    /// Where its trace goes.
    pub tracer: Option<&'e Tracer>,
    /// From its head to its response's end.
    pub latency: Duration,
    /// Content received, in bytes.
    pub received: u64,
}

impl Observer {
    /// An observer with a writer of its own.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let unrouted = metrics.operation("", "", "", "");
        Self { logs: AccessLogs::start(Arc::clone(&metrics)), metrics, unrouted }
    }

    /// The metrics.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Records a request.
    pub fn record(&self, context: &mut Context, ended: Ended<'_>) {
        context.response_latency_ms = u64::try_from(ended.latency.as_millis()).unwrap_or(u64::MAX);
        let metrics = ended.metrics.unwrap_or(&self.unrouted);
        if let Some(failure) = &context.error {
            metrics.failed(failure.response_type);
        }
        metrics.count(context.status, ended.latency, context.integration.latency, ended.received, context.response_length);
        if let Some(side) = ended.side {
            side.count(context.status, ended.latency);
        }
        if let Some(settings) = ended.access_log {
            self.logs.log(settings, context);
        }
        if let Some(tracer) = ended.tracer.filter(|_| context.trace.as_ref().is_some_and(|trace| trace.sampled)) {
            tracer.finish(std::mem::take(context), ended.latency);
        }
    }

    /// Waits until everything is written.
    pub fn flush(&self) {
        self.logs.flush();
    }
}
