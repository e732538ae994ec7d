//! Functions that decide: TOKEN and REQUEST authorizers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::future::Cache;
use serde_json::{Map, Value};

use super::{Asked, Authorize, Grant, Verdict, unauthorized, unusable};
use crate::apigateway::policy::Policy;
use crate::exchange::{Endpoint, Failure};
use crate::outbound::aws::{Aws, Invocation, InvocationType};

/// A function may take so long.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of a function's answer, in bytes.
const ANSWER: usize = 64 << 10;
/// Decisions that one authorizer keeps.
const KEPT: u64 = 10_000;

/// The function that decides.
#[derive(Debug, Clone)]
pub struct Function {
    /// Where Lambda answers.
    pub endpoint: Arc<Endpoint>,
    /// Its region.
    pub region: Box<str>,
    /// The function's name or ARN, percent-encoded as one segment.
    pub name: Arc<str>,
    /// What `execute-api:/…` in its policies stands for.
    pub arn_prefix: Box<str>,
    /// Whether it may answer `{"isAuthorized": true}`.
    pub simple_responses: bool,
}

/// A Lambda authorizer.
#[derive(Debug)]
pub struct Lambda {
    aws: Arc<Aws>,
    function: Function,
    /// By identity; nothing: every request asks the function.
    kept: Option<Cache<Box<str>, Arc<Grant>>>,
}

impl Lambda {
    /// An authorizer that keeps decisions for `ttl_seconds`.
    #[must_use]
    pub fn new(aws: Arc<Aws>, function: Function, ttl_seconds: u32) -> Self {
        let cache = || Cache::builder().max_capacity(KEPT).time_to_live(Duration::from_secs(ttl_seconds.into())).build();
        Self { aws, function, kept: (ttl_seconds > 0).then(cache) }
    }

    async fn ask(&self, asked: Asked<'_>) -> Result<Arc<Grant>, Failure> {
        let Function { endpoint, region, name, .. } = &self.function;
        let invocation = Invocation {
            endpoint: Arc::clone(endpoint),
            region: region.clone(),
            function: Arc::clone(name),
            invocation_type: InvocationType::RequestResponse,
            payload: (asked.event)(),
            timeout: TIMEOUT,
        };
        let invoked = self.aws.invoke(invocation).await.map_err(|error| unusable(format!("the authorizer cannot be asked: {error}")))?;
        if !(200..300).contains(&invoked.status) {
            return Err(unusable(format!("Lambda answered {} for the authorizer", invoked.status)));
        }
        if invoked.payload.len() > ANSWER {
            return Err(unusable(format!("the authorizer answered more than {ANSWER} bytes")));
        }
        let answer: Value = serde_json::from_slice(&invoked.payload).map_err(|_| unusable("the authorizer answered no JSON"))?;
        if invoked.function_error {
            let message = answer.get("errorMessage").and_then(Value::as_str).unwrap_or_default();
            return Err(if message == "Unauthorized" {
                unauthorized("the authorizer says Unauthorized")
            } else {
                unusable(format!("the authorizer failed: {}", message.chars().take(200).collect::<String>()))
            });
        }
        self.grant(&answer).map(Arc::new).map_err(unusable)
    }

    /// Reads what the function decided.
    fn grant(&self, answer: &Value) -> Result<Grant, String> {
        let mut context = Map::new();
        if self.function.simple_responses
            && let Some(allowed) = answer.get("isAuthorized")
        {
            let allowed = allowed.as_bool().ok_or("`isAuthorized` is no boolean")?;
            context.extend(answer.get("context").and_then(Value::as_object).cloned().unwrap_or_default());
            let verdict = if allowed { Verdict::Allowed } else { Verdict::Denied };
            return Ok(Grant { context, verdict, ..Grant::default() });
        }
        let principal = match answer.get("principalId") {
            Some(Value::String(text)) if !text.is_empty() => text.clone(),
            Some(number @ Value::Number(_)) => number.to_string(),
            _ => return Err("the authorizer named no `principalId`".to_owned()),
        };
        let document = answer.get("policyDocument").ok_or("the authorizer gave no `policyDocument`")?;
        let policy = Policy::parse(document, &self.function.arn_prefix).map_err(|error| format!("the authorizer's policy: {error}"))?;
        context.insert("principalId".to_owned(), principal.into());
        match answer.get("context") {
            None | Some(Value::Null) => {}
            Some(Value::Object(members)) => {
                for (name, value) in members {
                    let text = match value {
                        Value::String(text) => text.clone(),
                        Value::Null => continue,
                        Value::Bool(_) | Value::Number(_) => value.to_string(),
                        _ => return Err(format!("the authorizer's context value `{name}` is neither text nor number nor boolean")),
                    };
                    context.insert(name.clone(), text.into());
                }
            }
            Some(_) => return Err("the authorizer's context is no object".to_owned()),
        }
        let usage_identifier_key = answer.get("usageIdentifierKey").and_then(Value::as_str).map(Into::into);
        Ok(Grant { context, verdict: Verdict::Policy(policy), usage_identifier_key, token: None })
    }
}

#[async_trait]
impl Authorize for Lambda {
    async fn authorize(&self, asked: Asked<'_>) -> Result<Arc<Grant>, Failure> {
        match &self.kept {
            // Those who come at once with one identity wait for one answer; a failure is told to each and kept for none.
            Some(kept) => kept.try_get_with(identity_key(asked.identity), self.ask(asked)).await.map_err(|failure| (*failure).clone()),
            None => self.ask(asked).await,
        }
    }
}

/// Lengths before values, so that no two identities have one key.
fn identity_key(identity: &[String]) -> Box<str> {
    let mut key = String::with_capacity(identity.iter().map(|value| value.len() + 6).sum());
    for value in identity {
        key.push_str(&value.len().to_string());
        key.push(':');
        key.push_str(value);
    }
    key.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_cannot_be_confused() {
        let key = |values: &[&str]| identity_key(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>());
        assert_ne!(key(&["a", "bc"]), key(&["ab", "c"]));
        assert_ne!(key(&["1:a"]), key(&["", "a"]));
    }
}
