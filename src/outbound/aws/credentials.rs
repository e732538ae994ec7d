//! Credentials from the SDK's standard chain: environment, profile, SSO, web identity, container, instance.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use aws_config::BehaviorVersion;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};

use super::sdk::SdkClient;
use crate::outbound::Client;

/// Renewed this long before they expire.
const EARLY: Duration = Duration::from_secs(300);
/// Asked again this soon where the chain had none.
pub(super) const RETRY: Duration = Duration::from_secs(30);
/// How often those that do not expire are read again: files may have changed.
const REREAD: Duration = Duration::from_secs(600);

/// The credentials that requests are signed with. Requests read what is there; only [`Self::load`] asks the chain.
pub struct Credentials {
    current: ArcSwapOption<aws_credential_types::Credentials>,
    provider: OnceLock<Option<SharedCredentialsProvider>>,
    client: Arc<Client>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("known", &self.current.load().is_some()).finish_non_exhaustive()
    }
}

impl Credentials {
    /// No credentials yet. What the chain asks over the network goes through `client`.
    #[must_use]
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self { current: ArcSwapOption::empty(), provider: OnceLock::new(), client }
    }

    /// What requests are signed with now.
    pub(super) fn current(&self) -> Option<Arc<aws_credential_types::Credentials>> {
        self.current.load_full()
    }

    /// Asks the chain once; when to ask again. Old credentials stay where it has none.
    ///
    /// # Errors
    /// With the chain's reason.
    pub async fn load(&self, now: SystemTime) -> Result<Duration, String> {
        let provider = match self.provider.get() {
            Some(provider) => provider,
            None => {
                let http = SdkClient::new(Arc::clone(&self.client));
                let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
                self.provider.get_or_init(|| config.credentials_provider())
            }
        };
        let provider = provider.as_ref().ok_or("no provider of credentials is configured")?;
        let credentials = provider.provide_credentials().await.map_err(|error| reason(&error))?;
        let next = renewal(&credentials, now);
        self.current.store(Some(Arc::new(credentials)));
        Ok(next)
    }

    /// Keeps the credentials fresh until the process ends.
    pub async fn keep_fresh(&self, clock: fn() -> SystemTime) {
        loop {
            let wait = match self.load(clock()).await {
                Ok(next) => next,
                Err(reason) => {
                    tracing::warn!("no AWS credentials: {reason}");
                    RETRY
                }
            };
            tokio::time::sleep(wait).await;
        }
    }
}

/// When to ask for other credentials than these.
pub(super) fn renewal(credentials: &aws_credential_types::Credentials, now: SystemTime) -> Duration {
    credentials.expiry().map_or(REREAD, |expiry| {
        let left = expiry.duration_since(now).unwrap_or_default();
        left.saturating_sub(EARLY).clamp(Duration::from_secs(1), REREAD)
    })
}

/// What a provider says of its failure, with its cause.
pub(super) fn reason(error: &CredentialsError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
