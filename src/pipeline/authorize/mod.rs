//! Who may call: the resource policy, the signature or the authorizer, and what they come to together.
//!
//! The order and the tables are those of API Gateway's guide, `apigateway-authorization-flow`.

mod iam;
mod identity;
mod place;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::integration_request::Asked;
use super::lambda_proxy;
use crate::apigateway::policy::Effect;
use crate::authorizer::{self, Grant, Verdict};
use crate::exchange::{AccessFacts, Authorizer, Checked, Failure, ResponseType};
use crate::snapshot::{Access, AuthorizerEvent, StageAuthorizer};

pub(super) use iam::{may_invalidate, without_signature};
use place::{INVOKE, Place};

/// Who calls.
#[derive(Debug, Default)]
pub(super) struct Caller {
    /// `$context.authorizer`.
    pub(super) authorizer: Option<Authorizer>,
    /// What a signature adds to `$context.identity`.
    pub(super) identity: Map<String, Value>,
    /// The API key that an authorizer named.
    pub(super) usage_identifier_key: Option<Box<str>>,
    /// Whether a signature proved who calls; it stays here then.
    pub(super) is_signed: bool,
    /// The request's content, where it came in pieces that were signed one by one.
    pub(super) content: Option<Bytes>,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Decision {
    /// The caller may call.
    Allowed(Caller),
    /// A signature covers content that has not been read yet.
    NeedsContent,
}

/// Decides about a caller. `content`: the request's, once it is there. `facts`: what each step came to, for logs.
///
/// # Errors
/// 401, 403, or 500 where nobody can tell.
pub(super) async fn decide(asked: Asked<'_>, content: Option<&Bytes>, facts: &mut AccessFacts) -> Result<Decision, Failure> {
    let Asked { release, operation, .. } = asked;
    if matches!(operation.access, Access::Open) && release.resource_policy.is_none() {
        return Ok(Decision::Allowed(Caller::default()));
    }
    let place = Place::of(asked)?;
    match &operation.access {
        Access::Nobody => Err(authorizer::unusable("the method's authorizer cannot be asked")),
        Access::Open => {
            let resource = place.resource_policy(None);
            checked(asked, &mut facts.authorize, || allowed_alone(&place, resource))?;
            Ok(Decision::Allowed(Caller::default()))
        }
        Access::Iam => iam::decide(asked, &place, content, facts),
        Access::Authorizer(authorizer, _) if authorizer.event.is_function() => {
            by_function(asked, &place, authorizer, facts).await.map(Decision::Allowed)
        }
        Access::Authorizer(authorizer, scopes) => by_token(asked, &place, authorizer, scopes, facts).await.map(Decision::Allowed),
    }
}

/// Runs a step and notes what it came to.
fn checked<T>(asked: Asked<'_>, fact: &mut Option<Checked>, step: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let started = asked.release.clock.elapsed();
    let result = step();
    *fact = Some(noted(asked, started, result.as_ref().err()));
    result
}

fn noted(asked: Asked<'_>, started: std::time::Duration, failure: Option<&Failure>) -> Checked {
    Checked {
        status: failure.map_or(200, Failure::status),
        latency: asked.release.clock.elapsed().saturating_sub(started),
        error: failure.map(|failure| failure.detail.as_ref().into()),
    }
}

/// The resource policy alone decides: what it does not allow is denied.
fn allowed_alone(place: &Place<'_>, resource: Option<Effect>) -> Result<(), Failure> {
    match resource {
        None | Some(Effect::Allow) => Ok(()),
        Some(effect) => Err(place.not_authorized("anonymous", effect)),
    }
}

/// The one policy beside the other (table A, for callers of the same account and for functions).
const fn together(own: Effect, resource: Option<Effect>) -> Effect {
    match (own, resource) {
        (Effect::Deny, _) | (_, Some(Effect::Deny)) => Effect::Deny,
        (Effect::Allow, _) | (_, Some(Effect::Allow)) => Effect::Allow,
        _ => Effect::Neither,
    }
}

/// Both must allow (table B, for callers of another account).
const fn both(own: Effect, resource: Option<Effect>) -> Effect {
    match (own, resource) {
        (Effect::Deny, _) | (_, Some(Effect::Deny)) => Effect::Deny,
        (Effect::Allow, Some(Effect::Allow)) => Effect::Allow,
        _ => Effect::Neither,
    }
}

/// A function decides, unless the resource policy denies in any case: that costs no call.
async fn by_function(
    asked: Asked<'_>,
    place: &Place<'_>,
    authorizer: &StageAuthorizer,
    facts: &mut AccessFacts,
) -> Result<Caller, Failure> {
    let resource = place.resource_policy(None);
    if resource == Some(Effect::Deny) {
        return Err(place.not_authorized("anonymous", Effect::Deny));
    }
    let (grant, latency) = grant(asked, place, authorizer, facts).await?;
    checked(asked, &mut facts.authorize, || covers(place, &grant, resource))?;
    let caller = Authorizer { members: grant.context.clone(), is_token: false, integration_latency: Some(latency) };
    Ok(Caller { authorizer: Some(caller), usage_identifier_key: grant.usage_identifier_key.clone(), ..Caller::default() })
}

/// A token proves; then the method's scopes and the resource policy decide.
async fn by_token(
    asked: Asked<'_>,
    place: &Place<'_>,
    authorizer: &StageAuthorizer,
    scopes: &[String],
    facts: &mut AccessFacts,
) -> Result<Caller, Failure> {
    let (grant, _) = grant(asked, place, authorizer, facts).await?;
    let resource = place.resource_policy(None);
    checked(asked, &mut facts.authorize, || {
        token_fits(&grant, authorizer.event, scopes)?;
        allowed_alone(place, resource)
    })?;
    let caller = Authorizer { members: grant.context.clone(), is_token: true, integration_latency: None };
    Ok(Caller { authorizer: Some(caller), ..Caller::default() })
}

/// What the authorizer says of this identity, and how long its function took for it.
async fn grant(
    asked: Asked<'_>,
    place: &Place<'_>,
    authorizer: &StageAuthorizer,
    facts: &mut AccessFacts,
) -> Result<(std::sync::Arc<Grant>, std::time::Duration), Failure> {
    let started = asked.release.clock.elapsed();
    let called = std::sync::OnceLock::new();
    let result = match identity::values(asked, authorizer) {
        Ok(identity) => {
            let event = || match authorizer.event {
                AuthorizerEvent::Request(format) => lambda_proxy::authorizer_event(asked, place.arn(), &identity, format),
                _ => identity::token_event(&identity, place.arn()),
            };
            let now_seconds = asked.context.request_time_ms / 1000;
            authorizer.decides.authorize(authorizer::Asked { identity: &identity, event: &event, now_seconds, called: &called }).await
        }
        Err(failure) => Err(failure),
    };
    let fact = Some(noted(asked, started, result.as_ref().err()));
    if authorizer.event.is_function() {
        facts.authorizer = fact;
        facts.authorizer_call = called.get().map(|called| (called.status, called.latency));
    } else {
        facts.authenticate = fact;
    }
    let latency = called.get().map(|called| called.latency).unwrap_or_default();
    result.map(|grant| (grant, latency))
}

/// Whether a function's decision covers this method: asked anew for every request, also of a decision that was kept.
fn covers(place: &Place<'_>, grant: &Grant, resource: Option<Effect>) -> Result<(), Failure> {
    let own = match &grant.verdict {
        Verdict::Allowed => Effect::Allow,
        Verdict::Denied => Effect::Neither,
        Verdict::Policy(policy) => place.evaluate(policy, None, INVOKE),
    };
    match together(own, resource) {
        Effect::Allow => Ok(()),
        Effect::Deny => {
            Err(Failure::new(ResponseType::AccessDenied, "User is not authorized to access this resource with an explicit deny"))
        }
        Effect::Neither => Err(Failure::new(ResponseType::AccessDenied, "User is not authorized to access this resource")),
    }
}

/// With scopes, an access token that has one of them; without, a Cognito user's ID token.
fn token_fits(grant: &Grant, event: AuthorizerEvent, scopes: &[String]) -> Result<(), Failure> {
    let Some(token) = &grant.token else { return Err(authorizer::unauthorized("there is no token")) };
    let is_cognito = event == AuthorizerEvent::CognitoToken;
    let fits = if scopes.is_empty() {
        !is_cognito || !token.is_access_token
    } else {
        (!is_cognito || token.is_access_token) && scopes.iter().any(|wanted| token.scopes.iter().any(|scope| **scope == **wanted))
    };
    match (fits, is_cognito) {
        (true, _) => Ok(()),
        (false, true) => Err(authorizer::unauthorized("the token has none of the method's scopes")),
        (false, false) => Err(Failure::forbidden("the token has none of the method's scopes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables A and B of the guide's `apigateway-authorization-flow`.
    #[test]
    fn policies_come_together_by_the_guides_tables() {
        use Effect::{Allow, Deny, Neither};
        for (own, resource, same_account, other_account) in [
            (Allow, Allow, Allow, Allow),
            (Allow, Neither, Allow, Neither),
            (Allow, Deny, Deny, Deny),
            (Neither, Allow, Allow, Neither),
            (Neither, Neither, Neither, Neither),
            (Neither, Deny, Deny, Deny),
            (Deny, Allow, Deny, Deny),
            (Deny, Neither, Deny, Deny),
            (Deny, Deny, Deny, Deny),
        ] {
            assert_eq!((together(own, Some(resource)), both(own, Some(resource))), (same_account, other_account), "{own:?} {resource:?}");
        }
        assert_eq!((together(Allow, None), both(Allow, None)), (Allow, Neither));
    }
}
