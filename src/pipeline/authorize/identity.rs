//! Who asks, by an authorizer's identity sources.

use bytes::Bytes;

use super::super::integration_request::Asked;
use super::super::sources::Sources;
use crate::authorizer::unauthorized;
use crate::exchange::Failure;
use crate::mapping::expression::Expression;
use crate::snapshot::StageAuthorizer;

/// The values that say who asks; each that is named must be there.
pub(super) fn values(asked: Asked<'_>, authorizer: &StageAuthorizer) -> Result<Vec<String>, Failure> {
    let missing = |source: &Expression| unauthorized(format!("the identity source {source} is missing"));
    let mut identity = Vec::with_capacity(authorizer.identity_sources.len());
    for source in &authorizer.identity_sources {
        let value = if authorizer.event.is_request() { joined(asked, source) } else { single(asked, source)? };
        identity.push(value.filter(|value| !value.is_empty()).ok_or_else(|| missing(source))?);
    }
    if let Some(pattern) = &authorizer.identity_validation
        && !identity.first().is_some_and(|token| pattern.is_match(token))
    {
        return Err(unauthorized("the token does not match `identityValidationExpression`"));
    }
    Ok(identity)
}

/// A token's value. Two of them leave open which one an endpoint will believe.
fn single(asked: Asked<'_>, source: &Expression) -> Result<Option<String>, Failure> {
    let (fields, query) = (&asked.request.request.fields, asked.request.query());
    let count = match source {
        Expression::Header(_, name) => fields.all(name).count(),
        Expression::QueryString(name) => query.all(name).count(),
        _ => 1,
    };
    if count > 1 {
        return Err(unauthorized(format!("the identity source {source} is there more than once")));
    }
    let sources = Sources::of_request(asked.request, asked.context, Some(asked.release));
    Ok(sources.text(source).map(std::borrow::Cow::into_owned))
}

/// All values of a source as one text: the function sees them all, so they all say whose decision it is.
fn joined(asked: Asked<'_>, source: &Expression) -> Option<String> {
    match source {
        Expression::Header(_, name) => {
            // HTTP/2 splits a long `Cookie` (RFC 9113, section 8.2.3).
            let separator = if name.eq_ignore_ascii_case("cookie") { "; " } else { "," };
            let values = asked.request.request.fields.all(name).map(|value| std::str::from_utf8(value.as_bytes()).ok());
            values.collect::<Option<Vec<&str>>>().map(|values| values.join(separator))
        }
        Expression::QueryString(name) => Some(asked.request.query().all(name).collect::<Vec<&str>>().join(",")),
        other => {
            let sources = Sources::of_request(asked.request, asked.context, Some(asked.release));
            sources.text(other).map(std::borrow::Cow::into_owned)
        }
    }
}

/// The event of a TOKEN authorizer.
pub(super) fn token_event(identity: &[String], method_arn: &str) -> Bytes {
    let token = identity.first().map(String::as_str).unwrap_or_default();
    serde_json::json!({ "type": "TOKEN", "authorizationToken": token, "methodArn": method_arn }).to_string().into()
}
