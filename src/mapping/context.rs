//! Reads a [`Context`] under the names that API Gateway gives its parts.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::exchange::{AccessFacts, Context, Identity};

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

/// A variable of `$context`, found once: what reads it stands beside its name.
#[derive(Debug, Clone)]
pub struct ContextVariable {
    path: Box<str>,
    reader: Option<Reader>,
}

/// Reads one fact of a request.
type Reader = for<'c> fn(&'c Context) -> Option<Cow<'c, str>>;

impl ContextVariable {
    /// The variable of this path below `$context`, such as `identity.sourceIp`; every path is one.
    #[must_use]
    pub fn parse(path: &str) -> Self {
        Self { path: path.into(), reader: reader(path) }
    }

    /// The path below `$context`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its value for this request; nothing where there is none.
    #[must_use]
    pub fn read<'c>(&self, context: &'c Context) -> Option<Cow<'c, str>> {
        match self.reader {
            Some(read) => read(context),
            None => open_member(context, &self.path),
        }
    }
}

impl PartialEq for ContextVariable {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for ContextVariable {}

/// What authorizers and callers bring along under names of their own.
fn open_member<'c>(context: &'c Context, path: &str) -> Option<Cow<'c, str>> {
    let (place, rest) = path.split_once('.')?;
    let members = match place {
        "identity" => Some(&context.identity.other),
        "authorizer" => context.authorizer.as_ref().map(|authorizer| &*authorizer.members),
        _ => None,
    };
    members.and_then(|members| inside(members, rest)).or_else(|| checked(&context.access, place, rest))
}

fn inside<'c>(members: &'c Map<String, Value>, path: &str) -> Option<Cow<'c, str>> {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let first = members.get(first)?;
    // A claim's name may be an address, dots included.
    let whole = first.get(rest);
    match whole.or_else(|| rest.split('.').filter(|part| !part.is_empty()).try_fold(first, |value, part| value.get(part)))? {
        Value::Null | Value::Object(_) => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        other => Some(Cow::Owned(other.to_string())),
    }
}

/// What access logs read of the steps that say who may call, where a function's context has no such member.
fn checked<'c>(access: &'c AccessFacts, step: &str, name: &str) -> Option<Cow<'c, str>> {
    let fact = match step {
        "authenticate" => access.authenticate.as_ref(),
        "authorize" => access.authorize.as_ref(),
        "authorizer" => access.authorizer.as_ref(),
        _ => None,
    }?;
    let milliseconds = |latency: std::time::Duration| latency.as_millis().to_string();
    let text = match (name, access.authorizer_call) {
        ("error", _) => return fact.error.as_deref().map(Cow::from),
        ("status", _) => fact.status.to_string(),
        ("latency", _) => milliseconds(fact.latency),
        ("integrationStatus", Some((status, _))) if step == "authorizer" => status.to_string(),
        ("integrationLatency", call) if step == "authorizer" => milliseconds(call.map(|(_, latency)| latency).unwrap_or_default()),
        _ => return None,
    };
    Some(text.into())
}

/// The member `name` of `$context` as JSON.
#[must_use]
pub fn member(context: &Context, name: &str) -> Option<Value> {
    match name {
        "identity" => Some(Value::Object(identity(&context.identity))),
        "authorizer" => context.authorizer.as_ref().map(|authorizer| Value::Object((*authorizer.members).clone())),
        "requestTimeEpoch" => Some(context.request_time_ms.into()),
        _ => text(context, name).map(|text| Value::String(text.into_owned())),
    }
}

/// Variables whose value is one text.
pub(super) fn text<'c>(context: &'c Context, path: &str) -> Option<Cow<'c, str>> {
    reader(path).and_then(|read| read(context))
}

#[expect(clippy::unnecessary_wraps, reason = "the form of a reader")]
fn number<'c>(number: u64) -> Option<Cow<'c, str>> {
    Some(Cow::Owned(number.to_string()))
}

/// What reads the variable of this name.
fn reader(path: &str) -> Option<Reader> {
    let reader: Reader = match path {
        "accountId" => |context| context.stage.as_deref().map(|stage| (&*stage.account_id).into()),
        "apiId" => |context| context.stage.as_deref().map(|stage| (&*stage.api_id).into()),
        "stage" => |context| context.stage.as_deref().map(|stage| (&*stage.stage).into()),
        "deploymentId" => |context| context.stage.as_deref().map(|stage| (&*stage.deployment_id).into()),
        "isCanaryRequest" => |context| {
            let canary = context.stage.as_deref().and_then(|stage| stage.is_canary_request)?;
            Some(if canary { "true" } else { "false" }.into())
        },
        "resourceId" => |context| context.resource.as_deref().map(|resource| (&*resource.id).into()),
        "resourcePath" => |context| context.resource.as_deref().map(|resource| (&*resource.path).into()),
        "requestId" => |context| Some((&*context.request_id).into()),
        "extendedRequestId" => |context| Some((&*context.extended_request_id).into()),
        "httpMethod" => |context| Some(context.http_method.as_str().into()),
        "path" => |context| Some((&*context.path).into()),
        "protocol" => |_| Some("HTTP/1.1".into()),
        "domainName" => |context| Some((&*context.domain_name).into()),
        "domainPrefix" => |context| context.domain_name.split('.').next().map(Cow::from),
        "customDomain.basePathMatched" => |context| context.base_path_matched.as_deref().map(Cow::from),
        "requestTime" => |context| Some(request_time(context.request_time_ms).into()),
        "requestTimeEpoch" => |context| number(context.request_time_ms),
        "xrayTraceId" => |context| context.trace_id.as_deref().map(Cow::from),
        "identity.sourceIp" => |context| context.identity.source_ip.map(|address| address.to_string().into()),
        "identity.userAgent" => |context| context.identity.user_agent.as_deref().map(Cow::from),
        "identity.apiKey" => |context| context.identity.api_key.as_deref().map(Cow::from),
        "identity.apiKeyId" => |context| context.identity.api_key_id.as_deref().map(Cow::from),
        "status" => |context| number(context.status.into()),
        "responseLength" => |context| number(context.response_length),
        "responseLatency" => |context| number(context.response_latency_ms),
        "integration.status" => |context| context.integration.status.and_then(|status| number(status.into())),
        "integration.integrationStatus" | "integrationStatus" => {
            |context| context.integration.integration_status.and_then(|status| number(status.into()))
        }
        "integration.latency" | "integrationLatency" => {
            |context| context.integration.latency.and_then(|latency| number(latency.as_millis().try_into().unwrap_or(u64::MAX)))
        }
        "integration.error" | "integrationErrorMessage" => |context| context.integration.error.as_deref().map(Cow::from),
        "integration.requestId" | "awsEndpointRequestId" => |context| context.integration.request_id.as_deref().map(Cow::from),
        "error.message" => |context| context.error.as_ref()?.message.as_deref().map(Cow::from),
        "error.messageString" => |context| {
            let message = context.error.as_ref()?.message.as_deref();
            Some(message.map_or_else(|| "null".into(), |message| Value::from(message).to_string().into()))
        },
        "error.responseType" => |context| Some(context.error.as_ref()?.response_type.name().into()),
        "error.validationErrorString" => {
            |context| context.error.as_ref()?.validation_errors.as_deref().map(|text| json_escaped(text).into())
        }
        _ => return None,
    };
    Some(reader)
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

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Common Log Format's time in UTC: `12/Mar/2020:19:03:58 +0000`.
#[must_use]
pub fn request_time(epoch_ms: u64) -> String {
    let seconds = epoch_ms / 1000;
    let (year, month, day) = civil(seconds / 86_400);
    let month = MONTHS.get(month).copied().unwrap_or_default();
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000")
}

/// The time as execution logs write it: `Thu Mar 12 19:03:58 UTC 2020`.
#[must_use]
pub fn log_time(epoch_ms: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let seconds = epoch_ms / 1000;
    let (year, month, day) = civil(seconds / 86_400);
    let weekday = DAYS.get((seconds / 86_400 % 7) as usize).copied().unwrap_or_default();
    let month = MONTHS.get(month).copied().unwrap_or_default();
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}")
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

    fn variable<'c>(context: &'c Context, path: &str) -> Option<Cow<'c, str>> {
        ContextVariable::parse(path).read(context)
    }

    #[test]
    fn request_time_is_in_common_log_format() {
        assert_eq!(request_time(1_584_039_838_123), "12/Mar/2020:19:03:58 +0000");
        assert_eq!(log_time(1_584_039_838_123), "Thu Mar 12 19:03:58 UTC 2020");
        assert_eq!(request_time(951_782_400_000), "29/Feb/2000:00:00:00 +0000");
        assert_eq!(request_time(0), "01/Jan/1970:00:00:00 +0000");
    }

    #[test]
    fn a_functions_own_member_comes_before_what_logs_read() {
        let members = serde_json::json!({"status": "gold", "claims": {"sub": "1", "https://a.example/role": "x"}})
            .as_object()
            .cloned()
            .unwrap_or_default();
        let authorizer = crate::exchange::Authorizer { members: members.into(), ..Default::default() };
        let fact = crate::exchange::Checked { status: 200, latency: std::time::Duration::from_millis(7), error: None };
        let access = AccessFacts { authorizer: Some(fact), ..AccessFacts::default() };
        let context = Context { authorizer: Some(authorizer), access, ..Context::default() };
        for (path, expected) in [
            ("authorizer.status", Some("gold")),
            ("authorizer.latency", Some("7")),
            ("authorizer.integrationLatency", Some("0")),
            ("authorizer.claims.sub", Some("1")),
            ("authorizer.claims.https://a.example/role", Some("x")),
            ("authorizer.claims", None),
            ("authorizer.error", None),
            ("authorize.status", None),
        ] {
            assert_eq!(variable(&context, path).as_deref(), expected, "{path}");
        }
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
