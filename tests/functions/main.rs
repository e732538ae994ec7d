//! Functions that run here: a compiled one (`examples/misbehaving.rs`) misbehaves in every way that it is asked to, and the next call is served.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr
)]

#[path = "../support/mod.rs"]
mod support;

mod interpreters;
mod isolation;
mod misbehaviour;
mod streaming;
mod versions;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::client::{self, Response};
use support::gateway::{Files, Gateway};

/// What names the function `f`: at once, streamed, in a hurry, asynchronously, and behind itself as an authorizer.
const DEFINITION: &str = include_str!("api.yaml");

/// Where cargo puts examples beside tests. It builds them with all tests, but not with one of them alone.
fn compiled() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let example = test.parent().unwrap().parent().unwrap().join("examples/misbehaving");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/misbehaving.rs");
    let made = |file: &std::path::Path| std::fs::metadata(file).and_then(|file| file.modified()).ok();
    assert!(made(&example) >= made(source.as_ref()), "{} is missing or old: `cargo build --examples` makes it", example.display());
    example
}

/// A gateway with these functions, `f` of which answers at `/prod/{what}`, and streams at `/prod/streamed/{what}`.
fn start(functions: &str, code: &Files) -> Gateway {
    start_with(functions, code, &[])
}

fn start_with(functions: &str, code: &Files, arguments: &[&str]) -> Gateway {
    std::fs::copy(compiled(), code.0.join("bootstrap")).unwrap();
    let config = format!(
        "
listeners: [{{address: \"127.0.0.1:${{GATEWAY_PORT}}\"}}]
admin: {{address: \"127.0.0.1:${{ADMIN_PORT}}\"}}
apis:
  - id: local
    definition: api.yaml
    stages: [{{stageName: prod}}]
functions:
{}",
        functions.replace("CODE", &code.0.display().to_string())
    );
    let files = [("gateway.yaml".to_owned(), config), ("api.yaml".to_owned(), DEFINITION.to_owned())];
    Gateway::start_in(&[("HEADGATE_LOG", "info")], &files, 9000, arguments).unwrap()
}

/// One function with a second for each call, and with more settings where there are some.
fn one(more: &str) -> String {
    format!("  - {{functionName: f, runtime: provided.al2023, codeUri: CODE, timeout: 1{more}}}\n")
}

fn invoke(gateway: &Gateway, function: &str, event: &Value) -> Response {
    invoke_with(gateway, function, event, &[])
}

fn invoke_with(gateway: &Gateway, function: &str, event: &Value, headers: &[(&str, &str)]) -> Response {
    let path = format!("/2015-03-31/functions/{function}/invocations");
    let headers: Vec<(String, String)> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    client::send(gateway.admin_port, "POST", &path, &headers, event.to_string().as_bytes()).unwrap()
}

/// Whether a process is there, and no zombie.
fn runs(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits for something that must come.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_function_answers_and_stays_warm() {
    let code = Files::new();
    let gateway = start(&one(""), &code);
    assert_eq!([gateway.get("/prod/x").text(), gateway.get("/prod/x").text()], ["1", "2"], "one process answers both");
    let answer = invoke(&gateway, "f", &json!({"path": "/x"}));
    assert_eq!((answer.status, answer.header("x-amz-executed-version").as_deref()), (200, Some("$LATEST")));
    let large = "x".repeat(1 << 20);
    let answer = client::send(gateway.port, "POST", "/prod/x", &[], large.as_bytes()).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "4"), "a large event is one");
    let answer = client::send(gateway.port, "POST", "/prod/x", &[], "x".repeat(7 << 20).as_bytes()).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (413, r#"{"message": "Request Too Long"}"#), "beyond what Lambda takes");
}

#[test]
fn an_asynchronous_call_is_not_waited_for() {
    let code = Files::new();
    let go = code.0.join("go");
    let more = format!(", environment: {{variables: {{GO: \"{}\"}}}}", go.display());
    let gateway = start(&one(&more).replace("timeout: 1", "timeout: 60"), &code);
    let answer = client::send(gateway.port, "POST", "/prod/events", &[], br#"{"path":"/stream"}"#).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, ""), "the function still waits");
    until("the function has begun", || go.with_extension("begun").exists());
    std::fs::write(&go, "").unwrap();
}

#[test]
fn an_event_that_waited_for_its_function_has_the_whole_time() {
    let code = Files::new();
    let go = code.0.join("go");
    let more = format!(", reservedConcurrentExecutions: 1, environment: {{variables: {{GO: \"{}\"}}}}", go.display());
    let gateway = start(&one(&more).replace("timeout: 1", "timeout: 30"), &code);
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| gateway.get("/prod/streamed/stream").status);
        until("the only process is busy", || go.with_extension("begun").exists());
        let sent = Instant::now();
        let event = [("X-Amz-Invocation-Type", "Event")];
        assert_eq!(invoke_with(&gateway, "f", &json!({"path": "/remaining"}), &event).status, 202);
        // It is refused at once and a second later; the third try comes two seconds after that.
        std::thread::sleep(Duration::from_millis(1500).saturating_sub(sent.elapsed()));
        std::fs::write(&go, "").unwrap();
        assert_eq!(busy.join().unwrap(), 201);
        let remaining = go.with_extension("remaining");
        until("the event has come", || remaining.exists());
        assert!(sent.elapsed() > Duration::from_millis(2500), "it came with a later try");
        let remaining: u64 = std::fs::read_to_string(remaining).unwrap().parse().unwrap();
        assert!((28_500..=30_000).contains(&remaining), "{remaining} ms of 30 s are left");
    });
}

#[test]
fn a_function_here_authorizes() {
    let code = Files::new();
    let gateway = start(&one(""), &code);
    let ask = |token: &str| {
        let headers = [("Authorization".to_owned(), token.to_owned())];
        let answer = client::send(gateway.port, "GET", "/prod/guarded", &headers, b"").unwrap();
        (answer.status, answer.text())
    };
    assert_eq!(ask("/allow"), (200, "2".to_owned()));
    assert_eq!(ask("/deny").0, 403);
    assert_eq!(ask("/exit").0, 500, "who cannot decide lets nobody in");
    assert_eq!(gateway.get("/prod/guarded").status, 401);
}

#[test]
fn the_invoke_api_is_lambdas_own() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let code = Files::new();
    let gateway = start(&one(""), &code);
    let answer = invoke_with(&gateway, "f", &json!({"path": "/log"}), &[("X-Amz-Log-Type", "Tail")]);
    let log = String::from_utf8(STANDARD.decode(answer.header("x-amz-log-result").unwrap()).unwrap()).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[0].starts_with("START RequestId: ") && lines[0].ends_with(" Version: $LATEST"), "{log}");
    assert_eq!(&lines[2..4], ["a line of the log", "and one of the errors"], "{log}");
    assert!(lines[4].starts_with("END RequestId: ") && lines[5].contains("\tMemory Size: 128 MB\tMax Memory Used: "), "{log}");
    assert!(lines[5].contains("\tInit Duration: "), "the first call started the process: {log}");
    let request_id = lines[4].trim_start_matches("END RequestId: ");
    assert!(lines[1].ends_with(request_id), "the function's own id is the log's: {log}");

    let request_id = format!("request_id=\"{request_id}\"");
    let is_told = |line: &str| line.contains("and one of the errors") && line.contains("function=\"f\"") && line.contains(&request_id);
    until("the gateway's own log has it", || gateway.said().lines().any(is_told));

    let context = STANDARD.encode(r#"{"custom":{"a":"b"}}"#);
    let answer = invoke_with(&gateway, "f", &json!({"path": "/context"}), &[("X-Amz-Client-Context", &context)]);
    let result: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(result["body"], r#"{"custom":{"a":"b"}}"#);
    assert_eq!(invoke_with(&gateway, "f", &json!({}), &[("X-Amz-Client-Context", "*")]).status, 400);
    assert_eq!(invoke_with(&gateway, "f", &json!({}), &[("X-Amz-Invocation-Type", "DryRun")]).status, 204);
    assert_eq!(invoke_with(&gateway, "f", &json!({}), &[("X-Amz-Invocation-Type", "Event")]).status, 202);
    // What could never run is told at once.
    assert_eq!(invoke_with(&gateway, "f:nowhere", &json!({}), &[("X-Amz-Invocation-Type", "Event")]).status, 404);
    assert_eq!(invoke_with(&gateway, "f", &json!("x".repeat(1 << 20)), &[("X-Amz-Invocation-Type", "Event")]).status, 413);

    let path = "/2015-03-31/functions/f/invocations";
    let answer = client::send(gateway.admin_port, "POST", path, &[], b"no JSON").unwrap();
    assert_eq!((answer.status, answer.header("x-amzn-errortype").as_deref()), (400, Some("InvalidRequestContentException")));
    for (function, status) in [("nobody", 404), ("f:nobody", 404), ("f:1?Qualifier=2", 400)] {
        let (function, query) = function.split_once('?').unwrap_or((function, ""));
        let path = format!("/2015-03-31/functions/{function}/invocations?{query}");
        assert_eq!(client::send(gateway.admin_port, "POST", &path, &[], b"{}").unwrap().status, status, "{function}");
    }
    let path = "/2021-11-15/functions/f/response-streaming-invocations";
    let answer = client::send(gateway.admin_port, "POST", path, &[], br#"{"path":"/x"}"#).unwrap();
    assert_eq!(answer.header("content-type").as_deref(), Some("application/vnd.amazon.eventstream"));
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(text.contains("PayloadChunk") && text.contains("statusCode") && text.contains("InvokeComplete"), "{text}");
}
