//! The method request becomes the request that the endpoint gets.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderValue, Method};
use serde_json::Value;

use super::aside::aside;
use super::lambda_proxy;
use super::service_action;
use super::sources::{Found, Sources};
use super::standard_headers::{self, Destination};
use super::trace;
use crate::apigateway::integration::{Integration, IntegrationType, RequestDestination};
use crate::exchange::{
    Context, Endpoint, EndpointRequest, Failure, FieldName, Fields, MethodRequest, Overrides, Query, ResponseType, Scheme,
};
use crate::mapping::content_handling;
use crate::mapping::template;
use crate::snapshot::{AwsCall, AwsCallKind, Operation, Release};

const ACCEPT: FieldName = FieldName::from_static("Accept");
const CONTENT_TYPE: FieldName = FieldName::from_static("Content-Type");
const HOST: FieldName = FieldName::from_static("Host");
const USER_AGENT: FieldName = FieldName::from_static("User-Agent");
const API_ID: FieldName = FieldName::from_static("X-Amzn-Apigateway-Api-Id");
const TARGET: FieldName = FieldName::from_static("X-Amz-Target");
const TRACE_ID: FieldName = FieldName::from_static("X-Amzn-Trace-Id");

/// A mock has no endpoint; its "address" is never called.
static NOWHERE: LazyLock<Arc<Endpoint>> = LazyLock::new(|| {
    Arc::new(Endpoint {
        scheme: Scheme::Http,
        host: "".into(),
        port: 0,
        vpc_link: None,
        insecure_skip_verification: false,
        allow_link_local: false,
    })
});

/// What the steps of this file share.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) release: &'a Release,
    pub(super) operation: &'a Operation,
    pub(super) request: &'a MethodRequest,
    pub(super) context: &'a Context,
}

/// What a template overrode, if it did.
type Overridden = Option<Arc<Overrides>>;

/// What mappings and overrides set.
#[derive(Default)]
struct Mapped {
    fields: Vec<(FieldName, String)>,
    query: Vec<(String, Vec<String>)>,
    path: Vec<(Box<str>, String)>,
}

/// Builds the endpoint's request from the client's, and what a template overrode beside it.
pub(super) fn build(asked: Asked<'_>, content: &Bytes) -> Result<(EndpointRequest, Overridden), Failure> {
    let integration = &*asked.operation.integration;
    let (content, overrides) = match integration.integration_type {
        IntegrationType::HttpProxy if integration.content_handling.is_none() => (content.clone(), None),
        _ if integration.service_action.is_some() => return service_request(asked, content).map(|request| (request, None)),
        IntegrationType::AwsProxy => return proxy_function(asked, content).map(|request| (request, None)),
        _ => mapped_content(asked, content)?,
    };
    let content = if content.is_empty() && needs_object(asked) { Bytes::from_static(b"{}") } else { content };
    let text = if integration.request_parameters.iter().any(|parameter| parameter.source.reads_body()) {
        String::from_utf8_lossy(&content)
    } else {
        Cow::Borrowed("")
    };
    let mut mapped = parameters(asked, &text)?;
    if let Some(overrides) = &overrides {
        overridden(overrides, &mut mapped);
    }
    Ok((complete(asked, http_method(asked), content, &mapped)?, overrides))
}

/// A function and an action of AWS JSON get an object for no content at all, as recorded of Lambda.
fn needs_object(asked: Asked<'_>) -> bool {
    matches!(&asked.operation.aws, Some(AwsCall { kind: AwsCallKind::Lambda | AwsCallKind::Json { .. }, .. }))
}

/// An HTTP API's service integration gets what its parameters say.
fn service_request(asked: Asked<'_>, content: &Bytes) -> Result<EndpointRequest, Failure> {
    let sources = Sources::of_request(asked.request, asked.context, Some(asked.release));
    let Some(action) = &asked.operation.integration.service_action else {
        return Err(Failure::configuration("a service integration has no action"));
    };
    let asks = service_action::request(action, sources, &String::from_utf8_lossy(content))?;
    let mapped = Mapped { path: asks.path, query: asks.query, ..Mapped::default() };
    complete(asked, asks.http_method, asks.content, &mapped)
}

/// A proxied function gets the event and nothing that is mapped; illegal destinations fail the call all the same.
fn proxy_function(asked: Asked<'_>, content: &Bytes) -> Result<EndpointRequest, Failure> {
    let integration = &*asked.operation.integration;
    for parameter in &integration.request_parameters {
        if let RequestDestination::Header(name) = &parameter.destination
            && standard_headers::destination(name, integration.integration_type) == Destination::Illegal
        {
            return Err(illegal(name));
        }
    }
    if integration.http_method != Some(Method::POST) {
        let detail = "a Lambda function is called with the integration method POST only";
        return Err(Failure::internal(ResponseType::IntegrationFailure, detail));
    }
    let event = lambda_proxy::event(asked, content);
    if let (Some(AwsCall { runs_here: true, .. }), Some(Ok(uri))) = (&asked.operation.aws, &asked.operation.endpoint)
        && let Ok((endpoint, _)) = uri.endpoint(|_| None)
    {
        return Ok(called_here(asked, endpoint, event));
    }
    complete(asked, Method::POST, event, &Mapped::default())
}

/// The request of a function that runs here: nobody reads its address or its usual fields.
fn called_here(asked: Asked<'_>, endpoint: Arc<Endpoint>, content: Bytes) -> EndpointRequest {
    let mut fields = Fields::with_capacity(1);
    if let Some(trace_id) = &asked.context.trace_id {
        fields.append_text(TRACE_ID, trace_id);
    }
    let timeout = asked.operation.integration.timeout;
    EndpointRequest { endpoint, http_method: Method::POST, path_and_query: String::new(), fields, content, timeout }
}

/// The head of a request whose content passes by.
pub(super) fn head(asked: Asked<'_>) -> Result<EndpointRequest, Failure> {
    let mapped = parameters(asked, "")?;
    complete(asked, http_method(asked), Bytes::new(), &mapped)
}

/// Content conversion, then the template for the content's media type, or the content as it is.
fn mapped_content(asked: Asked<'_>, content: &Bytes) -> Result<(Bytes, Overridden), Failure> {
    let integration = &*asked.operation.integration;
    let media_type = asked.request.media_type();
    let template = if integration.integration_type.is_proxy() {
        None
    } else {
        template::for_request(&integration.request_templates, &media_type, integration.passthrough_behavior)?
    };
    let converted = content_handling::request(content, &media_type, &asked.release.binary_media_types, integration.content_handling)?;
    let Some((name, template)) = template else { return Ok((converted.into_bytes(), None)) };
    let input = template::Input {
        body: converted.as_template_input()?,
        request: asked.request,
        stage_variables: &asked.release.variables,
        context: asked.context,
        overrides: Overrides::none(),
    };
    let (rendered, overrides) = aside(input.body.len(), || {
        template::render((name, template), &input, &asked.release.template_limits, &|| asked.release.clock.elapsed())
    })?;
    Ok((rendered, overrides.map(Arc::new)))
}

/// Evaluates the parameter mappings. Illegal destinations fail the call, as recorded.
fn parameters(asked: Asked<'_>, body: &str) -> Result<Mapped, Failure> {
    let integration = &*asked.operation.integration;
    let sources = Sources::of_request(asked.request, asked.context, Some(asked.release)).with_body(body);
    let mut mapped = Mapped::default();
    for parameter in &integration.request_parameters {
        if let RequestDestination::Header(name) = &parameter.destination {
            match standard_headers::destination(name, integration.integration_type) {
                Destination::Sent => {}
                Destination::Ignored => continue,
                Destination::Illegal => return Err(illegal(name)),
            }
        }
        let Some(found) = sources.find(&parameter.source)? else { continue };
        match &parameter.destination {
            RequestDestination::Header(name) => mapped.fields.push((name.clone(), found.into_text().into_owned())),
            RequestDestination::Path(name) => mapped.path.push((name.clone(), found.into_text().into_owned())),
            RequestDestination::QueryString(name) => {
                let values = match found {
                    Found::One(value) => vec![value.into_owned()],
                    Found::Many(values) => values.into_iter().map(str::to_owned).collect(),
                };
                mapped.query.push((name.to_string(), values));
            }
        }
    }
    Ok(mapped)
}

fn illegal(name: &FieldName) -> Failure {
    Failure::configuration(format!("Execution failed due to configuration error: Header {} already present", name.as_str()))
}

/// `$context.requestOverride` wins over mappings.
fn overridden(overrides: &Overrides, mapped: &mut Mapped) {
    for (name, value) in &overrides.request.header {
        let Some(name) = FieldName::parse(name.as_bytes()) else { continue };
        mapped.fields.retain(|(known, _)| *known != name);
        mapped.fields.push((name, values(value).join(",")));
    }
    for (name, value) in &overrides.request.querystring {
        mapped.query.retain(|(known, _)| known != name);
        mapped.query.push((name.clone(), values(value)));
    }
    for (name, value) in &overrides.request.path {
        mapped.path.retain(|(known, _)| **known != **name);
        mapped.path.push((name.as_str().into(), values(value).join(",")));
    }
}

/// The texts of an override: several of a list.
pub(super) fn values(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(values).collect(),
        other => vec![other.to_string()],
    }
}

/// The method that the endpoint is asked with.
fn http_method(asked: Asked<'_>) -> Method {
    asked.operation.integration.http_method.clone().unwrap_or_else(|| asked.request.request.http_method.clone())
}

fn complete(asked: Asked<'_>, http_method: Method, content: Bytes, mapped: &Mapped) -> Result<EndpointRequest, Failure> {
    let integration = &*asked.operation.integration;
    let Some(uri) = &asked.operation.endpoint else {
        return Ok(EndpointRequest {
            endpoint: Arc::clone(&NOWHERE),
            http_method,
            path_and_query: String::new(),
            fields: Fields::default(),
            content,
            timeout: integration.timeout,
        });
    };
    let invalid = || Failure::configuration("Execution failed due to configuration error: Invalid endpoint address");
    let uri = uri.as_ref().map_err(|_| invalid())?;
    let value = |name: &str| mapped.path.iter().rev().find(|(known, _)| **known == *name).map(|(_, value)| Cow::from(value.as_str()));
    let (endpoint, host) = uri.endpoint(value).map_err(|_| invalid())?;
    let mut path_and_query = String::with_capacity(64);
    uri.write_path(value, &mut path_and_query);
    write_query(asked, uri.query(value), &mapped.query, &mut path_and_query);
    let proxies_http = integration.integration_type == IntegrationType::HttpProxy;
    let sends_content = !matches!(http_method, Method::GET | Method::HEAD | Method::OPTIONS) || proxies_http;
    let fields = if proxies_http { proxied(asked, host, mapped) } else { own(asked, host, mapped, sends_content, integration) };
    let content = if sends_content { content } else { Bytes::new() };
    Ok(EndpointRequest { endpoint, http_method, path_and_query, fields, content, timeout: integration.timeout })
}

/// The URI's own arguments, for a proxy the client's, then the mapped ones.
fn write_query(asked: Asked<'_>, mut query: Query, mapped: &[(String, Vec<String>)], out: &mut String) {
    if asked.operation.integration.integration_type == IntegrationType::HttpProxy {
        if query.is_empty() && mapped.is_empty() {
            // Nothing to add: the client's query passes to the letter.
            if let Some(query) = &asked.request.request.query {
                out.push('?');
                out.push_str(query);
            }
            return;
        }
        for (name, value) in asked.request.query().iter() {
            query.append(name, value);
        }
    }
    for (name, values) in mapped {
        for value in values {
            query.append(name.as_str(), value.as_str());
        }
    }
    if !query.is_empty() {
        out.push('?');
        query.write(out);
    }
}

/// A proxy's endpoint gets the client's fields, less what stays behind, with mapped ones in their place.
fn proxied(asked: Asked<'_>, host: HeaderValue, mapped: &Mapped) -> Fields {
    let client = &asked.request.request.fields;
    let mut fields = Fields::with_capacity(client.len() + 8);
    fields.append(HOST, host);
    for field in client.iter().filter(|field| standard_headers::is_proxied(&field.name) && !standard_headers::is_signature(field)) {
        fields.append(field.name.clone(), field.value.clone());
    }
    standard_headers::forwarded_for(&mut fields, client.text("x-forwarded-for"), &asked.request.request.peer);
    identified(asked, &mut fields);
    set_mapped(mapped, &mut fields);
    fields
}

/// An endpoint that is no proxy's gets the gateway's own fields and mapped ones.
fn own(asked: Asked<'_>, host: HeaderValue, mapped: &Mapped, sends_content: bool, integration: &Integration) -> Fields {
    let mut fields = Fields::with_capacity(mapped.fields.len() + 6);
    fields.append(HOST, host);
    fields.append(ACCEPT, HeaderValue::from_static("application/json"));
    fields.append(USER_AGENT, asked.release.user_agent.clone());
    if sends_content {
        let json = HeaderValue::from_static("application/json");
        let given = asked.request.request.fields.last("content-type").cloned();
        match asked.operation.aws.as_ref().map(|call| &call.kind) {
            Some(AwsCallKind::Lambda) => fields.append(CONTENT_TYPE, json),
            Some(AwsCallKind::Json { target, content_type }) => {
                fields.append_text(TARGET, target);
                fields.append_text(CONTENT_TYPE, content_type);
            }
            _ if integration.integration_type != IntegrationType::Mock => fields.append(CONTENT_TYPE, given.unwrap_or(json)),
            _ => {}
        }
    }
    identified(asked, &mut fields);
    set_mapped(mapped, &mut fields);
    fields
}

fn identified(asked: Asked<'_>, fields: &mut Fields) {
    fields.append(API_ID, asked.release.api_id.clone());
    if let Some(trace_id) = &asked.context.trace_id {
        fields.append_text(TRACE_ID, trace_id);
    }
    trace::pass_on(asked, fields);
}

fn set_mapped(mapped: &Mapped, fields: &mut Fields) {
    for (name, value) in &mapped.fields {
        fields.remove(name.as_str());
        fields.append_text(name.clone(), value);
    }
}
