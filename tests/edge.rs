//! Clients that misbehave, balancers that speak for others, and processes that take over from one another.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::too_many_lines
)]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use support::backend::Backend;
use support::eventually;
use support::gateway::{Files, Gateway, filled, program, run};
use support::{client, free_ports};

/// A port of an origin that is not asked.
const NOBODY: u16 = 40_404;
const GATEWAY: &str = "listeners: [{address: '127.0.0.1:${GATEWAY_PORT}'}]\nadmin: {address: '127.0.0.1:${ADMIN_PORT}'}\napis: [{id: a, definition: api.yaml, stages: [{stageName: s}]}]\n";
const API: &str = "openapi: 3.0.1\ninfo: {title: t, version: '1'}\npaths:\n  /who:\n    get:\n      responses: {'200': {description: ok}}\n      x-amazon-apigateway-integration:\n        type: mock\n        requestTemplates: {application/json: '{\"statusCode\": 200}'}\n        responses: {default: {statusCode: '200', responseTemplates: {application/json: '$context.identity.sourceIp'}}}\n  /{proxy+}:\n    x-amazon-apigateway-any-method:\n      x-amazon-apigateway-integration: {type: http_proxy, httpMethod: ANY, uri: 'http://127.0.0.1:${BACKEND_PORT}/{proxy}', requestParameters: {integration.request.path.proxy: method.request.path.proxy}}\n";

fn start(gateway_yaml: &str, backend: u16) -> Gateway {
    let files = [("gateway.yaml".to_owned(), gateway_yaml.to_owned()), ("api.yaml".to_owned(), API.to_owned())];
    Gateway::start(&files, backend, &[]).unwrap()
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Everything that comes back for some bytes, until the connection ends.
fn raw(port: u16, bytes: &[u8]) -> String {
    let mut stream = connect(port);
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn content_whose_chunks_are_broken_reaches_nobody() {
    let backend = Backend::start();
    let gateway = start(GATEWAY, backend.port);
    let head = "POST /s/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for content in [
        "\r\nhello\r\n0\r\n\r\n".to_owned(),
        format!("5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(5 << 10)),
        format!("0\r\nX: {}\r\n\r\n", "t".repeat(9 << 10)),
        "0\r\nGET /s/smuggled HTTP/1.1\r\n\r\n".to_owned(),
    ] {
        let answer = raw(gateway.port, format!("{head}{content}").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.matches("HTTP/1.1 ").count() == 1, "{content:.40}: {answer}");
    }
    assert_eq!(backend.take().len(), 0);
    // A size that breaks off later ends the connection, and what was begun at the endpoint is not completed.
    let mut stream = connect(gateway.port);
    stream.write_all(format!("{head}5\r\nhello\r\n").as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    stream.write_all(b"\r\nworld\r\n0\r\n\r\n").unwrap();
    let mut answer = String::new();
    let _ = BufReader::new(stream).read_line(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(backend.take().len(), 0);
    let whole = raw(
        gateway.port,
        format!("{}5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).as_bytes(),
    );
    assert!(whole.starts_with("HTTP/1.1 200 "), "{whole}");
    assert_eq!(backend.take().last().unwrap().body, b"hello");
}

#[test]
fn chunks_that_come_in_pieces_stay_whole_both_ways() {
    let pieces = ["5", "\r\nhello", "\r", "\n5;a", "=b\r\nworld\r\n", "0\r", "\n\r\n"];
    let send = move |stream: &mut TcpStream| {
        for piece in pieces {
            stream.write_all(piece.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let backend = Backend::start();
    let gateway = start(GATEWAY, backend.port);
    let mut stream = connect(gateway.port);
    stream.write_all(b"POST /s/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    send(&mut stream);
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
    assert_eq!(backend.take().last().unwrap().body, b"helloworld");

    let origin = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = start(GATEWAY, origin.local_addr().unwrap().port());
    std::thread::spawn(move || {
        let (mut stream, _) = origin.accept().unwrap();
        let mut head = [0; 2048];
        assert!(stream.read(&mut head).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        send(&mut stream);
        let _ = stream.read(&mut head);
    });
    assert_eq!(gateway.get("/s/x").text(), "helloworld");
}

#[test]
fn heads_beyond_every_limit_are_told_so_and_others_are_served() {
    let gateway = start(GATEWAY, Backend::start().port);
    let status = |request: String| raw(gateway.port, request.as_bytes()).split(' ').nth(1).unwrap_or_default().to_owned();
    let get = "GET /s/who HTTP/1.1\r\nHost: a\r\n";
    assert_eq!(status(format!("GET /s/{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(17 << 10))), "414");
    assert_eq!(status(format!("{get}X: {}\r\n\r\n", "x".repeat(33 << 10))), "431");
    assert_eq!(status(format!("{get}{}\r\n", "X: 1\r\n".repeat(200))), "431");
    // More than any limit, and no end of it.
    assert_eq!(status(format!("{get}{}", format!("X: {}\r\n", "x".repeat(8000)).repeat(100))), "431");
    assert_eq!(status(format!("{get}Connection: close\r\n\r\n")), "200");
}

#[test]
fn a_source_address_is_believed_only_from_those_who_are_trusted() {
    let gateway = start(&format!("{GATEWAY}trustedProxies: [10.0.0.0/8]\n"), NOBODY);
    let forwarded = [("X-Forwarded-For".to_owned(), "203.0.113.9".to_owned())];
    let who = |port| client::send(port, "GET", "/s/who", &forwarded, b"").unwrap().text();
    assert_eq!(who(gateway.port), "127.0.0.1");
    let gateway = start(&format!("{GATEWAY}trustedProxies: [127.0.0.0/8, 10.0.0.0/8]\n"), NOBODY);
    assert_eq!(who(gateway.port), "203.0.113.9");
    // The client may write what it likes before the first proxy that is trusted.
    let forged = [("X-Forwarded-For".to_owned(), "198.51.100.1, 203.0.113.9, 10.1.2.3".to_owned())];
    assert_eq!(client::send(gateway.port, "GET", "/s/who", &forged, b"").unwrap().text(), "203.0.113.9");
}

#[test]
fn a_listener_with_the_proxy_protocol_takes_nothing_else() {
    let gateway = start(&GATEWAY.replace("PORT}'}]\nadmin", "PORT}', proxyProtocol: true}]\nadmin"), NOBODY);
    let request = b"GET /s/who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let sent = |header: &[u8]| raw(gateway.port, &[header, request].concat());
    let ends = |header: &[u8], with: &str| {
        let answer = sent(header);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(with), "{answer}");
    };
    ends(b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n", "203.0.113.7");
    ends(b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", "2001:db8::7");
    ends(b"PROXY UNKNOWN\r\n", "127.0.0.1");
    let version2 = |command: u8, rest: &[u8]| [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[command, 0x11, 0, rest.len() as u8], rest].concat();
    ends(&version2(0x21, &[203, 0, 113, 8, 192, 0, 2, 1, 0x12, 0x67, 1, 0xbb]), "203.0.113.8");
    ends(&version2(0x20, &[]), "127.0.0.1");
    for garbage in [&b""[..], b"PROXY TCP4 1.2.3.4\r\n", &[b'P'; 200], b"PROXY UNKNOWN \0\n", &version2(0x21, &[1, 2, 3])] {
        assert_eq!(sent(garbage), "", "{garbage:?}");
    }
}

#[test]
fn http2_is_spoken_in_the_clear_too() {
    let gateway = start(GATEWAY, NOBODY);
    let url = format!("http://127.0.0.1:{}/s/who", gateway.port);
    let output =
        std::process::Command::new("curl").args(["-sS", "--http2-prior-knowledge", "-w", " %{http_version}", &url]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "127.0.0.1 2");
}

#[test]
fn a_token_is_asked_for_and_must_be_its_owners_alone() {
    let yaml = GATEWAY.replace("ADMIN_PORT}'", "ADMIN_PORT}', tokenFile: token");
    let files = Files::new();
    let ports = free_ports::<4>();
    files.write("gateway.yaml", &filled(&yaml, ports));
    files.write("api.yaml", &filled(API, ports));
    let token = files.write("token", "secret\n");
    let mode = |mode| std::fs::set_permissions(&token, std::fs::Permissions::from_mode(mode)).unwrap();
    let check = || run(&files.0, &["check", "--config", "gateway.yaml"]);
    mode(0o644);
    let refused = check();
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && text.contains("gateway.yaml:2:") && text.contains("has mode 0644"), "{text}");
    mode(0o600);
    assert_eq!(check().status.code(), Some(0));
    let mut child = program().args(["run", "--config", "gateway.yaml"]).current_dir(&files.0).stderr(Stdio::null()).spawn().unwrap();
    let asked = |method: &str, path: &str, token: &str| {
        let authorization = [("Authorization".to_owned(), format!("Bearer {token}"))];
        client::send(ports[1], method, path, &authorization, b"").map(|response| response.status).unwrap_or(0)
    };
    eventually("readiness", || asked("GET", "/readyz", "") == 200);
    assert_eq!((asked("GET", "/metrics", "secret"), asked("POST", "/reload", "secret")), (200, 200));
    for wrong in ["", "secre", "secret2", "SECRET"] {
        assert_eq!((asked("GET", "/metrics", wrong), asked("POST", "/reload", wrong)), (401, 401), "{wrong}");
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn content_held_by_all_requests_is_bounded_and_a_reload_moves_the_bound() {
    let yaml = format!("{GATEWAY}memory: {{requestBuffers: 1KiB}}\n");
    let api = API.replace("  /who:\n    get:\n", "  /who:\n    x-amazon-apigateway-any-method:\n");
    let files = [("gateway.yaml".to_owned(), yaml), ("api.yaml".to_owned(), api)];
    let gateway = Gateway::start(&files, NOBODY, &[]).unwrap();
    let post = || client::send(gateway.port, "POST", "/s/who", &[], &[b' '; 4096]).unwrap().status;
    assert_eq!(post(), 503);
    assert_eq!(gateway.get("/s/who").status, 200);
    let path = gateway.files.0.join("gateway.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("1KiB", "1MiB")).unwrap();
    assert_eq!(client::send(gateway.admin_port, "POST", "/reload", &[], b"").unwrap().status, 200);
    for _ in 0..3 {
        assert_eq!(post(), 200);
    }
}

#[test]
fn what_is_open_after_the_drain_is_cut() {
    let mut gateway = start(&format!("{GATEWAY}drainSeconds: 1\n"), Backend::start().port);
    let port = gateway.port;
    let slow = std::thread::spawn(move || client::send(port, "GET", "/s/delay/60", &[], b"").map(|response| response.status));
    let metrics = || client::send(gateway.admin_port, "GET", "/readyz?verbose", &[], b"").unwrap().text();
    eventually("the request", || metrics().contains("requests under way: 1"));
    gateway.signal("TERM");
    eventually("the end of readiness", || {
        client::send(gateway.admin_port, "GET", "/readyz", &[], b"").map_or(true, |response| response.status == 503)
    });
    eventually("the end", || gateway.child.try_wait().unwrap().is_some_and(|status| status.success()));
    assert!(slow.join().unwrap().is_err());
}

/// Asks on connections that are kept, as clients that do not know what happens; returns how many requests were served and which failed.
struct Load {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    threads: Vec<std::thread::JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(port: u16, target: &str, header: &str) -> Self {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let request: Arc<str> = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{header}\r\n").into();
        let threads = (0..4).map(|_| {
            let (stop, served, request) = (Arc::clone(&stop), Arc::clone(&served), Arc::clone(&request));
            std::thread::spawn(move || {
                let mut failures = Vec::new();
                let mut kept: Option<BufReader<TcpStream>> = None;
                while !stop.load(Ordering::Relaxed) {
                    let connection = kept.take().map_or_else(|| TcpStream::connect(("127.0.0.1", port)).map(BufReader::new), Ok);
                    match connection.and_then(|connection| exchange(connection, &request)) {
                        Ok((200, connection)) => {
                            served.fetch_add(1, Ordering::Relaxed);
                            kept = connection;
                        }
                        Ok((status, _)) => failures.push(status.to_string()),
                        Err(error) => failures.push(error.to_string()),
                    }
                }
                failures
            })
        });
        let threads = threads.collect();
        Self { stop, served, threads }
    }

    fn end(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let failures = self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        (self.served.load(Ordering::Relaxed), failures)
    }
}

/// One request; the connection comes back unless the answer closes it.
fn exchange(mut connection: BufReader<TcpStream>, request: &str) -> std::io::Result<(u16, Option<BufReader<TcpStream>>)> {
    connection.get_ref().set_read_timeout(Some(Duration::from_secs(20)))?;
    connection.get_mut().write_all(request.as_bytes())?;
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(std::io::ErrorKind::InvalidData)?;
    let headers = client::fields(&mut connection)?;
    let named = |name: &str| headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let mut content = vec![0; named("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    connection.read_exact(&mut content)?;
    let closes = named("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok((status, (!closes).then_some(connection)))
}

const METERED: &str = "usagePlans: [{id: gold, name: gold, quota: {limit: 1000000, period: DAY}, throttle: {rateLimit: 100000, burstLimit: 100000}, apiStages: [{apiId: a, stage: s}]}]\napiKeys: [{id: k, name: k, value: '0123456789abcdefghij', enabled: true, usagePlanIds: [gold]}]\n";

#[test]
fn a_new_process_takes_over_under_load_and_every_request_is_served_and_counted() {
    let keyed = API.replace("  /who:\n    get:\n", "  /who:\n    get:\n      security: [{key: []}]\n")
        + "components: {securitySchemes: {key: {type: apiKey, name: x-api-key, in: header}}}\n";
    let files = [("gateway.yaml".to_owned(), format!("{GATEWAY}{METERED}")), ("api.yaml".to_owned(), keyed)];
    let mut gateway = Gateway::start(&files, NOBODY, &[]).unwrap();
    let load = Load::start(gateway.port, "/s/who", "x-api-key: 0123456789abcdefghij\r\n");
    let served = |more: usize| {
        let before = load.served.load(Ordering::Relaxed);
        eventually("more requests", || load.served.load(Ordering::Relaxed) > before + more);
    };
    served(100);
    for _ in 0..3 {
        let heir =
            program().args(["run", "--config", "gateway.yaml", "--upgrade"]).current_dir(&gateway.files.0).stderr(Stdio::null()).spawn();
        let heir = heir.unwrap();
        gateway.signal("QUIT");
        let mut former = std::mem::replace(&mut gateway.child, heir);
        eventually("the end of the former", || former.try_wait().unwrap().is_some_and(|status| status.success()));
        served(100);
    }
    let (served, failures) = load.end();
    assert_eq!(failures, Vec::<String>::new(), "of {served}");
    // The service's own operation: [used, remaining] by day.
    let used = || {
        let response = client::send(gateway.admin_port, "GET", "/usageplans/gold/usage", &[], b"").unwrap();
        let usage: serde_json::Value = serde_json::from_str(&response.text()).unwrap();
        usage["items"]["k"].as_array().into_iter().flatten().filter_map(|day| day[0].as_u64()).sum::<u64>()
    };
    eventually("every count", || used() == served as u64);
}

#[test]
fn an_upgrade_without_a_successor_changes_nothing() {
    let files = [("gateway.yaml".to_owned(), format!("{GATEWAY}{METERED}")), ("api.yaml".to_owned(), API.to_owned())];
    let mut gateway = Gateway::start(&files, NOBODY, &[]).unwrap();
    // A configuration with an error takes nothing over.
    let good = std::fs::read_to_string(gateway.files.0.join("gateway.yaml")).unwrap();
    gateway.files.write("gateway.yaml", &good.replace("stageName", "stageNam"));
    let refused = run(&gateway.files.0, &["run", "--config", "gateway.yaml", "--upgrade"]);
    assert_eq!(refused.status.code(), Some(1));
    gateway.files.write("gateway.yaml", &good);
    // Somebody who takes the sockets and is never ready.
    let listener = {
        gateway.signal("QUIT");
        let path = gateway.files.0.join("var/upgrade.sock");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::net::UnixListener::bind(path).unwrap()
    };
    drop(listener.accept().unwrap());
    drop(listener);
    eventually("service", || {
        client::send(gateway.admin_port, "GET", "/usageplans/gold/usage", &[], b"").is_ok_and(|response| response.status == 200)
    });
    assert_eq!(gateway.get("/s/who").status, 200);
    assert!(gateway.child.try_wait().unwrap().is_none());
    gateway.signal("TERM");
    eventually("the end", || gateway.child.try_wait().unwrap().is_some_and(|status| status.success()));
}

#[test]
fn listeners_come_and_go_while_a_download_and_an_upgraded_connection_go_on() {
    let origin = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = start(GATEWAY, origin.local_addr().unwrap().port());
    let go_on = Arc::new(AtomicBool::new(true));
    let going = Arc::clone(&go_on);
    std::thread::spawn(move || {
        for stream in origin.incoming() {
            let (mut stream, going) = (stream.unwrap(), Arc::clone(&going));
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                client::fields(&mut reader).unwrap();
                if line.contains("/ws") {
                    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").unwrap();
                    let mut byte = [0];
                    while reader.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
                } else {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
                    while going.load(Ordering::Relaxed) {
                        stream.write_all(b"4\r\nslow\r\n").unwrap();
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    stream.write_all(b"0\r\n\r\n").unwrap();
                }
            });
        }
    });
    let port = gateway.port;
    let download = std::thread::spawn(move || client::send(port, "GET", "/s/slow", &[], b"").unwrap());
    let mut socket = connect(gateway.port);
    socket.write_all(b"GET /s/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n").unwrap();
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    client::fields(&mut reader).unwrap();
    assert!(line.starts_with("HTTP/1.1 101"), "{line}");
    let load = Load::start(gateway.port, "/s/who", "");
    let path = gateway.files.0.join("gateway.yaml");
    let good = std::fs::read_to_string(&path).unwrap();
    let [second] = free_ports();
    let with_second = good.replacen("'}]\n", &format!("'}}, {{address: '127.0.0.1:{second}', proxyProtocol: true}}]\n"), 1);
    let reload = || client::send(gateway.admin_port, "POST", "/reload", &[], b"").unwrap();
    // Three reloads a round.
    for round in 0..34 {
        std::fs::write(&path, &with_second).unwrap();
        assert_eq!(reload().status, 200);
        let passed =
            raw(second, b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\nGET /s/who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(passed.ends_with("203.0.113.7"), "{passed}");
        // The protocol of an open listener changes for the connections that come.
        std::fs::write(&path, with_second.replace(", proxyProtocol: true", "")).unwrap();
        assert_eq!(reload().status, 200);
        assert_eq!(client::send(second, "GET", "/s/who", &[], b"").unwrap().text(), "127.0.0.1");
        std::fs::write(&path, &good).unwrap();
        assert_eq!(reload().status, 200);
        eventually("the listener's end", || TcpStream::connect(("127.0.0.1", second)).is_err());
        socket.write_all(&[round]).unwrap();
        let mut echoed = [0];
        reader.read_exact(&mut echoed).unwrap();
        assert_eq!(echoed, [round]);
    }
    let (served, failures) = load.end();
    assert_eq!(failures, Vec::<String>::new(), "of {served}");
    go_on.store(false, Ordering::Relaxed);
    let downloaded = download.join().unwrap();
    // Whole, to the last chunk.
    assert_eq!(downloaded.status, 200);
    assert!(!downloaded.body.is_empty() && downloaded.body.chunks(4).all(|piece| piece == b"slow"), "{}", downloaded.text());
    // What does not change without a restart is said.
    std::fs::write(&path, format!("{good}stateDirectory: elsewhere\n")).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&reload().text()).unwrap();
    assert_eq!(answer["needsRestart"], serde_json::json!(["stateDirectory"]));
}

#[test]
fn connections_beyond_the_descriptors_wait_and_the_admin_address_answers() {
    let files = Files::new();
    let ports = free_ports::<4>();
    files.write("gateway.yaml", &filled(GATEWAY, ports));
    files.write("api.yaml", &filled(API, ports));
    let command = format!("ulimit -Sn 50; ulimit -Hn 100; exec '{}' run --config gateway.yaml", env!("CARGO_BIN_EXE_headgate"));
    let mut shell = std::process::Command::new("sh");
    let mut child = shell.args(["-c", &command]).current_dir(&files.0).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let ready = || client::send(ports[1], "GET", "/readyz", &[], b"").is_ok_and(|response| response.status == 200);
    eventually("readiness", ready);
    let open: Vec<TcpStream> = (0..120).map(|_| connect(ports[0])).collect();
    eventually("a full house", || {
        let count = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().count();
        count >= 95
    });
    assert!(ready(), "the admin address does not answer");
    drop(open);
    eventually("service", || client::send(ports[0], "GET", "/s/who", &[], b"").is_ok_and(|response| response.status == 200));
    let _ = child.kill();
    let _ = child.wait();
}
