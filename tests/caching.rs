//! The response cache, over real sockets: one call for any number of misses, what is kept and what is not, who may ask anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods)]

mod support;

use serde_json::json;
use support::backend::Backend;
use support::client::{self, Response};
use support::gateway::Gateway;

const CONFIG: &str = "
listeners: [{address: \"127.0.0.1:${GATEWAY_PORT}\"}]
admin: {address: \"127.0.0.1:${ADMIN_PORT}\"}
apis:
  - id: shop
    definition: api.yaml
    stages:
      - stageName: prod
        cacheClusterEnabled: true
        cacheClusterSize: \"0.5\"
        x-headgate: {cacheCapacity: 8MiB}
        methodSettings:
          /kept/GET: {cachingEnabled: true, cacheTtlInSeconds: 3600}
          /late/GET: {cachingEnabled: true, cacheTtlInSeconds: 1, x-headgate: {staleIfErrorSeconds: 600}}
          /open/GET: {cachingEnabled: true, requireAuthorizationForCacheControl: false}
          /warned/GET: {cachingEnabled: true, unauthorizedCacheControlHeaderStrategy: SUCCEED_WITH_RESPONSE_HEADER}
          /silent/GET: {cachingEnabled: true, unauthorizedCacheControlHeaderStrategy: SUCCEED_WITHOUT_RESPONSE_HEADER}
          /refused/GET: {cachingEnabled: true, unauthorizedCacheControlHeaderStrategy: FAIL_WITH_403}
";

fn definition(backend: u16) -> String {
    let method = |path: &str| {
        format!(
            "  {path}:
    get:
      parameters:
        - {{name: a, in: query, schema: {{type: string}}}}
        - {{name: b, in: query, schema: {{type: string}}}}
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: GET
        uri: 'http://127.0.0.1:{backend}{path}'
        cacheKeyParameters: [method.request.querystring.a, method.request.querystring.b]
"
        )
    };
    let paths: String = ["/kept", "/late", "/open", "/warned", "/silent", "/refused"].iter().map(|path| method(path)).collect();
    format!("openapi: 3.0.1\ninfo: {{title: shop, version: '1'}}\npaths:\n{paths}")
}

fn start(backend: &Backend) -> Gateway {
    let files = [("gateway.yaml".to_owned(), CONFIG.to_owned()), ("api.yaml".to_owned(), definition(backend.port))];
    Gateway::start(&files, backend.port, &[]).unwrap()
}

/// Sends this many requests at once; the answers, once all of them have waited for the same call.
fn herd(gateway: &Gateway, backend: &Backend, target: &str, size: usize) -> Vec<Response> {
    backend.hold(true);
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..size).map(|_| scope.spawn(|| gateway.get(target))).collect();
        let wanted = format!("requests under way: {size}\n");
        let are_there = || client::send(gateway.admin_port, "GET", "/readyz?verbose", &[], b"").unwrap().text().contains(&wanted);
        // One that is there may still be on its way to the call.
        while !are_there() || !gateway.is_idle() {
            std::thread::yield_now();
        }
        backend.hold(false);
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

#[test]
fn any_number_of_misses_is_one_call() {
    let backend = Backend::start();
    let gateway = start(&backend);
    let answers = herd(&gateway, &backend, "/prod/kept?a=1", 100);
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    assert_eq!(backend.take().len(), 1);
    assert_eq!((gateway.get("/prod/kept?a=1").body, backend.take().len()), (answers[0].body.clone(), 0));
}

#[test]
fn a_call_that_fails_is_told_to_all_and_nothing_of_it_is_kept() {
    let backend = Backend::start();
    backend.reset(Some(&json!([{ "path": "/kept", "respond": { "status": 503, "body": "away" } }])));
    let gateway = start(&backend);
    let answers = herd(&gateway, &backend, "/prod/kept", 50);
    assert!(answers.iter().all(|answer| (answer.status, answer.text().as_str()) == (503, "away")));
    assert_eq!(backend.take().len(), 1);
    backend.reset(None);
    assert_eq!((gateway.get("/prod/kept").status, backend.take().len()), (200, 1));
}

#[test]
fn an_older_answer_stands_in_for_a_failure() {
    let backend = Backend::start();
    let gateway = start(&backend);
    let first = gateway.get("/prod/late");
    assert_eq!(first.status, 200);
    backend.reset(Some(&json!([{ "path": "/late", "respond": { "status": 500 } }])));
    // The answer is served without a call until its second is over, and in the place of each failure from then on.
    let calls = || {
        assert_eq!(gateway.get("/prod/late").body, first.body);
        backend.take().len()
    };
    while calls() == 0 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(calls(), 1);
    backend.reset(None);
    assert_ne!(gateway.get("/prod/late").body, first.body);
}

#[test]
fn what_may_differ_is_kept_apart() {
    let backend = Backend::start();
    let gateway = start(&backend);
    let targets = ["", "?a=", "?a=1", "?b=1", "?a=1&b=", "?a=1&a=", "?a=1&a=1", "?a=%201", "?a=1&b=1", "?a=11", "?a=1&b=1&b="];
    let answers: Vec<_> = targets.iter().map(|target| gateway.get(&format!("/prod/kept{target}")).body).collect();
    let mut distinct = answers.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), targets.len());
    backend.take();
    for (target, answer) in targets.iter().zip(&answers) {
        assert_eq!(gateway.get(&format!("/prod/kept{target}")).body, *answer, "{target}");
    }
    assert!(backend.take().is_empty());
}

#[test]
fn a_kept_answer_has_the_fields_of_the_first_one() {
    let backend = Backend::start();
    let gateway = start(&backend);
    let fields = json!({ "Server": "origin", "Via": "1.1 cdn", "WWW-Authenticate": "Basic", "X-Own": "1" });
    backend.reset(Some(&json!([{ "path": "/kept", "respond": { "headers": fields } }])));
    let names = |answer: Response| {
        let own = |name: &String| !matches!(&*name.to_ascii_lowercase(), "date" | "content-length" | "content-type" | "connection");
        let mut names: Vec<_> = answer.headers.into_iter().map(|(name, _)| name).filter(own).collect();
        names.sort();
        names
    };
    let first = names(gateway.get("/prod/kept"));
    assert!(["X-Own", "x-amzn-Remapped-Server", "x-amzn-Remapped-WWW-Authenticate"].iter().all(|name| first.iter().any(|at| at == name)));
    assert!(!first.iter().any(|name| name == "Via" || name == "Server"), "{first:?}");
    assert_eq!(names(gateway.get("/prod/kept")), first);
    assert_eq!(backend.take().len(), 1);
}

#[test]
fn what_is_too_large_is_passed_on_and_not_kept() {
    let backend = Backend::start();
    let gateway = start(&backend);
    for (length, calls) in [(1_048_576, 1), (1_048_577, 2)] {
        backend.reset(Some(&json!([{ "path": "/kept", "respond": { "body": "x".repeat(length) } }])));
        let target = format!("/prod/kept?a={length}");
        assert_eq!((gateway.get(&target).body.len(), gateway.get(&target).body.len()), (length, length));
        assert_eq!(backend.take().len(), calls);
    }
}

#[test]
fn asking_anew_takes_a_permission() {
    let backend = Backend::start();
    let gateway = start(&backend);
    let anew = |path: &str| {
        let headers = [("Cache-Control".to_owned(), "max-age=0".to_owned())];
        let answer = client::send(gateway.port, "GET", path, &headers, b"").unwrap();
        (answer.status, answer.header("warning").is_some(), backend.take().len())
    };
    for (path, expected) in [
        ("/prod/open", (200, false, 1)),
        ("/prod/warned", (200, true, 0)),
        ("/prod/silent", (200, false, 0)),
        ("/prod/refused", (403, false, 0)),
    ] {
        assert_eq!(gateway.get(path).status, 200);
        backend.take();
        assert_eq!(anew(path), expected, "{path}");
    }
    let before = gateway.get("/prod/open").body;
    backend.reset(Some(&json!([{ "path": "/open", "respond": { "status": 500 } }])));
    assert_eq!(anew("/prod/open"), (500, false, 1), "the caller wanted the endpoint's own answer");
    assert_eq!(gateway.get("/prod/open").body, before, "a failure is kept in nothing's place");
}

#[test]
fn all_is_forgotten_on_command_and_over_the_admin_address() {
    let backend = Backend::start();
    let gateway = start(&backend);
    let ask = || {
        assert_eq!(gateway.get("/prod/kept").status, 200);
        backend.take().len()
    };
    let flush = |path: &str| client::send(gateway.admin_port, "DELETE", path, &[], b"").unwrap().status;
    assert_eq!([ask(), ask()], [1, 0]);
    assert_eq!(flush("/restapis/shop/stages/prod/cache/data"), 200);
    assert_eq!([ask(), ask()], [1, 0]);
    assert_eq!(flush("/restapis/shop/stages/none/cache/data"), 404);
    let output = support::gateway::run(&gateway.files.0, &["cache", "flush", "--api", "shop", "--stage", "prod"]);
    assert!(output.status.success());
    assert_eq!([ask(), ask()], [1, 0]);
}
