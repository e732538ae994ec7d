//! Resource policies: forged addresses, wildcards, evaluation together with authorizers.

use serde_json::{Value, json};

use super::support::backend::Backend;
use super::{allow_all, definition, function, invocation, policy, proxy, reached, scheme, send, start};

fn resource_policy(statements: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

#[test]
fn an_address_cannot_be_forged() {
    let backend = Backend::start();
    let mut api = definition(json!({"/a": {"get": proxy("/a", json!([]))}}), json!({}));
    api["x-amazon-apigateway-policy"] = resource_policy(json!([{
        "Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*",
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]));
    let gateway = start(&backend, &api, "");
    for name in [
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
        "X-Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Original-Forwarded-For",
        "X-Amz-Source-Ip",
        "X-Amzn-SourceIp",
        "Via",
        "Client-IP",
    ] {
        for value in ["10.0.0.1", "for=10.0.0.1", "10.0.0.1, 127.0.0.1", "127.0.0.1, 10.0.0.1", "::ffff:10.0.0.1"] {
            assert_eq!(send(&gateway, "GET", "/s/a", &[(name, value)], b"").status, 403, "{name}: {value}");
        }
    }
    assert_eq!(send(&gateway, "GET", "/s/a", &[("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-For", "10.0.0.2")], b"").status, 403);
    assert_eq!(reached(&backend), Vec::<String>::new());
}

#[test]
fn wildcards_reach_no_further_than_they_are_written() {
    let backend = Backend::start();
    let paths = json!({"/{proxy+}": {"x-amazon-apigateway-any-method": proxy("/{proxy}", json!([]))}});
    let mut api = definition(paths, json!({}));
    api["x-amazon-apigateway-policy"] = resource_policy(json!([
        {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": ["execute-api:/s/GET/pets/?", "execute-api:/s/GET/public/*"]},
        {"Effect": "Allow", "Principal": "*", "Action": "execute-api:ManageConnections", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "execute-api:Invoke", "Resource": "*"},
        {"Effect": "Deny", "Principal": "*", "Action": "execute-api:*", "Resource": "execute-api:/*/GET/public/secret*"}]));
    let gateway = start(&backend, &api, "");
    for (target, status) in [
        ("/s/pets/7", 200),
        ("/s/pets/77", 403),
        ("/s/pets/", 403),
        ("/s/petsx7", 403),
        ("/s/public/a/b", 200),
        ("/s/public", 403),
        ("/s/publicx/a", 403),
        ("/s/public/secret", 403),
        ("/s/public/secrets/1", 403),
        ("/s/public/%73ecret", 403),
        ("/s/x/GET/public/a", 403),
        ("/s/x?/s/GET/public/a", 403),
    ] {
        assert_eq!(send(&gateway, "GET", target, &[], b"").status, status, "{target}");
        assert_eq!(send(&gateway, "POST", target, &[], b"").status, 403, "POST {target}");
    }
}

/// The guide's table for Lambda authorizers: what the function says, beside what the resource policy says.
#[test]
fn a_functions_policy_and_the_resource_policy_come_together() {
    let backend = Backend::start();
    let deny = json!([{"Effect": "Deny", "Action": "execute-api:Invoke", "Resource": "*"}]);
    let neither = json!([{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "execute-api:/other/*"}]);
    let answers: Vec<Value> = [("allow", allow_all()), ("deny", deny.clone()), ("neither", neither.clone())]
        .iter()
        .map(|(name, statements)| json!({"path": invocation(name), "respond": {"json": policy(statements.clone())}}))
        .collect();
    backend.reset(Some(&json!(answers)));
    let mut schemes = json!({});
    let mut paths = json!({});
    for name in ["allow", "deny", "neither"] {
        schemes[name] = scheme(json!({"type": "token", "authorizerUri": function(name)}));
        paths[format!("/{name}")] = json!({"get": proxy("/x", json!([{name: []}]))});
    }
    let public = |statements: &Value| {
        let mut statements = statements.clone();
        statements[0]["Principal"] = json!("*");
        statements
    };
    for (resource, expected) in [
        (None, [(200, ""), (403, " with an explicit deny"), (403, "")]),
        (Some(public(&allow_all())), [(200, ""), (403, " with an explicit deny"), (200, "")]),
        (Some(public(&neither)), [(200, ""), (403, " with an explicit deny"), (403, "")]),
        (Some(public(&deny)), [(403, " with an explicit deny"), (403, " with an explicit deny"), (403, " with an explicit deny")]),
    ] {
        let mut api = definition(paths.clone(), schemes.clone());
        let denies = resource.as_ref().is_some_and(|statements| statements[0]["Effect"] == "Deny");
        if let Some(statements) = &resource {
            api["x-amazon-apigateway-policy"] = resource_policy(statements.clone());
        }
        let gateway = start(&backend, &api, "");
        backend.take();
        for (name, (status, words)) in ["allow", "deny", "neither"].iter().zip(expected) {
            let response = send(&gateway, "GET", &format!("/s/{name}"), &[("Authorization", "t")], b"");
            assert_eq!(response.status, status, "{name} beside {resource:?}");
            let message =
                serde_json::from_slice::<Value>(&response.body).unwrap_or_default()["Message"].as_str().unwrap_or_default().to_owned();
            if status == 403 {
                assert_eq!(message.contains(" with an explicit deny"), !words.is_empty(), "{name} beside {resource:?}: {message}");
            }
        }
        let asked = backend.take().iter().filter(|record| record.path.starts_with("/2015-03-31/")).count();
        assert_eq!(asked, if denies { 0 } else { 3 }, "what is denied in any case costs no call");
    }
}
