//! Usage plans and API keys as `aws apigateway get-usage-plans` and `get-api-keys --include-values` print them.

use indexmap::IndexMap;
use sha2::{Digest as _, Sha256};

use crate::document::Spanned;

/// A usage plan: what the keys in it may call, how fast and how often.
#[derive(Debug)]
pub struct UsagePlan {
    /// The id that keys name.
    pub id: Spanned<String>,
    /// Its name, for people.
    pub name: Option<String>,
    /// The limit of each key, over all stages of the plan.
    pub throttle: Option<ThrottleSettings>,
    /// How many requests each key has in a period.
    pub quota: Option<QuotaSettings>,
    /// The stages that the plan's keys open.
    pub api_stages: Vec<ApiStage>,
}

/// A stage in a plan.
#[derive(Debug)]
pub struct ApiStage {
    /// The API's id.
    pub api_id: Spanned<String>,
    /// The stage's name.
    pub stage: Spanned<String>,
    /// The limit of each key for a method, by `/resource/path/METHOD`.
    pub throttle: IndexMap<String, ThrottleSettings>,
}

/// A token bucket; nothing is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ThrottleSettings {
    /// Tokens that come back in a second.
    pub rate_limit: Option<f64>,
    /// Tokens that the bucket holds.
    pub burst_limit: Option<u32>,
}

/// Requests in a calendar period, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaSettings {
    /// Requests in each period.
    pub limit: u64,
    /// Requests that the first period has less.
    pub offset: u64,
    /// The period.
    pub period: QuotaPeriod,
}

/// When a quota begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say all")]
pub enum QuotaPeriod {
    Day,
    Week,
    Month,
}

/// An API key.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Its id, which is not secret.
    pub id: String,
    /// What a client sends, as far as anybody needs to know it.
    pub value: KeyHash,
    /// Whether it opens anything.
    pub enabled: bool,
    /// The plans that it is in, by their places in the account's list.
    pub usage_plans: Box<[u32]>,
}

/// The SHA-256 of a key's value: it tells a key from others, and nobody what the key is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of a value.
    #[must_use]
    pub fn of(value: &str) -> Self {
        Self(Sha256::digest(value).into())
    }
}

/// As hexadecimal digits, as many as the precision says.
impl std::fmt::Display for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// A text that no log and no message may show.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Box<str>);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text, for comparing and signing.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_hides_its_text() {
        assert!(!format!("{:?}", Secret::new("0123456789abcdefghij")).contains("0123"));
        // SHA-256 of "abc" (FIPS 180-2, appendix B.1).
        assert_eq!((format!("{:.8}", KeyHash::of("abc")), format!("{:?}", KeyHash::of("abc"))), ("ba7816bf".into(), "KeyHash(…)".into()));
    }
}
