//! Keys, throttles and quotas through the real program: what a key opens, that its value stays secret, what outlives a reload and a kill.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods)]

mod support;

use std::fmt::Write as _;

use serde_json::{Value, json};
use support::client::{self, Response};
use support::gateway::{self, Gateway};

const CONFIG: &str = "
listeners: [{address: \"127.0.0.1:${GATEWAY_PORT}\"}]
admin: {address: \"127.0.0.1:${ADMIN_PORT}\"}
usagePlans:
  - id: gold
    throttle: {rateLimit: 0.001, burstLimit: 3}
    apiStages: [{apiId: shop, stage: prod}]
  - id: silver
    quota: {limit: 4, offset: 1, period: DAY}
    apiStages: [{apiId: shop, stage: prod}]
apiKeys: [{file: keys.csv}]
apis:
  - id: shop
    definition: api.yaml
    stages:
      - stageName: prod
        accessLogSettings:
          destinationArn: file:access.log
          format: $context.requestId $context.identity.apiKey $context.identity.apiKeyId
        methodSettings: {/free/GET: {throttlingRateLimit: 0.001, throttlingBurstLimit: 2}}
";

const KEYS: &str = "\u{feff}Name , key, ENABLED , Description,usageplanids
 padded ,  padded-0123456789-0123456789-01 ,  tRuE , , gold
quoted,quoted-0123456789-0123456789-01,,\"two
lines, one cell\",\"silver, bronze\"
twin,twin-a-0123456789-0123456789-01,,,silver
twin,twin-b-0123456789-0123456789-01,,,silver
off,off-0123456789-0123456789-0123,FALSE,,gold
early,again-0123456789-0123456789-01,false,,gold
late,again-0123456789-0123456789-01,true,,silver
";

const DEFINITION: &str = "
openapi: 3.0.1
info: {title: shop, version: '1'}
paths:
  /metered:
    get:
      security: [{api_key: []}]
      x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: '{\"statusCode\": 200}'}, responses: {default: {statusCode: '200'}}}
  /free:
    get:
      x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: '{\"statusCode\": 200}'}, responses: {default: {statusCode: '200'}}}
components:
  securitySchemes:
    api_key: {type: apiKey, name: x-api-key, in: header}
";

fn start(config: &str, keys: &str) -> Gateway {
    let files = [("gateway.yaml", config), ("api.yaml", DEFINITION), ("keys.csv", keys)];
    Gateway::start(&files.map(|(name, text)| (name.to_owned(), text.to_owned())), 9000, &[]).unwrap()
}

fn ask(gateway: &Gateway, path: &str, key: &str) -> Response {
    client::send(gateway.port, "GET", path, &[("X-API-Key".to_owned(), key.to_owned())], b"").unwrap()
}

fn statuses(gateway: &Gateway, path: &str, key: &str, times: usize) -> Vec<u16> {
    (0..times).map(|_| ask(gateway, path, key).status).collect()
}

fn command(gateway: &Gateway, arguments: &[&str]) -> String {
    let output = gateway::run(&gateway.files.0, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn keys_of_a_file_open_what_their_plans_hold() {
    let gateway = start(CONFIG, KEYS);
    assert_eq!(statuses(&gateway, "/prod/metered", "padded-0123456789-0123456789-01", 4), [200, 200, 200, 429]);
    assert_eq!(statuses(&gateway, "/prod/metered", "quoted-0123456789-0123456789-01", 4), [200, 200, 200, 429]);
    assert_eq!(statuses(&gateway, "/prod/metered", "again-0123456789-0123456789-01", 1), [200], "the last row with a value counts");
    for closed in ["off-0123456789-0123456789-0123", "padded-0123456789-0123456789-0", "", "x"] {
        let answer = ask(&gateway, "/prod/metered", closed);
        assert_eq!((answer.status, answer.text().as_str()), (403, "{\"message\":\"Forbidden\"}"), "{closed}");
    }
    // Two keys of one name are counted apart.
    assert_eq!(statuses(&gateway, "/prod/metered", "twin-a-0123456789-0123456789-01", 4), [200, 200, 200, 429]);
    assert_eq!(statuses(&gateway, "/prod/metered", "twin-b-0123456789-0123456789-01", 1), [200]);
    let usage: Value = serde_json::from_str(&command(&gateway, &["usage", "--plan", "silver", "--format", "json"])).unwrap();
    let mut used: Vec<u64> =
        usage["items"].as_object().unwrap().values().map(|days| days.as_array().unwrap().last().unwrap()[0].as_u64().unwrap()).collect();
    used.sort_unstable();
    assert_eq!(used, [1, 1, 3, 3], "{usage}");
    assert_eq!(usage["items"]["late"].as_array().unwrap().last(), Some(&json!([1, 2])));
}

#[test]
fn refusals_say_what_the_service_says_and_when_to_come_back() {
    let gateway = start(CONFIG, KEYS);
    assert_eq!(statuses(&gateway, "/prod/metered", "padded-0123456789-0123456789-01", 3), [200; 3]);
    let throttled = ask(&gateway, "/prod/metered", "padded-0123456789-0123456789-01");
    assert_eq!((throttled.status, throttled.text().as_str()), (429, "{\"message\":\"Too Many Requests\"}"));
    assert_eq!(throttled.header("x-amzn-errortype").as_deref(), Some("TooManyRequestsException"));
    let wait: u64 = throttled.header("retry-after").unwrap().parse().unwrap();
    assert!((900..=1_000).contains(&wait), "{wait}");
    assert_eq!(statuses(&gateway, "/prod/metered", "late-no-such-key-0123456789-01", 1), [403]);
    assert_eq!(statuses(&gateway, "/prod/metered", "quoted-0123456789-0123456789-01", 3), [200; 3]);
    let used_up = ask(&gateway, "/prod/metered", "quoted-0123456789-0123456789-01");
    assert_eq!((used_up.status, used_up.text().as_str()), (429, "{\"message\":\"Limit Exceeded\"}"));
    assert_eq!(used_up.header("x-amzn-errortype").as_deref(), Some("LimitExceededException"));
}

#[test]
fn a_reload_keeps_the_buckets_of_limits_that_did_not_change() {
    let gateway = start(CONFIG, KEYS);
    let key = "padded-0123456789-0123456789-01";
    assert_eq!(statuses(&gateway, "/prod/metered", key, 3), [200; 3]);
    assert_eq!(statuses(&gateway, "/prod/free", "", 3), [200, 200, 429]);
    let config = std::fs::read_to_string(gateway.files.0.join("gateway.yaml")).unwrap();
    gateway.files.write("gateway.yaml", &config.replace("throttlingBurstLimit: 2", "throttlingBurstLimit: 1"));
    command(&gateway, &["reload"]);
    assert_eq!(statuses(&gateway, "/prod/metered", key, 1), [429], "this limit is what it was, and used up");
    assert_eq!(statuses(&gateway, "/prod/free", "", 2), [200, 429], "this one is another");
}

#[test]
fn no_value_of_a_key_is_told_anywhere() {
    let gateway = start(CONFIG, KEYS);
    let key = "padded-0123456789-0123456789-01";
    statuses(&gateway, "/prod/metered", key, 4);
    assert_eq!(ask(&gateway, "/prod/metered", "wrong-0123456789-0123456789-01").status, 403);
    let mut told = client::send(gateway.admin_port, "GET", "/metrics", &[], b"").unwrap().text();
    told += &client::send(gateway.admin_port, "GET", "/readyz?verbose", &[], b"").unwrap().text();
    command(&gateway, &["reload"]);
    for arguments in [
        &["check"][..],
        &["check", "--format", "json"],
        &["routes"],
        &["usage", "--plan", "gold"],
        &["invoke", "--api", "shop", "--stage", "prod", "GET", "/metered", "-H", &format!("X-API-Key: {key}")],
    ] {
        let output = gateway::run(&gateway.files.0, arguments);
        told += &(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr));
    }
    // A reload has the lines of the access log written.
    let log = std::fs::read_to_string(gateway.files.0.join("access.log")).unwrap();
    assert!(log.contains("****789-01 padded\n"), "{log}");
    told += &log;
    told += &std::fs::read_to_string(gateway.files.0.join("stderr.txt")).unwrap();
    for secret in [key, "0123456789-0123456789"] {
        assert!(!told.contains(secret), "{told}");
    }
    for entry in std::fs::read_dir(gateway.files.0.join("var")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()), "{}", path.display());
        }
    }
}

#[test]
fn what_a_key_has_left_can_be_granted_over_the_admin_address() {
    let gateway = start(CONFIG, KEYS);
    let key = "quoted-0123456789-0123456789-01";
    assert_eq!(statuses(&gateway, "/prod/metered", key, 4), [200, 200, 200, 429]);
    let patch = |plan: &str, key: &str, body: Value| {
        client::send(gateway.admin_port, "PATCH", &format!("/usageplans/{plan}/keys/{key}/usage"), &[], body.to_string().as_bytes())
            .unwrap()
    };
    let remaining = |value: Value| json!({ "patchOperations": [{ "op": "replace", "path": "/remaining", "value": value }] });
    let granted = patch("silver", "quoted", remaining(json!("2")));
    assert_eq!(granted.status, 200, "{}", granted.text());
    let told: Value = serde_json::from_slice(&granted.body).unwrap();
    assert_eq!(told["items"]["quoted"].as_array().unwrap().last(), Some(&json!([3, 2])));
    assert_eq!(statuses(&gateway, "/prod/metered", key, 3), [200, 200, 429]);
    for (plan, key, body, status) in [
        ("silver", "nobody", remaining(json!(1)), 404),
        ("none", "quoted", remaining(json!(1)), 404),
        ("gold", "padded", remaining(json!(1)), 400),
        ("silver", "quoted", remaining(json!("many")), 400),
        ("silver", "quoted", json!({}), 400),
    ] {
        assert_eq!(patch(plan, key, body.clone()).status, status, "{plan} {key} {body}");
    }
    let text = command(&gateway, &["usage", "--plan", "silver"]);
    assert_eq!(text.lines().next(), Some("KEY     DATE        USED  REMAINING"), "{text}");
    assert!(text.lines().last().unwrap().starts_with("quoted  20") && text.trim_end().ends_with("5     0"), "{text}");
}

#[test]
fn what_was_counted_is_there_after_a_restart() {
    let mut gateway = start(CONFIG, KEYS);
    assert_eq!(statuses(&gateway, "/prod/metered", "quoted-0123456789-0123456789-01", 2), [200; 2]);
    gateway.signal("TERM");
    assert!(gateway.child.wait().unwrap().success(), "what was counted is written before the end");
    let told = command(&gateway, &["usage", "--plan", "silver", "--format", "csv"]);
    assert!(told.starts_with("key,date,used,remaining\n") && told.trim_end().ends_with(",2,1"), "{told}");
    command(&gateway, &["usage", "--plan", "silver", "--key", "quoted", "--remaining", "7"]);
    let told = command(&gateway, &["usage", "--plan", "silver", "--key", "quoted", "--format", "csv"]);
    assert!(told.trim_end().ends_with(",2,7"), "{told}");
    let refused = gateway::run(&gateway.files.0, &["usage", "--plan", "silver", "--key", "padded", "--remaining", "7"]);
    assert_eq!(refused.status.code(), Some(1));
}

/// The memory of a process, in KiB; nothing where the system does not tell it.
fn memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

#[test]
fn a_hundred_thousand_keys_take_less_than_sixty_megabytes() {
    let with_keys = |count: usize| {
        let mut keys = "name,key,enabled,usageplanids\n".to_owned();
        for number in 0..count {
            let _ = writeln!(
                keys,
                "key-{number},value-0123456789-0123456789-{number:06},true,{}",
                if number % 2 == 0 { "gold" } else { "silver" }
            );
        }
        let gateway = start(CONFIG, &keys);
        let last = format!("value-0123456789-0123456789-{:06}", count - 1);
        assert_eq!(ask(&gateway, "/prod/metered", &last).status, 200);
        memory(gateway.child.id())
    };
    let (Some(one), Some(many)) = (with_keys(1), with_keys(100_000)) else { return };
    assert!(many.saturating_sub(one) < 60 * 1024, "{one} KiB with one key, {many} KiB with 100,000");
}
