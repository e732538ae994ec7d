//! The API key: which one the caller shows, and what it opens here.

use crate::apigateway::api::ApiKeySource;
use crate::exchange::{Failure, MethodRequest, ResponseType};
use crate::snapshot::{Operation, Release, Subscription};

/// What the caller's key opens; nothing where the method asks for none. `usage_identifier_key` is what an authorizer named.
///
/// # Errors
/// 403 in the same words for every reason: a key that is missing, unknown, disabled, or in no plan of this stage.
pub(super) fn find<'r>(
    release: &'r Release,
    operation: &Operation,
    request: &'r MethodRequest,
    usage_identifier_key: Option<&str>,
) -> Result<Option<Subscription<'r>>, Failure> {
    if !operation.api_key_required {
        return Ok(None);
    }
    let value = value(release, request, usage_identifier_key);
    let found = value.and_then(|value| release.api_keys.find(value, &release.plans));
    found.map(Some).ok_or_else(|| {
        let detail = if value.is_some() { "the API key opens nothing on this stage" } else { "there is no API key" };
        Failure::new(ResponseType::InvalidApiKey, "Forbidden").with_detail(detail)
    })
}

/// The value that the caller shows, from where the API looks for it.
pub(super) fn value<'r>(release: &Release, request: &'r MethodRequest, usage_identifier_key: Option<&'r str>) -> Option<&'r str> {
    match release.api_key_source {
        ApiKeySource::Header => request.request.fields.text("x-api-key"),
        ApiKeySource::Authorizer => usage_identifier_key,
    }
}
