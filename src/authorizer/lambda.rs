//! Functions that decide: TOKEN and REQUEST authorizers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::future::Cache;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{Asked, Authorize, Called, Grant, Verdict, unauthorized, unusable};
use crate::apigateway::policy::Policy;
use crate::exchange::{Endpoint, Failure};
use crate::outbound::aws::{Aws, Invocation, InvocationType, Role};

/// A function may take so long.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of a function's answer, in bytes.
const ANSWER: usize = 64 << 10;
/// What the decisions that one authorizer keeps may take, in bytes.
const KEPT: u64 = 32 << 20;

/// The function that decides.
#[derive(Debug, Clone)]
pub struct Function {
    /// Where Lambda answers.
    pub endpoint: Arc<Endpoint>,
    /// Its region.
    pub region: Box<str>,
    /// The function's name or ARN, percent-encoded as one segment.
    pub name: Arc<str>,
    /// The role that signs; nothing: the gateway's own credentials.
    pub role: Option<Box<str>>,
    /// What `execute-api:/…` in its policies stands for.
    pub arn_prefix: Box<str>,
    /// What it answers.
    pub answers: Answers,
}

/// What a function answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// A policy, and a context of texts, numbers and booleans.
    Policy,
    /// The same, with values of any kind in the context (payload format 2.0).
    PolicyAndValues,
    /// `{"isAuthorized": true}` (payload format 2.0 with `enableSimpleResponses`).
    Simple,
}

/// A Lambda authorizer.
#[derive(Debug)]
pub struct Lambda {
    aws: Arc<Aws>,
    function: Function,
    role: Option<Arc<Role>>,
    /// By the identity's hash; nothing: every request asks the function.
    kept: Option<Cache<[u8; 32], Kept>>,
}

#[derive(Debug, Clone)]
struct Kept {
    grant: Arc<Grant>,
    /// About what it takes, in bytes.
    size: u32,
}

impl Lambda {
    /// An authorizer that keeps decisions for `ttl_seconds`.
    #[must_use]
    pub fn new(aws: Arc<Aws>, function: Function, ttl_seconds: u32) -> Self {
        let ttl = Duration::from_secs(ttl_seconds.into());
        let cache = || Cache::builder().weigher(|_, kept: &Kept| kept.size).max_capacity(KEPT).time_to_live(ttl).build();
        let role = function.role.as_deref().map(|arn| aws.roles().role(arn));
        Self { aws, function, role, kept: (ttl_seconds > 0).then(cache) }
    }

    async fn ask(&self, asked: Asked<'_>) -> Result<Kept, Failure> {
        let Function { endpoint, region, name, .. } = &self.function;
        let invocation = Invocation {
            endpoint: Arc::clone(endpoint),
            region: region.clone(),
            role: self.role.clone(),
            function: Arc::clone(name),
            invocation_type: InvocationType::RequestResponse,
            payload: (asked.event)(),
            timeout: TIMEOUT,
            result_limit: ANSWER,
        };
        let invoked = self.aws.invoke(invocation).await.map_err(|error| unusable(format!("the authorizer cannot be asked: {error}")))?;
        let _ = asked.called.set(Called { status: invoked.status, latency: invoked.latency });
        if !(200..300).contains(&invoked.status) {
            return Err(unusable(format!("Lambda answered {} for the authorizer", invoked.status)));
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
        let grant = grant(&answer, &self.function).map(Arc::new).map_err(unusable)?;
        // Its policy and context as trees, and the cache's own part.
        Ok(Kept { grant, size: u32::try_from(512 + 4 * invoked.payload.len()).unwrap_or(u32::MAX) })
    }
}

/// Reads what a function decided.
fn grant(answer: &Value, function: &Function) -> Result<Grant, String> {
    let given = match answer.get("context") {
        None | Some(Value::Null) => None,
        Some(Value::Object(members)) => Some(members),
        Some(_) => return Err("the authorizer's context is no object".to_owned()),
    };
    if function.answers == Answers::Simple {
        let allowed = answer.get("isAuthorized").and_then(Value::as_bool).ok_or("`isAuthorized` is no boolean")?;
        let verdict = if allowed { Verdict::Allowed } else { Verdict::Denied };
        return Ok(Grant { context: Arc::new(given.cloned().unwrap_or_default()), verdict, ..Grant::default() });
    }
    let principal = match answer.get("principalId") {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(number @ Value::Number(_)) => number.to_string(),
        _ => return Err("the authorizer named no `principalId`".to_owned()),
    };
    let document = answer.get("policyDocument").ok_or("the authorizer gave no `policyDocument`")?;
    let policy = Policy::parse(document, Some(&function.arn_prefix)).map_err(|error| format!("the authorizer's policy: {error}"))?;
    let mut context = Map::new();
    context.insert("principalId".to_owned(), principal.into());
    // Who calls is not for the context to say.
    for (name, value) in given.into_iter().flatten().filter(|(name, _)| *name != "principalId") {
        let value = match value {
            Value::Null => continue,
            value if function.answers == Answers::PolicyAndValues => value.clone(),
            Value::String(_) => value.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string().into(),
            _ => return Err(format!("the authorizer's context value `{name}` is neither text nor number nor boolean")),
        };
        context.insert(name.clone(), value);
    }
    let usage_identifier_key = answer.get("usageIdentifierKey").and_then(Value::as_str).map(Into::into);
    Ok(Grant { context: Arc::new(context), verdict: Verdict::Policy(policy), usage_identifier_key, token: None })
}

#[async_trait]
impl Authorize for Lambda {
    async fn authorize(&self, asked: Asked<'_>) -> Result<Arc<Grant>, Failure> {
        let Some(kept) = &self.kept else { return Box::pin(self.ask(asked)).await.map(|asked| asked.grant) };
        let key = identity_key(asked.identity);
        if let Some(known) = kept.get(&key).await {
            return Ok(known.grant);
        }
        // Those who come at once with one identity wait for one answer; a failure is told to each and kept for none. The state of a call is
        // large, so it stands apart from that of a decision that is there.
        match Box::pin(kept.try_get_with(key, self.ask(asked))).await {
            Ok(kept) => Ok(kept.grant),
            Err(failure) => Err((*failure).clone()),
        }
    }

    fn forget(&self) {
        if let Some(kept) = &self.kept {
            kept.invalidate_all();
        }
    }
}

/// Lengths before values, so that no two identities have one key; a hash, so that no token is kept.
fn identity_key(identity: &[String]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for value in identity {
        hash.update((value.len() as u64).to_be_bytes());
        hash.update(value);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(answers: Answers, answer: Value) -> Result<Grant, String> {
        let endpoint = Endpoint {
            scheme: crate::exchange::Scheme::Http,
            host: "h".into(),
            port: 1,
            vpc_link: None,
            insecure_skip_verification: false,
            allow_link_local: false,
        };
        let arn_prefix = "arn:aws:execute-api:r:1:a/".into();
        grant(&answer, &Function { endpoint: Arc::new(endpoint), region: "r".into(), name: "f".into(), role: None, arn_prefix, answers })
    }

    fn allowing(more: Value) -> Value {
        let mut answer = json!({"principalId": "p", "policyDocument": {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}});
        answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        answer
    }

    #[test]
    fn identities_cannot_be_confused() {
        let key = |values: &[&str]| identity_key(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>());
        assert_ne!(key(&["a", "bc"]), key(&["ab", "c"]));
        assert_ne!(key(&["1:a"]), key(&["", "a"]));
    }

    #[test]
    fn a_context_holds_texts_numbers_and_booleans() {
        let context = json!({"context": {"n": 1, "b": true, "t": "x", "nothing": null, "principalId": "root"}, "usageIdentifierKey": "k"});
        let grant = read(Answers::Policy, allowing(context)).unwrap();
        assert_eq!(Value::Object((*grant.context).clone()), json!({"principalId": "p", "n": "1", "b": "true", "t": "x"}));
        assert_eq!(grant.usage_identifier_key.as_deref(), Some("k"));
        let nested = json!({"context": {"o": {"a": [1]}}});
        assert!(read(Answers::Policy, allowing(nested.clone())).is_err());
        assert_eq!(read(Answers::PolicyAndValues, allowing(nested)).unwrap().context["o"], json!({"a": [1]}));
    }

    #[test]
    fn what_is_no_decision_is_none() {
        for answer in [
            json!(null),
            json!("Allow"),
            json!([]),
            json!({}),
            allowing(json!({"principalId": null})),
            allowing(json!({"principalId": ""})),
            allowing(json!({"policyDocument": null})),
            allowing(json!({"policyDocument": {"Statement": {"Effect": "allow", "Action": "*", "Resource": "*"}}})),
            allowing(json!({"policyDocument": {"Statement": {"Effect": "Allow", "Action": "*"}}})),
            allowing(json!({"context": "x"})),
            allowing(json!({"context": ["x"]})),
            json!({"isAuthorized": true}),
        ] {
            assert!(read(Answers::Policy, answer.clone()).is_err(), "{answer}");
        }
        for answer in [json!({"isAuthorized": "true"}), json!({"isAuthorized": 1}), json!({}), allowing(json!({}))] {
            assert!(read(Answers::Simple, answer.clone()).is_err(), "{answer}");
        }
        assert!(matches!(read(Answers::Simple, json!({"isAuthorized": false})).unwrap().verdict, Verdict::Denied));
        assert!(matches!(read(Answers::Simple, json!({"isAuthorized": true, "context": {"a": {}}})).unwrap().verdict, Verdict::Allowed));
    }
}
