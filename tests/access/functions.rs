//! Functions that authorize: events, answers, caches, and what comes of a function that fails.

use serde_json::{Value, json};

use super::support::backend::Backend;
use super::support::gateway::Gateway;
use super::{allow_all, definition, function, invocation, policy, proxy, scheme, send, start};

/// A gateway with one method `/a/{id}` behind this authorizer, whose function answers so.
fn behind(backend: &Backend, authorizer: Value, answer: Value) -> Gateway {
    backend.reset(Some(&json!([{"path": invocation("auth"), "respond": answer}])));
    let mut method = proxy("/a", json!([{"auth": []}]));
    method["x-amazon-apigateway-integration"]["requestParameters"] = json!({
        "integration.request.header.X-Principal": "context.authorizer.principalId",
        "integration.request.header.X-Tier": "context.authorizer.tier",
    });
    let paths = json!({"/a/{id}": {"get": method.clone()}, "/b": {"get": method}});
    start(backend, &definition(paths, json!({"auth": scheme(authorizer)})), "")
}

fn events(backend: &Backend) -> Vec<Value> {
    let records = backend.take();
    records
        .iter()
        .filter(|record| record.path.starts_with("/2015-03-31/"))
        .map(|record| serde_json::from_slice(&record.body).unwrap())
        .collect()
}

fn token(ttl: u32) -> Value {
    json!({"type": "token", "authorizerUri": function("auth"), "authorizerResultTtlInSeconds": ttl})
}

#[test]
fn whatever_is_no_decision_lets_nobody_in() {
    let backend = Backend::start();
    let failed = [("X-Amz-Function-Error", "Unhandled")];
    let failing = |message: &str| json!({"headers": json!([failed[0]]), "json": {"errorMessage": message}});
    let large = policy(json!([{"Effect": "Allow", "Action": "*", "Resource": "*", "Sid": "x".repeat(70_000)}]));
    let statement = |statement: Value| json!({"json": policy(json!([statement]))});
    for (what, answer, status) in [
        ("a policy", json!({"json": policy(allow_all())}), 200),
        ("Unauthorized", failing("Unauthorized"), 401),
        ("Unauthorized and more", failing("Unauthorized!"), 500),
        ("another failure", failing("no such table"), 500),
        ("throttled", json!({"status": 429, "json": {"Type": "User"}}), 500),
        ("not there", json!({"status": 404, "json": {}}), 500),
        ("broken", json!({"status": 500, "body": "x"}), 500),
        ("no JSON", json!({"body": "Allow"}), 500),
        ("nothing", json!({"body": ""}), 500),
        ("null", json!({"body": "null"}), 500),
        ("true", json!({"body": "true"}), 500),
        ("deep", json!({"body": "[".repeat(100_000)}), 500),
        ("large", json!({"json": large}), 500),
        ("no principal", json!({"json": {"policyDocument": policy(allow_all())["policyDocument"]}}), 500),
        ("no policy", json!({"json": {"principalId": "p"}}), 500),
        ("no statement", json!({"json": {"principalId": "p", "policyDocument": {}}}), 500),
        ("no resource", statement(json!({"Effect": "Allow", "Action": "*"})), 500),
        ("another effect", statement(json!({"Effect": "ALLOW", "Action": "*", "Resource": "*"})), 500),
        (
            "a condition that nobody knows",
            statement(json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Is": {"a": "b"}}})),
            500,
        ),
        (
            "a nested context",
            json!({"json": {"principalId": "p", "policyDocument": policy(allow_all())["policyDocument"], "context": {"a": {}}}}),
            500,
        ),
        ("simple, where it was not asked for", json!({"json": {"isAuthorized": true}}), 500),
        ("no statement that fits", statement(json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})), 403),
        ("denied", statement(json!({"Effect": "Deny", "Action": "*", "Resource": "*"})), 403),
    ] {
        let gateway = behind(&backend, token(300), answer);
        backend.take();
        for _ in 0..2 {
            let response = send(&gateway, "GET", "/s/a/1", &[("Authorization", "t")], b"");
            assert_eq!(response.status, status, "{what}: {}", response.text());
            if status == 500 {
                assert_eq!(response.text(), r#"{"message":null}"#, "{what}");
            }
        }
        // Decisions are kept, failures are not.
        let expected = if matches!(status, 200 | 403) { 1 } else { 2 };
        let records = backend.take();
        assert_eq!(records.iter().filter(|record| record.path.starts_with("/2015-03-31/")).count(), expected, "{what}");
        assert_eq!(records.iter().any(|record| record.path == "/a"), status == 200, "{what}");
    }
}

#[test]
fn nobody_answers_and_nobody_comes_in() {
    let backend = Backend::start();
    let closed = super::support::Closed::new();
    let paths = json!({"/a": {"get": proxy("/a", json!([{"auth": []}]))}});
    let api = definition(paths, json!({"auth": scheme(token(300))}));
    let mut gateway = start(&backend, &api, "");
    let yaml = std::fs::read_to_string(gateway.files.0.join("gateway.yaml")).unwrap();
    let away =
        yaml.replace(&format!("lambda: 'http://127.0.0.1:{}'", backend.port), &format!("lambda: 'http://127.0.0.1:{}'", closed.port()));
    gateway.files.write("gateway.yaml", &away);
    assert!(super::support::gateway::run(&gateway.files.0, &["reload"]).status.success());
    let response = send(&gateway, "GET", "/s/a", &[("Authorization", "t")], b"");
    assert_eq!((response.status, response.text().as_str()), (500, r#"{"message":null}"#));
    assert_eq!(response.header("x-amzn-errortype").as_deref(), Some("AuthorizerConfigurationException"));
    assert!(gateway.child.try_wait().unwrap().is_none());
}

#[test]
fn simultaneous_requests_of_one_identity_make_one_call() {
    let backend = Backend::start();
    let gateway = behind(&backend, token(300), json!({"json": policy(allow_all()), "headers": {}}));
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| assert_eq!(send(&gateway, "GET", "/s/a/1", &[("Authorization", "one")], b"").status, 200));
        }
    });
    assert_eq!(events(&backend).len(), 1);
    assert_eq!(send(&gateway, "GET", "/s/a/1", &[("Authorization", "another")], b"").status, 200);
    assert_eq!(events(&backend).len(), 1, "another identity is another question");
}

#[test]
fn decisions_outlive_a_reload_and_go_on_command() {
    let backend = Backend::start();
    let gateway = behind(&backend, token(300), json!({"json": policy(allow_all())}));
    let ask = || {
        assert_eq!(send(&gateway, "GET", "/s/a/1", &[("Authorization", "t")], b"").status, 200);
        events(&backend).len()
    };
    assert_eq!((ask(), ask()), (1, 0));
    assert!(super::support::gateway::run(&gateway.files.0, &["reload"]).status.success());
    assert_eq!(ask(), 0, "the authorizer is what it was");
    let flush = "/restapis/api/stages/s/cache/authorizers";
    assert_eq!(super::client::send(gateway.admin_port, "DELETE", flush, &[], b"").unwrap().status, 200);
    assert_eq!(ask(), 1);
    let api = std::fs::read_to_string(gateway.files.0.join("api.json")).unwrap();
    gateway.files.write("api.json", &api.replace(r#""authorizerResultTtlInSeconds":300"#, r#""authorizerResultTtlInSeconds":60"#));
    assert!(super::support::gateway::run(&gateway.files.0, &["reload"]).status.success());
    assert_eq!(ask(), 1, "another authorizer asks for itself");
}

#[test]
fn a_kept_decision_is_asked_anew_for_each_method() {
    let backend = Backend::start();
    let only_a = json!([{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "execute-api:/s/GET/a/*"}]);
    let gateway = behind(&backend, token(300), json!({"json": policy(only_a)}));
    for (target, status) in [("/s/a/1", 200), ("/s/b", 403), ("/s/a/2", 200), ("/s/b", 403)] {
        assert_eq!(send(&gateway, "GET", target, &[("Authorization", "t")], b"").status, status, "{target}");
    }
    assert_eq!(events(&backend).len(), 1);
}

#[test]
fn an_identity_is_all_of_its_values() {
    let backend = Backend::start();
    let request = json!({"type": "request", "authorizerUri": function("auth"), "authorizerResultTtlInSeconds": 300,
        "identitySource": "method.request.header.X-User, method.request.querystring.tenant, stageVariables.who, context.httpMethod"});
    let gateway = behind(&backend, request, json!({"json": policy(allow_all())}));
    for (headers, query, status, asked) in [
        (vec![("X-User", "a")], "?tenant=t", 200, 1),
        (vec![("x-user", "a")], "?tenant=t", 200, 0),
        (vec![("X-User", "a"), ("X-User", "b")], "?tenant=t", 200, 1),
        (vec![("X-User", "b"), ("X-User", "a")], "?tenant=t", 200, 1),
        (vec![("X-User", "b")], "?tenant=t", 200, 1),
        (vec![("X-User", "a")], "?tenant=t&tenant=u", 200, 1),
        (vec![("X-User", "a")], "?tenant=", 401, 0),
        (vec![("X-User", "a")], "?Tenant=t", 401, 0),
        (vec![("X-User", "")], "?tenant=t", 401, 0),
        (vec![], "?tenant=t", 401, 0),
        (vec![("X-User", "\u{ff}")], "?tenant=t", 200, 1),
    ] {
        let response = send(&gateway, "GET", &format!("/s/a/1{query}"), &headers, b"");
        assert_eq!((response.status, events(&backend).len()), (status, asked), "{headers:?} {query}");
    }
}

#[test]
fn a_request_authorizer_sees_the_request_in_the_format_that_is_asked_for() {
    let backend = Backend::start();
    let request = |version: Option<&str>| {
        let mut authorizer = json!({"type": "request", "authorizerUri": function("auth"), "authorizerResultTtlInSeconds": 0,
            "identitySource": "$request.header.X-User, $request.querystring.q"});
        if let Some(version) = version {
            authorizer["authorizerPayloadFormatVersion"] = version.into();
        }
        authorizer
    };
    let arn = "arn:aws:execute-api:us-east-1:123456789012:api/s/GET/a/7";
    let ask = |version: Option<&str>, answer: Value| {
        let gateway = behind(&backend, request(version), json!({"json": answer}));
        backend.take();
        let response = send(&gateway, "GET", "/s/a/7?q=1&q=2", &[("X-User", "ada"), ("Cookie", "a=b; c=d"), ("Content-Type", "x")], b"");
        let event = events(&backend).pop().unwrap();
        (response.status, event)
    };
    let (status, event) = ask(None, policy(allow_all()));
    assert_eq!((status, &event["type"], &event["version"]), (200, &json!("REQUEST"), &Value::Null));
    let account = event["requestContext"]["accountId"].as_str().unwrap().to_owned();
    let arn = arn.replace("123456789012", &account);
    assert_eq!(event["methodArn"], arn);
    assert_eq!(event["pathParameters"], json!({"id": "7"}));
    assert_eq!(event["stageVariables"], json!({"who": "me"}));
    assert_eq!(event["multiValueQueryStringParameters"], json!({"q": ["1", "2"]}));
    assert!(event.get("body").is_none() && event.get("isBase64Encoded").is_none());
    let (status, event) = ask(Some("1.0"), policy(allow_all()));
    assert_eq!((status, &event["version"], &event["methodArn"]), (200, &json!("1.0"), &json!(arn)));
    assert_eq!((&event["identitySource"], &event["authorizationToken"]), (&json!("ada,1,2"), &json!("ada,1,2")));
    let (status, event) = ask(Some("2.0"), policy(allow_all()));
    assert_eq!((status, &event["version"], &event["type"]), (200, &json!("2.0"), &json!("REQUEST")));
    assert_eq!((&event["routeArn"], &event["routeKey"]), (&json!(arn), &json!("GET /a/{id}")));
    assert_eq!(event["identitySource"], json!(["ada", "1,2"]));
    assert_eq!((&event["rawPath"], &event["rawQueryString"]), (&json!("/s/a/7"), &json!("q=1&q=2")));
    assert_eq!(event["cookies"], json!(["a=b", "c=d"]));
    assert_eq!(event["headers"]["x-user"], "ada");
    assert_eq!(event["requestContext"]["http"]["method"], "GET");
    assert!(event.get("methodArn").is_none() && event.get("body").is_none());
}

#[test]
fn simple_responses_are_for_those_who_ask_for_them() {
    let backend = Backend::start();
    let simple = json!({"type": "request", "authorizerUri": function("auth"), "authorizerResultTtlInSeconds": 0,
        "identitySource": "$request.header.X-User", "authorizerPayloadFormatVersion": "2.0", "enableSimpleResponses": true});
    for (answer, status) in [
        (json!({"isAuthorized": true, "context": {"tier": "gold", "nested": {"a": [1]}}}), 200),
        (json!({"isAuthorized": false}), 403),
        (json!({"isAuthorized": "true"}), 500),
        (json!({}), 500),
        (policy(allow_all()), 500),
    ] {
        let gateway = behind(&backend, simple.clone(), json!({"json": answer}));
        backend.take();
        assert_eq!(send(&gateway, "GET", "/s/a/1", &[("X-User", "u")], b"").status, status, "{answer}");
        let seen = backend.take().into_iter().find(|record| record.path == "/a");
        let tier = seen.and_then(|record| record.headers.into_iter().find(|(name, _)| name == "X-Tier")).map(|(_, value)| value);
        assert_eq!(tier.as_deref(), (status == 200).then_some("gold"));
    }
    let wrong =
        json!({"type": "request", "authorizerUri": function("auth"), "identitySource": "$request.header.X", "enableSimpleResponses": true});
    let paths = json!({"/a": {"get": proxy("/a", json!([{"auth": []}]))}});
    let files = super::support::gateway::Files::new();
    files.write("api.json", &definition(paths, json!({"auth": scheme(wrong)})).to_string().replace("${BACKEND_PORT}", "1"));
    files.write("gateway.yaml", "apis: [{id: api, definition: api.json, stages: [{stageName: s}]}]\n");
    let checked = super::support::gateway::run(&files.0, &["check"]);
    assert!(!checked.status.success());
    assert!(String::from_utf8_lossy(&checked.stderr).contains("enableSimpleResponses"));
}

#[test]
fn what_a_function_says_of_the_caller_reaches_templates_and_logs() {
    let backend = Backend::start();
    let mut answer = policy(allow_all());
    answer["context"] = json!({"tier": "gold", "principalId": "root"});
    let gateway = behind(&backend, token(300), json!({"json": answer}));
    for _ in 0..2 {
        assert_eq!(send(&gateway, "GET", "/s/a/1", &[("Authorization", "t")], b"").status, 200);
    }
    assert_eq!(send(&gateway, "GET", "/s/a/1", &[], b"").status, 401);
    let seen: Vec<_> = backend.take().into_iter().filter(|record| record.path == "/a").collect();
    assert_eq!(seen.len(), 2);
    for record in seen {
        let value = |name: &str| record.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        assert_eq!((value("X-Principal").as_deref(), value("X-Tier").as_deref()), (Some("somebody"), Some("gold")));
    }
    let log = gateway.files.0.join("access.log");
    let expected = ["200 200 - 200 200 -", "200 200 - 200 - -", "401 401 - - - -"];
    let mut text = String::new();
    for _ in 0..500 {
        text = std::fs::read_to_string(&log).unwrap_or_default();
        if text.lines().count() == 3 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let without_id = |line: &'_ str| line.rsplit_once(' ').map(|(line, _)| line.to_owned()).unwrap_or_default();
    assert_eq!(text.lines().map(without_id).collect::<Vec<_>>(), expected);
}
