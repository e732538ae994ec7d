//! Throttles, narrowest first, so that a caller beyond its own limit takes nothing from anybody else's.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::exchange::{Failure, ResponseType};
use crate::snapshot::{Operation, Release, Subscription};

static NO_KEY: LazyLock<Arc<str>> = LazyLock::new(|| "".into());

/// Takes a token of every bucket that stands over a request: the plan's for the method, the plan's, the stage's for the method, the account's.
///
/// # Errors
/// 429 at the first bucket that has none.
pub(super) fn take(release: &Release, operation: &Operation, index: usize, subscription: Option<Subscription<'_>>) -> Result<(), Failure> {
    if let Some(Subscription { key, plan, .. }) = subscription {
        if let Some(bucket) = plan.method_throttle(index) {
            bucket.take(&key.id).map_err(|wait| refused(wait, || format!("the method limit of usage plan {}", plan.id)))?;
        }
        if let Some(bucket) = &plan.throttle {
            bucket.take(&key.id).map_err(|wait| refused(wait, || format!("the limit of usage plan {}", plan.id)))?;
        }
    }
    if let Some(bucket) = &operation.throttle {
        bucket.take(&NO_KEY).map_err(|wait| refused(wait, || "the stage's limit of the method".to_owned()))?;
    }
    if let Some(bucket) = &release.account_throttle {
        bucket.take(&NO_KEY).map_err(|wait| refused(wait, || "the account's limit".to_owned()))?;
    }
    Ok(())
}

fn refused(wait: Duration, limit: impl FnOnce() -> String) -> Failure {
    Failure {
        retry_after: Some(wait),
        ..Failure::new(ResponseType::Throttled, "Too Many Requests").with_detail(format!("{} is reached", limit()))
    }
}
