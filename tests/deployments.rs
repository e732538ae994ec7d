//! What operators do while requests come: deployments, canaries, quotas, the cache. Through the commands, against the running program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use support::backend::Backend;
use support::client;
use support::gateway::{self, Gateway};

const CONFIG: &str = "
listeners: [{address: \"127.0.0.1:${GATEWAY_PORT}\"}]
admin: {address: \"127.0.0.1:${ADMIN_PORT}\"}
usagePlans:
  - id: gold
    quota: {limit: 3, period: MONTH}
    apiStages: [{apiId: shop, stage: prod}]
apiKeys:
  - {id: k1, value: 0123456789abcdefghij, enabled: true, usagePlanIds: [gold]}
apis:
  - id: shop
    definition: api.yaml
    stages:
      - stageName: prod
        cacheClusterEnabled: true
        methodSettings: {/kept/GET: {cachingEnabled: true}}
";

/// One version says its number in two places, so that an answer of two versions shows.
fn definition(version: u32) -> String {
    format!(
        "
openapi: 3.0.1
info: {{title: shop, version: '1'}}
paths:
  /version:
    get:
      responses: {{'200': {{description: done}}}}
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: {{application/json: '{{\"statusCode\": 200}}'}}
        responses:
          default:
            statusCode: '200'
            responseParameters: {{method.response.header.X-Version: \"'{version}'\"}}
            responseTemplates: {{application/json: '{version}'}}
  /metered:
    get:
      security: [{{api_key: []}}]
      responses: {{'200': {{description: done}}}}
      x-amazon-apigateway-integration: {{type: mock, requestTemplates: {{application/json: '{{\"statusCode\": 200}}'}}, responses: {{default: {{statusCode: '200'}}}}}}
  /kept:
    get:
      responses: {{'200': {{description: done}}}}
      x-amazon-apigateway-integration: {{type: http_proxy, httpMethod: GET, uri: 'http://127.0.0.1:${{BACKEND_PORT}}/kept'}}
components:
  securitySchemes:
    api_key: {{type: apiKey, name: x-api-key, in: header}}
"
    )
}

fn start(backend_port: u16) -> Gateway {
    let files = [("gateway.yaml".to_owned(), CONFIG.to_owned()), ("api.yaml".to_owned(), definition(1))];
    Gateway::start(&files, backend_port, &[]).unwrap()
}

fn command(gateway: &Gateway, arguments: &[&str]) -> String {
    let output = gateway::run(&gateway.files.0, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn version(gateway: &Gateway) -> u32 {
    let response = gateway.get("/prod/version");
    assert_eq!(response.status, 200);
    assert_eq!(response.header("x-version").as_deref(), Some(response.text().as_str()), "an answer is of one version");
    response.text().parse().unwrap()
}

#[test]
fn changes_while_requests_come_fail_none_and_mix_none() {
    let gateway = start(9000);
    let first = command(&gateway, &["deployment", "create", "--api", "shop", "--stage", "prod"]);
    gateway.files.write("api.yaml", &definition(2).replace("${BACKEND_PORT}", "9000"));
    let second = command(&gateway, &["deployment", "create", "--api", "shop"]);
    assert_ne!(first, second);
    assert_eq!(version(&gateway), 1, "a stage serves the deployment that it was given, whatever the files say");
    let stop = AtomicBool::new(false);
    let served: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut served = 0;
                    while !stop.load(Ordering::Relaxed) {
                        assert!([1, 2].contains(&version(&gateway)));
                        served += 1;
                    }
                    served
                })
            })
            .collect();
        let canary = ["canary", "--api", "shop", "--stage", "prod"];
        for _ in 0..5 {
            command(&gateway, &[&canary[..], &["start", "--percent", "50", "--deployment", second.trim()]].concat());
            command(&gateway, &[&canary[..], &["promote"]].concat());
            assert_eq!(version(&gateway), 2);
            command(&gateway, &["deployment", "rollback", "--api", "shop", "--stage", "prod", "--to", first.trim()]);
            assert_eq!(version(&gateway), 1);
            command(&gateway, &[&canary[..], &["delete"]].concat());
        }
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert!(served > 0);
    let diff: Value = serde_json::from_str(&command(
        &gateway,
        &["deployment", "diff", "--api", "shop", "--from", first.trim(), "--to", second.trim(), "--format", "json"],
    ))
    .unwrap();
    assert!(diff.as_array().unwrap().iter().all(|change| change["method"] == "GET /version"), "{diff}");
    assert!(!diff.as_array().unwrap().is_empty());
}

#[test]
fn a_canary_shows_both_sides_and_what_was_set_outlives_the_process() {
    let gateway = start(9000);
    command(&gateway, &["deployment", "create", "--api", "shop", "--stage", "prod"]);
    gateway.files.write("api.yaml", &definition(2).replace("${BACKEND_PORT}", "9000"));
    let second = command(&gateway, &["deployment", "create", "--api", "shop"]);
    command(&gateway, &["canary", "--api", "shop", "--stage", "prod", "start", "--percent", "100", "--deployment", second.trim()]);
    assert_eq!((version(&gateway), version(&gateway)), (2, 2));
    let status = command(&gateway, &["canary", "--api", "shop", "--stage", "prod", "status", "--format", "json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!((status["canary"]["requests"].as_f64(), status["base"]["requests"].as_f64()), (Some(2.0), Some(0.0)));
    let checked = gateway::run(&gateway.files.0, &["check"]);
    assert!(String::from_utf8_lossy(&checked.stderr).contains("set at run time"), "what an operator set is shown");
}

#[test]
fn a_quota_outlives_a_kill_and_can_be_granted() {
    let mut gateway = start(9000);
    let ask = |gateway: &Gateway| {
        let key = [("x-api-key".to_owned(), "0123456789abcdefghij".to_owned())];
        client::send(gateway.port, "GET", "/prod/metered", &key, b"").unwrap().status
    };
    assert_eq!([ask(&gateway), ask(&gateway), ask(&gateway), ask(&gateway)], [200, 200, 200, 429]);
    let usage: Value = serde_json::from_str(&command(&gateway, &["usage", "--plan", "gold", "--format", "json"])).unwrap();
    assert_eq!(usage["items"]["k1"].as_array().unwrap().last(), Some(&json!([3, 0])));
    command(&gateway, &["usage", "--plan", "gold", "--key", "k1", "--remaining", "1"]);
    assert_eq!([ask(&gateway), ask(&gateway)], [200, 429]);
    // Counts reach the disk within a quarter of a second; the promise is one.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    gateway.child.kill().unwrap();
    gateway.child.wait().unwrap();
    let told = command(&gateway, &["usage", "--plan", "gold", "--format", "csv"]);
    assert!(told.lines().last().unwrap().ends_with(",4,0"), "without a gateway the state directory tells it: {told}");
}

#[test]
fn the_cache_is_emptied_on_command() {
    let backend = Backend::start();
    let gateway = start(backend.port);
    assert_eq!((gateway.get("/prod/kept").status, gateway.get("/prod/kept").status), (200, 200));
    assert_eq!(backend.take().len(), 1);
    command(&gateway, &["cache", "flush", "--api", "shop", "--stage", "prod"]);
    assert_eq!(gateway.get("/prod/kept").status, 200);
    assert_eq!(backend.take().len(), 1);
}
