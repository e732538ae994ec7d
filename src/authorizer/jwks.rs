//! The keys of an issuer: fetched, kept, refreshed beside requests, kept on when the issuer is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Method;
use jsonwebtoken::Algorithm;
use serde_json::Value;

use super::jwk::{Key, read};
use crate::exchange::{Endpoint, EndpointRequest, FieldName, Fields, Scheme};
use crate::outbound::Client;

/// A fetch may take so long.
const TIMEOUT: Duration = Duration::from_millis(1500);
/// Of a key set, in bytes.
const SIZE: usize = 150_000;
/// Between two fetches, in seconds, whatever keys are asked for.
const APART: u64 = 30;
/// Keys of this age, in seconds, are fetched anew beside the requests that use them.
const STALE: u64 = 3600;
/// Of a key's id, in characters.
const KID: usize = 256;

/// The keys of one issuer.
pub struct KeySet {
    client: Arc<Client>,
    /// Where they are; nothing: they came from a file and stay.
    location: Option<Location>,
    keys: ArcSwap<Vec<Arc<Key>>>,
    /// When they were asked for last, in seconds since 1970; 0: never.
    asked: AtomicU64,
    /// When they came last.
    came: AtomicU64,
    fetching: tokio::sync::Mutex<()>,
}

/// Where an issuer's keys are.
#[derive(Debug, Clone)]
enum Location {
    Keys(Box<str>),
    /// This issuer's own document names the address (OpenID Connect Discovery).
    Discovery(Box<str>),
}

/// The issuer was never reached: nobody can tell who signed a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Away;

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySet").field("location", &self.location).field("keys", &self.keys.load().len()).finish_non_exhaustive()
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
        Self::new(client, Some(Location::Discovery(issuer.into())), Vec::new())
    }

    /// Keys that were read from a file.
    ///
    /// # Errors
    /// When it is no key set.
    pub fn from_text(client: Arc<Client>, text: &str) -> Result<Self, String> {
        Ok(Self::new(client, None, read(text.as_bytes())?))
    }

    fn new(client: Arc<Client>, location: Option<Location>, keys: Vec<Arc<Key>>) -> Self {
        let keys = ArcSwap::from_pointee(keys);
        Self { client, location, keys, asked: AtomicU64::new(0), came: AtomicU64::new(0), fetching: tokio::sync::Mutex::new(()) }
    }

    /// The key of an id that may sign with an algorithm. One that is not known is asked for, at most every half minute.
    pub(super) async fn key(self: &Arc<Self>, id: Option<&str>, algorithm: Algorithm, now: u64) -> Result<Option<Arc<Key>>, Away> {
        if id.is_some_and(|id| id.len() > KID) {
            return Ok(None);
        }
        if let Some(key) = self.known(id, algorithm) {
            if self.is_stale(now) {
                drop(tokio::spawn(Arc::clone(self).refresh(now)));
            }
            return Ok(Some(key));
        }
        let under_way = self.fetching.try_lock().is_err();
        if self.location.is_some() && (under_way || self.may_ask(now)) {
            // Its own task: a caller who leaves does not end what others wait for.
            let _ = tokio::spawn(Arc::clone(self).refresh(now)).await;
        }
        match self.known(id, algorithm) {
            None if self.keys.load().is_empty() => Err(Away),
            key => Ok(key),
        }
    }

    fn known(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Arc<Key>> {
        let keys = self.keys.load();
        match id {
            Some(id) => keys.iter().find(|key| key.id.as_deref() == Some(id) && key.signs_with(algorithm)).cloned(),
            // A token that names no key can mean only the one that there is.
            None => keys.first().filter(|key| keys.len() == 1 && key.signs_with(algorithm)).cloned(),
        }
    }

    /// A clock that was set back does not put the next fetch off.
    fn may_ask(&self, now: u64) -> bool {
        let asked = self.asked.load(Ordering::Relaxed);
        asked == 0 || asked.abs_diff(now) >= APART
    }

    fn is_stale(&self, now: u64) -> bool {
        self.location.is_some() && self.came.load(Ordering::Relaxed).abs_diff(now) >= STALE && self.may_ask(now)
    }

    /// Fetches the keys unless somebody has just done so; those that are there stay where that fails.
    async fn refresh(self: Arc<Self>, now: u64) {
        let _turn = self.fetching.lock().await;
        let Some(location) = self.location.as_ref().filter(|_| self.may_ask(now)) else { return };
        self.asked.store(now, Ordering::Relaxed);
        match self.fetch(location).await.and_then(|bytes| read(&bytes)) {
            Ok(keys) => {
                self.keys.store(Arc::new(keys));
                self.came.store(now, Ordering::Relaxed);
            }
            Err(error) => tracing::warn!("an issuer's keys cannot be fetched, those that are known stay: {error}"),
        }
    }

    async fn fetch(&self, location: &Location) -> Result<Bytes, String> {
        match location {
            Location::Keys(url) => get(&self.client, url).await,
            Location::Discovery(issuer) => {
                let document = get(&self.client, &format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))).await?;
                get(&self.client, &keys_address(&document, issuer)?).await
            }
        }
    }
}

/// Where an issuer's document says that its keys are (OpenID Connect Discovery, section 4.3: it must not be another issuer's).
fn keys_address(document: &[u8], issuer: &str) -> Result<String, String> {
    let document: Value = serde_json::from_slice(document).map_err(|error| error.to_string())?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    if text("issuer").is_some_and(|named| named.trim_end_matches('/') != issuer.trim_end_matches('/')) {
        return Err(format!("the document of {issuer} is another issuer's"));
    }
    let address = text("jwks_uri").ok_or("the issuer's document names no `jwks_uri`")?;
    // An issuer elsewhere must not send the gateway to what listens on this machine alone.
    if issuer.starts_with("https://") && !address.starts_with("https://") {
        return Err(format!("the document of {issuer} names keys that are not fetched over HTTPS"));
    }
    Ok(address.to_owned())
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
    let (response, _) = client.call_within(&request, SIZE).await.map_err(|error| error.to_string())?;
    if response.status == 200 { Ok(response.content) } else { Err(format!("{url}: status {}", response.status)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuers_document_is_its_own_and_names_a_safe_place() {
        let address = |issuer: &str, named: &str, keys: &str| {
            keys_address(format!(r#"{{"issuer": "{named}", "jwks_uri": "{keys}"}}"#).as_bytes(), issuer).is_ok()
        };
        assert!(address("https://a.example/", "https://a.example/", "https://keys.example/k"));
        assert!(address("http://127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:1/k"));
        assert!(!address("https://a.example", "https://b.example", "https://a.example/k"));
        assert!(!address("https://a.example", "https://a.example", "http://127.0.0.1:9901/k"));
        assert!(keys_address(b"{}", "https://a.example").is_err());
    }

    #[test]
    fn a_clock_that_is_set_back_puts_nothing_off() {
        let set = KeySet::at(Arc::new(Client::new()), "https://a.example/k");
        assert!(set.may_ask(1000));
        set.asked.store(1000, Ordering::Relaxed);
        assert!(!set.may_ask(1029) && set.may_ask(1030) && set.may_ask(500));
        assert!(set.is_stale(4600) && !set.is_stale(1010));
    }
}
