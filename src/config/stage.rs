//! A stage's properties.

use std::sync::Arc;

use indexmap::IndexMap;

use super::process;
use crate::apigateway::api::Api;
use crate::apigateway::stage::{
    AccessLogFormat, AccessLogSettings, CanarySettings, LogDestination, MethodSettings, Stage, StickyBy, UnauthorizedCacheControl,
};
use crate::document::{Fields, Node, Problems, Severity, Spanned, nearest};

/// What `aws apigateway get-stage` prints and a gateway that you run has no use for.
const AWS_ONLY: [&str; 9] = [
    "description",
    "createdDate",
    "lastUpdatedDate",
    "tags",
    "webAclArn",
    "clientCertificateId",
    "documentationVersion",
    "cacheClusterStatus",
    "restApiId",
];

const STRATEGIES: [(&str, UnauthorizedCacheControl); 3] = [
    ("FAIL_WITH_403", UnauthorizedCacheControl::FailWith403),
    ("SUCCEED_WITH_RESPONSE_HEADER", UnauthorizedCacheControl::SucceedWithResponseHeader),
    ("SUCCEED_WITHOUT_RESPONSE_HEADER", UnauthorizedCacheControl::SucceedWithoutResponseHeader),
];

/// Reads one stage.
pub(super) fn read(
    node: &Node,
    api: Option<&Api>,
    beside: &dyn Fn(&Node, &str) -> std::path::PathBuf,
    problems: &mut Problems,
) -> Option<Stage> {
    let mut fields = Fields::of(node, "a stage", problems)?;
    let name = fields.required("stageName", problems)?;
    let text = name.scalar().unwrap_or_default();
    if text.is_empty() || text.len() > 128 || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
        problems.error(name, format!("a stage name is 1 to 128 letters, digits, `_` and `-`, not `{text}`"));
    }
    let stage = Stage {
        stage_name: Spanned::at(name, text.to_owned()),
        variables: variables("variables", &mut fields, problems),
        method_settings: method_settings(&mut fields, api, problems),
        access_log: fields.take("accessLogSettings").and_then(|node| access_log(node, beside, problems)),
        tracing_enabled: fields.boolean("tracingEnabled", problems),
        cache_capacity: cache_capacity(&mut fields, problems),
        canary: fields.take("canarySettings").filter(|node| !node.is_null()).and_then(|node| canary(node, problems)),
        deployment: None,
        set_at_run_time: Vec::new(),
    };
    fields.ignore(&["deploymentId"]);
    fields.ignore(&AWS_ONLY);
    fields.finish(problems);
    Some(stage)
}

/// API Gateway's sizes, in gigabytes as it writes them.
const CACHE_SIZES: [(&str, u64); 8] = [
    ("0.5", 536_870_912),
    ("1.6", 1_717_986_918),
    ("6.1", 6_549_825_126),
    ("13.5", 14_495_514_624),
    ("28.4", 30_494_267_801),
    ("58.2", 62_491_774_156),
    ("118", 126_701_535_232),
    ("237", 254_476_812_288),
];

/// How much the stage's response cache may hold, in bytes; nothing: it has none. `x-headgate.cacheCapacity` wins over API Gateway's sizes.
fn cache_capacity(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<u64> {
    let size = fields.choice("cacheClusterSize", &CACHE_SIZES, problems).unwrap_or(536_870_912);
    let mut own_size = None;
    if let Some(mut own) = fields.take("x-headgate").and_then(|node| Fields::of(node, "`x-headgate`", problems)) {
        own_size = own.take("cacheCapacity").and_then(|node| process::size(node, problems));
        own.finish(problems);
    }
    (fields.boolean("cacheClusterEnabled", problems) == Some(true)).then_some(own_size.unwrap_or(size))
}

fn canary(node: &Node, problems: &mut Problems) -> Option<CanarySettings> {
    let mut fields = Fields::of(node, "`canarySettings`", problems)?;
    let percent_traffic = fields.number("percentTraffic", 0.0..=100.0, problems).unwrap_or(0.0);
    let use_stage_cache = fields.boolean("useStageCache", problems).unwrap_or(false);
    fields.ignore(&["deploymentId"]);
    let stage_variable_overrides = variables("stageVariableOverrides", &mut fields, problems);
    let mut sticky_by = None;
    if let Some(mut own) = fields.take("x-headgate").and_then(|node| Fields::of(node, "`x-headgate`", problems)) {
        sticky_by = own.take("stickyBy").and_then(|node| sticky(node, problems));
        own.finish(problems);
    }
    fields.finish(problems);
    Some(CanarySettings { percent_traffic, stage_variable_overrides, use_stage_cache, deployment: None, sticky_by })
}

fn sticky(node: &Node, problems: &mut Problems) -> Option<StickyBy> {
    let text = node.scalar().unwrap_or_default();
    let read = StickyBy::parse(text);
    if read.is_none() {
        problems.error(node, format!("`{text}` keeps nobody on a side")).help("header.NAME, apiKey or sourceIp");
    }
    read
}

fn variables(name: &'static str, fields: &mut Fields<'_>, problems: &mut Problems) -> IndexMap<String, String> {
    let mut variables = IndexMap::new();
    for entry in fields.entries(name, problems) {
        if entry.key.is_empty() || entry.key.len() > 64 || !entry.key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            problems.at(
                Severity::Error,
                &entry.node.source,
                entry.key_span,
                format!("a stage variable's name is 1 to 64 letters, digits and `_`, not `{}`", entry.key),
            );
        }
        match entry.node.scalar() {
            Some(text) => {
                variables.insert(entry.key.clone(), text.to_owned());
            }
            None if entry.node.is_null() => {
                variables.insert(entry.key.clone(), String::new());
            }
            None => {
                problems.error(&entry.node, format!("a stage variable is a string, not {}", entry.node.kind()));
            }
        }
    }
    if variables.len() > 100
        && let Some(node) = fields.take(name)
    {
        problems.error(node, format!("a stage has at most 100 variables, not {}", variables.len()));
    }
    variables
}

/// `*/*`, `pets/GET`, `/pets/GET` and `~1pets/GET` are all written in the wild; one form is kept.
fn method_settings(fields: &mut Fields<'_>, api: Option<&Api>, problems: &mut Problems) -> IndexMap<String, MethodSettings> {
    let mut settings = IndexMap::new();
    for entry in fields.entries("methodSettings", problems) {
        let key = entry.key.replace("~1", "/");
        let key = if key == "*/*" { key } else { format!("/{}", key.trim_start_matches('/')) };
        if !key.contains('/')
            || !matches!(key.rsplit('/').next(), Some("*" | "GET" | "PUT" | "POST" | "DELETE" | "PATCH" | "OPTIONS" | "HEAD" | "ANY"))
        {
            problems
                .at(Severity::Error, &entry.node.source, entry.key_span, format!("Invalid method setting path: {}", entry.key))
                .help("written `*/*` or `resource/path/METHOD`");
        } else if let Some(missing) = api.filter(|_| key != "*/*").and_then(|api| missing_method(&key, api)) {
            problems.at(
                Severity::Error,
                &entry.node.source,
                entry.key_span,
                format!("Invalid method setting path: {}: {missing}", entry.key),
            );
        }
        let Some(mut fields) = Fields::of(&entry.node, "method settings", problems) else { continue };
        let mut read = MethodSettings {
            throttling_rate_limit: fields.number("throttlingRateLimit", -1.0..=1e12, problems),
            throttling_burst_limit: fields
                .number("throttlingBurstLimit", -1..=i64::from(u32::MAX), problems)
                .and_then(|limit| limit.try_into().ok()),
            caching_enabled: fields.boolean("cachingEnabled", problems),
            cache_ttl_seconds: fields.number("cacheTtlInSeconds", 0..=3600, problems),
            require_authorization_for_cache_control: fields.boolean("requireAuthorizationForCacheControl", problems),
            unauthorized_cache_control: fields.choice("unauthorizedCacheControlHeaderStrategy", &STRATEGIES, problems),
            stale_if_error_seconds: None,
        };
        if let Some(mut own) = fields.take("x-headgate").and_then(|node| Fields::of(node, "`x-headgate`", problems)) {
            read.stale_if_error_seconds = own.number("staleIfErrorSeconds", 0..=86_400, problems);
            own.finish(problems);
        }
        fields.ignore(&["metricsEnabled", "loggingLevel", "dataTraceEnabled", "cacheDataEncrypted"]);
        fields.finish(problems);
        settings.insert(key, read);
    }
    settings
}

/// Why a key such as `/pets/GET` names no method of the API.
fn missing_method(key: &str, api: &Api) -> Option<String> {
    let (path, verb) = key.rsplit_once('/')?;
    if path == "/*" {
        return None;
    }
    let path = if path.is_empty() { "/" } else { path };
    let Some(resource) = api.resources.iter().find(|resource| &*resource.path == path) else {
        let near = nearest(path, api.resources.iter().map(|resource| &*resource.path));
        return Some(format!("there is no resource {path}{}", near.map(|near| format!("; did you mean {near}?")).unwrap_or_default()));
    };
    let known = verb == "*" || resource.methods.iter().any(|method| method.name() == verb || method.http_method.is_none());
    (!known).then(|| format!("the resource {path} has no method {verb}"))
}

/// What is logged where a stage has settings but no format.
const DEFAULT_LOG_FORMAT: &str = concat!(
    r#"{"requestId":"$context.requestId","extendedRequestId":"$context.extendedRequestId","ip":"$context.identity.sourceIp","#,
    r#""caller":"$context.identity.caller","user":"$context.identity.user","requestTime":"$context.requestTime","#,
    r#""httpMethod":"$context.httpMethod","resourcePath":"$context.resourcePath","path":"$context.path","status":"$context.status","#,
    r#""protocol":"$context.protocol","responseLength":"$context.responseLength","responseLatency":"$context.responseLatency","#,
    r#""integrationLatency":"$context.integration.latency","deploymentId":"$context.deploymentId","#,
    r#""isCanaryRequest":"$context.isCanaryRequest","error":"$context.error.message"}"#
);

fn access_log(node: &Node, beside: &dyn Fn(&Node, &str) -> std::path::PathBuf, problems: &mut Problems) -> Option<AccessLogSettings> {
    let mut fields = Fields::of(node, "`accessLogSettings`", problems)?;
    let destination = fields.scalar("destinationArn", problems);
    let format = fields.scalar("format", problems);
    fields.finish(problems);
    let text = destination.and_then(Node::scalar).unwrap_or("stdout");
    let destination = match (text, text.strip_prefix("file:")) {
        (_, Some(path)) => LogDestination::File(beside(node, path)),
        ("stdout", _) => LogDestination::Stdout,
        _ => {
            problems
                .note(destination.unwrap_or(node), "this destination is AWS's; the access log goes to standard output instead")
                .help("write `stdout`, or `file:PATH`");
            LogDestination::Stdout
        }
    };
    let text = format.and_then(Node::scalar).map(|text| text.trim_end_matches('\n'));
    if let (Some(format), Some(text)) = (format, text) {
        if text.contains('\n') {
            problems.error(format, "an access log format is one line");
        }
        if !text.contains("requestId") && !text.contains("extendedRequestId") {
            problems.error(format, "an access log format contains $context.requestId or $context.extendedRequestId");
        }
    }
    Some(AccessLogSettings { destination, format: Arc::new(AccessLogFormat::parse(text.unwrap_or(DEFAULT_LOG_FORMAT))) })
}
