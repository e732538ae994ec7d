//! Who may call, and everybody who may not: attacks on each guard, against the real program over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::too_many_lines
)]

#[path = "../support/mod.rs"]
mod support;

mod functions;
mod paths;
mod policies;
mod signatures;
mod tokens;

use serde_json::{Value, json};
use support::backend::Backend;
use support::client::{self, Response};
use support::gateway::Gateway;

/// A gateway whose Lambda, user pools and origin are one stub.
const GATEWAY: &str = "listeners: [{address: '127.0.0.1:${GATEWAY_PORT}'}]\nadmin: {address: '127.0.0.1:${ADMIN_PORT}'}\n\
    aws: {region: us-east-1, endpoints: {lambda: 'http://127.0.0.1:${BACKEND_PORT}', cognito-idp: 'http://127.0.0.1:${BACKEND_PORT}'}}\n";

/// Starts a gateway with one API of these paths and security schemes. `more`: what its `gateway.yaml` has besides.
fn start(backend: &Backend, definition: &Value, more: &str) -> Gateway {
    let gateway_yaml = format!(
        "{GATEWAY}apis: [{{id: api, definition: api.json, stages: [{{stageName: s, variables: {{who: me}}, accessLogSettings: {{destinationArn: 'file:access.log', format: '$context.status $context.authorizer.status $context.authenticate.status $context.authorize.status $context.authorizer.integrationStatus $context.authenticate.error $context.requestId'}}}}]}}]\n{more}"
    );
    let files = [("gateway.yaml".to_owned(), gateway_yaml), ("api.json".to_owned(), definition.to_string())];
    let variables = [("AWS_ACCESS_KEY_ID", "AKIDGATEWAY"), ("AWS_SECRET_ACCESS_KEY", "gateway-secret")];
    Gateway::start_in(&variables, &files, backend.port, &[]).unwrap()
}

/// A definition with security schemes.
fn definition(paths: Value, schemes: Value) -> Value {
    json!({"openapi": "3.0.1", "info": {"title": "t", "version": "1"}, "paths": paths, "components": {"securitySchemes": schemes}})
}

/// A method that passes everything on to the origin, guarded by `security`.
fn proxy(uri: &str, security: Value) -> Value {
    let uri = format!("http://127.0.0.1:${{BACKEND_PORT}}{uri}");
    json!({"security": security, "responses": {}, "x-amazon-apigateway-integration": {
        "type": "http_proxy", "httpMethod": "ANY", "uri": uri,
        "requestParameters": {"integration.request.path.proxy": "method.request.path.proxy"}}})
}

/// A security scheme whose authorizer is this.
fn scheme(authorizer: Value) -> Value {
    json!({"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "custom", "x-amazon-apigateway-authorizer": authorizer})
}

/// The URI of a function that authorizes.
fn function(name: &str) -> String {
    format!(
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:{name}/invocations"
    )
}

/// The path at which the stub is asked to run a function.
fn invocation(name: &str) -> String {
    format!("^/2015-03-31/functions/arn.*function.*{name}/invocations$")
}

/// A policy that a function answers with.
fn policy(statements: Value) -> Value {
    json!({"principalId": "somebody", "policyDocument": {"Version": "2012-10-17", "Statement": statements}})
}

fn allow_all() -> Value {
    json!([{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}])
}

fn send(gateway: &Gateway, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let headers: Vec<(String, String)> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    client::send(gateway.port, method, target, &headers, body).unwrap()
}

/// The requests that reached the origin itself, rather than the issuer or a function.
fn reached(backend: &Backend) -> Vec<String> {
    let records = backend.take();
    let own = records.into_iter().filter(|record| !record.path.starts_with("/2015-03-31/") && !record.path.contains("/.well-known/"));
    own.map(|record| format!("{} {}", record.method, record.path)).collect()
}
