//! Roles that integrations name in `credentials`: assumed ahead of requests, and renewed before they expire.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::ProvideCredentials as _;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::credentials::{Credentials, RETRY, reason, renewal};
use super::sdk::SdkClient;
use crate::outbound::Client;

/// What sessions are called, which AWS's own logs show.
const SESSION: &str = "headgate";
/// How often roles are looked at that nothing was heard of.
const LOOK: Duration = Duration::from_secs(5);

/// A role's credentials. Requests read what is there.
#[derive(Debug)]
pub struct Role {
    arn: Box<str>,
    current: ArcSwapOption<aws_credential_types::Credentials>,
    due: Mutex<Instant>,
}

/// Every role that something is signed for.
#[derive(Debug)]
pub struct Roles {
    known: Mutex<HashMap<Box<str>, Arc<Role>>>,
    added: Notify,
    sts: Mutex<Sts>,
    client: Arc<Client>,
}

/// Where roles are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sts {
    /// The region whose STS answers.
    pub region: String,
    /// `aws.endpoints.sts`; nothing: the SDK's own variables, or AWS.
    pub endpoint: Option<String>,
}

impl Sts {
    /// In this region, at this endpoint.
    #[must_use]
    pub fn new(region: &str, endpoint: Option<&String>) -> Self {
        Self { region: region.to_owned(), endpoint: endpoint.cloned() }
    }
}

impl Role {
    pub(super) fn current(&self) -> Option<Arc<aws_credential_types::Credentials>> {
        self.current.load_full()
    }
}

impl Roles {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self { known: Mutex::default(), added: Notify::new(), sts: Mutex::default(), client }
    }

    /// A role's credentials, which are assumed from now on for as long as somebody holds it.
    #[must_use]
    pub fn role(&self, arn: &str) -> Arc<Role> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let role = known.entry(arn.into()).or_insert_with(|| {
            self.added.notify_one();
            Arc::new(Role { arn: arn.into(), current: ArcSwapOption::empty(), due: Mutex::new(Instant::now()) })
        });
        Arc::clone(role)
    }

    /// Whether some role was never assumed yet.
    #[must_use]
    pub fn wants_any(&self) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).values().any(|role| role.current().is_none())
    }

    /// Where roles are asked for from now on.
    pub fn set_sts(&self, sts: Sts) {
        *self.sts.lock().unwrap_or_else(PoisonError::into_inner) = sts;
    }

    /// Assumes every role whose time has come, and lets go of those that nobody holds.
    pub(super) async fn load(&self, base: &Credentials, now: SystemTime) {
        let due: Vec<Arc<Role>> = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|_, role| Arc::strong_count(role) > 1);
            let is_due = |role: &&Arc<Role>| *role.due.lock().unwrap_or_else(PoisonError::into_inner) <= Instant::now();
            known.values().filter(is_due).cloned().collect()
        };
        for role in due {
            let next = match self.assume(&role, base).await {
                Ok(credentials) => {
                    let next = renewal(&credentials, now);
                    role.current.store(Some(Arc::new(credentials)));
                    next
                }
                Err(reason) => {
                    tracing::warn!("the role {} is not assumed: {reason}", role.arn);
                    RETRY
                }
            };
            *role.due.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + next;
        }
    }

    /// Until something may be due.
    pub(super) async fn wait(&self) {
        let _ = tokio::time::timeout(LOOK, self.added.notified()).await;
    }

    async fn assume(&self, role: &Role, base: &Credentials) -> Result<aws_credential_types::Credentials, String> {
        let base = base.current().ok_or("there are no credentials to assume it with")?;
        let Sts { region, endpoint } = self.sts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let http = SdkClient::new(Arc::clone(&self.client));
        let mut config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).region(Region::new(region));
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint);
        }
        let provider = AssumeRoleProvider::builder(&*role.arn).session_name(SESSION).configure(&config.load().await);
        let provider = provider.build_from_provider(aws_credential_types::Credentials::clone(&base)).await;
        provider.provide_credentials().await.map_err(|error| reason(&error))
    }
}
