//! Reads a [`Context`] under the names that API Gateway gives its parts.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::exchange::{Context, Identity};

/// The members of `$context.identity`, in the service's order.
pub(super) const IDENTITY: [&str; 12] = [
    "cognitoIdentityPoolId",
    "accountId",
    "cognitoIdentityId",
    "caller",
    "sourceIp",
    "principalOrgId",
    "accessKey",
    "cognitoAuthenticationType",
    "cognitoAuthenticationProvider",
    "userArn",
    "userAgent",
    "user",
];

/// The members of `$context` that every request has, in the service's order.
pub const MEMBERS: [&str; 16] = [
    "resourceId",
    "resourcePath",
    "httpMethod",
    "extendedRequestId",
    "requestTime",
    "path",
    "accountId",
    "protocol",
    "stage",
    "domainPrefix",
    "requestTimeEpoch",
    "requestId",
    "identity",
    "domainName",
    "deploymentId",
    "apiId",
];

/// The value of `$context.{path}`, such as `identity.sourceIp`; nothing where there is none.
#[must_use]
pub fn variable<'c>(context: &'c Context, path: &str) -> Option<Cow<'c, str>> {
    if let Some(text) = text(context, path) {
        return Some(text);
    }
    let (first, rest) = path.split_once('.').map_or((path, ""), |(first, rest)| (first, rest));
    let member = member(context, first)?;
    let found = rest.split('.').filter(|part| !part.is_empty()).try_fold(&member, |value, part| value.get(part))?;
    match found {
        Value::Null | Value::Object(_) => None,
        Value::String(text) => Some(Cow::Owned(text.clone())),
        other => Some(Cow::Owned(other.to_string())),
    }
}

/// The member `name` of `$context` as JSON.
#[must_use]
pub fn member(context: &Context, name: &str) -> Option<Value> {
    match name {
        "identity" => Some(Value::Object(identity(&context.identity))),
        "authorizer" => context.authorizer.as_ref().map(|authorizer| Value::Object(authorizer.0.clone())),
        "requestTimeEpoch" => Some(context.request_time_ms.into()),
        _ => text(context, name).map(|text| Value::String(text.into_owned())),
    }
}

/// Variables whose value is one text.
pub(super) fn text<'c>(context: &'c Context, path: &str) -> Option<Cow<'c, str>> {
    let stage = context.stage.as_deref();
    let resource = context.resource.as_deref();
    let number = |number: u64| Some(Cow::Owned(number.to_string()));
    match path {
        "accountId" => stage.map(|stage| (&*stage.account_id).into()),
        "apiId" => stage.map(|stage| (&*stage.api_id).into()),
        "stage" => stage.map(|stage| (&*stage.stage).into()),
        "deploymentId" => stage.map(|stage| (&*stage.deployment_id).into()),
        "isCanaryRequest" => stage.and_then(|stage| stage.is_canary_request).map(|canary| if canary { "true" } else { "false" }.into()),
        "resourceId" => resource.map(|resource| (&*resource.id).into()),
        "resourcePath" => resource.map(|resource| (&*resource.path).into()),
        "requestId" => Some((&*context.request_id).into()),
        "extendedRequestId" => Some((&*context.extended_request_id).into()),
        "httpMethod" => Some(context.http_method.as_str().into()),
        "path" => Some((&*context.path).into()),
        "protocol" => Some("HTTP/1.1".into()),
        "domainName" => Some((&*context.domain_name).into()),
        "domainPrefix" => context.domain_name.split('.').next().map(Cow::from),
        "customDomain.basePathMatched" => context.base_path_matched.as_deref().map(Cow::from),
        "requestTime" => Some(request_time(context.request_time_ms).into()),
        "requestTimeEpoch" => number(context.request_time_ms),
        "xrayTraceId" => context.trace_id.as_deref().map(Cow::from),
        "identity.sourceIp" => context.identity.source_ip.map(|address| address.to_string().into()),
        "identity.userAgent" => context.identity.user_agent.as_deref().map(Cow::from),
        "status" => number(context.status.into()),
        "responseLength" => number(context.response_length),
        "responseLatency" => number(context.response_latency_ms),
        "integration.status" | "integration.integrationStatus" | "integrationStatus" => {
            context.integration.status.and_then(|status| number(status.into()))
        }
        "integration.latency" | "integrationLatency" => {
            context.integration.latency.and_then(|latency| number(latency.as_millis().try_into().unwrap_or(u64::MAX)))
        }
        "integration.error" | "integrationErrorMessage" => context.integration.error.as_deref().map(Cow::from),
        "integration.requestId" | "awsEndpointRequestId" => context.integration.request_id.as_deref().map(Cow::from),
        _ => error(context, path.strip_prefix("error.")?),
    }
}

fn error<'c>(context: &'c Context, name: &str) -> Option<Cow<'c, str>> {
    let failure = context.error.as_ref()?;
    match name {
        "message" => failure.message.as_deref().map(Cow::from),
        "messageString" => {
            Some(failure.message.as_deref().map_or_else(|| "null".into(), |message| Value::from(message).to_string().into()))
        }
        "responseType" => Some(failure.response_type.name().into()),
        "validationErrorString" => failure.validation_errors.as_deref().map(|text| json_escaped(text).into()),
        _ => None,
    }
}

/// The inside of a JSON string: templates put this variable between quotes, and its own quotes must not end them.
fn json_escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned()
}

/// `$context.identity`, every member there, most of them null.
#[must_use]
pub fn identity(identity: &Identity) -> Map<String, Value> {
    let mut map: Map<String, Value> = IDENTITY.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            map.insert(name.to_owned(), value.into());
        }
    };
    set("sourceIp", identity.source_ip.map(|address| address.to_string()));
    set("userAgent", identity.user_agent.as_deref().map(str::to_owned));
    set("apiKey", identity.api_key.as_deref().map(str::to_owned));
    set("apiKeyId", identity.api_key_id.as_deref().map(str::to_owned));
    map.extend(identity.other.iter().map(|(name, value)| (name.clone(), value.clone())));
    map
}

/// Common Log Format's time in UTC: `12/Mar/2020:19:03:58 +0000`.
#[must_use]
pub fn request_time(epoch_ms: u64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = epoch_ms / 1000;
    let (year, month, day) = civil(seconds / 86_400);
    let month = MONTHS.get(month).copied().unwrap_or_default();
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000")
}

/// Year, month from 0, day from 1 of a day since 1970 in the Gregorian calendar, counted in eras of 400 years from 1 March.
const fn civil(days: u64) -> (u64, usize, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = ((month_from_march + 2) % 12) as usize;
    let year = year_of_era + era * 400 + if month < 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Failure, ResponseType};

    #[test]
    fn request_time_is_in_common_log_format() {
        assert_eq!(request_time(1_584_039_838_123), "12/Mar/2020:19:03:58 +0000");
        assert_eq!(request_time(951_782_400_000), "29/Feb/2000:00:00:00 +0000");
        assert_eq!(request_time(0), "01/Jan/1970:00:00:00 +0000");
    }

    #[test]
    fn reads_nested_and_missing_members() {
        let mut context = Context { domain_name: "api.example.com".into(), ..Context::default() };
        context.identity.other.insert("clientCert".into(), serde_json::json!({"validity": {"notBefore": "x"}}));
        assert_eq!(variable(&context, "domainPrefix").as_deref(), Some("api"));
        assert_eq!(variable(&context, "identity.clientCert.validity.notBefore").as_deref(), Some("x"));
        assert_eq!(variable(&context, "identity.caller"), None);
        assert_eq!(variable(&context, "identity"), None);
        let failure =
            Failure { validation_errors: Some("[\"a\"]".into()), ..Failure::new(ResponseType::BadRequestBody, "Invalid request body") };
        context.error = Some(failure);
        assert_eq!(variable(&context, "error.messageString").as_deref(), Some("\"Invalid request body\""));
        assert_eq!(variable(&context, "error.validationErrorString").as_deref(), Some("[\\\"a\\\"]"));
    }
}
