//! Python and Node.js through the bootstraps of our own, where they are installed.

use super::*;

const PYTHON: &str = r#"
import logging
import os
import sys

logging.getLogger().setLevel(logging.INFO)


class Odd:
    pass


def handler(event, context):
    what = event["path"]
    if what == "/error":
        raise ValueError("no")
    if what == "/odd":
        return {"statusCode": 200, "body": Odd()}
    if what == "/exit":
        sys.exit(4)
    if what == "/log":
        print("printed")
        logging.info("logged")
    if what == "/context":
        return {"statusCode": 200, "body": "%s %s %d" % (context.invoked_function_arn, context.memory_limit_in_mb, context.get_remaining_time_in_millis() > 0)}
    return {"statusCode": 201, "body": context.function_name}
"#;

const NODE: &str = r#"
export const handler = async (event, context) => {
  if (event.path === '/error') throw new TypeError('no');
  if (event.path === '/odd') return {statusCode: 200, body: 10n};
  if (event.path === '/exit') process.exit(4);
  if (event.path === '/log') console.log('printed');
  if (event.path === '/rejection') { Promise.reject(new Error('nobody waits')); await new Promise(() => {}); }
  if (event.path === '/context') return {statusCode: 200, body: `${context.invokedFunctionArn} ${context.memoryLimitInMB} ${Number(context.getRemainingTimeInMillis() > 0)}`};
  return {statusCode: 201, body: context.functionName};
};
export const called = (event, context, callback) => {
  if (event.path === '/error') return callback(new TypeError('no'));
  // It is answered once nothing is left to do, unless the function says otherwise.
  context.callbackWaitsForEmptyEventLoop = event.path !== '/soon';
  let body = 'early';
  setTimeout(() => { body = 'late'; }, 50);
  callback(null, {statusCode: 202, get body() { return body; }});
};
export const streaming = awslambda.streamifyResponse(async (event, stream, context) => {
  if (event.path.endsWith('/error')) throw new TypeError('no');
  const out = awslambda.HttpResponseStream.from(stream, {statusCode: 203, headers: {'X-Own': 'yes'}});
  out.write('one ');
  if (event.path.endsWith('/late-error')) throw new TypeError('late');
  out.write('two');
  out.end();
});
"#;

const COMMON: &str = "exports.handler = async () => ({statusCode: 204});\n";

fn is_there(program: &str) -> bool {
    let is_there = std::process::Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !is_there {
        eprintln!("{program} is not installed: its functions are not tried");
    }
    is_there
}

fn error_of(gateway: &Gateway, function: &str, what: &str) -> (Value, Value) {
    let answer = invoke(gateway, function, &json!({"path": what}));
    assert_eq!(answer.header("x-amz-function-error").as_deref(), Some("Unhandled"), "{function} {what}: {}", answer.text());
    let mut report: Value = serde_json::from_str(&answer.text()).unwrap();
    (report["errorType"].take(), report["errorMessage"].take())
}

/// What both have to do alike.
fn alike(runtime: &str, code: &Files, (error, marshal): (&str, &str)) {
    let functions: String = [("f", "handler"), ("missing", "nothing"), ("nowhere", "")]
        .iter()
        .map(|(name, member)| {
            let handler = if member.is_empty() { "nowhere.handler".to_owned() } else { format!("app.{member}") };
            format!("  - {{functionName: {name}, runtime: {runtime}, handler: {handler}, codeUri: CODE, timeout: 20, memorySize: 256}}\n")
        })
        .collect();
    let gateway = start(&functions, code);
    let answer = gateway.get("/prod/x");
    assert_eq!((answer.status, answer.text().as_str()), (201, "f"), "{runtime}");
    assert_eq!(error_of(&gateway, "f", "/error"), (json!(error), json!("no")), "{runtime}");
    assert_eq!(error_of(&gateway, "f", "/odd").0, marshal, "{runtime}");
    let (kind, message) = error_of(&gateway, "f", "/exit");
    assert_eq!(kind, "Runtime.ExitError", "{runtime}: {message}");
    assert!(message.as_str().unwrap().ends_with("exit status 4"), "{runtime}: {message}");
    assert_eq!(error_of(&gateway, "missing", "/x").0, "Runtime.HandlerNotFound", "{runtime}");
    assert_eq!(error_of(&gateway, "nowhere", "/x").0, "Runtime.ImportModuleError", "{runtime}");
    assert_eq!(gateway.get("/prod/context").text(), "arn:aws:lambda:us-east-1:123456789012:function:f 256 1", "{runtime}");
    let answer = invoke_with(&gateway, "f", &json!({"path": "/log"}), &[("X-Amz-Log-Type", "Tail")]);
    use base64::Engine as _;
    let log = base64::engine::general_purpose::STANDARD.decode(answer.header("x-amz-log-result").unwrap()).unwrap();
    let log = String::from_utf8(log).unwrap();
    assert!(log.contains("printed"), "{runtime}: {log}");
    if runtime.starts_with("python") {
        assert!(log.contains("[INFO]\t") && log.contains("\tlogged"), "{log}");
    }
}

#[test]
fn python_runs_where_it_is_installed() {
    if !is_there("python3") {
        return;
    }
    let code = Files::new();
    code.write("app.py", PYTHON);
    alike("python3.12", &code, ("ValueError", "Runtime.MarshalError"));
}

#[test]
fn node_runs_where_it_is_installed() {
    if !is_there("node") {
        return;
    }
    let code = Files::new();
    code.write("app.mjs", NODE);
    code.write("common.cjs", COMMON);
    alike("nodejs22.x", &code, ("TypeError", "TypeError"));
    let function = |name: &str, handler: &str| {
        format!("  - {{functionName: {name}, runtime: nodejs22.x, handler: {handler}, codeUri: CODE, timeout: 20, memorySize: 256}}\n")
    };
    let functions = [("f", "app.streaming"), ("called", "app.called"), ("common", "common.handler"), ("rejects", "app.handler")];
    let gateway = start(&functions.map(|(name, handler)| function(name, handler)).concat(), &code);
    for (what, body) in [("/x", "late"), ("/soon", "early")] {
        let answer = invoke(&gateway, "called", &json!({"path": what}));
        assert_eq!(serde_json::from_str::<Value>(&answer.text()).unwrap(), json!({"statusCode": 202, "body": body}), "{what}");
    }
    assert_eq!(error_of(&gateway, "called", "/error"), (json!("TypeError"), json!("no")));
    assert_eq!(invoke(&gateway, "common", &json!({})).text(), r#"{"statusCode":204}"#);
    assert_eq!(error_of(&gateway, "rejects", "/rejection").0, "Runtime.UnhandledPromiseRejection");
    assert_eq!(invoke(&gateway, "rejects", &json!({"path": "/x"})).status, 200, "after the process ended itself");

    let answer = gateway.get("/prod/streamed/x");
    assert_eq!((answer.status, answer.text().as_str(), answer.header("x-own").as_deref()), (203, "one two", Some("yes")));
    assert_eq!(gateway.get("/prod/streamed/error").status, 502, "before anything was written");
    assert!(client::send(gateway.port, "GET", "/prod/streamed/late-error", &[], b"").is_err(), "what breaks off is seen to");
    assert_eq!(gateway.get("/prod/streamed/x").status, 203);
}
