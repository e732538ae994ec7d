//! The endpoint's response becomes the client's.

use std::borrow::Cow;

use http::HeaderValue;

use super::aside::aside;
use super::integration_request::{Asked, values};
use super::sources::Sources;
use super::{lambda_proxy, standard_headers};
use crate::apigateway::integration::{Integration, IntegrationResponse, IntegrationType};
use crate::exchange::{Answer, EndpointResponse, Failure, FieldName, Fields, Overrides, Response};
use crate::mapping::content_handling;
use crate::mapping::template;

const CONTENT_TYPE: FieldName = FieldName::from_static("Content-Type");
const TRACE_ID: FieldName = FieldName::from_static("X-Amzn-Trace-Id");

/// Maps the endpoint's answer: a proxy's passes, any other goes through the integration response that its selector picks.
pub(super) fn build(asked: Asked<'_>, mut answer: Answer) -> Result<Response, Failure> {
    let integration = &*asked.operation.integration;
    if integration.service_action.is_some() {
        answer.response.fields = proxied_fields(answer.response.fields);
        return proxied(asked, answer.response);
    }
    if passes(integration) {
        return proxied(asked, answer.response);
    }
    if integration.integration_type == IntegrationType::AwsProxy {
        let mut response = lambda_proxy::response(asked, answer.response)?;
        if let Some(trace_id) = &asked.context.trace_id {
            response.fields.set(TRACE_ID, HeaderValue::from_str(trace_id).unwrap_or(HeaderValue::from_static("")));
        }
        return Ok(response);
    }
    let chosen = choose(integration, answer.response.selector.as_deref())?;
    let mut response = mapped(asked, chosen, &answer)?;
    if integration.integration_type != IntegrationType::Mock
        && let Some(trace_id) = &asked.context.trace_id
    {
        response.fields.append_text(TRACE_ID, trace_id);
    }
    Ok(response)
}

/// The first pattern that matches the whole selector, or else the default.
fn choose<'i>(integration: &'i Integration, selector: Option<&str>) -> Result<&'i IntegrationResponse, Failure> {
    let matches = |response: &&IntegrationResponse| {
        response.selection_pattern.as_ref().is_some_and(|pattern| pattern.is_match(selector.unwrap_or_default()))
    };
    let matching = integration.responses.iter().find(matches);
    matching.or_else(|| integration.responses.iter().find(|response| response.selection_pattern.is_none())).ok_or_else(|| {
        let detail = format!(
            "No match for output mapping and no default output mapping configured. Endpoint Response Status Code: {}",
            selector.unwrap_or("none")
        );
        Failure::configuration(detail)
    })
}

/// The status must be one that the method declares; a template that overrides it knows what it does.
fn declared(asked: Asked<'_>, status: u16) -> Result<u16, Failure> {
    let statuses = &asked.operation.response_statuses;
    if statuses.is_empty() || statuses.contains(&status) {
        return Ok(status);
    }
    Err(Failure::configuration(format!("Output mapping refers to an invalid method response: {status}")))
}

fn mapped(asked: Asked<'_>, chosen: &IntegrationResponse, answer: &Answer) -> Result<Response, Failure> {
    let response = &answer.response;
    let media_type = media_type(&response.fields);
    let accepted = asked.request.accepted_media_type();
    let content =
        content_handling::response(&response.content, &media_type, &accepted, &asked.release.binary_media_types, chosen.content_handling)?;
    let mut fields = Fields::with_capacity(chosen.response_parameters.len() + 4);
    let text = String::from_utf8_lossy(&response.content);
    let sources = Sources::of_request(asked.request, asked.context, Some(asked.release)).with_response(&response.fields, &text);
    for (name, expression) in &chosen.response_parameters {
        let value = sources.find(expression)?;
        if let Some((name, value)) = standard_headers::remapped(name.clone()).zip(value) {
            fields.append_text(name, &value.into_text());
        }
    }
    let so_far = answer.overrides.as_deref().unwrap_or_else(|| Overrides::none());
    let mut overrides = Cow::Borrowed(so_far);
    let content = match template::for_response(&chosen.response_templates, &accepted) {
        Some((name, template)) => {
            let input = template::Input {
                body: content.as_template_input()?,
                request: asked.request,
                stage_variables: &asked.release.variables,
                context: asked.context,
                overrides: so_far,
            };
            let (rendered, left) = aside(input.body.len(), || {
                template::render((name, template), &input, &asked.release.template_limits, &|| asked.release.clock.elapsed())
            })?;
            overrides = left.map_or(overrides, Cow::Owned);
            rendered
        }
        None => content.into_bytes(),
    };
    override_fields(&overrides, &mut fields);
    if !fields.contains("content-type") {
        fields.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let status = match overrides.response.status_code() {
        Some(status) => status,
        None => declared(asked, chosen.status_code)?,
    };
    Ok(Response { status, fields, content })
}

fn override_fields(overrides: &Overrides, fields: &mut Fields) {
    for (name, value) in &overrides.response.header {
        let Some(name) = FieldName::parse(name.as_bytes()).and_then(standard_headers::remapped) else { continue };
        fields.remove(name.as_str());
        for value in values(value) {
            fields.append_text(name.clone(), &value);
        }
    }
}

fn media_type(fields: &Fields) -> Cow<'_, str> {
    let value = fields.text("content-type").unwrap_or("application/json");
    let name = value.split(';').next().unwrap_or_default().trim();
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) { name.to_ascii_lowercase().into() } else { name.into() }
}

/// Whether an HTTP endpoint's response passes, so that its fields can be the client's from its arrival on. A service's passes too, but its
/// fields have the request id that `$context.integration.requestId` is, under its own name.
pub(super) fn passes(integration: &Integration) -> bool {
    integration.integration_type == IntegrationType::HttpProxy && integration.service_action.is_none()
}

/// A proxy's response passes; its fields are the client's already.
fn proxied(asked: Asked<'_>, response: EndpointResponse) -> Result<Response, Failure> {
    let handling = asked.operation.integration.content_handling;
    let content = if handling.is_some() {
        let accepted = asked.request.accepted_media_type();
        content_handling::response(
            &response.content,
            &media_type(&response.fields),
            &accepted,
            &asked.release.binary_media_types,
            handling,
        )?
        .into_bytes()
    } else {
        response.content
    };
    Ok(Response { status: response.status, fields: response.fields, content })
}

/// The fields of a proxy's response as the client sees them.
pub(super) fn proxied_fields(mut fields: Fields) -> Fields {
    standard_headers::without_named(&mut fields);
    let mut kept = Fields::with_capacity(fields.len() + 3);
    for field in fields {
        if let Some(name) = standard_headers::remapped_for_proxy(field.name) {
            kept.append(name, field.value);
        }
    }
    kept
}
