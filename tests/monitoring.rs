//! The dashboard and the alert rules speak of what the program exports; where Prometheus is installed, they are tried against it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::Value;

use support::gateway::Gateway;
use support::{client, free_ports};

const DASHBOARD: &str = "docker/compose/grafana/dashboards/headgate.json";
const ALERTS: &str = "docker/prometheus/alerts.yaml";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn file(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

/// Names of metrics in a text; a histogram's series under its own.
fn names(text: &str) -> BTreeSet<String> {
    let name = Regex::new(r"\bheadgate_[a-z_]+").unwrap();
    let family = |name: &str| ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned();
    name.find_iter(text).map(|found| family(found.as_str())).collect()
}

/// The names under which the program registers its metrics.
fn exported() -> BTreeSet<String> {
    let files = fs::read_dir(path("src/observe")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let sources = files.map(|path| fs::read_to_string(path).unwrap());
    let exported: BTreeSet<String> = sources.flat_map(|source| names(source.split("#[cfg(test)]").next().unwrap())).collect();
    assert!(exported.len() > 15, "the metrics are not found any more: {exported:?}");
    exported
}

#[test]
fn dashboard_and_alerts_name_only_what_is_exported() {
    let exported = exported();
    for name in [DASHBOARD, ALERTS] {
        let text = file(name);
        let unknown: Vec<String> = names(&text).difference(&exported).cloned().collect();
        assert!(unknown.is_empty(), "{name} names {unknown:?}");
    }
}

/// What Grafana would ask, with its variables filled in.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&file(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let expressions =
        panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten().map(|target| target["expr"].as_str().unwrap());
    let filled = |text: &str| {
        let filters =
            ["$api", "$stage", "$resource"].iter().fold(text.to_owned(), |text, name| text.replace(&format!("\"{name}\""), "\".*\""));
        filters.replace("$__rate_interval", "1m").replace("$__range", "1h")
    };
    expressions.map(filled).collect()
}

/// A Prometheus of this test's own.
struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    fn start(directory: &Path, target: u16) -> Self {
        let [port] = free_ports();
        let configuration = serde_json::json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": [path(ALERTS)],
            "scrape_configs": [{ "job_name": "headgate", "static_configs": [{ "targets": [format!("127.0.0.1:{target}")] }] }],
        });
        let file = directory.join("prometheus.yaml");
        fs::write(&file, configuration.to_string()).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("metrics").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    fn query(&self, expression: &str) -> Option<Value> {
        let encoded = percent_encoding::utf8_percent_encode(expression, percent_encoding::NON_ALPHANUMERIC);
        let response = client::send(self.port, "GET", &format!("/api/v1/query?query={encoded}"), &[], b"").ok()?;
        serde_json::from_slice(&response.body).ok()
    }

    /// Waits until an expression has a value.
    fn wait_for(&self, expression: &str) {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            if self.query(expression).is_some_and(|answer| answer["data"]["result"].as_array().is_some_and(|result| !result.is_empty())) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("`{expression}` has no value after a minute");
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CONFIGURATION: &str = r#"
listeners: [{address: "127.0.0.1:${GATEWAY_PORT}"}]
admin: {address: "127.0.0.1:${ADMIN_PORT}"}
apis: [{id: hello, definition: api.yaml, stages: [{stageName: prod}]}]
"#;

const DEFINITION: &str = r#"
openapi: 3.0.1
info: {title: hello, version: "1"}
paths:
  /hello:
    get:
      responses: {"200": {description: done}}
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: {application/json: '{"statusCode": 200}'}
        responses: {default: {statusCode: "200"}}
"#;

#[test]
fn a_real_prometheus_understands_them() {
    if !Command::new("prometheus").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("Prometheus is not installed: not tried");
        return;
    }
    for arguments in [["check", "rules", ALERTS], ["test", "rules", "docker/prometheus/alerts.test.yaml"]] {
        let output = Command::new("promtool").args(arguments).current_dir(path(".")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout) + &*String::from_utf8_lossy(&output.stderr));
    }
    let files = [("gateway.yaml", CONFIGURATION), ("api.yaml", DEFINITION)].map(|(name, text)| (name.to_owned(), text.to_owned()));
    let mut gateway = Gateway::start(&files, 0, &[]).unwrap();
    let prometheus = Prometheus::start(&gateway.files.0, gateway.admin_port);
    prometheus.wait_for("headgate_config_last_reload_successful == 1");
    assert_eq!(gateway.get("/prod/hello").status, 200);
    assert_eq!(gateway.get("/prod/nowhere").status, 403);
    prometheus.wait_for("rate(headgate_requests_total{resource=\"/hello\"}[1m])");
    for query in queries() {
        let answer = prometheus.query(&query).unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
    }
    // Two alerts come without waiting: a refused configuration, and an instance that is gone.
    gateway.files.write("gateway.yaml", "apis: 7");
    gateway.signal("HUP");
    prometheus.wait_for(r#"ALERTS{alertname="HeadgateReloadRefused", alertstate="firing"}"#);
    gateway.child.kill().unwrap();
    prometheus.wait_for(r#"ALERTS{alertname="HeadgateDown", alertstate="pending"}"#);
}
