//! Who may call: functions that decide, tokens that prove, requests that are signed.
//!
//! An authorizer decides about an identity and keeps what it decided; whether that decision covers one method is evaluated anew by every
//! request. What is missing, unreadable or late is a refusal.

mod jwk;
mod jwks;
mod jwt;
mod lambda;
pub mod sigv4;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};

pub use jwks::KeySet;
pub use jwt::{Audience, Jwt};
pub use lambda::{Answers, Function, Lambda};

use crate::apigateway::policy::Policy;
use crate::exchange::{Failure, ResponseType};

/// Decides about callers.
#[async_trait]
pub trait Authorize: Send + Sync + std::fmt::Debug {
    /// What this identity may do.
    ///
    /// # Errors
    /// 401 where it is nobody's, 500 where nobody can tell.
    async fn authorize(&self, asked: Asked<'_>) -> Result<Arc<Grant>, Failure>;

    /// Forgets every decision that is kept.
    fn forget(&self);
}

/// Who asks.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The values of the identity sources, in order; none of them empty.
    pub identity: &'a [String],
    /// Makes the function's event.
    pub event: &'a (dyn Fn() -> Bytes + Send + Sync),
    /// Seconds since 1970.
    pub now_seconds: u64,
    /// Told where this request made the call of a function, rather than found its answer or waited for it.
    pub called: &'a OnceLock<Called>,
}

/// One call of a function that authorizes.
#[derive(Debug, Clone, Copy)]
pub struct Called {
    /// Lambda's own status.
    pub status: u16,
    /// How long the function took.
    pub latency: Duration,
}

/// What an identity may do.
#[derive(Debug, Default)]
pub struct Grant {
    /// `$context.authorizer`.
    pub context: Arc<Map<String, Value>>,
    /// Which methods it opens.
    pub verdict: Verdict,
    /// The API key that counts for this caller.
    pub usage_identifier_key: Option<Box<str>>,
    /// What a token says of itself.
    pub token: Option<TokenFacts>,
}

/// Which methods a grant opens.
#[derive(Debug, Default)]
pub enum Verdict {
    /// None.
    #[default]
    Denied,
    /// All that name the authorizer.
    Allowed,
    /// Those that the policy allows.
    Policy(Policy),
}

/// What a method asks of a token beyond its being valid.
#[derive(Debug, Default)]
pub struct TokenFacts {
    /// `scope` or `scp`.
    pub scopes: Vec<Box<str>>,
    /// Whether it is an access token rather than an ID token (`token_use`).
    pub is_access_token: bool,
}

/// The 401 that says nothing more.
pub(crate) fn unauthorized(detail: impl Into<std::borrow::Cow<'static, str>>) -> Failure {
    Failure::new(ResponseType::Unauthorized, "Unauthorized").with_detail(detail)
}

/// The 500 of an authorizer that gives no decision.
pub(crate) fn unusable(detail: impl Into<std::borrow::Cow<'static, str>>) -> Failure {
    Failure { message: None, ..Failure::internal(ResponseType::AuthorizerConfigurationError, detail) }
}
