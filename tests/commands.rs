//! The commands that answer and end: what they print where, and how they exit.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::too_many_lines
)]

mod support;

use std::process::Output;

use serde_json::Value;
use support::backend::Backend;
use support::gateway::{Files, run};

const GATEWAY: &str = "apis: [{id: shop, definition: api.yaml, stages: [{stageName: prod, cacheClusterEnabled: true, variables: {v: '1'}, methodSettings: {'*/*': {throttlingRateLimit: 5, throttlingBurstLimit: 2}, 'pets/{id}/GET': {cachingEnabled: true, cacheTtlInSeconds: 60}}}]}]\n";
const API: &str = r#"openapi: 3.0.1
info: {title: shop, version: "1"}
x-amazon-apigateway-request-validators: {body: {validateRequestBody: true}}
paths:
  /mock:
    get:
      responses: {"200": {description: ok}}
      x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: '{"statusCode": 200}'}, responses: {default: {statusCode: "200", responseTemplates: {application/json: '{"ok": true}'}}}}
  /broken:
    get:
      x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: 'nothing'}, responses: {default: {statusCode: "200"}}}
  /pets/{id}:
    get: &call
      responses: {"200": {description: ok}}
      x-amazon-apigateway-integration:
        type: http
        httpMethod: POST
        uri: http://127.0.0.1:BACKEND/echo-body?of={id}
        requestParameters: {integration.request.path.id: method.request.path.id, integration.request.header.X-Api-Key: method.request.header.X-Api-Key}
        requestTemplates: {application/json: '{"asked": $input.json("$.name")}'}
        responses: {default: {statusCode: "200", responseTemplates: {application/json: 'endpoint said $input.body'}}}
    post:
      x-amazon-apigateway-request-validator: body
      requestBody: {content: {application/json: {schema: {type: object, required: [name]}}}}
      responses: {"200": {description: ok}}
      x-amazon-apigateway-integration: {type: http_proxy, httpMethod: POST, uri: 'http://127.0.0.1:BACKEND/echo-body'}
"#;

fn files(backend: u16) -> Files {
    let files = Files::new();
    files.write("gateway.yaml", GATEWAY);
    files.write("api.yaml", &API.replace("BACKEND", &backend.to_string()));
    files
}

fn invoke(files: &Files, arguments: &[&str]) -> (i32, String, String) {
    let output = run(&files.0, &[&["invoke", "--api", "shop", "--stage", "prod"], arguments].concat());
    texts(output)
}

fn texts(output: Output) -> (i32, String, String) {
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// The lines of a log without their times, which all have the service's form but the first.
fn untimed(log: &str) -> Vec<String> {
    let time = regex::Regex::new(r"^[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d UTC \d{4} : ").unwrap();
    let mut lines = log.lines();
    let first = lines.next().unwrap().to_owned();
    let rest = lines.map(|line| time.find(line).map_or_else(|| panic!("no time in {line}"), |found| line[found.end()..].to_owned()));
    std::iter::once(first).chain(rest).collect()
}

#[test]
fn invoke_tells_each_step_as_test_invoke_method_does() {
    let backend = Backend::start();
    let files = files(backend.port);
    let (code, out, log) =
        invoke(&files, &["GET", "/pets/7?q=1", "-d", r#"{"name": "Rex"}"#, "-H", "X-Api-Key: 0123456789abcdefghij", "-H", "Accept: */*"]);
    assert_eq!(code, 0, "{log}");
    let lines = untimed(&log);
    let id = lines[0].strip_prefix("Execution log for request ").unwrap();
    let uri = format!("http://127.0.0.1:{}/echo-body?of=7", backend.port);
    let expected = [
        format!("Starting execution for request: {id}"),
        "HTTP Method: GET, Resource Path: /pets/7".to_owned(),
        "Method request path: {id=7}".to_owned(),
        "Method request query string: {q=1}".to_owned(),
        "Method request headers: {X-Api-Key=****efghij, Accept=*/*}".to_owned(),
        r#"Method request body before transformations: {"name": "Rex"}"#.to_owned(),
        format!("Endpoint request URI: {uri}"),
    ];
    assert_eq!(lines[1..8], expected);
    assert!(
        lines[8].starts_with("Endpoint request headers: {Host=127.0.0.1:") && lines[8].contains("X-Api-Key=****efghij"),
        "{}",
        lines[8]
    );
    assert_eq!(lines[9], r#"Endpoint request body after transformations: {"asked": "Rex"}"#);
    assert_eq!(lines[10], format!("Sending request to {uri}"));
    assert!(lines[11].starts_with("Received response. Status: 200, Integration latency: "), "{}", lines[11]);
    assert!(lines[12].starts_with("Endpoint response headers: {Content-Type=application/json"), "{}", lines[12]);
    assert_eq!(lines[13], r#"Endpoint response body before transformations: {"asked": "Rex"}"#);
    assert_eq!(lines[14], r#"Method response body after transformations: endpoint said {"asked": "Rex"}"#);
    assert!(lines[15].starts_with("Method response headers: {Content-Type=application/json"), "{}", lines[15]);
    assert_eq!(lines[16..], ["Successfully completed execution", "Method completed with status: 200"]);
    assert!(out.starts_with("200\nContent-Type: application/json\n") && out.ends_with("\n\nendpoint said {\"asked\": \"Rex\"}\n"), "{out}");
    assert_eq!(backend.take().len(), 1, "the endpoint is asked once");
}

#[test]
fn invoke_shows_no_endpoint_where_none_is_asked() {
    let backend = Backend::start();
    let files = files(backend.port);
    let (code, _, log) = invoke(&files, &["GET", "/mock"]);
    assert!(code == 0 && !log.contains("Endpoint"), "{log}");
    // What does not fit its model never gets as far.
    let (code, _, log) = invoke(&files, &["POST", "/pets/1", "-d", "{}"]);
    let lines = untimed(&log);
    let told = r#"Request body does not match model schema for content type application/json: [object has missing required properties (["name"])]"#;
    assert_eq!((code, &lines[7..]), (0, &[told.to_owned(), "Method completed with status: 400".to_owned()][..]));
    let (code, _, log) = invoke(&files, &["GET", "/broken"]);
    assert_eq!(code, 1);
    assert_eq!(
        untimed(&log)[7..],
        [
            "Execution failed due to configuration error: Unable to parse statusCode. It should be an integer that is defined in the request template.",
            "Method completed with status: 500"
        ]
    );
    assert!(backend.take().is_empty());
}

#[test]
fn invoke_prints_one_object_for_programs() {
    let backend = Backend::start();
    let files = files(backend.port);
    let (code, out, err) = invoke(&files, &["--format", "json", "GET", "/mock"]);
    let result: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, err.as_str(), &result["status"], &result["body"]), (0, "", &200.into(), &r#"{"ok": true}"#.into()));
    assert_eq!(result["headers"]["Content-Type"], "application/json");
    assert_eq!(result["multiValueHeaders"]["Content-Type"], serde_json::json!(["application/json"]));
    assert!(result["latency"].is_u64());
    assert!(result["log"].as_str().unwrap().ends_with(" : Method completed with status: 200"));
    let (code, out, err) = texts(run(&files.0, &["invoke", "--api", "shop", "--stage", "none", "GET", "/mock"]));
    assert!(code == 1 && out.is_empty() && err.contains("no stage `none`"), "{err}");
}

#[test]
fn routes_lists_each_method_with_what_the_stage_makes_of_it() {
    let files = files(9000);
    let (code, out, _) = texts(run(&files.0, &["routes", "--format", "json"]));
    let rows: Vec<Value> = serde_json::from_str(&out).unwrap();
    let row = rows.iter().find(|row| row["path"] == "/pets/{id}" && row["method"] == "GET").unwrap();
    assert_eq!((code, rows.len(), &row["api"], &row["stage"], &row["cache"]), (0, 4, &"shop".into(), &"prod".into(), &"60 s".into()));
    assert!(row["integration"].as_str().unwrap().starts_with("HTTP http://127.0.0.1:9000/"), "{row}");
    assert!(row["throttle"].as_str().unwrap().contains('5'), "{row}");
    let (code, out, _) = texts(run(&files.0, &["routes"]));
    let heading: Vec<&str> = out.lines().next().unwrap().split_whitespace().collect();
    assert_eq!((code, heading[0], heading[9], out.lines().count()), (0, "API", "CACHE", 5));
}

#[test]
fn check_prints_problems_for_programs() {
    let files = files(9000);
    files.write("gateway.yaml", &GATEWAY.replace("cacheClusterEnabled", "cacheClusterEnabld"));
    let (code, out, err) = texts(run(&files.0, &["check", "--format", "json"]));
    let result: Value = serde_json::from_str(&out).unwrap();
    let problem = &result["problems"][0];
    assert_eq!((code, err.as_str(), &result["ok"]), (1, "", &false.into()));
    assert_eq!((&problem["severity"], &problem["file"], &problem["line"]), (&"error".into(), &"gateway.yaml".into(), &1.into()));
    assert_eq!(problem["help"], "did you mean `cacheClusterEnabled`?");
    assert!(problem["column"].as_u64().unwrap() > 50 && problem["sourceLine"].as_str().unwrap().contains("cacheClusterEnabld"));
}

#[test]
fn usage_is_taught_and_wrong_usage_ends_with_2() {
    let files = Files::new();
    let (code, out, _) = texts(run(&files.0, &["--help"]));
    assert_eq!(code, 0);
    for command in
        ["run", "check", "routes", "invoke", "template", "deployment", "canary", "usage", "cache", "reload", "version", "completion"]
    {
        assert!(out.lines().any(|line| line.trim_start().starts_with(command)), "{command} in\n{out}");
        let (code, help, _) = texts(run(&files.0, &[command, "--help"]));
        assert!(code == 0 && help.contains("Usage: headgate"), "{help}");
    }
    for wrong in [&["chek"][..], &["invoke", "GET"], &["check", "--format", "xml"], &[]] {
        let (code, out, err) = texts(run(&files.0, wrong));
        assert!(code == 2 && out.is_empty() && err.contains("Usage") | err.contains("--help"), "{wrong:?}: {code} {err}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = texts(run(&files.0, &["completion", shell]));
        assert!(code == 0 && script.contains("headgate") && script.contains("invoke"), "{shell}");
    }
}
