//! Figures that nobody counts as requests pass: they are asked for when metrics are read.

use std::sync::atomic::Ordering;

use super::messages::Messages;
use super::serving::Running;

/// Puts them where metrics are rendered from.
pub(super) fn gather(running: &Running) {
    let metrics = running.edge.observer.metrics();
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    metrics.under_way.set(signed(running.edge.under_way.load(Ordering::Relaxed) as u64));
    metrics.state_failing.set(i64::from(running.gateway.state_failure().is_some()));
    metrics.held.set(signed(running.edge.held.load(Ordering::Relaxed)));
    metrics.dropped_messages.inc_by(Messages::dropped().saturating_sub(metrics.dropped_messages.get()));
    let (client, endpoints) = (running.gateway.client(), &metrics.endpoints);
    endpoints.forget();
    for target in client.origins().targets() {
        endpoints.target([&target.vpc_link, &target.target], target.healthy, target.ejected, target.ejections);
    }
    for release in running.gateway.current().load().releases() {
        for operation in &release.operations {
            if let Some(circuit) = &operation.circuit {
                let facts = &release.facts;
                endpoints.circuit([&facts.api_id, &facts.stage, &operation.resource.path, &operation.method_name], circuit.report());
            }
        }
    }
    endpoints.client(client.repeated(), client.unexpected());
}
