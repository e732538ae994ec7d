//! The response cache of a method: whether it has one, and what its keys are made of.

use std::sync::Arc;

use http::Method;

use crate::apigateway::integration::{Integration, RequestDestination};
use crate::apigateway::stage::{MethodSettings, UnauthorizedCacheControl};
use crate::exchange::{Answer, Failure, FieldName};
use crate::mapping::expression::{Expression, Message, Scope};
use crate::store::{Cache, Caches};

/// A stage's response cache: answers of endpoints, before the response mappings.
pub type ResponseCache = Cache<Answer, Failure>;
/// The response caches of all stages.
pub type ResponseCaches = Caches<Answer, Failure>;

/// The default of `cacheTtlInSeconds`.
const TTL: u32 = 300;

/// A method's cache.
#[derive(Debug)]
pub struct MethodCache {
    /// The stage's cache.
    pub cache: Arc<ResponseCache>,
    /// How long an answer is served, in seconds; more than 0.
    pub ttl_seconds: u32,
    /// So much longer it may stand in for a failure, in seconds.
    pub stale_if_error_seconds: u32,
    /// The integration's `cacheNamespace`, or its resource's id.
    pub namespace: Box<str>,
    /// Whether it is for GET alone, though the method takes others: a method ANY that only the stage's settings give a cache.
    pub get_only: bool,
    /// What a request's key has of it.
    pub key_parameters: Vec<Expression>,
    /// Whether `Cache-Control: max-age=0` takes a permission.
    pub requires_authorization: bool,
    /// What becomes of it without.
    pub unauthorized: UnauthorizedCacheControl,
}

/// The cache of a method, if its settings give it one. What the stage says of all methods goes for GET alone.
pub(super) fn method_cache(
    cache: Option<&Arc<ResponseCache>>,
    own: Option<&MethodSettings>,
    all: Option<&MethodSettings>,
    http_method: Option<&Method>,
    integration: &Integration,
    resource_id: &str,
) -> Option<MethodCache> {
    let cache = cache?;
    let settings = || [own, all].into_iter().flatten();
    let of_own = own.and_then(|own| own.caching_enabled);
    let may_be_get = http_method.is_none_or(|method| *method == Method::GET);
    let enabled = of_own.or_else(|| all.and_then(|all| all.caching_enabled).filter(|_| may_be_get));
    let ttl_seconds = settings().find_map(|settings| settings.cache_ttl_seconds).unwrap_or(TTL);
    if enabled != Some(true) || ttl_seconds == 0 {
        return None;
    }
    Some(MethodCache {
        cache: Arc::clone(cache),
        ttl_seconds,
        stale_if_error_seconds: settings().find_map(|settings| settings.stale_if_error_seconds).unwrap_or(0),
        namespace: integration.cache_namespace.as_deref().unwrap_or(resource_id).into(),
        get_only: of_own.is_none(),
        key_parameters: integration.cache_key_parameters.iter().filter_map(|name| key_parameter(name, integration)).collect(),
        requires_authorization: settings().find_map(|settings| settings.require_authorization_for_cache_control).unwrap_or(true),
        unauthorized: settings().find_map(|settings| settings.unauthorized_cache_control).unwrap_or_default(),
    })
}

/// `method.request.querystring.x`, or `integration.request.querystring.x`: then what is mapped to it. All values count, not the last alone.
fn key_parameter(name: &str, integration: &Integration) -> Option<Expression> {
    if let Some(name) = name.strip_prefix("integration.request.") {
        let (place, key) = name.split_once('.')?;
        let is_it = |destination: &RequestDestination| match (place, destination) {
            ("header", RequestDestination::Header(known)) => FieldName::parse(key.as_bytes()).is_some_and(|name| name == *known),
            ("querystring", RequestDestination::QueryString(known)) | ("path", RequestDestination::Path(known)) => **known == *key,
            _ => false,
        };
        return integration
            .request_parameters
            .iter()
            .find(|parameter| is_it(&parameter.destination))
            .map(|parameter| parameter.source.clone());
    }
    Some(match Expression::parse(name, Scope::Request)? {
        Expression::QueryString(name) => Expression::MultiValueQueryString(name),
        Expression::Header(Message::MethodRequest, name) => Expression::MultiValueHeader(Message::MethodRequest, name),
        other => other,
    })
}
