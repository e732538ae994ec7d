//! What is known of endpoints: targets of VPC links, circuits, the client's own figures. It is asked for when metrics are read.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::metrics::{registered, single};

const TARGET: [&str; 2] = ["vpc_link", "target"];
const METHOD: [&str; 4] = ["api", "stage", "resource", "method"];

/// Metrics of endpoints.
#[derive(Debug)]
pub struct EndpointMetrics {
    healthy: IntGaugeVec,
    ejected: IntGaugeVec,
    ejections: IntCounterVec,
    open: IntGaugeVec,
    opened: IntCounterVec,
    rejected: IntCounterVec,
    repeated: IntCounter,
    unexpected: IntCounter,
}

impl EndpointMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let gauge = |name: &str, help: &str, labels: &[&str]| registered(registry, single(IntGaugeVec::new(Opts::new(name, help), labels)));
        let counter =
            |name: &str, help: &str, labels: &[&str]| registered(registry, single(IntCounterVec::new(Opts::new(name, help), labels)));
        let total = |name: &str, help: &str| registered(registry, single(IntCounter::new(name, help)));
        Self {
            healthy: gauge("headgate_vpc_link_target_healthy", "What the last health check of a target said: 1 is well.", &TARGET),
            ejected: gauge("headgate_vpc_link_target_ejected", "Whether a target is left out for its failures.", &TARGET),
            ejections: counter("headgate_vpc_link_target_ejections_total", "How often a target was left out for its failures.", &TARGET),
            open: gauge("headgate_circuit_open", "Whether the circuit of a method is open.", &METHOD),
            opened: counter("headgate_circuit_opened_total", "How often the circuit of a method opened.", &METHOD),
            rejected: counter("headgate_circuit_rejected_requests_total", "Requests that an open circuit refused.", &METHOD),
            repeated: total("headgate_endpoint_repeated_requests_total", "Requests sent again since an idle connection had been closed."),
            unexpected: total(
                "headgate_endpoint_unexpected_data_total",
                "Idle connections closed since the endpoint sent something unasked.",
            ),
        }
    }

    /// Forgets targets and circuits: those that are there are told anew.
    pub fn forget(&self) {
        self.healthy.reset();
        self.ejected.reset();
        self.ejections.reset();
        self.open.reset();
        self.opened.reset();
        self.rejected.reset();
    }

    /// How a target of a VPC link is.
    pub fn target(&self, [vpc_link, target]: [&str; 2], healthy: bool, ejected: bool, ejections: u64) {
        let labels = [vpc_link, target];
        self.healthy.with_label_values(&labels).set(i64::from(healthy));
        self.ejected.with_label_values(&labels).set(i64::from(ejected));
        self.ejections.with_label_values(&labels).inc_by(ejections);
    }

    /// How the circuit of a method is: `api`, `stage`, `resource`, `method`. That of a canary is counted with its stage's.
    pub fn circuit(&self, labels: [&str; 4], (open, opened, rejected): (bool, u64, u64)) {
        let gauge = self.open.with_label_values(&labels);
        gauge.set(gauge.get().max(i64::from(open)));
        self.opened.with_label_values(&labels).inc_by(opened);
        self.rejected.with_label_values(&labels).inc_by(rejected);
    }

    /// What the client has counted.
    pub fn client(&self, repeated: u64, unexpected: u64) {
        self.repeated.inc_by(repeated.saturating_sub(self.repeated.get()));
        self.unexpected.inc_by(unexpected.saturating_sub(self.unexpected.get()));
    }
}
