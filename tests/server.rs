//! What a running gateway does besides answering: metrics, reloads, stopping, streaming, upgrades.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::too_many_lines
)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use support::backend::Backend;
use support::client;
use support::eventually;
use support::gateway::Gateway;

const GATEWAY: &str = "listeners: [{address: '127.0.0.1:${GATEWAY_PORT}'}]\nadmin: {address: '127.0.0.1:${ADMIN_PORT}'}\napis:\n  - id: a\n    definition: api.yaml\n    stages: [{stageName: s, accessLogSettings: {destinationArn: 'file:access.log', format: '$context.requestId $context.status $context.path'}}]\n";
const API: &str = "openapi: 3.0.1\npaths:\n  /{proxy+}:\n    x-amazon-apigateway-any-method:\n      x-amazon-apigateway-integration: {type: http_proxy, httpMethod: ANY, uri: 'http://127.0.0.1:${BACKEND_PORT}/{proxy}', requestParameters: {integration.request.path.proxy: method.request.path.proxy}}\n";

fn start(backend: u16, arguments: &[&str]) -> Gateway {
    let files = [("gateway.yaml".to_owned(), GATEWAY.to_owned()), ("api.yaml".to_owned(), API.to_owned())];
    Gateway::start(&files, backend, arguments).unwrap()
}

#[test]
fn metrics_count_and_the_admin_address_is_guarded() {
    let gateway = start(Backend::start().port, &[]);
    assert_eq!(gateway.get("/s/status/404").status, 404);
    let line = "headgate_client_errors_total{api=\"a\",method=\"ANY\",resource=\"/{proxy+}\",stage=\"s\"} 1";
    let metrics = || client::send(gateway.admin_port, "GET", "/metrics", &[], b"").unwrap().text();
    eventually("the count", || metrics().contains(line));
    let host = vec![("Host".to_owned(), "evil.example".to_owned())];
    assert_eq!(client::send(gateway.admin_port, "GET", "/metrics", &host, b"").unwrap().status, 403);
    assert_eq!(client::send(gateway.admin_port, "POST", "/metrics", &[], b"").unwrap().status, 405);
    assert_eq!(gateway.get("/metrics").status, 403);
}

#[test]
fn the_access_log_is_in_the_format_of_the_stage() {
    let gateway = start(Backend::start().port, &[]);
    let response = gateway.get("/s/status/201");
    let expected = format!("{} 201 /s/status/201", response.header("x-amzn-requestid").unwrap());
    let log = gateway.files.0.join("access.log");
    eventually("the line", || std::fs::read_to_string(&log).is_ok_and(|text| text.lines().any(|line| line == expected)));
}

#[test]
fn an_error_in_a_json_access_log_is_valid_json() {
    let format = r#"{"id":"$context.requestId","error":$context.error.messageString}"#;
    let gateway_yaml = GATEWAY.replace("$context.requestId $context.status $context.path", &format.replace('\'', "''"));
    let files = [("gateway.yaml".to_owned(), gateway_yaml), ("api.yaml".to_owned(), API.to_owned())];
    let gateway = Gateway::start(&files, Backend::start().port, &[]).unwrap();
    assert_eq!(gateway.get("/s/").status, 403);
    let log = gateway.files.0.join("access.log");
    eventually("the line", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .any(|line| line["error"] == "Missing Authentication Token")
    });
}

#[test]
fn a_broken_file_keeps_the_running_configuration_and_a_repaired_one_is_taken() {
    let gateway = start(Backend::start().port, &[]);
    let path = gateway.files.0.join("gateway.yaml");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, good.replace("stageName", "stageNam")).unwrap();
    let refused = support::gateway::run(&gateway.files.0, &["reload", "--config", "gateway.yaml"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stageNam"));
    assert_eq!(gateway.get("/s/x").status, 200);
    std::fs::write(&path, good.replace("stageName: s", "stageName: t")).unwrap();
    let taken = support::gateway::run(&gateway.files.0, &["reload", "--config", "gateway.yaml"]);
    assert_eq!(taken.status.code(), Some(0), "{}", String::from_utf8_lossy(&taken.stderr));
    assert_eq!((gateway.get("/s/x").status, gateway.get("/t/x").status), (403, 200));
}

#[test]
fn a_watched_file_is_taken_when_it_changes() {
    let gateway = start(Backend::start().port, &["--watch"]);
    let path = gateway.files.0.join("gateway.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("stageName: s", "stageName: t")).unwrap();
    eventually("the new stage", || gateway.get("/t/x").status == 200);
}

#[test]
fn a_termination_lets_what_is_under_way_end() {
    let mut gateway = start(Backend::start().port, &[]);
    let port = gateway.port;
    let slow = std::thread::spawn(move || client::send(port, "GET", "/s/delay/0.6", &[], b"").unwrap().status);
    std::thread::sleep(Duration::from_millis(200));
    gateway.signal("TERM");
    assert_eq!(slow.join().unwrap(), 200);
    eventually("the end", || gateway.child.try_wait().unwrap().is_some_and(|status| status.success()));
}

#[test]
fn content_passes_both_ways_without_being_held() {
    let backend = Backend::start();
    let gateway = start(backend.port, &[]);
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.child.id())).unwrap();
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<u64>().ok()).unwrap()
    };
    gateway.get("/s/x");
    let before = resident();
    let body = vec![b'x'; 48 << 20];
    let response = client::send(gateway.port, "POST", "/s/echo-body", &[], &body).unwrap();
    assert_eq!((response.status, response.body.len()), (200, body.len()));
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 << 10, "memory grew by {grown} KiB");
}

#[test]
fn a_websocket_upgrade_passes_through() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = start(listener.local_addr().unwrap().port(), &[]);
    let origin = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 2048];
        let count = stream.read(&mut head).unwrap();
        let asked = String::from_utf8_lossy(&head[..count]).to_ascii_lowercase();
        assert!(asked.contains("upgrade: websocket") && asked.contains("connection: upgrade"), "{asked}");
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").unwrap();
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).unwrap();
        stream.write_all(&bytes).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
    });
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(b"GET /s/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream.write_all(b"ping").unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"ping");
    drop(stream);
    origin.join().unwrap();
}

#[test]
fn a_host_with_an_address_that_nobody_serves_is_reached_by_its_other_one() {
    let backend = Backend::start();
    let gateway_yaml = GATEWAY.to_owned();
    // The name has an IPv6 address on most machines, where the origin does not listen.
    let files = [("gateway.yaml".to_owned(), gateway_yaml), ("api.yaml".to_owned(), API.replace("http://127.0.0.1:", "http://localhost:"))];
    let gateway = Gateway::start(&files, backend.port, &[]).unwrap();
    for _ in 0..6 {
        assert_eq!(gateway.get("/s/x").status, 200);
    }
}

/// Answers the first request of its first connection, then closes at the second one; returns what else was asked.
fn closing_origin(listener: TcpListener) -> Vec<String> {
    let read = |stream: &mut TcpStream| {
        let mut head = [0; 4096];
        let count = stream.read(&mut head).unwrap_or(0);
        String::from_utf8_lossy(&head[..count]).lines().next().unwrap_or_default().to_owned()
    };
    let (mut stream, _) = listener.accept().unwrap();
    read(&mut stream);
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut asked = vec![read(&mut stream)];
    drop(stream);
    listener.set_nonblocking(true).unwrap();
    for _ in 0..50 {
        if let Ok((mut stream, _)) = listener.accept() {
            stream.set_nonblocking(false).unwrap();
            asked.push(read(&mut stream));
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    asked
}

#[test]
fn a_connection_that_closes_unanswered_repeats_only_what_may_be_repeated() {
    for (method, status, times) in [("GET", 200, 2), ("POST", 500, 1)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gateway = start(listener.local_addr().unwrap().port(), &[]);
        let origin = std::thread::spawn(move || closing_origin(listener));
        assert_eq!(gateway.get("/s/first").status, 200);
        let response = client::send(gateway.port, method, "/s/second", &[], b"").unwrap();
        let asked = origin.join().unwrap();
        assert_eq!((response.status, asked.len()), (status, times), "{asked:?}");
    }
}

#[test]
fn every_form_of_access_log_keeps_a_client_within_its_value() {
    let names = "\"$context.identity.sourceIp\",\"$context.identity.caller\",\"$context.requestTime\",\"$context.httpMethod $context.resourcePath $context.protocol\",$context.status,$context.responseLength,$context.requestId";
    let forms = [
        (
            "clf",
            r#"$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] "$context.httpMethod $context.resourcePath $context.protocol" $context.status $context.responseLength $context.requestId "$context.identity.userAgent""#,
            r#"^127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET /\{proxy\+\} HTTP/1\.1" 200 \d+ [0-9a-f-]{36} "a\\"b,<c>&"$"#,
        ),
        (
            "json",
            r#"{"requestId":"$context.requestId","agent":"$context.identity.userAgent","status":$context.status,"latency":"$context.responseLatency","endpoint":"$context.integration.latency","prefix":"$context.stage-$context.apiId"}"#,
            r#"^\{"requestId":"[0-9a-f-]{36}","agent":"a\\"b,<c>&","status":200,"latency":"\d+","endpoint":"\d+","prefix":"s-a"\}$"#,
        ),
        (
            "xml",
            r#"<request id="$context.requestId"><agent>$context.identity.userAgent</agent><caller>$context.identity.caller</caller><status>$context.status</status></request>"#,
            r#"^<request id="[0-9a-f-]{36}"><agent>a&quot;b,&lt;c&gt;&amp;</agent><caller>-</caller><status>200</status></request>$"#,
        ),
        (
            "csv",
            "$context.identity.sourceIp,$context.identity.userAgent,$context.status,$context.requestId",
            r#"^127\.0\.0\.1,"a""b,<c>&",200,[0-9a-f-]{36}$"#,
        ),
        ("quoted csv", names, r#"^"127\.0\.0\.1","-","[^"]+","GET /\{proxy\+\} HTTP/1\.1",200,\d+,[0-9a-f-]{36}$"#),
    ];
    let backend = Backend::start();
    for (form, format, expected) in forms {
        let gateway_yaml = GATEWAY.replace("$context.requestId $context.status $context.path", format);
        let files = [("gateway.yaml".to_owned(), gateway_yaml), ("api.yaml".to_owned(), API.to_owned())];
        let gateway = Gateway::start(&files, backend.port, &[]).unwrap();
        let agent = vec![("User-Agent".to_owned(), "a\"b,<c>&".to_owned())];
        assert_eq!(client::send(gateway.port, "GET", "/s/x", &agent, b"").unwrap().status, 200);
        let log = gateway.files.0.join("access.log");
        let read = || std::fs::read_to_string(&log).unwrap_or_default();
        eventually(&format!("the {form} line"), || read().ends_with('\n'));
        let text = read();
        assert!(regex::Regex::new(expected).unwrap().is_match(text.trim_end_matches('\n')), "{form}: {text}");
    }
}

#[test]
fn lines_that_cannot_be_written_are_counted() {
    let files =
        [("gateway.yaml".to_owned(), GATEWAY.replace("file:access.log", "file:/dev/full")), ("api.yaml".to_owned(), API.to_owned())];
    let gateway = Gateway::start(&files, Backend::start().port, &[]).unwrap();
    for _ in 0..3 {
        assert_eq!(gateway.get("/s/x").status, 200);
    }
    let metrics = || client::send(gateway.admin_port, "GET", "/metrics", &[], b"").unwrap().text();
    eventually("the count", || metrics().contains("headgate_access_log_dropped_total 3"));
}
