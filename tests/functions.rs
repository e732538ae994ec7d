//! Functions that run here: a compiled one (`examples/function.rs`) misbehaves in every way that it is asked to, and the next call is served.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr
)]

mod support;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::client::{self, Response};
use support::gateway::{Files, Gateway};

/// Where cargo puts examples beside tests.
fn compiled() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples/function")
}

fn start(functions: &str, code: &Files) -> Gateway {
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
    let definition = "
openapi: 3.0.1
info: {title: local, version: '1'}
paths:
  /{what}:
    get:
      parameters: [{name: what, in: path, required: true, schema: {type: string}}]
      responses: {'200': {description: done}}
      x-amazon-apigateway-integration:
        type: aws_proxy
        httpMethod: POST
        uri: arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:f/invocations
";
    let files = [("gateway.yaml".to_owned(), config), ("api.yaml".to_owned(), definition.to_owned())];
    Gateway::start(&files, 9000, &[]).unwrap()
}

const ONE: &str = "  - {functionName: f, runtime: provided.al2023, codeUri: CODE, timeout: 1}\n";

fn invoke(gateway: &Gateway, function: &str, event: &Value) -> Response {
    let path = format!("/2015-03-31/functions/{function}/invocations");
    client::send(gateway.admin_port, "POST", &path, &[], event.to_string().as_bytes()).unwrap()
}

#[test]
fn a_function_answers_and_stays_warm() {
    let code = Files::new();
    let gateway = start(ONE, &code);
    assert_eq!([gateway.get("/prod/x").text(), gateway.get("/prod/x").text()], ["1", "2"], "one process answers both");
    let answer = invoke(&gateway, "f", &json!({"path": "/x"}));
    assert_eq!((answer.status, answer.header("x-amz-executed-version").as_deref()), (200, Some("$LATEST")));
}

#[test]
fn each_misbehaviour_has_lambdas_own_answer_and_the_next_call_is_served() {
    let code = Files::new();
    let gateway = start(ONE, &code);
    for (what, error_type) in
        [("exit", "Runtime.ExitError"), ("silent", "Sandbox.Timedout"), ("large", "Function.ResponseSizeTooLarge"), ("error", "Mine")]
    {
        let answer = invoke(&gateway, "f", &json!({"path": format!("/{what}")}));
        assert_eq!((answer.status, answer.header("x-amz-function-error").as_deref()), (200, Some("Unhandled")), "{what}");
        let error: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(error["errorType"], error_type, "{what}: {error}");
        let proxied = gateway.get(&format!("/prod/{what}"));
        assert_eq!((proxied.status, proxied.text().contains("Internal server error")), (502, true), "{what}");
        assert_eq!(gateway.get("/prod/x").status, 200, "after {what}");
    }
    for what in ["null", "garbage"] {
        assert_eq!(gateway.get(&format!("/prod/{what}")).status, 502, "{what} is no proxy result");
        assert_eq!(gateway.get("/prod/x").status, 200, "after {what}");
    }
    assert_eq!(gateway.get("/prod/nonsense").text(), "all the same", "what is said of other calls counts for nothing");
}

#[test]
fn what_a_function_starts_ends_with_it() {
    let code = Files::new();
    let gateway = start(ONE, &code);
    let child: u32 = gateway.get("/prod/fork").text().parse().unwrap();
    let runs = || std::fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    assert!(runs());
    // The time-out ends the process, and with it the whole group.
    assert_eq!(gateway.get("/prod/silent").status, 502);
    let until = Instant::now() + Duration::from_secs(10);
    while runs() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!runs(), "the process that the function started is still there");
}

#[test]
fn a_reservation_holds_and_aliases_choose_versions() {
    let (code, second) = (Files::new(), Files::new());
    std::fs::copy(compiled(), second.0.join("bootstrap")).unwrap();
    let functions = format!(
        "  - functionName: f
    runtime: provided.al2023
    codeUri: CODE
    timeout: 3
    reservedConcurrentExecutions: 1
    versions: [{{version: '1', codeUri: CODE}}, {{version: '2', codeUri: {}}}]
    aliases: [{{name: prod, functionVersion: '1', routingConfig: {{additionalVersionWeights: {{'2': 1.0}}}}}}]
",
        second.0.display()
    );
    let gateway = start(&functions, &code);
    let answer = invoke(&gateway, "f:prod", &json!({"path": "/x"}));
    assert_eq!((answer.status, answer.header("x-amz-executed-version").as_deref()), (200, Some("2")));
    let answer = invoke(&gateway, "f:nobody", &json!({}));
    assert_eq!((answer.status, answer.header("x-amzn-errortype").as_deref()), (404, Some("ResourceNotFoundException")));
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| invoke(&gateway, "f", &json!({"path": "/silent"})));
        std::thread::sleep(Duration::from_millis(500));
        let answer = invoke(&gateway, "f", &json!({"path": "/x"}));
        assert_eq!((answer.status, answer.header("x-amzn-errortype").as_deref()), (429, Some("TooManyRequestsException")));
        assert_eq!(slow.join().unwrap().status, 200);
    });
}

#[test]
fn python_and_node_run_where_they_are_installed() {
    let code = Files::new();
    code.write("app.py", "def handler(event, context):\n    if event['path'] == '/error':\n        raise ValueError('no')\n    return {'statusCode': 201, 'body': context.function_name}\n");
    code.write("app.mjs", "export const handler = (event, context, callback) => event.path === '/error' ? callback(new TypeError('no')) : callback(null, {statusCode: 202, body: context.functionName});\n");
    for (runtime, program, status, error) in [("python3.12", "python3", 201, "ValueError"), ("nodejs22.x", "node", 202, "TypeError")] {
        let is_there = std::process::Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
        if !is_there {
            eprintln!("{program} is not installed: its functions are not tried");
            continue;
        }
        let gateway =
            start(&format!("  - {{functionName: f, runtime: {runtime}, handler: app.handler, codeUri: CODE, timeout: 20}}\n"), &code);
        let answer = gateway.get("/prod/x");
        assert_eq!((answer.status, answer.text().as_str()), (status, "f"), "{runtime}");
        let answer = invoke(&gateway, "f", &json!({"path": "/error"}));
        let report: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!((&report["errorType"], &report["errorMessage"]), (&json!(error), &json!("no")), "{runtime}");
    }
}
