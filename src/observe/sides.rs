//! The two sides of a stage with a canary, each counted for itself, so that a person can decide.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::core::Metric as _;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

use super::metrics::{BUCKETS, registered, single};

const LABELS: [&str; 3] = ["api", "stage", "side"];

/// The series of all stages with canaries.
#[derive(Debug)]
pub(super) struct Sides {
    requests: IntCounterVec,
    client_errors: IntCounterVec,
    server_errors: IntCounterVec,
    latency: HistogramVec,
    /// By API and stage: what its two sides are, and what they have counted since they are that.
    since: Mutex<HashMap<[Box<str>; 2], Known>>,
}

/// What the two sides are, and their counts.
type Known = (Box<str>, [Counts; 2]);

/// One side of a stage that has a canary.
#[derive(Debug, Clone)]
pub struct SideMetrics {
    /// For all time, as others read it.
    exported: Counts,
    /// Since this canary has its deployment and its variables.
    since: Counts,
}

#[derive(Debug, Clone)]
struct Counts {
    requests: IntCounter,
    client_errors: IntCounter,
    server_errors: IntCounter,
    latency: Histogram,
}

/// What one side did since its canary began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SideSummary {
    /// Requests.
    pub requests: u64,
    /// Responses of the 4xx class.
    pub client_errors: u64,
    /// Responses of the 5xx class.
    pub server_errors: u64,
    /// From a request's head to its response's end, in seconds; nothing before the first request.
    pub mean_latency: Option<f64>,
    /// What 99 of a hundred requests take less than, in seconds, as precise as the histogram's buckets; nothing before the first request.
    pub p99_latency: Option<f64>,
}

impl Counts {
    /// Counts that nobody but this process reads.
    fn new() -> Self {
        let counter = || single(IntCounter::new("side", "side"));
        let latency = single(Histogram::with_opts(HistogramOpts::new("side", "side").buckets(BUCKETS.to_vec())));
        Self { requests: counter(), client_errors: counter(), server_errors: counter(), latency }
    }

    fn count(&self, status: u16, latency: Duration) {
        self.requests.inc();
        self.client_errors.inc_by(u64::from((400..500).contains(&status)));
        self.server_errors.inc_by(u64::from(status >= 500));
        self.latency.observe(latency.as_secs_f64());
    }
}

impl SideMetrics {
    /// Counts a request that has ended.
    pub(super) fn count(&self, status: u16, latency: Duration) {
        self.exported.count(status, latency);
        self.since.count(status, latency);
    }

    /// What was counted since the canary began.
    #[must_use]
    pub fn summary(&self) -> SideSummary {
        let Counts { requests, client_errors, server_errors, latency } = &self.since;
        let count = latency.get_sample_count();
        SideSummary {
            requests: requests.get(),
            client_errors: client_errors.get(),
            server_errors: server_errors.get(),
            mean_latency: (count > 0).then(|| latency.get_sample_sum() / count as f64),
            p99_latency: quantile(latency, 0.99),
        }
    }
}

/// A share of all values is below it: interpolated within its bucket, as Prometheus does.
fn quantile(histogram: &Histogram, share: f64) -> Option<f64> {
    let metric = histogram.metric();
    let counts = metric.get_histogram().get_bucket().iter().map(|bucket| bucket.cumulative_count() as f64);
    let total = histogram.get_sample_count() as f64;
    if total == 0.0 {
        return None;
    }
    let wanted = total * share;
    let (mut bound_before, mut count_before) = (0.0, 0.0);
    for (bound, count) in BUCKETS.into_iter().zip(counts) {
        if count >= wanted {
            return Some(bound_before + (bound - bound_before) * (wanted - count_before) / (count - count_before));
        }
        (bound_before, count_before) = (bound, count);
    }
    Some(bound_before)
}

impl Sides {
    pub(super) fn new(registry: &Registry) -> Self {
        let counters = |name: &str, help: &str| registered(registry, single(IntCounterVec::new(Opts::new(name, help), &LABELS)));
        let latency =
            HistogramOpts::new("headgate_canary_latency_seconds", "Latencies of stages with a canary, by side.").buckets(BUCKETS.to_vec());
        Self {
            requests: counters("headgate_canary_requests_total", "Requests of stages with a canary, by side."),
            client_errors: counters("headgate_canary_client_errors_total", "Responses of the 4xx class of stages with a canary, by side."),
            server_errors: counters("headgate_canary_server_errors_total", "Responses of the 5xx class of stages with a canary, by side."),
            latency: registered(registry, single(HistogramVec::new(latency, &LABELS))),
            since: Mutex::default(),
        }
    }

    /// The stage and its canary. `what` says which two they are: where it is another than before, counting begins anew.
    pub(super) fn of(&self, api: &str, stage: &str, what: &str) -> [SideMetrics; 2] {
        let mut known = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let place: [Box<str>; 2] = [api.into(), stage.into()];
        let since = match known.get(&place) {
            Some((before, counts)) if **before == *what => counts.clone(),
            _ => {
                let counts = [Counts::new(), Counts::new()];
                known.insert(place, (what.into(), counts.clone()));
                counts
            }
        };
        let [base, canary] = since;
        [("base", base), ("canary", canary)].map(|(side, since)| {
            let labels = [api, stage, side];
            let exported = Counts {
                requests: self.requests.with_label_values(&labels),
                client_errors: self.client_errors.with_label_values(&labels),
                server_errors: self.server_errors.with_label_values(&labels),
                latency: self.latency.with_label_values(&labels),
            };
            SideMetrics { exported, since }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_begins_anew_with_another_canary_and_is_exported_for_all_time() {
        let sides = Sides::new(&Registry::new());
        let [base, canary] = sides.of("shop", "prod", "a and b");
        for status in [200, 404, 500, 200] {
            canary.count(status, Duration::from_millis(20));
        }
        let [_, same] = sides.of("shop", "prod", "a and b");
        let told = same.summary();
        assert_eq!((told.requests, told.client_errors, told.server_errors), (4, 1, 1));
        assert!((told.mean_latency.unwrap() - 0.02).abs() < 1e-9);
        let p99 = told.p99_latency.unwrap();
        assert!((0.01..=0.025).contains(&p99), "{p99}");
        assert_eq!((base.summary().requests, base.summary().mean_latency, base.summary().p99_latency), (0, None, None));
        let [_, other] = sides.of("shop", "prod", "a and c");
        assert_eq!(other.summary().requests, 0);
        assert_eq!(other.exported.requests.get(), 4);
    }
}
