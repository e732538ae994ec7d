//! Groups of origins behind VPC links, and circuits: who is asked, who is left out, and for how long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::client;
use support::eventually;
use support::gateway::Gateway;
use support::origin::Origin;

/// An API whose methods pass contents on, or complete them, with the same settings of an integration.
fn api(uri: &str, more: &str) -> String {
    let method = |kind: &str| {
        format!(
            "    get:\n      x-amazon-apigateway-integration: {{type: {kind}, httpMethod: GET, uri: '{uri}', timeoutInMillis: 2000, \
             responses: {{default: {{statusCode: '200'}}, '5\\d\\d': {{statusCode: '502'}}}}{more}}}\n"
        )
    };
    format!("openapi: 3.0.1\npaths:\n  /streamed:\n{}  /whole:\n{}", method("http_proxy"), method("http"))
}

fn start(more: &str, api: String) -> Gateway {
    let gateway = "listeners: [{address: '127.0.0.1:${GATEWAY_PORT}'}]\nadmin: {address: '127.0.0.1:${ADMIN_PORT}'}\n\
                   apis: [{id: a, definition: api.yaml, stages: [{stageName: s}]}]\n";
    Gateway::start(&[("gateway.yaml".to_owned(), format!("{gateway}{more}")), ("api.yaml".to_owned(), api)], 0, &[]).unwrap()
}

fn link(ports: &[u16], more: &str) -> Gateway {
    let targets: Vec<String> = ports.iter().map(|port| format!("'127.0.0.1:{port}'")).collect();
    let links = format!("vpcLinks: [{{id: orders, targets: [{}]{more}}}]\n", targets.join(", "));
    start(&links, api("http://orders.internal/", ", connectionType: VPC_LINK, connectionId: orders"))
}

fn answering(status: u16) -> Origin {
    Origin::start(move |asked| asked.send(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n")))
}

fn metrics(gateway: &Gateway) -> String {
    client::send(gateway.admin_port, "GET", "/metrics", &[], b"").unwrap().text()
}

fn log(gateway: &Gateway) -> String {
    std::fs::read_to_string(gateway.files.0.join("stderr.txt")).unwrap()
}

#[test]
fn targets_are_asked_in_turn() {
    let (a, b) = (answering(200), answering(200));
    let gateway = link(&[a.port, b.port], "");
    for target in ["/s/streamed", "/s/whole"] {
        (0..4).for_each(|_| assert_eq!(gateway.get(target).status, 200));
    }
    assert_eq!((a.heads().len(), b.heads().len()), (4, 4));
    assert!(a.heads()[0].contains("\r\nHost: orders.internal\r\n"), "{}", a.heads()[0]);
}

#[test]
fn a_target_that_takes_no_connection_costs_no_request() {
    let closed = support::Closed::new();
    let well = answering(200);
    let gateway = link(&[closed.port(), well.port], "");
    for target in ["/s/streamed", "/s/whole"] {
        (0..4).for_each(|_| assert_eq!(gateway.get(target).status, 200));
    }
}

#[test]
fn a_target_with_five_failures_in_ten_seconds_is_left_out_and_comes_back() {
    for target in ["/s/streamed", "/s/whole"] {
        let (bad, good) = (answering(503), answering(200));
        let settings = ", x-headgate: {outlierDetection: {failures: 5, intervalSeconds: 10, baseEjectionSeconds: 1}}";
        let gateway = link(&[bad.port, good.port], settings);
        let failed = (0..10).filter(|_| gateway.get(target).status >= 500).count();
        assert_eq!((failed, bad.heads().len()), (5, 5), "each second request until the fifth failure");
        let label = format!("{{target=\"127.0.0.1:{}\",vpc_link=\"orders\"}}", bad.port);
        assert!(metrics(&gateway).contains(&format!("headgate_vpc_link_target_ejections_total{label} 1")), "{}", metrics(&gateway));
        let line = format!("target=\"127.0.0.1:{}\"", bad.port);
        let told = |text: &str| text.contains(&line) && text.contains("left out for 1 s: 5 failures within 10 s");
        eventually("the line", || log(&gateway).lines().any(told));
        eventually("its being asked again", || {
            gateway.get(target);
            bad.heads().len() > 5
        });
    }
}

#[test]
fn a_target_that_does_not_answer_in_time_is_left_out() {
    let slow = Origin::start(|asked| {
        asked.until_closed();
        false
    });
    let good = answering(200);
    let settings = ", x-headgate: {outlierDetection: {failures: 2}}";
    let targets = [slow.port, good.port].map(|port| format!("'127.0.0.1:{port}'")).join(", ");
    let links = format!("vpcLinks: [{{id: orders, targets: [{targets}]{settings}}}]\n");
    let api = api("http://orders.internal/", ", connectionType: VPC_LINK, connectionId: orders");
    let gateway = start(&links, api.replace("timeoutInMillis: 2000", "timeoutInMillis: 100"));
    let statuses: Vec<u16> = (0..8).map(|turn| gateway.get(if turn % 4 < 2 { "/s/streamed" } else { "/s/whole" }).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 504).count(), 2, "{statuses:?}");
}

#[test]
fn the_only_target_that_is_left_is_asked_whatever_it_answers() {
    let (a, b) = (answering(500), answering(500));
    let gateway = link(&[a.port, b.port], ", x-headgate: {outlierDetection: true}");
    (0..40).for_each(|_| assert!(gateway.get("/s/streamed").status >= 500));
    let states = metrics(&gateway);
    assert_eq!(states.lines().filter(|line| line.starts_with("headgate_vpc_link_target_ejected{") && line.ends_with(" 1")).count(), 1);
    assert_eq!(a.heads().len() + b.heads().len(), 40);
}

#[test]
fn no_target_is_left_out_unless_it_is_set() {
    let (bad, good) = (answering(503), answering(200));
    let gateway = link(&[bad.port, good.port], "");
    (0..40).for_each(|_| drop(gateway.get("/s/whole")));
    assert_eq!((bad.heads().len(), good.heads().len()), (20, 20));
}

#[test]
fn a_target_that_fails_its_health_check_is_left_out_until_it_is_well() {
    let well = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&well);
    let sick = Origin::start(move |asked| {
        let status = if asked.kind() == "health" && !shared.load(Ordering::SeqCst) { 503 } else { 200 };
        asked.send(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"))
    });
    let good = answering(200);
    let gateway = link(&[sick.port, good.port], ", healthCheck: {path: /health, intervalSeconds: 1}");
    let healthy = |value: u8| format!("headgate_vpc_link_target_healthy{{target=\"127.0.0.1:{}\",vpc_link=\"orders\"}} {value}", sick.port);
    eventually("the check", || metrics(&gateway).contains(&healthy(0)));
    let asked = || sick.heads().iter().filter(|head| !head.contains("/health ")).count();
    (0..6).for_each(|_| assert_eq!(gateway.get("/s/whole").status, 200));
    assert_eq!(asked(), 0);
    eventually("the line", || log(&gateway).contains("status 503"));
    well.store(true, Ordering::SeqCst);
    eventually("its recovery", || metrics(&gateway).contains(&healthy(1)));
    (0..2).for_each(|_| drop(gateway.get("/s/whole")));
    assert_eq!(asked(), 1);
}

#[test]
fn a_circuit_opens_at_half_of_the_calls_and_closes_once_a_probe_is_answered() {
    for target in ["/s/streamed", "/s/whole"] {
        let well = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&well);
        let origin = Origin::start(move |asked| {
            let status = if shared.load(Ordering::SeqCst) { 200 } else { 503 };
            asked.send(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"))
        });
        let circuit =
            ", x-headgate: {circuitBreaker: {failurePercentage: 50, minimumRequests: 20, intervalSeconds: 10, probeIntervalSeconds: 1}}";
        let gateway = start("", api(&format!("http://127.0.0.1:{}/", origin.port), circuit));
        (0..20).for_each(|_| assert!(gateway.get(target).status >= 502));
        assert_eq!(origin.heads().len(), 20);
        let refused = gateway.get(target);
        assert_eq!((refused.status, refused.text()), (500, "{\"message\": \"Internal server error\"}".to_owned()));
        assert_eq!(refused.header("retry-after").as_deref(), Some("1"));
        assert_eq!(origin.heads().len(), 20, "the endpoint is left alone");
        let text = metrics(&gateway);
        let labels = format!("{{api=\"a\",method=\"GET\",resource=\"{}\",stage=\"s\"}}", target.strip_prefix("/s").unwrap());
        for line in ["headgate_circuit_open", "headgate_circuit_opened_total", "headgate_circuit_rejected_requests_total"] {
            assert!(text.contains(&format!("{line}{labels} 1")), "{line}: {text}");
        }
        eventually("the lines", || {
            let log = log(&gateway);
            log.contains("opens: 20 of 20 calls within 10 s failed") && log.contains("the circuit is open (circuitBreaker)")
        });
        well.store(true, Ordering::SeqCst);
        eventually("a probe", || gateway.get(target).status == 200);
        assert_eq!(origin.heads().len(), 21, "one call found out that it is back");
        (0..5).for_each(|_| assert_eq!(gateway.get(target).status, 200));
    }
}

#[test]
fn there_is_no_circuit_unless_it_is_set() {
    let origin = answering(503);
    let gateway = start("", api(&format!("http://127.0.0.1:{}/", origin.port), ""));
    (0..30).for_each(|_| drop(gateway.get("/s/whole")));
    assert_eq!(origin.heads().len(), 30);
}

#[test]
fn wrong_figures_are_problems() {
    let files = support::gateway::Files::new();
    let links = "vpcLinks: [{id: orders, targets: ['h:1'], x-headgate: {outlierDetection: {failures: 0, baseEjectionSeconds: 60, maxEjectionSeconds: 30, ejections: 1}}}]\n";
    files.write("gateway.yaml", &format!("apis: [{{id: a, definition: api.yaml, stages: [{{stageName: s}}]}}]\n{links}"));
    files.write("api.yaml", &api("http://h/", ", x-headgate: {circuitBreaker: {failurePercentage: 101}}"));
    let output = support::gateway::run(&files.0, &["check", "--config", "gateway.yaml"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    for problem in [
        "`failures` is a number from 1 to 1000, not `0`",
        "`maxEjectionSeconds` is less than `baseEjectionSeconds`",
        "unknown property `ejections`",
        "`failurePercentage` is a number from 1 to 100, not `101`",
    ] {
        assert!(text.contains(problem), "no `{problem}` in: {text}");
    }
}
