//! Who may call: the resource policy, the signature or the authorizer, and what they come to together.
//!
//! The order and the tables are those of API Gateway's guide, `apigateway-authorization-flow`.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::integration_request::Asked;
use super::lambda_proxy;
use super::sources::Sources;
use crate::apigateway::authorizer::IamPrincipal;
use crate::apigateway::policy::{self, Effect};
use crate::authorizer::sigv4::{self, ContentHash, Refused};
use crate::authorizer::{self, Grant, Verdict};
use crate::exchange::{Authorizer, Failure, ResponseType};
use crate::snapshot::{Access, AuthorizerEvent, StageAuthorizer};

const INVOKE: &str = "execute-api:Invoke";
/// Of a method's ARN where anything is decided by it, in bytes (API Gateway's guide).
const ARN: usize = 1600;

/// Who calls.
#[derive(Debug, Default)]
pub(super) struct Caller {
    /// `$context.authorizer`.
    pub(super) authorizer: Option<Authorizer>,
    /// What a signature adds to `$context.identity`.
    pub(super) identity: Map<String, Value>,
    /// The API key that an authorizer named.
    pub(super) usage_identifier_key: Option<Box<str>>,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Decision {
    /// The caller may call.
    Allowed(Caller),
    /// A signature covers content that has not been read yet.
    NeedsContent,
}

/// Decides about a caller. `content`: the request's, once it is there.
///
/// # Errors
/// 401, 403, or 500 where nobody can tell.
pub(super) async fn decide(asked: Asked<'_>, content: Option<&Bytes>) -> Result<Decision, Failure> {
    let Asked { release, operation, .. } = asked;
    if matches!(operation.access, Access::Open) && release.resource_policy.is_none() {
        return Ok(Decision::Allowed(Caller::default()));
    }
    let arn = method_arn(asked)?;
    match &operation.access {
        Access::Nobody => Err(Failure::configuration("the method's authorizer cannot be asked")),
        Access::Open => match resource_policy(asked, &arn, None) {
            None | Some(Effect::Allow) => Ok(Decision::Allowed(Caller::default())),
            Some(effect) => Err(not_authorized("anonymous", &arn, effect)),
        },
        Access::Iam => iam(asked, &arn, content),
        Access::Authorizer(authorizer, scopes) => by_authorizer(asked, &arn, authorizer, scopes).await.map(Decision::Allowed),
    }
}

/// `arn:…:{apiId}/{stage}/{VERB}/{path}` with the path as it was sent.
fn method_arn(asked: Asked<'_>) -> Result<String, Failure> {
    let Asked { release, request, .. } = asked;
    let path = request.resource_path.trim_start_matches('/');
    let arn = format!("{}{}/{}/{path}", release.arn_prefix, release.facts.stage, request.request.http_method);
    if arn.len() > ARN {
        return Err(Failure::new(ResponseType::Default4xx, "Request URI too long").with_status(414));
    }
    Ok(arn)
}

/// What the API's resource policy says; nothing: there is none.
fn resource_policy(asked: Asked<'_>, arn: &str, principal: Option<&str>) -> Option<Effect> {
    let policy = asked.release.resource_policy.as_ref()?;
    let key = |name: &str| condition_key(asked, principal, name);
    Some(policy.evaluate(&policy::Access { action: INVOKE, resource: arn, principal, key: &key }))
}

/// The condition keys that a request has a value for; those of networks inside AWS are absent.
fn condition_key<'a>(asked: Asked<'a>, principal: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    let request = &asked.request.request;
    let account = || principal.and_then(|arn| arn.split(':').nth(4)).map(Cow::from);
    match name {
        "aws:sourceip" => Some(request.peer.source_ip.to_canonical().to_string().into()),
        "aws:referer" => request.fields.text("referer").map(Cow::from),
        "aws:useragent" => request.fields.text("user-agent").map(Cow::from),
        "aws:securetransport" => Some(if request.peer.secure { "true" } else { "false" }.into()),
        "aws:currenttime" | "aws:epochtime" => Some((asked.context.request_time_ms / 1000).to_string().into()),
        "aws:principalarn" => principal.map(Cow::from),
        "aws:principalaccount" => account(),
        "aws:username" => {
            principal.and_then(|arn| arn.rsplit_once(":user/")).map(|(_, name)| name.rsplit('/').next().unwrap_or(name).into())
        }
        _ => None,
    }
}

fn not_authorized(who: &str, arn: &str, effect: Effect) -> Failure {
    let suffix = if effect == Effect::Deny { " with an explicit deny" } else { "" };
    let message = format!("User: {who} is not authorized to perform: {INVOKE} on resource: {}{suffix}", masked(arn));
    Failure::new(ResponseType::AccessDenied, message)
}

/// The account number is not for callers: eight asterisks and its last four digits.
fn masked(arn: &str) -> String {
    let mut parts: Vec<Cow<'_, str>> = arn.splitn(6, ':').map(Cow::from).collect();
    if let Some(account) = parts.get_mut(4) {
        *account = format!("********{}", account.get(account.len().saturating_sub(4)..).unwrap_or_default()).into();
    }
    parts.join(":")
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

fn iam(asked: Asked<'_>, arn: &str, content: Option<&Bytes>) -> Result<Decision, Failure> {
    let Asked { release, request, context, .. } = asked;
    let missing =
        || Failure::new(ResponseType::MissingAuthenticationToken, "Missing Authentication Token").with_detail("the request is not signed");
    let signature = sigv4::read(&request.request).ok_or_else(missing)?.map_err(unsigned)?;
    let now = context.request_time_ms / 1000;
    signature.check_time(now).map_err(unsigned)?;
    let unknown = || {
        Failure::new(ResponseType::AccessDenied, "The security token included in the request is invalid.")
            .with_error_type("UnrecognizedClientException")
            .with_detail("the access key is not known")
    };
    let principal = release.principals.get(signature.access_key_id).ok_or_else(unknown)?;
    let token = principal.session_token.as_ref().map(crate::apigateway::usage_plan::Secret::reveal);
    if !same(token.unwrap_or_default(), signature.session_token.as_deref().unwrap_or_default()) {
        return Err(unknown());
    }
    let hash = sigv4::content_hash(&request.request, &signature);
    let content = match (hash, content) {
        (ContentHash::Computed, None) => return Ok(Decision::NeedsContent),
        (_, content) => content.map_or(&[][..], |content| content),
    };
    signature.verify(&request.request, hash, content, principal.secret_access_key.reveal()).map_err(unsigned)?;
    let own = own_effect(asked, principal, arn);
    let resource = resource_policy(asked, arn, Some(&principal.arn));
    let account = principal.arn.split(':').nth(4).unwrap_or_default();
    let effect = if account == &*release.facts.account_id { together(own, resource) } else { both(own, resource) };
    if effect != Effect::Allow {
        return Err(not_authorized(&principal.arn, arn, effect));
    }
    Ok(Decision::Allowed(Caller { identity: identity(principal, account), ..Caller::default() }))
}

fn own_effect(asked: Asked<'_>, principal: &IamPrincipal, arn: &str) -> Effect {
    let key = |name: &str| condition_key(asked, Some(&principal.arn), name);
    let access = policy::Access { action: INVOKE, resource: arn, principal: Some(&principal.arn), key: &key };
    principal.policies.iter().fold(Effect::Neither, |effect, policy| together(effect, Some(policy.evaluate(&access))))
}

/// Whether the caller of an admitted request may make the cache forget: a signed caller whose policies allow `execute-api:InvalidateCache`.
pub(super) fn may_invalidate(asked: Asked<'_>) -> bool {
    let Access::Iam = asked.operation.access else { return false };
    let Some(Ok(signature)) = sigv4::read(&asked.request.request) else { return false };
    let (Some(principal), Ok(arn)) = (asked.release.principals.get(signature.access_key_id), method_arn(asked)) else { return false };
    let key = |name: &str| condition_key(asked, Some(&principal.arn), name);
    let access = policy::Access { action: "execute-api:InvalidateCache", resource: &arn, principal: Some(&principal.arn), key: &key };
    principal.policies.iter().fold(Effect::Neither, |effect, policy| together(effect, Some(policy.evaluate(&access)))) == Effect::Allow
}

fn identity(principal: &IamPrincipal, account: &str) -> Map<String, Value> {
    let name = principal.arn.rsplit('/').next().unwrap_or_default();
    let members = [
        ("accessKey", principal.access_key_id.as_str()),
        ("accountId", account),
        ("caller", name),
        ("user", name),
        ("userArn", &principal.arn),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn unsigned(refused: Refused) -> Failure {
    match refused {
        Refused::Incomplete => Failure::new(ResponseType::InvalidSignature, "The request signature is incomplete or cannot be read."),
        Refused::Expired => Failure::new(ResponseType::ExpiredToken, "Signature expired: the request's date is too far from now."),
        Refused::Mismatch => Failure::new(
            ResponseType::InvalidSignature,
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.",
        ),
    }
}

/// As long for a wrong text as for a right one of its length.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

async fn by_authorizer(asked: Asked<'_>, arn: &str, authorizer: &StageAuthorizer, scopes: &[String]) -> Result<Caller, Failure> {
    let is_function = matches!(authorizer.event, AuthorizerEvent::Token | AuthorizerEvent::Request);
    let resource = resource_policy(asked, arn, None);
    // What is denied in any case costs no call of a function.
    if is_function && resource == Some(Effect::Deny) {
        return Err(not_authorized("anonymous", arn, Effect::Deny));
    }
    let identity = identity_values(asked, authorizer)?;
    let event = || match authorizer.event {
        AuthorizerEvent::Request => lambda_proxy::authorizer_event(asked, arn),
        _ => {
            let token = identity.first().map(String::as_str).unwrap_or_default();
            Bytes::from(serde_json::json!({ "type": "TOKEN", "authorizationToken": token, "methodArn": arn }).to_string())
        }
    };
    let question = authorizer::Asked { identity: &identity, event: &event, now_seconds: asked.context.request_time_ms / 1000 };
    let grant = authorizer.decides.authorize(question).await?;
    if is_function {
        covers(asked, arn, &grant, resource)?;
    } else {
        token_fits(&grant, authorizer.event, scopes)?;
        match resource {
            None | Some(Effect::Allow) => {}
            Some(effect) => return Err(not_authorized("anonymous", arn, effect)),
        }
    }
    Ok(Caller {
        authorizer: Some(Authorizer(grant.context.clone())),
        identity: Map::new(),
        usage_identifier_key: grant.usage_identifier_key.clone(),
    })
}

/// The values that say who asks; each that is named must be there.
fn identity_values(asked: Asked<'_>, authorizer: &StageAuthorizer) -> Result<Vec<String>, Failure> {
    let sources = Sources::of_request(asked.request, asked.context, Some(asked.release));
    let mut identity = Vec::with_capacity(authorizer.identity_sources.len());
    for source in &authorizer.identity_sources {
        let value = sources.text(source).filter(|value| !value.is_empty());
        identity.push(value.ok_or_else(|| authorizer::unauthorized(format!("the identity source {source} is missing")))?.into_owned());
    }
    if let Some(pattern) = &authorizer.identity_validation
        && !identity.first().is_some_and(|token| pattern.is_match(token))
    {
        return Err(authorizer::unauthorized("the token does not match `identityValidationExpression`"));
    }
    Ok(identity)
}

/// Whether a function's decision covers this method: asked anew for every request, also of a decision that was kept.
fn covers(asked: Asked<'_>, arn: &str, grant: &Grant, resource: Option<Effect>) -> Result<(), Failure> {
    let key = |name: &str| condition_key(asked, None, name);
    let own = match &grant.verdict {
        Verdict::Allowed => Effect::Allow,
        Verdict::Denied => Effect::Neither,
        Verdict::Policy(policy) => policy.evaluate(&policy::Access { action: INVOKE, resource: arn, principal: None, key: &key }),
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

    #[test]
    fn account_numbers_are_masked() {
        assert_eq!(masked("arn:aws:execute-api:r:123456789012:a/s/GET/x:y"), "arn:aws:execute-api:r:********9012:a/s/GET/x:y");
    }
}
