//! The quota: asked last, so that a throttled request costs none of it.

use crate::exchange::{Failure, ResponseType};
use crate::snapshot::Subscription;

/// Counts a request of a key.
///
/// # Errors
/// 429 where the plan gives the key no more in this period.
pub(super) fn spend(subscription: Subscription<'_>, now_ms: u64) -> Result<(), Failure> {
    let Subscription { plan, meter, .. } = subscription;
    if meter.spend(plan.quota.as_ref(), now_ms / 1000) {
        return Ok(());
    }
    let detail = format!("the quota of usage plan {} is used up", plan.id);
    Err(Failure::new(ResponseType::QuotaExceeded, "Limit Exceeded").with_detail(detail))
}
