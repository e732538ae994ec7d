//! Reservations, versions, aliases, and code that changes.

use super::*;

/// Whether a call that waits for a file has begun.
fn begun(go: &std::path::Path) -> bool {
    go.with_extension("begun").exists()
}

#[test]
fn a_reservation_holds() {
    let code = Files::new();
    let go = code.0.join("go");
    let more = format!(", reservedConcurrentExecutions: 1, environment: {{variables: {{GO: \"{}\"}}}}", go.display());
    let gateway = start(&one(&more).replace("timeout: 1", "timeout: 60"), &code);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| invoke(&gateway, "f", &json!({"path": "/stream"})));
        until("the slow one has begun", || begun(&go));
        let answer = invoke(&gateway, "f", &json!({"path": "/x"}));
        assert_eq!(answer.header("x-amzn-errortype").as_deref(), Some("TooManyRequestsException"));
        assert!(answer.text().contains("ReservedFunctionConcurrentInvocationLimitExceeded"));
        let proxied = gateway.get("/prod/x");
        assert_eq!((proxied.status, proxied.text().as_str()), (500, r#"{"message": "Internal server error"}"#));
        std::fs::write(&go, "").unwrap();
        let answer = slow.join().unwrap();
        assert_eq!((answer.status, answer.text().ends_with("first,second")), (200, true), "a stream that is wanted whole comes whole");
    });
    until("the place is free again", || invoke(&gateway, "f", &json!({"path": "/x"})).status == 200);
}

#[test]
fn published_versions_stay_as_they_were() {
    let (code, second) = (Files::new(), Files::new());
    std::fs::copy(compiled(), second.0.join("bootstrap")).unwrap();
    second.write("data", "two");
    code.write("data", "one");
    let functions = format!(
        "  - functionName: f
    runtime: provided.al2023
    codeUri: CODE
    versions: [{{version: '1'}}, {{version: '2', codeUri: {}}}]
    aliases:
      - {{name: prod, functionVersion: '1', routingConfig: {{additionalVersionWeights: {{'2': 1.0}}}}}}
      - {{name: old, functionVersion: '1'}}
",
        second.0.display()
    );
    let gateway = start_with(&functions, &code, &["--watch"]);
    let ask = |function: &str| {
        let answer = invoke(&gateway, function, &json!({"path": "/version"}));
        let result: Value = serde_json::from_str(&answer.text()).unwrap();
        (answer.header("x-amz-executed-version").unwrap(), result["body"].as_str().unwrap_or_default().to_owned())
    };
    let is = |version: &str, body: &str| (version.to_owned(), body.to_owned());
    assert_eq!(ask("f:prod"), is("2", "2 two"));
    assert_eq!(ask("f:old"), is("1", "1 one"));
    assert_eq!(ask("f"), is("$LATEST", "$LATEST one"));
    second.write("data", "changed");
    code.write("data", "changed");
    // What is watched is taken over; what is published is not changed by it.
    until("the change of the code is taken over", || ask("f").1 == "$LATEST changed");
    let pid = invoke(&gateway, "f", &json!({"path": "/pid"})).text();
    code.write("more", "a file that was not there");
    until("a file that is new is a change", || invoke(&gateway, "f", &json!({"path": "/pid"})).text() != pid);
    assert_eq!((ask("f:2"), ask("f:old")), (is("2", "2 two"), is("1", "1 one")));
}

#[test]
fn code_changes_while_a_call_is_under_way() {
    let code = Files::new();
    let go = code.0.parent().unwrap().join(format!("headgate-go-{:x}", fastrand::u64(..)));
    let more = format!(", environment: {{variables: {{GO: \"{}\"}}}}", go.display());
    let gateway = start(&one(&more).replace("timeout: 1", "timeout: 60"), &code);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| invoke(&gateway, "f", &json!({"path": "/stream"})));
        until("the slow one has begun", || begun(&go));
        let pid = gateway.get("/prod/pid").text();
        code.write("data", "other code");
        assert_eq!(client::send(gateway.admin_port, "POST", "/reload", &[], b"").unwrap().status, 200);
        assert_ne!(gateway.get("/prod/pid").text(), pid, "the new code has processes of its own");
        std::fs::write(&go, "").unwrap();
        assert!(slow.join().unwrap().text().ends_with("first,second"), "the call that was under way ends as it began");
    });
    std::fs::remove_file(&go).unwrap();
    std::fs::remove_file(go.with_extension("begun")).unwrap();
}
