//! The response cache: it stands in for the endpoint, so that a kept answer goes through the response mappings like a fresh one.

use super::authorize;
use super::integration_request::Asked;
use super::sources::{Found, Sources};
use crate::apigateway::stage::UnauthorizedCacheControl;
use crate::exchange::{Answer, Failure, ResponseType};
use crate::snapshot::MethodCache;
use crate::store::{Computed, Keep, Key, KeyBuilder};

/// Content beyond this size, in bytes, is not kept (API Gateway's guide).
const LARGEST: usize = 1_048_576;

/// What a key with a parameter or two takes, in bytes.
const USUAL_KEY: usize = 192;

/// What a request asks of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// What is kept, if anything is.
    Kept,
    /// The endpoint's own answer, which is kept from then on.
    Anew,
    /// What is kept; the caller wanted otherwise and may not.
    KeptWithWarning,
}

/// What `Cache-Control: max-age=0` comes to.
///
/// # Errors
/// 403 where a caller may not and the method says so.
pub(super) fn wish(asked: Asked<'_>, cache: &MethodCache) -> Result<Wish, Failure> {
    let asks = |value: &http::HeaderValue| {
        value.as_bytes().split(|&byte| byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(b"max-age=0"))
    };
    if !asked.request.request.fields.all("cache-control").any(asks) {
        return Ok(Wish::Kept);
    }
    if !cache.requires_authorization || authorize::may_invalidate(asked) {
        return Ok(Wish::Anew);
    }
    match cache.unauthorized {
        UnauthorizedCacheControl::SucceedWithResponseHeader => Ok(Wish::KeptWithWarning),
        UnauthorizedCacheControl::SucceedWithoutResponseHeader => Ok(Wish::Kept),
        UnauthorizedCacheControl::FailWith403 => {
            Err(Failure::new(ResponseType::AccessDenied, "User is not authorized to invalidate the cache entry"))
        }
    }
}

/// The key of a request. API and stage are the cache's own; the deployment is not, so that a canary and its stage share what both may serve.
pub(super) fn key(asked: Asked<'_>, cache: &MethodCache) -> Result<Key, Failure> {
    let mut key = KeyBuilder::with_capacity(USUAL_KEY);
    let facts = &asked.release.facts;
    for part in [&*facts.deployment_id, &*cache.namespace, asked.request.request.http_method.as_str(), &*asked.operation.resource.path] {
        key.part(Some(part.as_bytes()));
    }
    // Stage variables decide whom the endpoint is: a canary with others of its own is somebody else.
    key.part(Some(asked.release.variables_fingerprint.as_bytes()));
    let sources = Sources::of_request(asked.request, asked.context, Some(asked.release));
    for parameter in &cache.key_parameters {
        match sources.find(parameter)? {
            None => key.part(None),
            Some(Found::One(value)) => key.part(Some(value.as_bytes())),
            Some(Found::Many(values)) => {
                key.part(Some(&(values.len() as u64).to_le_bytes()));
                values.iter().for_each(|value| key.part(Some(value.as_bytes())));
            }
        }
    }
    Ok(key.build())
}

/// An answer with what becomes of it.
pub(super) fn computed(cache: &MethodCache, answer: Answer, is_function: bool) -> Computed<Answer> {
    let response = &answer.response;
    let fields: usize = response.fields.iter().map(|field| field.name.as_str().len() + field.value.len() + 64).sum();
    let seconds = |seconds: u32| u64::from(seconds) * 1000;
    let keep = if response.status >= 500 || (is_function && response.selector.is_some()) {
        // An endpoint or a function that failed may do better the next time.
        Keep::Failed
    } else if response.content.len() > LARGEST {
        Keep::Not
    } else {
        Keep::For { fresh: seconds(cache.ttl_seconds), stale: seconds(cache.stale_if_error_seconds) }
    };
    Computed { weight: u32::try_from(response.content.len() + fields + 256).unwrap_or(u32::MAX), value: answer, keep }
}
