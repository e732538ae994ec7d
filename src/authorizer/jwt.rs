//! Tokens that prove: `COGNITO_USER_POOLS` and `JWT` (RFC 7519, RFC 8725).

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Validation, decode, decode_header};
use moka::future::Cache;
use regex::Regex;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::jwks::KeySet;
use super::{Asked, Authorize, Grant, TokenFacts, Verdict, unauthorized};
use crate::exchange::{Failure, ResponseType};

/// Of a token, in characters.
const TOKEN: usize = 8192;
/// Two machines' clocks may differ by so much, in seconds, where a token says when it begins; its end is its end.
const LEEWAY: u64 = 60;
/// Tokens that one authorizer remembers.
const REMEMBERED: u64 = 50_000;

/// For whom a token must be meant.
#[derive(Debug)]
pub enum Audience {
    /// Cognito: ID tokens by this pattern of their `aud`, if there is one; access tokens by their scopes.
    Cognito(Option<Regex>),
    /// `jwtConfiguration.audience`: one of these as `aud`, or as `client_id` where there is no `aud`.
    OneOf(Vec<String>),
}

/// An authorizer by tokens.
#[derive(Debug)]
pub struct Jwt {
    /// Issuers with their keys.
    issuers: Vec<(String, Arc<KeySet>)>,
    audience: Audience,
    /// By the token's hash: what was verified need not be verified again before it expires.
    remembered: Option<Cache<[u8; 32], Arc<Remembered>>>,
}

#[derive(Debug)]
struct Remembered {
    grant: Arc<Grant>,
    expires: u64,
}

impl Jwt {
    /// An authorizer that accepts tokens of these issuers; `remembers`: verified ones until they expire.
    #[must_use]
    pub fn new(issuers: Vec<(String, Arc<KeySet>)>, audience: Audience, remembers: bool) -> Self {
        Self { issuers, audience, remembered: remembers.then(|| Cache::new(REMEMBERED)) }
    }

    async fn verify(&self, token: &str, now: u64) -> Result<(Grant, u64), Failure> {
        let header = decode_header(token).map_err(|_| unauthorized("the token cannot be read"))?;
        // Who it says it is from only chooses the keys; the signature proves it.
        let claimed = unverified_issuer(token).ok_or_else(|| unauthorized("the token names no issuer"))?;
        let (issuer, keys) =
            self.issuers.iter().find(|(issuer, _)| *issuer == claimed).ok_or_else(|| unauthorized("the token is of another issuer"))?;
        let key = keys.key(header.kid.as_deref(), now).await.ok_or_else(|| unauthorized("the token's key is not known"))?;
        if !key.algorithms.contains(&header.alg) {
            return Err(unauthorized("the token's algorithm is not its key's"));
        }
        let mut validation = Validation::new(header.alg);
        validation.algorithms = vec![header.alg];
        // Times and audience are checked below, with the clock that is handed in and without lenience towards types.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        validation.set_issuer(&[issuer]);
        let claims =
            decode::<Map<String, Value>>(token, &key.key, &validation).map_err(|_| unauthorized("the token's signature is wrong"))?;
        let claims = claims.claims;
        let expires = self.check(&claims, now)?;
        Ok((grant(&claims), expires))
    }

    /// When the token expires, if it is valid now and meant for this API.
    fn check(&self, claims: &Map<String, Value>, now: u64) -> Result<u64, Failure> {
        let time = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(value) => {
                let seconds = value.as_u64().or_else(|| value.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64));
                seconds.map(Some).ok_or_else(|| unauthorized(format!("the token's `{name}` is no time")))
            }
        };
        let expires = time("exp")?.ok_or_else(|| unauthorized("the token never expires"))?;
        if expires <= now {
            let expired = Failure::new(ResponseType::Unauthorized, "The incoming token has expired");
            return Err(expired);
        }
        for begins in ["nbf", "iat"] {
            if time(begins)?.is_some_and(|begins| begins > now + LEEWAY) {
                return Err(unauthorized("the token is not valid yet"));
            }
        }
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let audiences: Vec<&str> = match claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let meant = match &self.audience {
            Audience::Cognito(pattern) => {
                matches!(text("token_use"), Some("id" | "access"))
                    && pattern.as_ref().is_none_or(|pattern| audiences.iter().any(|audience| pattern.is_match(audience)))
            }
            Audience::OneOf(wanted) => {
                let is_wanted = |name: &&str| wanted.iter().any(|wanted| wanted == name);
                audiences.iter().any(is_wanted)
                    || (!claims.contains_key("aud") && text("client_id").is_some_and(|client| is_wanted(&client)))
            }
        };
        if meant { Ok(expires) } else { Err(unauthorized("the token is meant for somebody else")) }
    }
}

fn unverified_issuer(token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    claims.get("iss")?.as_str().map(str::to_owned)
}

/// Claims reach templates and functions as texts.
fn grant(claims: &Map<String, Value>) -> Grant {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    };
    let texts: Map<String, Value> = claims.iter().map(|(name, value)| (name.clone(), text(value).into())).collect();
    let scopes = claims.get("scope").or_else(|| claims.get("scp"));
    let scopes = scopes.map(&text).unwrap_or_default();
    let scopes: Vec<Box<str>> = scopes.split([' ', ',']).filter(|scope| !scope.is_empty()).map(Into::into).collect();
    let is_access_token = claims.get("token_use").and_then(Value::as_str) == Some("access");
    let mut context = Map::new();
    context.insert("claims".to_owned(), Value::Object(texts));
    if !scopes.is_empty() {
        context.insert("scopes".to_owned(), scopes.iter().map(|scope| Value::from(&**scope)).collect());
    }
    Grant { context, verdict: Verdict::Allowed, usage_identifier_key: None, token: Some(TokenFacts { scopes, is_access_token }) }
}

#[async_trait]
impl Authorize for Jwt {
    async fn authorize(&self, asked: Asked<'_>) -> Result<Arc<Grant>, Failure> {
        let given = asked.identity.first().ok_or_else(|| unauthorized("there is no token"))?;
        let token = match given.get(..7) {
            Some(start) if start.eq_ignore_ascii_case("bearer ") => given.get(7..).unwrap_or_default().trim(),
            _ => given.trim(),
        };
        if token.len() > TOKEN {
            return Err(unauthorized("the token is too long"));
        }
        let Some(remembered) = &self.remembered else {
            return self.verify(token, asked.now_seconds).await.map(|(grant, _)| Arc::new(grant));
        };
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = remembered.get(&hash).await {
            if known.expires > asked.now_seconds {
                return Ok(Arc::clone(&known.grant));
            }
            remembered.invalidate(&hash).await;
        }
        let (grant, expires) = self.verify(token, asked.now_seconds).await?;
        let grant = Arc::new(grant);
        remembered.insert(hash, Arc::new(Remembered { grant: Arc::clone(&grant), expires })).await;
        Ok(grant)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(audience: Audience, claims: Value, now: u64) -> Result<u64, u16> {
        let jwt = Jwt::new(Vec::new(), audience, false);
        jwt.check(claims.as_object().unwrap(), now).map_err(|failure| failure.status())
    }

    #[test]
    fn times_are_numbers_and_hold() {
        let cognito = || Audience::Cognito(None);
        assert_eq!(check(cognito(), json!({"exp": 100, "token_use": "id"}), 99), Ok(100));
        for claims in [
            json!({"exp": 99, "token_use": "id"}),
            json!({"token_use": "id"}),
            json!({"exp": "100", "token_use": "id"}),
            json!({"exp": 100, "nbf": 200, "token_use": "id"}),
            json!({"exp": 100, "nbf": "1", "token_use": "id"}),
            json!({"exp": 100, "iat": 200, "token_use": "id"}),
            json!({"exp": 100}),
            json!({"exp": 100, "token_use": "refresh"}),
        ] {
            assert_eq!(check(cognito(), claims.clone(), 99), Err(401), "{claims}");
        }
    }

    #[test]
    fn a_token_is_meant_for_this_api() {
        let wanted = || Audience::OneOf(vec!["me".into()]);
        for (claims, right) in [
            (json!({"exp": 9, "aud": "me"}), true),
            (json!({"exp": 9, "aud": ["you", "me"]}), true),
            (json!({"exp": 9, "client_id": "me"}), true),
            (json!({"exp": 9, "aud": "you", "client_id": "me"}), false),
            (json!({"exp": 9, "aud": 7}), false),
            (json!({"exp": 9}), false),
        ] {
            assert_eq!(check(wanted(), claims.clone(), 1).is_ok(), right, "{claims}");
        }
        let pattern = Audience::Cognito(Some(Regex::new("^(?:app.*)$").unwrap()));
        assert_eq!(check(pattern, json!({"exp": 9, "token_use": "access"}), 1), Err(401), "access tokens have no `aud`");
    }

    #[test]
    fn claims_are_texts() {
        let grant = grant(json!({"exp": 9, "groups": ["a", "b"], "ok": true, "scope": "r w", "token_use": "access"}).as_object().unwrap());
        assert_eq!(grant.context["claims"], json!({"exp": "9", "groups": "a,b", "ok": "true", "scope": "r w", "token_use": "access"}));
        let token = grant.token.unwrap();
        assert!(token.is_access_token && token.scopes.len() == 2);
    }
}
