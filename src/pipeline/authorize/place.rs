//! What is asked for, as policies name it: the method's ARN, and the request's condition keys.

use std::borrow::Cow;
use std::sync::OnceLock;

use super::super::integration_request::Asked;
use super::super::reading;
use crate::apigateway::policy::{Access, Effect, Policy};
use crate::exchange::{Failure, ResponseType};

pub(super) const INVOKE: &str = "execute-api:Invoke";
/// Of a method's ARN where anything is decided by it, in bytes (API Gateway's guide).
const ARN: usize = 1600;

/// The method that a request is for.
pub(super) struct Place<'a> {
    asked: Asked<'a>,
    arn: OnceLock<String>,
    /// The ARN of the path without its oddities, where it has any: a denial means every spelling of a path.
    plain: OnceLock<Option<String>>,
}

impl<'a> Place<'a> {
    /// The method of a request.
    ///
    /// # Errors
    /// 414 where its ARN is longer than the service takes.
    pub(super) fn of(asked: Asked<'a>) -> Result<Self, Failure> {
        let Asked { release, request, .. } = asked;
        let length = release.arn_prefix.len()
            + release.facts.stage.len()
            + request.request.http_method.as_str().len()
            + request.resource_path.trim_start_matches('/').len()
            + 2;
        if length > ARN {
            return Err(Failure::new(ResponseType::Default4xx, "Request URI too long").with_status(414));
        }
        Ok(Self { asked, arn: OnceLock::new(), plain: OnceLock::new() })
    }

    /// `arn:…:{apiId}/{stage}/{VERB}/{path}` with the path as it was sent.
    pub(super) fn arn(&self) -> &str {
        self.arn.get_or_init(|| self.arn_of(self.asked.request.resource_path.trim_start_matches('/')))
    }

    fn arn_of(&self, path: &str) -> String {
        let Asked { release, request, .. } = self.asked;
        format!("{}{}/{}/{path}", release.arn_prefix, release.facts.stage, request.request.http_method)
    }

    /// The region that a signature must be made for.
    pub(super) fn region(&self) -> &str {
        self.asked.release.arn_prefix.split(':').nth(3).unwrap_or_default()
    }

    /// What the API's resource policy says; nothing: there is none.
    pub(super) fn resource_policy(&self, principal: Option<&str>) -> Option<Effect> {
        self.asked.release.resource_policy.as_ref().map(|policy| self.evaluate(policy, principal, INVOKE))
    }

    /// What a policy says of an action on the method.
    pub(super) fn evaluate(&self, policy: &Policy, principal: Option<&str>, action: &str) -> Effect {
        let key = |name: &str| condition_key(self.asked, principal, name);
        let effect = policy.evaluate(&Access { action, resource: self.arn(), principal, key: &key });
        let plain = || reading::plain(&self.asked.request.resource_path).map(|path| self.arn_of(&path));
        match self.plain.get_or_init(plain) {
            Some(plain) if policy.evaluate(&Access { action, resource: plain, principal, key: &key }) == Effect::Deny => Effect::Deny,
            _ => effect,
        }
    }

    /// The refusal by a policy that names callers.
    pub(super) fn not_authorized(&self, who: &str, effect: Effect) -> Failure {
        let suffix = if effect == Effect::Deny { " with an explicit deny" } else { "" };
        let message = format!("User: {who} is not authorized to perform: {INVOKE} on resource: {}{suffix}", masked(self.arn()));
        Failure::new(ResponseType::AccessDenied, message)
    }
}

/// The condition keys that a request has a value for; those of networks inside AWS are absent.
fn condition_key<'a>(asked: Asked<'a>, principal: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    let request = &asked.request.request;
    let part = |index: usize| principal.and_then(|arn| arn.splitn(6, ':').nth(index));
    let user = || part(5).and_then(|name| name.strip_prefix("user/")).map(|name| name.rsplit('/').next().unwrap_or(name));
    match name {
        "aws:sourceip" => Some(request.peer.source_ip.to_canonical().to_string().into()),
        "aws:referer" => request.fields.text("referer").map(Cow::from),
        "aws:useragent" => request.fields.text("user-agent").map(Cow::from),
        "aws:securetransport" => Some(if request.peer.secure { "true" } else { "false" }.into()),
        "aws:currenttime" | "aws:epochtime" => Some((asked.context.request_time_ms / 1000).to_string().into()),
        "aws:principalarn" => principal.map(Cow::from),
        "aws:principalaccount" => part(4).map(Cow::from),
        "aws:principaltype" => part(5).map(|name| match name.split_once('/') {
            Some(("user", _)) => "User".into(),
            Some(_) => "AssumedRole".into(),
            None => "Account".into(),
        }),
        "aws:username" => user().map(Cow::from),
        "aws:userid" => user().or_else(|| part(5)?.rsplit('/').next()).map(Cow::from),
        _ => None,
    }
}

/// The account number is not for callers: eight asterisks and its last four digits.
fn masked(arn: &str) -> String {
    let mut parts: Vec<Cow<'_, str>> = arn.splitn(6, ':').map(Cow::from).collect();
    if let Some(account) = parts.get_mut(4) {
        *account = format!("********{}", account.get(account.len().saturating_sub(4)..).unwrap_or_default()).into();
    }
    parts.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_numbers_are_masked() {
        assert_eq!(masked("arn:aws:execute-api:r:123456789012:a/s/GET/x:y"), "arn:aws:execute-api:r:********9012:a/s/GET/x:y");
    }
}
