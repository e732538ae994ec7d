//! Spellings of paths, names of methods, addresses: no way past a guard.

use serde_json::{Value, json};

use super::support::backend::Backend;
use super::support::gateway::Gateway;
use super::{allow_all, definition, function, invocation, policy, proxy, reached, scheme, send, start};

/// What a request names that means `/admin` or below it to somebody.
const SPELLINGS: [&str; 40] = [
    "/s/admin",
    "/s/admin/",
    "/s/admin//",
    "//s/admin",
    "/s//admin",
    "/s/admin/x",
    "/s/admin/x/",
    "/s/admin//x",
    "/s/admin/./x",
    "/s/./admin/x",
    "/s/a/../admin/x",
    "/s/%61dmin/x",
    "/s/%61%64%6d%69%6e",
    "/s/%61dmin/",
    "/s/admin%2fx",
    "/s/admin%2Fx",
    "/s/admin%5cx",
    "/s/admin\\x",
    "/s/admin;/x",
    "/s/admin;a=b/x",
    "/s/admin;",
    "/s/admin/;",
    "/s/;/admin/x",
    "/s/admin%3b/x",
    "/s/admin%3Ba",
    "/s/%2fadmin",
    "/s/%2Fadmin/x",
    "/s/a/%2e%2e/admin/x",
    "/s/a/..%2fadmin/x",
    "/s/a%2f..%2fadmin/x",
    "/s/a/..;/admin/x",
    "/s/..;/admin",
    "/s/admin/%2e",
    "/s/admin%00",
    "/s/admin%09/x",
    "/s/admin%20/../admin",
    "/s/admin#x",
    "/s/admin?x",
    "/s/admin/x?y=/../z",
    "/S/admin",
];

/// An open catch-all beside two methods behind each kind of guard.
fn beside_catch_all(guard: &Value, schemes: Value) -> Value {
    let open = json!([]);
    definition(
        json!({
            "/{proxy+}": {"x-amazon-apigateway-any-method": proxy("/{proxy}", open)},
            "/admin": {"x-amazon-apigateway-any-method": proxy("/admin", guard.clone())},
            "/admin/{proxy+}": {"x-amazon-apigateway-any-method": proxy("/admin/{proxy}", guard.clone())},
        }),
        schemes,
    )
}

/// What an endpoint that decodes, merges and strips as much as any does takes a path for.
fn plainly(reached: &str) -> Vec<String> {
    let path = reached.split(' ').nth(1).unwrap_or_default();
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy().replace('\\', "/");
    let segments = decoded.split('/').map(|segment| segment.split(';').next().unwrap_or_default().to_owned());
    segments.filter(|segment| !segment.is_empty()).collect()
}

fn means_admin(reached: &str) -> bool {
    plainly(reached).first().is_some_and(|first| first == "admin")
}

fn no_spelling_passes(gateway: &Gateway, backend: &Backend, guard: &str) {
    backend.take();
    for target in SPELLINGS {
        for method in ["GET", "POST", "HEAD", "OPTIONS"] {
            let response = send(gateway, method, target, &[], b"");
            let reached: Vec<String> = reached(backend).into_iter().filter(|reached| means_admin(reached)).collect();
            assert!(reached.is_empty(), "{guard}: {method} {target} was answered {} and reached {reached:?}", response.status);
        }
    }
    // The catch-all is open all the same.
    assert_eq!(send(gateway, "GET", "/s/public/a%2Fb;c//d/", &[], b"").status, 200, "{guard}");
    assert_eq!(reached(backend), ["GET /public/a%2Fb;c//d"], "{guard}");
}

#[test]
fn no_spelling_of_a_path_passes_an_authorizer() {
    let backend = Backend::start();
    backend.reset(Some(&json!([{"path": invocation("auth"), "respond": {"json": policy(allow_all())}}])));
    let token = scheme(json!({"type": "token", "authorizerUri": function("auth")}));
    let gateway = start(&backend, &beside_catch_all(&json!([{"auth": []}]), json!({"auth": token})), "");
    no_spelling_passes(&gateway, &backend, "a TOKEN authorizer");
    assert_eq!(send(&gateway, "GET", "/s/admin/x", &[("Authorization", "t")], b"").status, 200);
    assert_eq!(reached(&backend), ["GET /admin/x"]);
}

#[test]
fn a_variable_of_one_segment_takes_no_guarded_path_either() {
    let backend = Backend::start();
    let key = json!({"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}});
    let mut one = proxy("/{id}", json!([]));
    one["x-amazon-apigateway-integration"]["requestParameters"] = json!({"integration.request.path.id": "method.request.path.id"});
    let paths = json!({"/{id}": {"get": one}, "/admin": {"get": proxy("/admin", json!([{"key": []}]))}});
    let gateway = start(&backend, &definition(paths, key), "");
    for target in SPELLINGS {
        let response = send(&gateway, "GET", target, &[], b"");
        let reached: Vec<String> = reached(&backend).into_iter().filter(|reached| plainly(reached) == ["admin"]).collect();
        assert!(reached.is_empty(), "GET {target} was answered {} and reached {reached:?}", response.status);
    }
    assert_eq!(send(&gateway, "GET", "/s/a%2Fb;c", &[], b"").status, 200);
    assert_eq!(reached(&backend), ["GET /a%2Fb;c"]);
}

#[test]
fn no_spelling_of_a_path_passes_a_key_or_a_signature() {
    let backend = Backend::start();
    let keys = "apiKeys: [{id: k, value: '0123456789abcdefghij', enabled: true, usagePlanIds: [p]}]\nusagePlans: [{id: p, apiStages: [{apiId: api, stage: s}]}]\n";
    let key = json!({"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}});
    let gateway = start(&backend, &beside_catch_all(&json!([{"key": []}]), key), keys);
    no_spelling_passes(&gateway, &backend, "an API key");
    assert_eq!(send(&gateway, "GET", "/s/admin/x", &[("x-api-key", "0123456789abcdefghij")], b"").status, 200);
    drop(gateway);
    let sigv4 = json!({"iam": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}});
    let gateway = start(&backend, &beside_catch_all(&json!([{"iam": []}]), sigv4), "");
    no_spelling_passes(&gateway, &backend, "a signature");
}

#[test]
fn a_policys_denial_means_every_spelling() {
    let backend = Backend::start();
    let statements = json!([
        {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"},
        {"Effect": "Deny", "Action": "execute-api:Invoke", "Resource": ["execute-api:/s/*/admin", "execute-api:/s/*/admin/*"]},
    ]);
    backend.reset(Some(&json!([{"path": invocation("auth"), "respond": {"json": policy(statements.clone())}}])));
    let token = scheme(json!({"type": "token", "authorizerUri": function("auth")}));
    let paths = json!({"/{proxy+}": {"x-amazon-apigateway-any-method": proxy("/{proxy}", json!([{"auth": []}]))}});
    let mut api = definition(paths, json!({"auth": token}));
    let by_function = start(&backend, &api, "");
    api["paths"]["/{proxy+}"]["x-amazon-apigateway-any-method"]["security"] = json!([]);
    let public: Vec<Value> = statements
        .as_array()
        .unwrap()
        .iter()
        .map(|statement| {
            let mut statement = statement.clone();
            statement["Principal"] = json!("*");
            statement
        })
        .collect();
    api["x-amazon-apigateway-policy"] = json!({"Version": "2012-10-17", "Statement": public});
    let by_resource = start(&backend, &api, "");
    for target in SPELLINGS {
        for gateway in [&by_function, &by_resource] {
            let response = send(gateway, "GET", target, &[("Authorization", "t")], b"");
            let reached: Vec<String> = reached(&backend).into_iter().filter(|reached| means_admin(reached)).collect();
            assert!(reached.is_empty(), "GET {target} was answered {} and reached {reached:?}", response.status);
        }
    }
    assert_eq!(send(&by_function, "GET", "/s/public", &[("Authorization", "t")], b"").status, 200);
    assert_eq!(send(&by_resource, "GET", "/s/public", &[], b"").status, 200);
}

#[test]
fn another_methods_name_passes_no_guard() {
    let backend = Backend::start();
    backend.reset(Some(&json!([{"path": invocation("auth"), "respond": {"json": policy(allow_all())}}])));
    let token = scheme(json!({"type": "token", "authorizerUri": function("auth")}));
    let paths = json!({"/things": {
        "get": proxy("/things", json!([])),
        "post": proxy("/things", json!([])),
        "delete": proxy("/things", json!([{"auth": []}])),
    }});
    let gateway = start(&backend, &definition(paths, json!({"auth": token})), "");
    let overriding = "X-HTTP-Method-Override";
    for (headers, status) in [
        (vec![(overriding, "DELETE")], 401),
        (vec![(overriding, "delete")], 401),
        (vec![("x-http-METHOD-override", "DELETE")], 401),
        (vec![(overriding, "GET"), (overriding, "DELETE")], 400),
        (vec![(overriding, "DELETE"), (overriding, "GET")], 400),
        (vec![(overriding, "GET,DELETE")], 400),
        (vec![(overriding, "DELETE GET")], 400),
        (vec![(overriding, "PROPFIND")], 403),
        (vec![(overriding, "TRACE")], 403),
        (vec![(overriding, "CONNECT")], 403),
    ] {
        for method in ["GET", "POST"] {
            assert_eq!(send(&gateway, method, "/s/things", &headers, b"").status, status, "{method} {headers:?}");
        }
    }
    assert_eq!(reached(&backend), Vec::<String>::new());
    assert_eq!(send(&gateway, "POST", "/s/things", &[(overriding, "DELETE"), ("Authorization", "t")], b"").status, 200);
    for method in ["get", "Get", "TRACE", "CONNECT", "DELET", "GET\tX"] {
        assert!(send(&gateway, method, "/s/things", &[], b"").status >= 400, "{method}");
    }
    assert_eq!(reached(&backend).len(), 1);
}
