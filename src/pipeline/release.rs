//! Which of a stage's releases serves a request: thrown once for each, before its route is looked for.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use crate::apigateway::stage::StickyBy;
use crate::exchange::Request;
use crate::snapshot::{Canary, Release, Stage};

/// The release for a request. `random` is the request's share of chance.
pub(super) fn choose(stage: &Stage, request: &Request, random: u128) -> Arc<Release> {
    let canary = stage.canary.as_ref().filter(|canary| share(canary, request, random) < canary.percent_traffic / 100.0);
    Arc::clone(canary.map_or(&stage.release, |canary| &canary.release))
}

/// Where a request falls between 0 and 1: by chance, or always at the same place for the same caller.
fn share(canary: &Canary, request: &Request, random: u128) -> f64 {
    let mut hasher = DefaultHasher::new();
    let sticky = match &canary.sticky_by {
        None => false,
        Some(StickyBy::SourceIp) => {
            request.peer.source_ip.hash(&mut hasher);
            true
        }
        Some(StickyBy::ApiKey) => of_field(request, "x-api-key", &mut hasher),
        Some(StickyBy::Header(name)) => of_field(request, name, &mut hasher),
    };
    // Half of the chance makes the request's id; this is the other half.
    let bits = if sticky { hasher.finish() } else { (random >> 64) as u64 };
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// A caller without the field is nobody in particular, and thrown for.
fn of_field(request: &Request, name: &str, hasher: &mut DefaultHasher) -> bool {
    let value = request.fields.last(name);
    if let Some(value) = value {
        value.as_bytes().hash(hasher);
    }
    value.is_some()
}
