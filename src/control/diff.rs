//! What is different between two versions of an API, in API Gateway's terms.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::apigateway::api::{Api, ApiKeySource, Authorization, Method, ParameterLocation};
use crate::apigateway::authorizer::{Authorizer, AuthorizerKind};
use crate::apigateway::gateway_response::GatewayResponse;
use crate::apigateway::integration::{
    Integration, IntegrationResponse, PassthroughBehavior, RequestDestination, RequestParameter, Template,
};
use crate::document::Spanned;
use crate::mapping::lambda_proxy::AuthorizerFormat;

/// The changes, each with what it is, where (`method` or `name`), and the values before and after where there are any.
#[must_use]
pub fn diff(old: &Api, new: &Api) -> Value {
    let mut changes = Vec::new();
    let (before, after) = (methods(old), methods(new));
    let missing = |from: &BTreeMap<String, &Method>, to: &BTreeMap<String, &Method>, change: &str| {
        let names = from.keys().filter(|name| !to.contains_key(*name));
        names.map(|name| json!({ "change": change, "method": name })).collect::<Vec<_>>()
    };
    changes.extend(missing(&before, &after, "method removed"));
    changes.extend(missing(&after, &before, "method added"));
    for (name, old) in &before {
        if let Some(new) = after.get(name) {
            compare(&of_method(old), &of_method(new), &[("method", name)], &mut changes);
        }
    }
    compare(&of_api(old), &of_api(new), &[], &mut changes);
    for (what, of) in
        [("model", models as fn(&Api) -> Map<String, Value>), ("gateway response", gateway_responses), ("authorizer", authorizers)]
    {
        parts(what, &of(old), &of(new), &mut changes);
    }
    Value::Array(changes)
}

type Facts = Vec<(&'static str, Value)>;

/// Both sides list the same facts in the same order.
fn compare(old: &Facts, new: &Facts, place: &[(&str, &str)], changes: &mut Vec<Value>) {
    for ((what, from), (_, to)) in old.iter().zip(new).filter(|((_, from), (_, to))| from != to) {
        let change = match (*what, to) {
            (API_KEY, Value::Bool(true)) => "API key now required".to_owned(),
            (API_KEY, _) => "API key no longer required".to_owned(),
            _ => format!("{what} changed"),
        };
        let mut entry = Map::from_iter([("change".to_owned(), change.into())]);
        entry.extend(place.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())));
        entry.extend([("from".to_owned(), from.clone()), ("to".to_owned(), to.clone())]);
        changes.push(entry.into());
    }
}

/// What has a name: added, removed, changed.
fn parts(what: &str, old: &Map<String, Value>, new: &Map<String, Value>, changes: &mut Vec<Value>) {
    for (name, from) in old {
        match new.get(name) {
            None => changes.push(json!({ "change": format!("{what} removed"), "name": name, "from": from })),
            Some(to) if to != from => changes.push(json!({ "change": format!("{what} changed"), "name": name, "from": from, "to": to })),
            Some(_) => {}
        }
    }
    for (name, to) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        changes.push(json!({ "change": format!("{what} added"), "name": name, "to": to }));
    }
}

const API_KEY: &str = "API key requirement";

fn methods(api: &Api) -> BTreeMap<String, &Method> {
    let resources = api.resources.iter();
    let named =
        resources.flat_map(|resource| resource.methods.iter().map(move |method| (format!("{} {}", method.name(), resource.path), method)));
    named.collect()
}

fn of_api(api: &Api) -> Facts {
    vec![
        ("title", json!(api.name)),
        ("binary media types", json!(api.binary_media_types)),
        ("minimum compression size", json!(api.minimum_compression_size)),
        ("resource policy", json!(api.policy.as_ref().map(|policy| &policy.value))),
        ("API key source", json!(if api.api_key_source == ApiKeySource::Header { "HEADER" } else { "AUTHORIZER" })),
        ("disableExecuteApiEndpoint", json!(api.disable_execute_api_endpoint)),
    ]
}

fn of_method(method: &Method) -> Facts {
    let authorization = match &method.authorization {
        Authorization::None => json!("NONE"),
        Authorization::AwsIam => json!("AWS_IAM"),
        Authorization::Authorizer { name, scopes } => json!({ "authorizer": name, "scopes": scopes }),
    };
    let required = method.required_parameters.iter().map(|parameter| {
        let place = match parameter.location {
            ParameterLocation::Header => "header",
            ParameterLocation::Path => "path",
            ParameterLocation::QueryString => "querystring",
        };
        format!("method.request.{place}.{}", parameter.name)
    });
    let validator = json!({ "body": method.request_validator.body, "parameters": method.request_validator.parameters });
    let mut facts = vec![
        ("authorization", authorization),
        (API_KEY, json!(method.api_key_required)),
        ("request validation", validator),
        ("required parameters", json!(required.collect::<Vec<_>>())),
        ("request models", json!(method.request_models)),
        ("method responses", json!(method.response_statuses)),
    ];
    facts.extend(of_integration(method.integration.as_ref().map(|integration| &*integration.value)));
    facts
}

/// Reads one part of an integration.
type Part = fn(&Integration) -> Value;

fn of_integration(integration: Option<&Integration>) -> Facts {
    let parts: [(&'static str, Part); 17] = [
        ("integration type", |of| json!(of.integration_type.name())),
        ("integration URI", |of| json!(of.uri.as_ref().map(|uri| &uri.value))),
        ("integration HTTP method", |of| json!(of.http_method.as_ref().map(http::Method::as_str))),
        ("integration time-out", |of| json!(of.timeout.as_millis())),
        ("response transfer mode", |of| json!(if of.streams_response { "STREAM" } else { "BUFFERED" })),
        ("credentials", |of| json!(of.credentials.as_ref().map(|role| &role.value))),
        ("circuit breaker", |of| json!(of.circuit_breaker.as_ref().map(|circuit| format!("{circuit:?}")))),
        ("VPC link", |of| json!(of.vpc_link.as_ref().map(|link| &link.value))),
        ("request mapping", |of| of.request_parameters.iter().map(request_parameter).collect()),
        ("request templates", |of| templates(&of.request_templates)),
        ("passthrough behavior", |of| json!(passthrough(of.passthrough_behavior))),
        ("content handling", |of| json!(of.content_handling.map(|handling| format!("{handling:?}")))),
        ("cache key", |of| json!({ "cacheNamespace": of.cache_namespace, "cacheKeyParameters": of.cache_key_parameters })),
        ("integration responses", |of| of.responses.iter().map(response).collect()),
        ("service action", |of| json!(of.service_action.as_ref().map(|action| format!("{action:?}")))),
        ("payload format", |of| json!(format!("{:?}", of.payload_format))),
        (
            "endpoint safety",
            |of| json!({ "insecureSkipVerification": of.insecure_skip_verification, "allowLinkLocal": of.allow_link_local }),
        ),
    ];
    parts.into_iter().map(|(what, part)| (what, integration.map_or(Value::Null, part))).collect()
}

fn request_parameter(parameter: &RequestParameter) -> Value {
    let destination = match &parameter.destination {
        RequestDestination::Header(name) => format!("header.{}", name.as_str()),
        RequestDestination::QueryString(name) => format!("querystring.{name}"),
        RequestDestination::Path(name) => format!("path.{name}"),
    };
    json!(format!("integration.request.{destination}: {}", parameter.source))
}

const fn passthrough(behavior: PassthroughBehavior) -> &'static str {
    match behavior {
        PassthroughBehavior::WhenNoMatch => "WHEN_NO_MATCH",
        PassthroughBehavior::WhenNoTemplates => "WHEN_NO_TEMPLATES",
        PassthroughBehavior::Never => "NEVER",
    }
}

fn templates(templates: &[(Box<str>, Template)]) -> Value {
    templates.iter().map(|(media_type, template)| (media_type.to_string(), json!(template.text()))).collect()
}

fn response(response: &IntegrationResponse) -> Value {
    json!({
        "selectionPattern": response.selection_pattern.as_ref().map(regex::Regex::as_str),
        "statusCode": response.status_code,
        "responseParameters": response.response_parameters.iter().map(|(name, value)| format!("{}: {value}", name.as_str())).collect::<Vec<_>>(),
        "responseTemplates": templates(&response.response_templates),
        "contentHandling": response.content_handling.map(|handling| format!("{handling:?}")),
    })
}

fn models(api: &Api) -> Map<String, Value> {
    api.models.iter().map(|(name, schema)| (name.clone(), schema.value.clone())).collect()
}

fn gateway_responses(api: &Api) -> Map<String, Value> {
    let of = |response: &GatewayResponse| {
        let parameters = response.response_parameters.iter().map(|(name, value)| format!("{}: {value}", name.as_str()));
        let texts = response.response_templates.iter().map(|(media_type, template)| (media_type.to_string(), json!(template.to_string())));
        json!({
            "statusCode": response.status_code,
            "responseParameters": parameters.collect::<Vec<_>>(),
            "responseTemplates": texts.collect::<Map<String, Value>>(),
        })
    };
    api.gateway_responses.iter().map(|(kind, response)| (kind.name().to_owned(), of(response))).collect()
}

fn authorizers(api: &Api) -> Map<String, Value> {
    api.authorizers.iter().map(|authorizer| (authorizer.name.clone(), authorizer_facts(authorizer))).collect()
}

fn authorizer_facts(authorizer: &Authorizer) -> Value {
    let texts = |texts: &[Spanned<String>]| texts.iter().map(|text| text.value.clone()).collect::<Vec<_>>();
    let file = |file: &Option<Spanned<String>>| file.as_ref().map(|file| file.value.clone());
    let kind = match &authorizer.kind {
        AuthorizerKind::Token { uri } => json!({ "type": "TOKEN", "authorizerUri": uri.value }),
        AuthorizerKind::Request { uri, format, simple_responses } => {
            let version = match format {
                AuthorizerFormat::Rest => None,
                AuthorizerFormat::V1 => Some("1.0"),
                AuthorizerFormat::V2 => Some("2.0"),
            };
            json!({
                "type": "REQUEST", "authorizerUri": uri.value, "authorizerPayloadFormatVersion": version,
                "enableSimpleResponses": simple_responses,
            })
        }
        AuthorizerKind::CognitoUserPools { provider_arns, jwks_file } => {
            json!({ "type": "COGNITO_USER_POOLS", "providerARNs": texts(provider_arns), "jwksFile": file(jwks_file) })
        }
        AuthorizerKind::Jwt { issuer, audience, jwks_file } => {
            json!({ "type": "JWT", "issuer": issuer.value, "audience": audience, "jwksFile": file(jwks_file) })
        }
    };
    json!({
        "authorizer": kind,
        "authorizerCredentials": authorizer.credentials.as_ref().map(|credentials| &credentials.value),
        "identitySource": authorizer.identity_sources.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "identityValidationExpression": authorizer.identity_validation.as_ref().map(regex::Regex::as_str),
        "authorizerResultTtlInSeconds": authorizer.result_ttl_seconds,
    })
}

/// The changes for people, one a line, with what was and is where that is short, and below it where it is not.
#[must_use]
pub fn text(changes: &Value) -> String {
    let mut text = String::new();
    for change in changes.as_array().into_iter().flatten() {
        let part = |name: &str| change.get(name).and_then(Value::as_str).unwrap_or_default();
        text.push_str(part("change"));
        for place in ["method", "name"].into_iter().filter(|place| !part(place).is_empty()) {
            text.push_str(&format!(": {}", part(place)));
        }
        let (from, to) = (change.get("from"), change.get("to"));
        let is_plain = |value: &Value| {
            matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null) && value.to_string().len() <= 80
        };
        match (from, to) {
            // The words say it.
            _ if part("change").starts_with("API key n") => {}
            (None, None) => {}
            (Some(from), Some(to)) if is_plain(from) && is_plain(to) => text.push_str(&format!(" (from {from} to {to})")),
            _ => different_lines(from, to, &mut text),
        }
        text.push('\n');
    }
    text
}

/// The lines between the first and the last that differ.
fn different_lines(from: Option<&Value>, to: Option<&Value>, text: &mut String) {
    let [from, to] = [from, to].map(|value| value.map(|value| format!("{value:#}")).unwrap_or_default());
    let [from, to]: [Vec<&str>; 2] = [from.lines().collect(), to.lines().collect()];
    let before = from.iter().zip(&to).take_while(|(from, to)| from == to).count();
    let after = from.iter().skip(before).rev().zip(to.iter().skip(before).rev()).take_while(|(from, to)| from == to).count();
    for (sign, lines) in [('-', &from), ('+', &to)] {
        let different = lines.iter().take(lines.len() - after).skip(before);
        different.for_each(|line| text.push_str(&format!("\n  {sign} {}", line.trim_start())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::state::{StoredDeployment, read_deployment};
    use crate::openapi::Options;

    fn api(text: &str) -> Api {
        let stored = StoredDeployment {
            id: String::new(),
            rest_api_id: "shop".into(),
            created_date: 0,
            description: String::new(),
            definition: "api.yaml".into(),
            basepath: String::new(),
            files: [("api.yaml".to_owned(), text.to_owned())].into(),
        };
        let options = Options { base_path: Default::default(), account_id: "1".into(), region: "eu-west-1".into(), aws_limits: false };
        read_deployment(&stored, &options).unwrap().api
    }

    const OLD: &str = "
openapi: 3.0.1
info: {title: shop, version: '1'}
paths:
  /pets:
    get:
      x-amazon-apigateway-integration: {type: http_proxy, httpMethod: GET, uri: 'http://a/pets'}
    post:
      x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: '{\"statusCode\": 200}'}}
x-amazon-apigateway-gateway-responses:
  THROTTLED: {statusCode: 429, responseTemplates: {application/json: '{\"m\": $context.error.messageString}'}}
";

    #[test]
    fn nothing_changes_when_nothing_does() {
        assert_eq!(diff(&api(OLD), &api(&format!("# a comment\n{OLD}"))), json!([]));
    }

    #[test]
    fn changes_are_told_in_the_terms_of_the_service() {
        let new = OLD
            .replace("http://a/pets", "http://b/pets")
            .replace("type: http_proxy", "cacheKeyParameters: [method.request.path.id], type: http_proxy")
            .replace("    get:\n", "    get:\n      security: [{key: []}]\n")
            .replace("    post:", "    put:")
            .replace("statusCode: 429", "statusCode: 420")
            + "components: {securitySchemes: {key: {type: apiKey, name: x-api-key, in: header}}}\n";
        let told = text(&diff(&api(OLD), &api(&new)));
        for line in [
            "method removed: POST /pets\n",
            "method added: PUT /pets\n",
            "API key now required: GET /pets\n",
            "integration URI changed: GET /pets (from \"http://a/pets\" to \"http://b/pets\")\n",
            "cache key changed: GET /pets\n",
            "gateway response changed: THROTTLED\n  - \"statusCode\": 429,\n  + \"statusCode\": 420,\n",
        ] {
            assert!(told.contains(line), "{line}\n{told}");
        }
        assert!(!told.contains("integration type"), "{told}");
    }
}
