//! The keys of an issuer (RFC 7517): fetched, kept, refreshed beside requests, kept on when the issuer is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Method;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use crate::exchange::{Endpoint, EndpointRequest, FieldName, Fields, Scheme};
use crate::outbound::Client;

/// A fetch may take so long.
const TIMEOUT: Duration = Duration::from_millis(1500);
/// Of a key set, in bytes.
const SIZE: usize = 150_000;
/// Keys of one issuer that are read.
const KEYS: usize = 100;
/// Between two fetches, in seconds, whatever keys are asked for.
const APART: u64 = 30;
/// Keys of this age, in seconds, are fetched anew beside the requests that use them.
const STALE: u64 = 3600;
/// Of a key's id, in characters.
const KID: usize = 256;

/// A key, and what may be signed with it.
pub(super) struct Key {
    id: Option<Box<str>>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
}

/// The keys of one issuer.
pub struct KeySet {
    client: Arc<Client>,
    /// Where they are; nothing: they came from a file and stay.
    url: Option<Location>,
    keys: ArcSwap<Vec<Arc<Key>>>,
    /// When they were asked for last, in seconds since 1970; 0: never.
    asked: AtomicU64,
    fetching: tokio::sync::Mutex<()>,
}

/// Where an issuer's keys are.
#[derive(Debug, Clone)]
enum Location {
    Keys(Box<str>),
    /// The issuer's own document names the address (OpenID Connect Discovery).
    Discovery(Box<str>),
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySet").field("url", &self.url).field("keys", &self.keys.load().len()).finish_non_exhaustive()
    }
}

impl KeySet {
    /// Keys that are fetched from `url` when they are first needed.
    #[must_use]
    pub fn at(client: Arc<Client>, url: &str) -> Self {
        Self::new(client, Some(Location::Keys(url.into())), Vec::new())
    }

    /// Keys of an issuer whose discovery document names where they are.
    #[must_use]
    pub fn of_issuer(client: Arc<Client>, issuer: &str) -> Self {
        Self::new(client, Some(Location::Discovery(format!("{issuer}/.well-known/openid-configuration").into())), Vec::new())
    }

    /// Keys that were read from a file.
    ///
    /// # Errors
    /// When it is no key set.
    pub fn from_text(client: Arc<Client>, text: &str) -> Result<Self, String> {
        Ok(Self::new(client, None, read(text.as_bytes())?))
    }

    fn new(client: Arc<Client>, url: Option<Location>, keys: Vec<Arc<Key>>) -> Self {
        Self { client, url, keys: ArcSwap::from_pointee(keys), asked: AtomicU64::new(0), fetching: tokio::sync::Mutex::new(()) }
    }

    /// The key of an id. One that is not known is asked for, at most every half minute.
    pub(super) async fn key(self: &Arc<Self>, id: Option<&str>, now_seconds: u64) -> Option<Arc<Key>> {
        if id.is_some_and(|id| id.len() > KID) {
            return None;
        }
        if let Some(key) = self.known(id) {
            self.refresh_if_stale(now_seconds);
            return Some(key);
        }
        self.url.as_ref()?;
        let _turn = self.fetching.lock().await;
        // Somebody else may have fetched it meanwhile.
        if let Some(key) = self.known(id) {
            return Some(key);
        }
        let asked = self.asked.load(Ordering::Relaxed);
        if asked != 0 && now_seconds < asked + APART {
            return None;
        }
        self.fetch(now_seconds).await;
        self.known(id)
    }

    fn known(&self, id: Option<&str>) -> Option<Arc<Key>> {
        let keys = self.keys.load();
        match id {
            Some(id) => keys.iter().find(|key| key.id.as_deref() == Some(id)).cloned(),
            // A token that names no key can mean only the one that there is.
            None => keys.first().filter(|_| keys.len() == 1).cloned(),
        }
    }

    fn refresh_if_stale(self: &Arc<Self>, now_seconds: u64) {
        let asked = self.asked.load(Ordering::Relaxed);
        let due = self.url.is_some() && now_seconds >= asked + STALE;
        if due && self.asked.compare_exchange(asked, now_seconds, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let keys = Arc::clone(self);
            tokio::spawn(async move { keys.fetch(now_seconds).await });
        }
    }

    /// Fetches the keys; those that are there stay where that fails.
    async fn fetch(&self, now_seconds: u64) {
        self.asked.store(now_seconds, Ordering::Relaxed);
        let fetched = match &self.url {
            None => return,
            Some(Location::Keys(url)) => get(&self.client, url).await,
            Some(Location::Discovery(url)) => match get(&self.client, url).await.and_then(|document| keys_address(&document)) {
                Ok(url) => get(&self.client, &url).await,
                Err(error) => Err(error),
            },
        };
        match fetched.and_then(|bytes| read(&bytes)) {
            Ok(keys) => self.keys.store(Arc::new(keys)),
            Err(error) => tracing::warn!("an issuer's keys cannot be fetched, those that are known stay: {error}"),
        }
    }
}

fn keys_address(document: &[u8]) -> Result<String, String> {
    let document: Value = serde_json::from_slice(document).map_err(|error| error.to_string())?;
    document
        .get("jwks_uri")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| "the issuer's document names no `jwks_uri`".to_owned())
}

async fn get(client: &Client, url: &str) -> Result<Bytes, String> {
    let parsed = url::Url::parse(url).map_err(|error| format!("{url}: {error}"))?;
    let scheme = if parsed.scheme() == "https" { Scheme::Https } else { Scheme::Http };
    let endpoint = Endpoint {
        scheme,
        host: parsed.host_str().unwrap_or_default().trim_matches(['[', ']']).into(),
        port: parsed.port_or_known_default().unwrap_or(443),
        vpc_link: None,
        insecure_skip_verification: false,
        allow_link_local: false,
    };
    let is_loopback =
        endpoint.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()) || &*endpoint.host == "localhost";
    if scheme == Scheme::Http && !is_loopback {
        return Err(format!("{url}: keys are fetched over HTTPS, or from this machine"));
    }
    let mut fields = Fields::default();
    fields.append_text(FieldName::from_static("Host"), &endpoint.authority());
    fields.append_text(FieldName::from_static("Accept"), "application/json");
    let request = EndpointRequest {
        endpoint: Arc::new(endpoint),
        http_method: Method::GET,
        path_and_query: parsed.query().map_or_else(|| parsed.path().to_owned(), |query| format!("{}?{query}", parsed.path())),
        fields,
        content: Bytes::new(),
        timeout: TIMEOUT,
    };
    let (response, _) = client.call(&request).await.map_err(|error| error.to_string())?;
    match response.status {
        200 if response.content.len() <= SIZE => Ok(response.content),
        200 => Err(format!("{url}: more than {SIZE} bytes")),
        status => Err(format!("{url}: status {status}")),
    }
}

/// Reads a key set. Keys that are for something else, or of a kind that proves nothing to others, are left out.
fn read(bytes: &[u8]) -> Result<Vec<Arc<Key>>, String> {
    let document: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let listed = document.get("keys").and_then(Value::as_array).ok_or("a key set has `keys`")?;
    let of_kind = |value: &Value| serde_json::from_value::<Jwk>(value.clone()).ok();
    let set = JwkSet { keys: listed.iter().take(KEYS).filter_map(of_kind).collect() };
    Ok(set.keys.iter().filter_map(key).map(Arc::new).collect())
}

/// A key with the algorithms that its kind allows: the token does not choose.
fn key(jwk: &Jwk) -> Option<Key> {
    use jsonwebtoken::jwk::{KeyAlgorithm, PublicKeyUse};
    if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)) {
        return None;
    }
    let mut algorithms = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => {
            vec![Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512]
        }
        AlgorithmParameters::EllipticCurve(parameters) => match parameters.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(_) => vec![Algorithm::EdDSA],
        AlgorithmParameters::OctetKey(_) => return None,
    };
    let named = match jwk.common.key_algorithm {
        None => None,
        Some(KeyAlgorithm::RS256) => Some(Algorithm::RS256),
        Some(KeyAlgorithm::RS384) => Some(Algorithm::RS384),
        Some(KeyAlgorithm::RS512) => Some(Algorithm::RS512),
        Some(KeyAlgorithm::PS256) => Some(Algorithm::PS256),
        Some(KeyAlgorithm::PS384) => Some(Algorithm::PS384),
        Some(KeyAlgorithm::PS512) => Some(Algorithm::PS512),
        Some(KeyAlgorithm::ES256) => Some(Algorithm::ES256),
        Some(KeyAlgorithm::ES384) => Some(Algorithm::ES384),
        Some(KeyAlgorithm::EdDSA) => Some(Algorithm::EdDSA),
        Some(_) => return None,
    };
    algorithms.retain(|algorithm| named.is_none_or(|named| named == *algorithm));
    let key = DecodingKey::from_jwk(jwk).ok()?;
    (!algorithms.is_empty()).then(|| Key { id: jwk.common.key_id.as_deref().map(Into::into), algorithms, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_that_prove_something_are_read() {
        let set = r#"{"keys": [
            {"kty": "oct", "kid": "h", "k": "c2VjcmV0"},
            {"kty": "RSA", "kid": "enc", "use": "enc", "n": "AQAB", "e": "AQAB"},
            {"kty": "RSA", "kid": "r", "alg": "RS256", "n": "AQAB", "e": "AQAB"},
            {"kty": "EC", "kid": "mixed", "alg": "RS256", "crv": "P-256", "x": "AQAB", "y": "AQAB"},
            {"kty": "new kind"}
        ]}"#;
        let keys = read(set.as_bytes()).unwrap();
        assert_eq!(keys.iter().map(|key| key.id.as_deref()).collect::<Vec<_>>(), [Some("r")]);
        assert_eq!(keys[0].algorithms, [Algorithm::RS256]);
        assert!(read(b"{}").is_err() && read(b"x").is_err());
    }
}
