//! What operators do while requests come: deployments, canaries, quotas, the cache. Through the commands, against the running program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use support::backend::Backend;
use support::client;
use support::gateway::{self, Gateway};

const CONFIG: &str = "
listeners: [{address: \"127.0.0.1:${GATEWAY_PORT}\"}]
admin: {address: \"127.0.0.1:${ADMIN_PORT}\"}
usagePlans:
  - id: gold
    quota: {limit: 3, period: MONTH}
    apiStages: [{apiId: shop, stage: prod}]
apiKeys:
  - {id: k1, value: 0123456789abcdefghij, enabled: true, usagePlanIds: [gold]}
apis:
  - id: shop
    definition: api.yaml
    stages:
      - stageName: prod
        cacheClusterEnabled: true
        methodSettings: {/kept/GET: {cachingEnabled: true}}
";

/// One version says its number in two places, so that an answer of two versions shows.
fn definition(version: u32) -> String {
    format!(
        "
openapi: 3.0.1
info: {{title: shop, version: '1'}}
paths:
  /version:
    get:
      responses: {{'200': {{description: done}}}}
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: {{application/json: '{{\"statusCode\": 200}}'}}
        responses:
          default:
            statusCode: '200'
            responseParameters: {{method.response.header.X-Version: \"'{version}'\"}}
            responseTemplates: {{application/json: '{version}'}}
  /metered:
    get:
      security: [{{api_key: []}}]
      responses: {{'200': {{description: done}}}}
      x-amazon-apigateway-integration: {{type: mock, requestTemplates: {{application/json: '{{\"statusCode\": 200}}'}}, responses: {{default: {{statusCode: '200'}}}}}}
  /kept:
    get:
      responses: {{'200': {{description: done}}}}
      x-amazon-apigateway-integration: {{type: http_proxy, httpMethod: GET, uri: 'http://127.0.0.1:${{BACKEND_PORT}}/kept'}}
components:
  securitySchemes:
    api_key: {{type: apiKey, name: x-api-key, in: header}}
"
    )
}

fn start(backend_port: u16) -> Gateway {
    let files = [("gateway.yaml".to_owned(), CONFIG.to_owned()), ("api.yaml".to_owned(), definition(1))];
    Gateway::start(&files, backend_port, &[]).unwrap()
}

fn command(gateway: &Gateway, arguments: &[&str]) -> String {
    let output = gateway::run(&gateway.files.0, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn version(gateway: &Gateway) -> u32 {
    let response = gateway.get("/prod/version");
    assert_eq!(response.status, 200);
    assert_eq!(response.header("x-version").as_deref(), Some(response.text().as_str()), "an answer is of one version");
    response.text().parse().unwrap()
}

/// Each of create, promote and rollback, so many times.
const ROUNDS: u32 = 100;

#[test]
fn changes_while_requests_come_fail_none_and_mix_none() {
    let gateway = start(9000);
    let create = |version: u32, stage: &[&str]| {
        write_version(&gateway, version);
        command(&gateway, &[&["deployment", "create", "--api", "shop"][..], stage].concat())
    };
    let first = create(1, &["--stage", "prod"]);
    let second = create(2, &[]);
    assert_ne!(first, second);
    assert_eq!(version(&gateway), 1, "a stage serves the deployment that it was given, whatever the files say");
    let stop = AtomicBool::new(false);
    let served: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut served = 0;
                    while !stop.load(Ordering::Relaxed) {
                        assert!([1, 2].contains(&version(&gateway)));
                        served += 1;
                    }
                    served
                })
            })
            .collect();
        let canary = ["canary", "--api", "shop", "--stage", "prod"];
        for round in 0..ROUNDS {
            let (own, other, of_other) = if round % 2 == 0 { (1, 2, &second) } else { (2, 1, &first) };
            create(own, &["--stage", "prod"]);
            assert_eq!(version(&gateway), own);
            command(&gateway, &[&canary[..], &["start", "--percent", "50", "--deployment", of_other.trim()]].concat());
            command(&gateway, &[&canary[..], &["promote"]].concat());
            assert_eq!(version(&gateway), other);
            command(&gateway, &["deployment", "rollback", "--api", "shop", "--stage", "prod"]);
            assert_eq!(version(&gateway), own);
        }
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert!(served > 0);
    let history: Value =
        serde_json::from_str(&command(&gateway, &["deployment", "list", "--api", "shop", "--stage", "prod", "--format", "json"])).unwrap();
    let times = |action: &str| history.as_array().unwrap().iter().filter(|change| change["action"] == action).count();
    assert_eq!([times("create"), times("canary promote"), times("rollback")], [ROUNDS as usize + 1, ROUNDS as usize, ROUNDS as usize]);
    let listed: Value = serde_json::from_str(&command(&gateway, &["deployment", "list", "--api", "shop", "--format", "json"])).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2, "the same content is the same deployment");
    let diff = ["deployment", "diff", "--api", "shop", "--from", first.trim(), "--to", second.trim()];
    let told: Value = serde_json::from_str(&command(&gateway, &[&diff[..], &["--format", "json"]].concat())).unwrap();
    assert!(told.as_array().unwrap().iter().all(|change| change["method"] == "GET /version"), "{told}");
    assert!(command(&gateway, &diff).starts_with("integration responses changed: GET /version\n"));
    let shown: Value = serde_json::from_str(&command(&gateway, &["deployment", "show", "--api", "shop", first.trim()])).unwrap();
    assert!(shown["files"]["api.yaml"].as_str().unwrap().contains("/version"), "{shown}");
}

fn write_version(gateway: &Gateway, version: u32) {
    gateway.files.write("api.yaml", &definition(version).replace("${BACKEND_PORT}", "9000"));
}

#[test]
fn going_back_is_possible_whatever_has_become_of_the_files() {
    let gateway = start(9000);
    command(&gateway, &["deployment", "create", "--api", "shop", "--stage", "prod"]);
    write_version(&gateway, 2);
    command(&gateway, &["deployment", "create", "--api", "shop", "--stage", "prod"]);
    assert_eq!(version(&gateway), 2);
    for broken in ["openapi: [", "openapi: 3.0.1\npaths: {/version: {get: {x-amazon-apigateway-integration: {type: nothing}}}}"] {
        gateway.files.write("api.yaml", broken);
        assert!(!gateway::run(&gateway.files.0, &["reload"]).status.success());
        let before = version(&gateway);
        command(&gateway, &["deployment", "rollback", "--api", "shop", "--stage", "prod"]);
        assert_ne!(version(&gateway), before);
    }
    command(&gateway, &["canary", "--api", "shop", "--stage", "prod", "start", "--percent", "0"]);
    assert_eq!(version(&gateway), 2);
}

#[test]
fn a_reload_is_recorded_and_can_be_gone_back_from() {
    let gateway = start(9000);
    write_version(&gateway, 2);
    command(&gateway, &["reload"]);
    assert_eq!(version(&gateway), 2);
    write_version(&gateway, 1);
    command(&gateway, &["canary", "--api", "shop", "--stage", "prod", "start", "--percent", "0"]);
    assert_eq!(version(&gateway), 2, "a canary brings no file along");
    let told = command(&gateway, &["deployment", "rollback", "--api", "shop", "--stage", "prod"]);
    assert_eq!(version(&gateway), 1, "{told}");
    let list = command(&gateway, &["deployment", "list", "--api", "shop"]);
    assert_eq!(list.lines().count(), 3, "{list}");
    command(&gateway, &["reload"]);
    let told = command(&gateway, &["deployment", "rollback", "--api", "shop", "--stage", "prod", "--to", "files"]);
    assert_eq!(version(&gateway), 1, "{told}");
    write_version(&gateway, 2);
    command(&gateway, &["reload"]);
    assert_eq!(version(&gateway), 2, "the files are served as they are again");
}

#[test]
fn what_cannot_be_served_changes_nothing() {
    let gateway = start(9000);
    let refused = |arguments: &[&str]| {
        let output = gateway::run(&gateway.files.0, arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let canary = ["canary", "--api", "shop", "--stage", "prod"];
    let of_canary = |arguments: &[&str]| refused(&[&canary[..], arguments].concat());
    assert!(of_canary(&["promote"]).contains("Promotion not available. Canary does not exist."));
    assert!(of_canary(&["set", "--percent", "5"]).contains("the stage has no canary"));
    assert!(of_canary(&["start", "--percent", "101"]).contains("from 0 to 100"));
    assert!(of_canary(&["start", "--deployment", "0123456789"]).contains("Deployment id does not exist"));
    assert!(of_canary(&["start", "--sticky-by", "mood"]).contains("keeps nobody on a side"));
    assert!(of_canary(&["start", "--variable", "a-b=c"]).contains("letters, digits and `_`"));
    assert!(refused(&["deployment", "rollback", "--api", "shop", "--stage", "prod"]).contains("never served another"));
    assert!(refused(&["deployment", "rollback", "--api", "shop", "--stage", "prod", "--to", "../../etc"]).contains("no deployment's id"));
    assert!(refused(&["deployment", "rollback", "--api", "shop", "--stage", "none"]).contains("no stage `none`"));
    assert!(!gateway.files.0.join("var/stages.json").exists(), "nothing was written");
    // A deployment that is damaged is not served, and what was served goes on.
    let id = command(&gateway, &["deployment", "create", "--api", "shop"]);
    let path = gateway.files.0.join(format!("var/deployments/{}.json", id.trim()));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("/version", "/changed")).unwrap();
    let told = refused(&["deployment", "rollback", "--api", "shop", "--stage", "prod", "--to", id.trim()]);
    assert!(told.contains("its content is not what its name says"), "{told}");
    assert_eq!(version(&gateway), 1);
}

#[test]
fn a_canary_shows_both_sides_and_what_was_set_outlives_the_process() {
    let mut gateway = start(9000);
    command(&gateway, &["deployment", "create", "--api", "shop", "--stage", "prod"]);
    write_version(&gateway, 2);
    let second = command(&gateway, &["deployment", "create", "--api", "shop"]);
    let canary = ["canary", "--api", "shop", "--stage", "prod"];
    command(&gateway, &[&canary[..], &["start", "--percent", "100", "--deployment", second.trim()]].concat());
    assert_eq!((version(&gateway), version(&gateway)), (2, 2));
    let status =
        || -> Value { serde_json::from_str(&command(&gateway, &[&canary[..], &["status", "--format", "json"]].concat())).unwrap() };
    let requests = |status: &Value| ["base", "canary"].map(|side| status[side]["requests"].as_u64().unwrap());
    assert_eq!(requests(&status()), [0, 2]);
    command(&gateway, &[&canary[..], &["set", "--percent", "0"]].concat());
    assert_eq!((version(&gateway), requests(&status())), (1, [1, 2]), "the share is no other canary");
    let text = command(&gateway, &[&canary[..], &["status"]].concat());
    assert!(text.contains("SIDE    DEPLOYMENT  REQUESTS  4XX    5XX    MEAN LATENCY  P99 LATENCY\n"), "{text}");
    let metrics = client::send(gateway.admin_port, "GET", "/metrics", &[], b"").unwrap().text();
    for line in [
        r#"headgate_canary_requests_total{api="shop",side="canary",stage="prod"} 2"#,
        r#"headgate_canary_latency_seconds_count{api="shop",side="base",stage="prod"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    command(&gateway, &[&canary[..], &["set", "--percent", "100", "--variable", "a=1"]].concat());
    assert_eq!(requests(&status()), [0, 0], "another canary begins at nothing");
    let told = |arguments: &[&str]| {
        let output = gateway::run(&gateway.files.0, arguments);
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let expected =
        format!("set at run time: `prod` has a canary with 100 percent of its traffic, which sees the deployment {}", second.trim());
    for command in ["check", "routes"] {
        assert!(told(&[command]).contains(&expected), "what an operator set is shown by {command}: {}", told(&[command]));
    }
    assert!(told(&["routes"]).contains("canary, 100 percent"));
    command(&gateway, &["reload"]);
    assert_eq!(version(&gateway), 2, "a reload changes nothing of it");
    gateway.signal("TERM");
    gateway.child.wait().unwrap();
    gateway.restart();
    assert_eq!(version(&gateway), 2, "nor does a restart");
    command(&gateway, &[&canary[..], &["delete"]].concat());
    assert_eq!(version(&gateway), 1);
}

#[test]
fn the_services_own_operations_deploy_shift_and_promote() {
    let gateway = start(9000);
    let ask = |method: &str, path: &str, body: Value| -> (u16, Value) {
        let content = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let answer = client::send(gateway.admin_port, method, &format!("/restapis/{path}"), &[], &content).unwrap();
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    };
    let patch = |operations: Value| ask("PATCH", "shop/stages/prod", json!({ "patchOperations": operations }));
    let (status, first) = ask("POST", "shop/deployments", json!({ "stageName": "prod", "description": "spring" }));
    assert_eq!((status, &first["description"]), (201, &json!("spring")));
    write_version(&gateway, 2);
    let canary = json!({ "percentTraffic": 100.0, "stageVariableOverrides": { "a": "1" } });
    let (status, second) = ask("POST", "shop/deployments", json!({ "stageName": "prod", "canarySettings": canary }));
    assert_eq!((status, version(&gateway)), (201, 2));
    let (_, stage) = ask("GET", "shop/stages/prod", Value::Null);
    assert_eq!((&stage["deploymentId"], &stage["canarySettings"]["deploymentId"]), (&first["id"], &second["id"]));
    assert_eq!(stage["canarySettings"]["stageVariableOverrides"], json!({ "a": "1" }));
    assert_eq!(patch(json!([{ "op": "replace", "path": "/canarySettings/percentTraffic", "value": "0.0" }])).0, 200);
    assert_eq!(version(&gateway), 1);
    let promotion = json!([
        { "op": "copy", "path": "/deploymentId", "from": "/canarySettings/deploymentId" },
        { "op": "copy", "path": "/variables", "from": "/canarySettings/stageVariableOverrides" },
        { "op": "remove", "path": "/canarySettings" },
    ]);
    assert_eq!((patch(promotion.clone()).0, version(&gateway)), (200, 2));
    let (_, stage) = ask("GET", "shop/stages/prod", Value::Null);
    assert_eq!((&stage["variables"]["a"], &stage["canarySettings"]), (&json!("1"), &Value::Null));
    assert_eq!(patch(promotion), (400, json!({ "message": "Promotion not available. Canary does not exist." })));
    assert_eq!(patch(json!([{ "op": "replace", "path": "/deploymentId", "value": first["id"] }])).0, 200);
    assert_eq!(version(&gateway), 1);
    assert_eq!(ask("GET", "shop/deployments", Value::Null).1["item"].as_array().unwrap().len(), 2);
    assert_eq!(ask("GET", &format!("shop/deployments/{}", first["id"].as_str().unwrap()), Value::Null).1["id"], first["id"]);
    for (method, path, status) in [
        ("GET", "shop/deployments/0123456789", 404),
        ("GET", "none/deployments", 404),
        ("GET", "shop/stages/none", 404),
        ("PATCH", "shop/stages/prod", 400),
        ("DELETE", "shop/stages/prod", 404),
    ] {
        assert_eq!(ask(method, path, Value::Null).0, status, "{method} {path}");
    }
    gateway.files.write("api.yaml", "openapi: [");
    assert_eq!(ask("POST", "shop/deployments", json!({ "stageName": "prod" })).0, 400);
    assert_eq!(version(&gateway), 1);
}

#[test]
fn a_caller_stays_on_its_side_where_it_is_known() {
    let gateway = start(9000);
    let canary = ["canary", "--api", "shop", "--stage", "prod"];
    write_version(&gateway, 2);
    let second = command(&gateway, &["deployment", "create", "--api", "shop"]);
    let start = ["start", "--percent", "50", "--deployment", second.trim(), "--sticky-by"];
    let sides = |name: &str, value: &str| {
        let fields = [(name.to_owned(), value.to_owned())];
        let mut sides: Vec<String> =
            (0..16).map(|_| client::send(gateway.port, "GET", "/prod/version", &fields, b"").unwrap().text()).collect();
        sides.sort();
        sides.dedup();
        sides
    };
    for (by, name) in [("header.X-User", "x-user"), ("apiKey", "x-api-key")] {
        command(&gateway, &[&canary[..], &start[..], &[by]].concat());
        let all: Vec<Vec<String>> = (0..24).map(|caller| sides(name, &format!("caller {caller}"))).collect();
        assert!(all.iter().all(|sides| sides.len() == 1), "{by}: {all:?}");
        assert!(all.iter().any(|sides| sides[0] == "1") && all.iter().any(|sides| sides[0] == "2"), "{by}: {all:?}");
    }
    command(&gateway, &[&canary[..], &start[..], &["sourceIp"]].concat());
    assert_eq!(sides("x-user", "anybody").len(), 1);
    command(&gateway, &[&canary[..], &["set", "--sticky-by", "none"]].concat());
    let all: std::collections::BTreeSet<String> = (0..8).flat_map(|_| sides("x-user", "anybody")).collect();
    assert_eq!(all.len(), 2, "each request is thrown for again");
}

#[test]
fn a_quota_outlives_a_kill_and_can_be_granted() {
    let mut gateway = start(9000);
    let ask = |gateway: &Gateway| {
        let key = [("x-api-key".to_owned(), "0123456789abcdefghij".to_owned())];
        client::send(gateway.port, "GET", "/prod/metered", &key, b"").unwrap().status
    };
    assert_eq!([ask(&gateway), ask(&gateway), ask(&gateway), ask(&gateway)], [200, 200, 200, 429]);
    let usage: Value = serde_json::from_str(&command(&gateway, &["usage", "--plan", "gold", "--format", "json"])).unwrap();
    assert_eq!(usage["items"]["k1"].as_array().unwrap().last(), Some(&json!([3, 0])));
    command(&gateway, &["usage", "--plan", "gold", "--key", "k1", "--remaining", "1"]);
    assert_eq!([ask(&gateway), ask(&gateway)], [200, 429]);
    // Counts reach the disk within a quarter of a second; the promise is one.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    gateway.child.kill().unwrap();
    gateway.child.wait().unwrap();
    let told = command(&gateway, &["usage", "--plan", "gold", "--format", "csv"]);
    assert!(told.lines().last().unwrap().ends_with(",4,0"), "without a gateway the state directory tells it: {told}");
}

#[test]
fn the_cache_is_emptied_on_command() {
    let backend = Backend::start();
    let gateway = start(backend.port);
    assert_eq!((gateway.get("/prod/kept").status, gateway.get("/prod/kept").status), (200, 200));
    assert_eq!(backend.take().len(), 1);
    command(&gateway, &["cache", "flush", "--api", "shop", "--stage", "prod"]);
    assert_eq!(gateway.get("/prod/kept").status, 200);
    assert_eq!(backend.take().len(), 1);
}
