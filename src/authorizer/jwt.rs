//! Tokens that prove: `COGNITO_USER_POOLS` and `JWT` (RFC 7519, RFC 8725).

use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use moka::future::Cache;
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::jwks::KeySet;
use super::{Asked, Authorize, Grant, TokenFacts, Verdict, unauthorized, unusable};
use crate::exchange::{Failure, ResponseType};

/// Of a token, in characters.
const TOKEN: usize = 8192;
/// Two machines' clocks may differ by so much, in seconds, where a token says when it begins; its end is its end.
const LEEWAY: u64 = 60;
/// What one authorizer's remembered tokens may take, in bytes.
const REMEMBERED: u64 = 32 << 20;

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
    remembered: Option<Cache<[u8; 32], Remembered>>,
}

#[derive(Debug, Clone)]
struct Remembered {
    grant: Arc<Grant>,
    expires: u64,
    /// About what it takes, in bytes.
    size: u32,
}

/// What of a token's header decides anything. `jwk`, `jku`, `x5c` and `x5u`, by which a token would bring its own key, are not read.
#[derive(Debug, Deserialize)]
struct Head {
    alg: Algorithm,
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515, section 4.1.11): none is.
    crit: Option<serde::de::IgnoredAny>,
}

/// A token taken apart. Nothing of it is proved.
struct Token<'t> {
    head: Head,
    claims: Map<String, Value>,
    /// What is signed: header and claims as sent.
    message: &'t str,
    signature: Vec<u8>,
}

impl<'t> Token<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let (message, signature) = text.rsplit_once('.')?;
        let (head, claims) = message.split_once('.')?;
        let head: Head = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).ok()?).ok()?;
        let claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        head.crit.is_none().then_some(Self { head, claims, message, signature })
    }
}

impl Jwt {
    /// An authorizer that accepts tokens of these issuers; `remembers`: verified ones until they expire.
    #[must_use]
    pub fn new(issuers: Vec<(String, Arc<KeySet>)>, audience: Audience, remembers: bool) -> Self {
        let cache = || Cache::builder().weigher(|_, known: &Remembered| known.size).max_capacity(REMEMBERED).build();
        Self { issuers, audience, remembered: remembers.then(cache) }
    }

    async fn verify(&self, text: &str, now: u64) -> Result<(Grant, u64), Failure> {
        let token = Token::read(text).ok_or_else(|| unauthorized("the token cannot be read"))?;
        // Who it says it is from only chooses the keys; the signature proves it.
        let claimed = token.claims.get("iss").and_then(Value::as_str).ok_or_else(|| unauthorized("the token names no issuer"))?;
        let issuer = self.issuers.iter().find(|(issuer, _)| issuer == claimed);
        let (_, keys) = issuer.ok_or_else(|| unauthorized("the token is of another issuer"))?;
        let key = keys.key(token.head.kid.as_deref(), token.head.alg, now).await;
        let key = key.map_err(|_| unusable("the issuer's keys were never fetched"))?;
        let key = key.ok_or_else(|| unauthorized("no key of the issuer has the token's id and algorithm"))?;
        if !key.signed(token.head.alg, token.message.as_bytes(), &token.signature) {
            return Err(unauthorized("the token's signature is wrong"));
        }
        let expires = self.check(&token.claims, now)?;
        Ok((self.grant(token.claims), expires))
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

    /// Claims reach templates and functions as texts. A REST API shows no scopes beside them.
    fn grant(&self, mut claims: Map<String, Value>) -> Grant {
        let scopes = claims.get("scope").or_else(|| claims.get("scp"));
        let scopes: Vec<Box<str>> = match scopes {
            Some(Value::String(text)) => text.split(' ').filter(|scope| !scope.is_empty()).map(Into::into).collect(),
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(Into::into).collect(),
            _ => Vec::new(),
        };
        let is_access_token = claims.get("token_use").and_then(Value::as_str) == Some("access");
        for value in claims.values_mut().filter(|value| !value.is_string()) {
            *value = text(value).into();
        }
        let mut context = Map::new();
        context.insert("claims".to_owned(), Value::Object(claims));
        if matches!(self.audience, Audience::OneOf(_)) {
            let listed: Value = if scopes.is_empty() { Value::Null } else { scopes.iter().map(|scope| Value::from(&**scope)).collect() };
            context.insert("scopes".to_owned(), listed);
        }
        let token = Some(TokenFacts { scopes, is_access_token });
        Grant { context: Arc::new(context), verdict: Verdict::Allowed, usage_identifier_key: None, token }
    }
}

/// By aws-lc, which is three times as fast as what is written in Rust where the processor has no instructions for it.
fn hash(token: &str) -> [u8; 32] {
    // Of SHA-256's length (FIPS 180-4, section 1), so that this copies all of it and nothing is left.
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    }
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
        let hash = hash(token);
        if let Some(known) = remembered.get(&hash).await {
            if known.expires > asked.now_seconds {
                return Ok(known.grant);
            }
            remembered.invalidate(&hash).await;
        }
        let (grant, expires) = self.verify(token, asked.now_seconds).await?;
        let grant = Arc::new(grant);
        // Its claims as texts and as a tree, and the cache's own part.
        let size = u32::try_from(512 + 4 * token.len()).unwrap_or(u32::MAX);
        remembered.insert(hash, Remembered { grant: Arc::clone(&grant), expires, size }).await;
        Ok(grant)
    }

    fn forget(&self) {
        if let Some(remembered) = &self.remembered {
            remembered.invalidate_all();
        }
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
    fn a_header_chooses_nothing() {
        let token = |head: Value| format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(head.to_string()), URL_SAFE_NO_PAD.encode("{}"));
        assert!(Token::read(&token(json!({"alg": "RS256", "kid": "k", "jku": "http://x/", "jwk": {"kty": "oct"}}))).is_some());
        for head in [
            json!({"alg": "none"}),
            json!({"alg": "None"}),
            json!({"alg": ""}),
            json!({}),
            json!({"alg": "RS256", "kid": 7}),
            json!({"alg": "RS256", "crit": ["exp"]}),
            json!({"alg": ["RS256"]}),
        ] {
            assert!(Token::read(&token(head.clone())).is_none(), "{head}");
        }
        let twice = format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","alg":"HS256"}"#), URL_SAFE_NO_PAD.encode("{}"));
        for text in ["", ".", "..", "a.b", "a.b.c.d", &twice] {
            assert!(Token::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn claims_are_texts() {
        let jwt = Jwt::new(Vec::new(), Audience::Cognito(None), false);
        let claims = json!({"exp": 9, "groups": ["a", "b"], "ok": true, "scope": "r w,x", "token_use": "access"});
        let grant = jwt.grant(claims.as_object().unwrap().clone());
        assert_eq!(grant.context["claims"], json!({"exp": "9", "groups": "a,b", "ok": "true", "scope": "r w,x", "token_use": "access"}));
        let token = grant.token.unwrap();
        assert!(token.is_access_token);
        // A comma may be part of a scope's name (RFC 6749, section 3.3).
        assert_eq!(token.scopes.iter().map(|scope| &**scope).collect::<Vec<_>>(), ["r", "w,x"]);
        let listed =
            Jwt::new(Vec::new(), Audience::OneOf(Vec::new()), false).grant(json!({"scp": ["a b", "c"]}).as_object().unwrap().clone());
        assert_eq!(listed.context["scopes"], json!(["a b", "c"]));
    }
}
