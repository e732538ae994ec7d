//! Metrics, CloudWatch's twins among them. A request touches nothing but counters that were found when its snapshot was compiled.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use super::endpoints::EndpointMetrics;
use super::series::Series;
use super::sides::{SideMetrics, Sides};
use crate::exchange::ResponseType;

/// From half a millisecond to a minute, in seconds.
pub(super) const BUCKETS: [f64; 16] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Methods with series of their own; what is beyond is counted together.
const SERIES: usize = 10_000;
const LABELS: [&str; 4] = ["api", "stage", "resource", "method"];

/// All metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    client_errors: IntCounterVec,
    server_errors: IntCounterVec,
    latency: HistogramVec,
    integration_latency: HistogramVec,
    received: IntCounterVec,
    sent: IntCounterVec,
    throttled: IntCounterVec,
    quota_exceeded: IntCounterVec,
    cache_hits: IntCounterVec,
    cache_misses: IntCounterVec,
    integration_failures: IntCounterVec,
    integration_timeouts: IntCounterVec,
    sides: Sides,
    series: Mutex<Series>,
    /// What is asked for when metrics are read.
    pub endpoints: EndpointMetrics,
    folded: IntCounter,
    /// Requests that the front door refused: they belong to no API.
    pub refused: IntCounter,
    /// Open client connections.
    pub connections: IntGauge,
    /// Reloads that were applied.
    pub reloads: IntCounter,
    /// Reloads that were refused.
    pub reload_failures: IntCounter,
    /// When the last reload was applied, in seconds since 1970.
    pub last_reload: IntGauge,
    /// Whether the last reload was applied: 1, or 0.
    pub last_reload_successful: IntGauge,
    /// Requests under way.
    pub under_way: IntGauge,
    /// Content of requests that is held in memory, in bytes.
    pub held: IntGauge,
    /// Access log lines that nobody took in time, or that could not be written.
    pub dropped_lines: IntCounter,
    /// The program's own messages that nobody took in time.
    pub dropped_messages: IntCounter,
    /// Spans that were sent.
    pub exported_spans: IntCounter,
    /// Spans that were not: the queue was full, or nobody took them.
    pub dropped_spans: IntCounter,
    /// 1 while what is counted cannot be written to the state directory.
    pub state_failing: IntGauge,
    /// Panics: bugs, each of which cost a request or a connection.
    pub panics: IntCounter,
}

/// The series of one method.
#[derive(Debug, Clone)]
pub struct OperationMetrics {
    requests: IntCounter,
    client_errors: IntCounter,
    server_errors: IntCounter,
    latency: Histogram,
    integration_latency: Histogram,
    received: IntCounter,
    sent: IntCounter,
    throttled: IntCounter,
    quota_exceeded: IntCounter,
    integration_failures: IntCounter,
    integration_timeouts: IntCounter,
    /// Answers from the response cache.
    pub cache_hits: IntCounter,
    /// Answers that it did not have.
    pub cache_misses: IntCounter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics that count from zero.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let counters = |name: &str, help: &str| registered(&registry, counter_vec(name, help));
        let counter = |name: &str, help: &str| registered(&registry, single(IntCounter::new(name, help)));
        let gauge = |name: &str, help: &str| registered(&registry, single(IntGauge::new(name, help)));
        build_info(&registry);
        Self {
            requests: counters("headgate_requests_total", "Requests (CloudWatch: Count)."),
            client_errors: counters("headgate_client_errors_total", "Responses of the 4xx class (CloudWatch: 4XXError)."),
            server_errors: counters("headgate_server_errors_total", "Responses of the 5xx class (CloudWatch: 5XXError)."),
            latency: registered(
                &registry,
                histogram_vec("headgate_latency_seconds", "From a request's head to its response's end (CloudWatch: Latency)."),
            ),
            integration_latency: registered(
                &registry,
                histogram_vec("headgate_integration_latency_seconds", "Waiting for the endpoint (CloudWatch: IntegrationLatency)."),
            ),
            received: counters("headgate_request_bytes_total", "Request content received."),
            sent: counters("headgate_response_bytes_total", "Response content sent."),
            throttled: counters("headgate_throttled_requests_total", "Requests that a throttle refused."),
            quota_exceeded: counters("headgate_quota_exceeded_requests_total", "Requests that a quota refused."),
            cache_hits: counters("headgate_cache_hits_total", "Answers that came from the response cache (CloudWatch: CacheHitCount)."),
            cache_misses: counters("headgate_cache_misses_total", "Answers that the cache did not have (CloudWatch: CacheMissCount)."),
            integration_failures: counters("headgate_integration_failures_total", "Requests whose endpoint gave no response."),
            integration_timeouts: counters("headgate_integration_timeouts_total", "Requests whose endpoint gave no response in time."),
            sides: Sides::new(&registry),
            endpoints: EndpointMetrics::new(&registry),
            folded: counter("headgate_metrics_folded_total", "Methods whose series were folded into one, since there are too many."),
            refused: counter("headgate_refused_requests_total", "Requests that were malformed or beyond a limit of the front door."),
            connections: gauge("headgate_connections_open", "Open client connections."),
            reloads: counter("headgate_config_reloads_total", "Configurations that were applied."),
            reload_failures: counter("headgate_config_reload_failures_total", "Configurations that were refused."),
            last_reload: gauge("headgate_config_last_reload_success_timestamp_seconds", "When a configuration was applied last."),
            last_reload_successful: gauge("headgate_config_last_reload_successful", "Whether the last configuration was applied."),
            under_way: gauge("headgate_requests_under_way", "Requests that are being answered."),
            held: gauge("headgate_request_buffers_bytes", "Content of requests that is held in memory."),
            dropped_lines: counter("headgate_access_log_dropped_total", "Access log lines that were not written."),
            dropped_messages: counter("headgate_messages_dropped_total", "Messages on standard error that could not be written in time."),
            exported_spans: counter("headgate_otel_spans_exported_total", "Spans that the receiver of traces took."),
            dropped_spans: counter(
                "headgate_otel_spans_dropped_total",
                "Spans that were given up: the queue was full, or nobody took them.",
            ),
            state_failing: gauge(
                "headgate_state_write_failing",
                "1 while the state directory cannot be written: counts are kept in memory.",
            ),
            panics: counter("headgate_panics_total", "Panics, each of which cost a request or a connection."),
            series: Mutex::default(),
            registry,
        }
    }

    /// Another configuration is compiled: what it names is asked for from now on.
    pub fn compiling(&self) {
        self.series.lock().unwrap_or_else(PoisonError::into_inner).compiling();
    }

    /// It is served: methods that it does not have lose their series.
    pub fn serving(&self) {
        let gone = self.series.lock().unwrap_or_else(PoisonError::into_inner).served();
        for labels in gone {
            let labels = labels.each_ref().map(String::as_str);
            for counter in [
                &self.requests,
                &self.client_errors,
                &self.server_errors,
                &self.received,
                &self.sent,
                &self.throttled,
                &self.quota_exceeded,
                &self.cache_hits,
                &self.cache_misses,
                &self.integration_failures,
                &self.integration_timeouts,
            ] {
                let _ = counter.remove_label_values(&labels);
            }
            let _ = self.latency.remove_label_values(&labels);
            let _ = self.integration_latency.remove_label_values(&labels);
        }
    }

    /// The series of a method. A request that found none counts under empty labels.
    #[must_use]
    pub fn operation(&self, api: &str, stage: &str, resource: &str, method: &str) -> OperationMetrics {
        let labels = [api, stage, resource, method];
        // Requests that found no method are no part of any configuration.
        let is_method = labels != [""; 4];
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let (fits, is_new) = if is_method { series.fits(labels, SERIES) } else { (true, false) };
        drop(series);
        self.folded.inc_by(u64::from(is_new));
        let labels = if fits { labels } else { ["other"; 4] };
        OperationMetrics {
            requests: self.requests.with_label_values(&labels),
            client_errors: self.client_errors.with_label_values(&labels),
            server_errors: self.server_errors.with_label_values(&labels),
            latency: self.latency.with_label_values(&labels),
            integration_latency: self.integration_latency.with_label_values(&labels),
            received: self.received.with_label_values(&labels),
            sent: self.sent.with_label_values(&labels),
            throttled: self.throttled.with_label_values(&labels),
            cache_hits: self.cache_hits.with_label_values(&labels),
            cache_misses: self.cache_misses.with_label_values(&labels),
            quota_exceeded: self.quota_exceeded.with_label_values(&labels),
            integration_failures: self.integration_failures.with_label_values(&labels),
            integration_timeouts: self.integration_timeouts.with_label_values(&labels),
        }
    }

    /// A stage and its canary, each counted for itself. `what` says which two they are.
    #[must_use]
    pub fn sides(&self, api: &str, stage: &str, what: &str) -> [SideMetrics; 2] {
        self.sides.of(api, stage, what)
    }

    /// Everything in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        // Encoding into memory fails only for metrics without values, which are not registered.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8(text).unwrap_or_default()
    }
}

impl OperationMetrics {
    /// Counts why a request failed, where that has a series of its own.
    pub fn failed(&self, response_type: ResponseType) {
        match response_type {
            ResponseType::Throttled => self.throttled.inc(),
            ResponseType::QuotaExceeded => self.quota_exceeded.inc(),
            ResponseType::IntegrationFailure => self.integration_failures.inc(),
            ResponseType::IntegrationTimeout => self.integration_timeouts.inc(),
            _ => {}
        }
    }

    /// Counts a request that has ended.
    pub fn count(&self, status: u16, latency: Duration, integration: Option<Duration>, received: u64, sent: u64) {
        self.requests.inc();
        match status {
            400..=499 => self.client_errors.inc(),
            500..=599 => self.server_errors.inc(),
            _ => {}
        }
        self.latency.observe(latency.as_secs_f64());
        if let Some(integration) = integration {
            self.integration_latency.observe(integration.as_secs_f64());
        }
        self.received.inc_by(received);
        self.sent.inc_by(sent);
    }
}

/// Registers a metric. Names are constants of this file, so the only error, two of one name, is a mistake that every start shows.
pub(super) fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> C {
    if let Err(error) = registry.register(Box::new(metric.clone())) {
        tracing::error!("a metric is not exported: {error}");
    }
    metric
}

#[expect(clippy::expect_used, reason = "the name is a constant of this file and well formed, which the unit test shows")]
pub(super) fn single<C>(metric: prometheus::Result<C>) -> C {
    metric.expect("a metric's constant name is well formed")
}

fn build_info(registry: &Registry) {
    let options = Opts::new("headgate_build_info", "Always 1; the version is a label.").const_label("version", env!("CARGO_PKG_VERSION"));
    registered(registry, single(IntGauge::with_opts(options))).set(1);
}

fn counter_vec(name: &str, help: &str) -> IntCounterVec {
    single(IntCounterVec::new(Opts::new(name, help), &LABELS))
}

fn histogram_vec(name: &str, help: &str) -> HistogramVec {
    single(HistogramVec::new(HistogramOpts::new(name, help).buckets(BUCKETS.to_vec()), &LABELS))
}

/// Metrics are shared by everything that counts.
pub(super) type Shared = Arc<Metrics>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_under_its_method() {
        let metrics = Metrics::new();
        metrics.operation("api", "prod", "/pets", "GET").count(404, Duration::from_millis(1), Some(Duration::from_micros(600)), 3, 5);
        let text = metrics.render();
        let labels = r#"{api="api",method="GET",resource="/pets",stage="prod"}"#;
        for line in [
            format!("headgate_requests_total{labels} 1"),
            format!("headgate_client_errors_total{labels} 1"),
            format!("headgate_server_errors_total{labels} 0"),
            format!("headgate_response_bytes_total{labels} 5"),
        ] {
            assert!(text.contains(&line), "{line}\n{text}");
        }
        assert!(text.contains("headgate_build_info{version="));
    }

    #[test]
    fn methods_beyond_the_most_are_counted_once_and_together() {
        let metrics = Metrics::new();
        for _ in 0..3 {
            metrics.compiling();
            (0..SERIES + 7).for_each(|index| drop(metrics.operation("api", "prod", &format!("/{index}"), "GET")));
        }
        let text = metrics.render();
        assert!(text.contains("headgate_metrics_folded_total 7"), "three reloads fold no more than one");
        assert!(text.contains(r#"headgate_requests_total{api="other",method="other",resource="other",stage="other"} 0"#));
    }

    #[test]
    fn a_method_that_is_gone_is_told_of_no_more() {
        let metrics = Metrics::new();
        let names = |path: &str| metrics.render().contains(&format!("resource=\"{path}\""));
        drop(metrics.operation("", "", "", ""));
        for path in ["/old", "/new"] {
            metrics.compiling();
            drop(metrics.operation("a", "s", path, "GET"));
            assert!(names("/old") && names(path), "what is served is told of until something else is");
            metrics.serving();
        }
        assert!(!names("/old") && names("/new") && names(""));
    }
}
