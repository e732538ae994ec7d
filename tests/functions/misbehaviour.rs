//! Each misbehaviour gets Lambda's and API Gateway's own answer, leaves nothing behind, and the next call is served.

use super::*;

#[test]
fn failures_are_lambdas_error_objects_and_the_gateways_502() {
    let code = Files::new();
    let gateway = start(&one(""), &code);
    for (what, error_type, message) in [
        ("exit", "Runtime.ExitError", "Error: Runtime exited with error: exit status 3"),
        ("abort", "Runtime.ExitError", "Error: Runtime exited with error: signal: aborted"),
        ("silent", "Sandbox.Timedout", "Error: Task timed out after 1.00 seconds"),
        ("large", "Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes)."),
        ("error", "Mine", "on purpose"),
        ("garbage-error", "Runtime.Unknown", "the function told of an error in no form that can be read"),
        ("huge-head", "Runtime.ExitError", "Error: Runtime exited with error: exit status 1"),
    ] {
        let answer = invoke(&gateway, "f", &json!({"path": format!("/{what}")}));
        assert_eq!((answer.status, answer.header("x-amz-function-error").as_deref()), (200, Some("Unhandled")), "{what}");
        let error: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(error["errorType"], error_type, "{what}: {error}");
        assert!(error["errorMessage"].as_str().unwrap().ends_with(message), "{what}: {error}");
        let proxied = gateway.get(&format!("/prod/{what}"));
        assert_eq!((proxied.status, proxied.text().as_str()), (502, r#"{"message": "Internal server error"}"#), "{what}");
        assert_eq!(gateway.get("/prod/x").status, 200, "after {what}");
    }
}

#[test]
fn results_that_are_none_are_502() {
    let code = Files::new();
    let gateway = start(&one(""), &code);
    for what in ["null", "garbage", "many-headers"] {
        assert_eq!(gateway.get(&format!("/prod/{what}")).status, 502, "{what} is no proxy result");
        assert_eq!(gateway.get("/prod/x").status, 200, "after {what}");
    }
    let pid = gateway.get("/prod/pid").text();
    assert_eq!(gateway.get("/prod/null").status, 502);
    assert_eq!(gateway.get("/prod/pid").text(), pid, "a function that returned is used again");
}

#[test]
fn what_is_said_out_of_order_counts_for_nothing() {
    let code = Files::new();
    let gateway = start(&one(""), &code);
    assert_eq!(gateway.get("/prod/nonsense").text(), "[400, 404, 403, 403, 403]");
    assert_eq!(gateway.get("/prod/x").status, 200);
    assert_eq!(gateway.get("/prod/twice").text(), "once");
    assert_eq!(gateway.get("/prod/seen").text(), "400", "a second answer to one event");
    assert_eq!(gateway.get("/prod/two-pollers").text(), "first");
    assert_eq!(gateway.get("/prod/x").status, 200, "another connection takes the next event");
}

#[test]
fn a_process_that_ended_between_events_costs_nobody_anything() {
    let code = Files::new();
    let gateway = start(&one(""), &code);
    for _ in 0..5 {
        let pid: u32 = gateway.get("/prod/answer-and-exit").text().parse().unwrap();
        // With and without the time to notice it.
        assert_eq!(gateway.get("/prod/x").status, 200);
        until("the process ends", || !runs(pid));
        assert_eq!(gateway.get("/prod/x").status, 200);
    }
}

#[test]
fn a_function_that_cannot_begin_says_why() {
    for (init, error_type, message) in [
        ("error", "Init", "on purpose"),
        ("exit", "Runtime.ExitError", "Error: Runtime exited with error: exit status 7"),
        ("silent", "Sandbox.Timedout", "Error: Task timed out after 1.00 seconds"),
    ] {
        let code = Files::new();
        let more = format!(", environment: {{variables: {{INIT: {init}}}}}, x-headgate: {{initTimeoutSeconds: 1}}");
        let gateway = start(&one(&more), &code);
        let answer = invoke(&gateway, "f", &json!({"path": "/x"}));
        let error: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!((answer.status, &error["errorType"]), (200, &json!(error_type)), "{init}: {error}");
        assert!(error["errorMessage"].as_str().unwrap().ends_with(message), "{init}: {error}");
        assert_eq!(gateway.get("/prod/x").status, 502, "{init}");
    }
    let code = Files::new();
    let gateway = start(&one(""), &code);
    std::fs::remove_file(code.0.join("bootstrap")).unwrap();
    let answer = invoke(&gateway, "f", &json!({"path": "/x"}));
    assert!(answer.text().contains("Runtime exited with error: exit status 127"), "{}", answer.text());
}

#[test]
fn an_integrations_time_is_over_before_the_functions() {
    let code = Files::new();
    let gateway = start(&one(""), &code);
    let answer = gateway.get("/prod/hurried/silent");
    assert_eq!((answer.status, answer.text().as_str()), (504, r#"{"message": "Endpoint request timed out"}"#));
    assert_eq!(gateway.get("/prod/x").text(), "1", "another process serves what comes");
}

#[test]
fn more_memory_than_it_has_ends_it() {
    let code = Files::new();
    let gateway = start("  - {functionName: f, runtime: provided.al2023, codeUri: CODE, timeout: 60, memorySize: 128}\n", &code);
    let answer = invoke(&gateway, "f", &json!({"path": "/memory"}));
    let error: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(error["errorType"], "Runtime.OutOfMemory", "{error}");
    assert!(error["errorMessage"].as_str().unwrap().ends_with("Error: Runtime exited with error: signal: killed"), "{error}");
    assert_eq!(gateway.get("/prod/x").status, 200);
}
