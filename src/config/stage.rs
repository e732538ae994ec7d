//! A stage's properties.

use indexmap::IndexMap;

use super::parts_not_served::not_served;
use crate::apigateway::api::Api;
use crate::apigateway::stage::{AccessLogSettings, LogDestination, MethodSettings, Stage};
use crate::document::{Fields, Node, Problems, Severity, Spanned, nearest};

/// What `aws apigateway get-stage` prints and a gateway that you run has no use for.
const AWS_ONLY: [&str; 11] = [
    "description",
    "createdDate",
    "lastUpdatedDate",
    "tags",
    "webAclArn",
    "clientCertificateId",
    "documentationVersion",
    "tracingEnabled",
    "cacheClusterStatus",
    "cacheClusterSize",
    "restApiId",
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
        variables: variables(fields.take("variables"), problems),
        method_settings: method_settings(fields.take("methodSettings"), api, problems),
        access_log: fields.take("accessLogSettings").and_then(|node| access_log(node, beside, problems)),
    };
    for name in ["canarySettings", "deploymentId"] {
        if let Some(node) = fields.take(name) {
            check_canary(name, node, problems);
            not_served(node, name, problems);
        }
    }
    if fields.boolean("cacheClusterEnabled", problems) == Some(true)
        && let Some(node) = fields.take("cacheClusterEnabled")
    {
        not_served(node, "the response cache", problems);
    }
    fields.ignore(&AWS_ONLY);
    fields.finish(problems);
    Some(stage)
}

fn check_canary(name: &str, node: &Node, problems: &mut Problems) {
    if name != "canarySettings" {
        return;
    }
    let Some(mut fields) = Fields::of(node, "`canarySettings`", problems) else { return };
    fields.number("percentTraffic", 0.0..=100.0, problems);
    fields.boolean("useStageCache", problems);
    fields.string("deploymentId", problems);
    variables(fields.take("stageVariableOverrides"), problems);
    if let Some(mut own) = fields.take("x-headgate").and_then(|node| Fields::of(node, "`x-headgate`", problems)) {
        own.string("stickyBy", problems);
        own.finish(problems);
    }
    fields.finish(problems);
}

fn variables(node: Option<&Node>, problems: &mut Problems) -> IndexMap<String, String> {
    let mut variables = IndexMap::new();
    for entry in node.map(Node::entries).unwrap_or_default() {
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
        && let Some(node) = node
    {
        problems.error(node, format!("a stage has at most 100 variables, not {}", variables.len()));
    }
    variables
}

/// `*/*`, `pets/GET`, `/pets/GET` and `~1pets/GET` are all written in the wild; one form is kept.
fn method_settings(node: Option<&Node>, api: Option<&Api>, problems: &mut Problems) -> IndexMap<String, MethodSettings> {
    let mut settings = IndexMap::new();
    for entry in node.map(Node::entries).unwrap_or_default() {
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
        let read = MethodSettings {
            throttling_rate_limit: fields.number("throttlingRateLimit", -1.0..=1e12, problems),
            throttling_burst_limit: fields
                .number("throttlingBurstLimit", -1..=i64::from(u32::MAX), problems)
                .and_then(|limit| limit.try_into().ok()),
            caching_enabled: fields.boolean("cachingEnabled", problems),
        };
        fields.number("cacheTtlInSeconds", 0..=3600, problems);
        fields.choice(
            "unauthorizedCacheControlHeaderStrategy",
            &[("FAIL_WITH_403", ()), ("SUCCEED_WITH_RESPONSE_HEADER", ()), ("SUCCEED_WITHOUT_RESPONSE_HEADER", ())],
            problems,
        );
        fields.boolean("requireAuthorizationForCacheControl", problems);
        fields.ignore(&["metricsEnabled", "loggingLevel", "dataTraceEnabled", "cacheDataEncrypted", "x-headgate"]);
        fields.finish(problems);
        if read.caching_enabled == Some(true) {
            not_served(&entry.node, "the response cache", problems);
        }
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

fn access_log(node: &Node, beside: &dyn Fn(&Node, &str) -> std::path::PathBuf, problems: &mut Problems) -> Option<AccessLogSettings> {
    let mut fields = Fields::of(node, "`accessLogSettings`", problems)?;
    let destination = fields.take("destinationArn");
    let format = fields.take("format");
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
    Some(AccessLogSettings { destination, format: text.map(str::to_owned) })
}
