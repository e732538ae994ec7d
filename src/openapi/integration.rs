//! `x-amazon-apigateway-integration`, its endpoint and its request.

use std::sync::Arc;
use std::time::Duration;

use http::Method as HttpMethod;

use super::Reader;
use super::operation::media_type;
use super::service_action::service_action;
use crate::apigateway::arn::IntegrationArn;
use crate::apigateway::integration::{
    ContentHandling, Integration, IntegrationType, PassthroughBehavior, PayloadFormat, RequestDestination, RequestParameter, Template,
};
use crate::document::{Fields, Node, Position, Problems, Severity, Span, Spanned, Value};
use crate::exchange::FieldName;
use crate::mapping::expression::{Expression, Scope};
use crate::store::CircuitSettings;

const TYPES: [(&str, IntegrationType); 5] = [
    ("http", IntegrationType::Http),
    ("mock", IntegrationType::Mock),
    ("aws_proxy", IntegrationType::AwsProxy),
    ("http_proxy", IntegrationType::HttpProxy),
    ("aws", IntegrationType::Aws),
];

const PAYLOAD_FORMATS: [(&str, PayloadFormat); 2] = [("1.0", PayloadFormat::V1), ("2.0", PayloadFormat::V2)];

const PASSTHROUGH: [(&str, PassthroughBehavior); 3] = [
    ("when_no_match", PassthroughBehavior::WhenNoMatch),
    ("when_no_templates", PassthroughBehavior::WhenNoTemplates),
    ("never", PassthroughBehavior::Never),
];

pub(super) const CONTENT_HANDLING: [(&str, ContentHandling); 2] =
    [("CONVERT_TO_BINARY", ContentHandling::ConvertToBinary), ("CONVERT_TO_TEXT", ContentHandling::ConvertToText)];

/// What an integration may take where no time is written.
const DEFAULT_TIMEOUT_MILLIS: u64 = 29_000;
/// What API Gateway lets an integration take whose response is streamed.
const LONGEST_STREAM_MILLIS: u64 = 900_000;

impl Reader<'_> {
    pub(super) fn integration(
        &mut self,
        operation: &Node,
        path: &str,
        label: &str,
        problems: &mut Problems,
    ) -> Option<Spanned<Arc<Integration>>> {
        let node = operation.get("x-amazon-apigateway-integration").filter(|node| !node.is_null())?;
        let node = &self.resolve(node, problems)?;
        let mut fields = Fields::of(node, "an integration", problems)?;
        fields.required("type", problems)?;
        let integration_type = fields.choice("type", &TYPES, problems)?;
        let http_method = http_method(&mut fields, integration_type, problems);
        let uri = uri(&mut fields, integration_type, problems);
        let streams_response = streams_response(&mut fields, integration_type, problems);
        let longest = match (self.options.aws_limits, streams_response) {
            (false, _) => 3_600_000,
            (true, false) => DEFAULT_TIMEOUT_MILLIS,
            (true, true) => LONGEST_STREAM_MILLIS,
        };
        let timeout = fields.number("timeoutInMillis", 50..=longest, problems).unwrap_or(DEFAULT_TIMEOUT_MILLIS);
        let insecure_skip_verification = tls(&mut fields, problems);
        let (allow_link_local, circuit_breaker) = own(&mut fields, problems);
        let integration = Integration {
            integration_type,
            http_method,
            uri,
            vpc_link: vpc_link(&mut fields, problems),
            request_parameters: request_parameters(&mut fields, integration_type, path, label, problems),
            request_templates: templates(fields.take("requestTemplates"), problems),
            passthrough_behavior: fields.choice("passthroughBehavior", &PASSTHROUGH, problems).unwrap_or_default(),
            content_handling: fields.choice("contentHandling", &CONTENT_HANDLING, problems),
            timeout: Duration::from_millis(timeout),
            cache_namespace: fields.string("cacheNamespace", problems),
            cache_key_parameters: cache_key_parameters(&mut fields, problems),
            insecure_skip_verification,
            allow_link_local,
            circuit_breaker,
            responses: self.integration_responses(fields.take("responses"), problems),
            service_action: service_action(&mut fields, problems),
            streams_response,
            credentials: credentials(&mut fields, integration_type, problems),
            payload_format: fields.choice("payloadFormatVersion", &PAYLOAD_FORMATS, problems).unwrap_or_default(),
        };
        fields.ignore(&["connectionType", "connectionId", "description"]);
        fields.finish(problems);
        Some(Spanned::at(node, Arc::new(integration)))
    }
}

fn http_method(fields: &mut Fields<'_>, integration_type: IntegrationType, problems: &mut Problems) -> Option<HttpMethod> {
    let Some(node) = fields.take("httpMethod") else {
        let needs_one = !matches!(integration_type, IntegrationType::Mock) && fields.node().get("integrationSubtype").is_none();
        if needs_one {
            problems
                .error(fields.node(), "Enumeration value for HttpMethod must be non-empty")
                .help("`httpMethod` is the method that the endpoint is asked with");
        }
        return None;
    };
    let text = node.scalar().unwrap_or_default().to_ascii_uppercase();
    match text.as_str() {
        "ANY" | "X-AMAZON-APIGATEWAY-ANY-METHOD" => None,
        "GET" | "PUT" | "POST" | "DELETE" | "PATCH" | "OPTIONS" | "HEAD" => HttpMethod::from_bytes(text.as_bytes()).ok(),
        _ if integration_type == IntegrationType::Mock => None,
        _ => {
            problems.error(node, "Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY");
            None
        }
    }
}

fn uri(fields: &mut Fields<'_>, integration_type: IntegrationType, problems: &mut Problems) -> Option<Spanned<String>> {
    let has_subtype = fields.node().get("integrationSubtype").is_some();
    let Some(node) = fields.take("uri") else {
        match integration_type {
            IntegrationType::Mock => {}
            IntegrationType::Http | IntegrationType::HttpProxy => {
                problems.error(fields.node(), "Invalid HTTP endpoint specified for URI").help("`uri` is missing");
            }
            _ if has_subtype => {}
            _ => {
                problems.error(fields.node(), "Invalid ARN specified in the request").help("`uri` is missing");
            }
        }
        return None;
    };
    let text = node.scalar().unwrap_or_default().to_owned();
    match integration_type {
        IntegrationType::Mock => return None,
        IntegrationType::Http | IntegrationType::HttpProxy => http_uri(node, &text, problems),
        IntegrationType::Aws | IntegrationType::AwsProxy if !has_subtype => {
            let streams = fields.node().get("responseTransferMode").and_then(Node::scalar) == Some("STREAM");
            aws_uri(node, &text, (integration_type, streams), problems);
        }
        _ => {}
    }
    Some(Spanned::at(node, text))
}

/// The role of `credentials`; only calls of AWS's services are signed.
fn credentials(fields: &mut Fields<'_>, integration_type: IntegrationType, problems: &mut Problems) -> Option<Spanned<String>> {
    let node = fields.scalar("credentials", problems)?;
    let is_signed = matches!(integration_type, IntegrationType::Aws | IntegrationType::AwsProxy);
    is_signed.then(|| Spanned::at(node, node.scalar().unwrap_or_default().to_owned()))
}

fn vpc_link(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Spanned<String>> {
    let kind = fields.choice("connectionType", &[("INTERNET", false), ("VPC_LINK", true)], problems).unwrap_or(false);
    let id = fields.take("connectionId");
    if !kind {
        return None;
    }
    let Some(id) = id else {
        problems.error(fields.node(), "`connectionType` VPC_LINK needs a `connectionId`");
        return None;
    };
    Some(Spanned::at(id, id.scalar().unwrap_or_default().to_owned()))
}

fn request_parameters(
    fields: &mut Fields<'_>,
    integration_type: IntegrationType,
    path: &str,
    label: &str,
    problems: &mut Problems,
) -> Vec<RequestParameter> {
    let written = fields.entries("requestParameters", problems);
    // The service actions of HTTP APIs name their own parameters here.
    if fields.node().get("integrationSubtype").is_some()
        || written.iter().any(|entry| !entry.key.starts_with("integration.")) && integration_type.is_proxy()
    {
        return Vec::new();
    }
    let method = label.split(' ').next().unwrap_or_default();
    written
        .iter()
        .filter_map(|entry| {
            let Some(text) = entry.node.as_str() else {
                let found = entry.node.scalar().unwrap_or_else(|| entry.node.kind());
                problems.warning(&entry.node, format!("Invalid format for 'requestParameters'. Expected type string for property '{}' of resource '{path}' and method '{method}' but got '{found}'", entry.key));
                return None;
            };
            let destination = destination(&entry.key);
            if destination.is_none() {
                problems.at(Severity::Error, &entry.node.source, entry.key_span, format!("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: {}]", entry.key));
            }
            let source = expression(text, Scope::Request, &entry.node, problems);
            Some(RequestParameter { destination: destination?, source: source? })
        })
        .collect()
}

/// A key parameter that names nothing would let requests share an answer that are not alike.
fn cache_key_parameters(fields: &mut Fields<'_>, problems: &mut Problems) -> Vec<String> {
    let mut names = Vec::new();
    for item in fields.list("cacheKeyParameters", problems) {
        let name = item.scalar().unwrap_or_default();
        if destination(name).is_none() && Expression::parse(name, Scope::Request).is_none() {
            problems
                .error(item, format!("Invalid cache key parameter specified: {name}"))
                .help("a parameter is written method.request.{path|querystring|header}.NAME, or integration.request.…");
        }
        names.push(name.to_owned());
    }
    names
}

/// `responseTransferMode`; only proxies stream, and a function has a path of its own for it.
fn streams_response(fields: &mut Fields<'_>, integration_type: IntegrationType, problems: &mut Problems) -> bool {
    let node = fields.node().get("responseTransferMode");
    let streams = fields.choice("responseTransferMode", &[("BUFFERED", false), ("STREAM", true)], problems).unwrap_or(false);
    let Some(node) = node.filter(|_| streams) else { return false };
    if !integration_type.is_proxy() || fields.node().get("integrationSubtype").is_some() {
        problems.error(node, "`responseTransferMode` STREAM is for the types HTTP_PROXY and AWS_PROXY");
    }
    streams
}

/// Reads a mapping expression, or says that it is none in the control plane's words.
pub(super) fn expression(text: &str, scope: Scope, node: &Node, problems: &mut Problems) -> Option<Expression> {
    let expression = Expression::parse(text, scope);
    if expression.is_none() {
        problems.error(node, format!("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: {text}]"));
    }
    expression
}

fn destination(text: &str) -> Option<RequestDestination> {
    let (place, name) = text.strip_prefix("integration.request.")?.split_once('.')?;
    let fits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._$-".contains(&byte));
    match place {
        "header" if fits => FieldName::parse(name.as_bytes()).map(RequestDestination::Header),
        "querystring" if fits => Some(RequestDestination::QueryString(name.into())),
        "path" if fits => Some(RequestDestination::Path(name.into())),
        _ => None,
    }
}

fn http_uri(node: &Node, text: &str, problems: &mut Problems) {
    // Where a variable holds the beginning, only the stage knows.
    let open = text.starts_with("${") || text.contains("://${");
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    if !open && rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
        problems
            .error(node, "Invalid HTTP endpoint specified for URI")
            .help("an HTTP endpoint is written `http://host/path` or `https://host/path`");
    }
}

fn aws_uri(node: &Node, text: &str, (integration_type, streams): (IntegrationType, bool), problems: &mut Problems) {
    match IntegrationArn::parse(text) {
        Ok(arn) if integration_type == IntegrationType::AwsProxy && !matches!(arn.service, "lambda" | "firehose") => {
            problems
                .error(node, "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.");
        }
        Ok(arn) if streams && arn.service == "lambda" && !arn.target.ends_with("/response-streaming-invocations") => {
            problems
                .error(node, "`responseTransferMode` STREAM needs the path of Lambda's streaming call")
                .help("arn:aws:apigateway:{region}:lambda:path/2021-11-15/functions/{function ARN}/response-streaming-invocations");
        }
        Ok(_) => {}
        Err(error) if !text.starts_with("${") => {
            problems
                .error(node, error.to_string())
                .help("such as arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function ARN}/invocations");
        }
        Err(_) => {}
    }
}

fn tls(fields: &mut Fields<'_>, problems: &mut Problems) -> bool {
    let Some(mut tls) = fields.take("tlsConfig").and_then(|node| Fields::of(node, "`tlsConfig`", problems)) else { return false };
    let skip = tls.boolean("insecureSkipVerification", problems).unwrap_or(false);
    tls.ignore(&["serverNameToVerify"]);
    tls.finish(problems);
    skip
}

/// What API Gateway's integrations lack.
fn own(fields: &mut Fields<'_>, problems: &mut Problems) -> (bool, Option<CircuitSettings>) {
    let Some(mut own) = fields.take("x-headgate").and_then(|node| Fields::of(node, "`x-headgate`", problems)) else {
        return (false, None);
    };
    let link_local = own.boolean("allowLinkLocal", problems).unwrap_or(false);
    let circuit =
        own.switch("circuitBreaker", problems).map(|node| node.map_or_else(CircuitSettings::default, |node| circuit(node, problems)));
    own.finish(problems);
    (link_local, circuit)
}

fn circuit(node: &Node, problems: &mut Problems) -> CircuitSettings {
    let mut settings = CircuitSettings::default();
    let Some(mut fields) = Fields::of(node, "`circuitBreaker`", problems) else { return settings };
    settings.failure_percentage = fields.number("failurePercentage", 1..=100, problems).unwrap_or(settings.failure_percentage);
    settings.minimum_requests = fields.number("minimumRequests", 1..=1_000_000, problems).unwrap_or(settings.minimum_requests);
    settings.interval = fields.seconds("intervalSeconds", problems).unwrap_or(settings.interval);
    settings.probe_interval = fields.seconds("probeIntervalSeconds", problems).unwrap_or(settings.probe_interval);
    fields.finish(problems);
    settings
}

/// Templates by media type; each is parsed, and what is wrong in one is shown at its place in this file.
pub(super) fn templates(node: Option<&Node>, problems: &mut Problems) -> Vec<(Box<str>, Template)> {
    let Some(node) = node else { return Vec::new() };
    if !node.is_object() {
        problems.error(node, format!("templates are a mapping from media types, not {}", node.kind()));
    }
    node.entries().iter().filter_map(|entry| template(&entry.key, entry.key_span, &entry.node, problems)).collect()
}

fn template(key: &str, key_span: Span, node: &Node, problems: &mut Problems) -> Option<(Box<str>, Template)> {
    let name = media_type(key);
    if !name.contains('/') && name != "$default" {
        problems.at(
            Severity::Error,
            &node.source,
            key_span,
            format!("Validation Result: warnings : [], errors : [Invalid content type specified: {key}]"),
        );
        return None;
    }
    let text = match &node.value {
        Value::Null => "",
        _ => node.scalar().or_else(|| {
            problems.error(node, format!("a template is a string, not {}", node.kind()));
            None
        })?,
    };
    match crate::mapping::template::Template::parse(text) {
        Ok(template) => {
            for trap in template.lint() {
                problems.at(Severity::Warning, &node.source, place_in(node, &trap), trap.message.clone());
            }
            Some((name.into(), Arc::new(template)))
        }
        Err(error) => {
            problems.at(Severity::Error, &node.source, place_in(node, &error), format!("the template does not parse: {}", error.message));
            None
        }
    }
}

/// Where in this file something in a template stands.
fn place_in(node: &Node, error: &crate::vtl::Error) -> Span {
    let start = node.offset_in_text(Position { line: error.line, column: error.column });
    Span { start, end: start + 1 }
}
