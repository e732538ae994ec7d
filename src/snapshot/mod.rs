//! What requests read: everything that files and stages decide, decided.

pub mod addresses;
mod authorizers;
mod aws_call;
mod ceilings;
mod compile;
mod compile_release;
pub mod endpoint_uri;
mod gateway_responses;
mod release;
mod response_cache;
pub mod routes;
mod subscriptions;

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::apigateway::stage::{AccessLogSettings, StickyBy};
use crate::exchange::Endpoint;
use crate::store::Quota;

pub use authorizers::{Access, AuthorizerEvent, Authorizers, StageAuthorizer};
pub use aws_call::{AwsCall, AwsCallKind};
pub use compile::{Means, compile};
pub use gateway_responses::GatewayResponses;
pub use release::{Operation, Release};
pub use response_cache::{MethodCache, ResponseCache, ResponseCaches};
pub use subscriptions::{ApiKeys, StagePlan, StagePlans, Subscription, usage_plans};

/// One configuration, ready to run. Nothing in it ever changes.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Host and path to stage.
    pub addresses: addresses::Addresses<Arc<Stage>>,
    /// Usage plans by id, with their quotas.
    pub usage_plans: Vec<(Box<str>, Option<Quota>)>,
    /// Every API key.
    pub api_keys: Arc<ApiKeys>,
    /// Every stage, in the order of the configuration.
    pub stages: Vec<Arc<Stage>>,
}

/// A stage: its release, and what belongs to the stage rather than to a deployment.
#[derive(Debug)]
pub struct Stage {
    /// The deployment that is served, with this stage's settings in it.
    pub release: Arc<Release>,
    /// Another release that serves a share of the requests.
    pub canary: Option<Canary>,
    /// What of its answers is kept.
    pub cache: Option<Arc<ResponseCache>>,
    /// Where its access log goes.
    pub access_log: Option<AccessLogSettings>,
    /// What of this an operator set at run time, one sentence each.
    pub set_at_run_time: Vec<String>,
}

/// A canary.
#[derive(Debug)]
pub struct Canary {
    /// How many of a hundred requests.
    pub percent_traffic: f64,
    /// What keeps a caller on one side.
    pub sticky_by: Option<StickyBy>,
    /// What serves them.
    pub release: Arc<Release>,
}

impl Snapshot {
    /// Every release, canaries' among them.
    pub fn releases(&self) -> impl Iterator<Item = &Arc<Release>> {
        self.stages.iter().flat_map(|stage| std::iter::once(&stage.release).chain(stage.canary.as_ref().map(|canary| &canary.release)))
    }

    /// Whom its methods call, as far as that is known before any request; each once.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        let operations = self.releases().flat_map(|release| &release.operations);
        let fixed = operations.filter_map(|operation| operation.endpoint.as_ref()?.as_ref().ok()?.fixed());
        let mut seen = HashSet::new();
        fixed.filter(|endpoint| seen.insert(Arc::clone(endpoint))).cloned().collect()
    }

    /// Whether anything in it calls one of AWS's services.
    #[must_use]
    pub fn calls_aws(&self) -> bool {
        self.stages.iter().flat_map(|stage| &stage.release.operations).any(Operation::calls_aws)
    }
}

/// The snapshot that new requests get. The only thing here that is shared and replaceable.
#[derive(Debug)]
pub struct Current(ArcSwap<Snapshot>);

impl Current {
    /// Begins with a snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self(ArcSwap::from_pointee(snapshot))
    }

    /// The snapshot for a request that begins now.
    #[must_use]
    pub fn load(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.0.load()
    }

    /// Lets every request from now on see another snapshot; those under way keep theirs.
    pub fn replace(&self, snapshot: Snapshot) {
        self.0.store(Arc::new(snapshot));
    }
}
