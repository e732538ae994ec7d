//! Endpoints that fail: what the client gets, what the log says, what is tried again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use support::client;
use support::gateway::Gateway;
use support::origin::{Asked, Origin};

/// The time-out of every integration here, in milliseconds.
const TIMEOUT: u64 = 500;

/// `/s/streamed/…` passes contents as they come, `/s/whole/…` completes them in memory.
fn api(scheme: &str, port: u16) -> String {
    let method = |kind: &str, response: &str| {
        format!(
            "    x-amazon-apigateway-any-method:\n      x-amazon-apigateway-integration:\n        type: {kind}\n        httpMethod: ANY\n        \
             uri: '{scheme}://127.0.0.1:{port}/{{proxy}}'\n        timeoutInMillis: {TIMEOUT}\n        \
             requestParameters: {{integration.request.path.proxy: method.request.path.proxy}}\n{response}"
        )
    };
    let response = "        responses: {default: {statusCode: '200'}}\n";
    format!(
        "openapi: 3.0.1\npaths:\n  /streamed/{{proxy+}}:\n{}  /whole/{{proxy+}}:\n{}",
        method("http_proxy", ""),
        method("http", response)
    )
}

fn start(api: String) -> Gateway {
    let gateway = "listeners: [{address: '127.0.0.1:${GATEWAY_PORT}'}]\nadmin: {address: '127.0.0.1:${ADMIN_PORT}'}\n\
                   apis: [{id: a, definition: api.yaml, stages: [{stageName: s}]}]\n";
    Gateway::start(&[("gateway.yaml".to_owned(), gateway.to_owned()), ("api.yaml".to_owned(), api)], 0, &[]).unwrap()
}

/// The line on standard error that tells of a request.
fn log_line(gateway: &Gateway, response: &client::Response) -> String {
    let id = response.header("x-amzn-requestid").unwrap();
    let log = || std::fs::read_to_string(gateway.files.0.join("stderr.txt")).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(line) = log().lines().find(|line| line.contains(&id)) {
            return line.to_owned();
        }
        assert!(Instant::now() < until, "nothing tells of {id}: {}", log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Each way gets `status` and `message` in API Gateway's form, and one line in the log that has all of `says`, the origin and the time.
fn fails(behave: impl Fn(&mut Asked<'_>) -> bool + Send + Sync + 'static, status: u16, message: &str, says: &[&str]) {
    let origin = Origin::start(behave);
    let gateway = start(api("http", origin.port));
    for way in ["streamed", "whole"] {
        check(&gateway, &format!("/s/{way}/x"), status, message, &[says, &[&format!("127.0.0.1:{}", origin.port)]].concat());
    }
}

fn check(gateway: &Gateway, target: &str, status: u16, message: &str, says: &[&str]) {
    let response = gateway.get(target);
    assert_eq!((response.status, response.text()), (status, format!("{{\"message\": \"{message}\"}}")), "{target}");
    assert_eq!(response.header("x-amzn-errortype").as_deref(), Some("InternalServerErrorException"));
    let line = log_line(gateway, &response);
    for text in says {
        assert!(line.contains(text), "{target}: no `{text}` in: {line}");
    }
    let time = line.rsplit_once(", after ").and_then(|(_, rest)| rest.split_once(" ms")?.0.parse::<u64>().ok());
    assert!(time.is_some_and(|time| time < TIMEOUT + 5_000), "no time in: {line}");
    assert!(line.len() < 2048, "{} bytes of log: {line}", line.len());
}

const FAILED: &str = "Internal server error";
const TIMED_OUT: &str = "Endpoint request timed out";

/// An answer that is no HTTP, or not what the gateway takes.
fn answers(bytes: &'static str, says: &[&str]) {
    fails(
        move |asked| {
            asked.send(bytes);
            false
        },
        500,
        FAILED,
        says,
    );
}

#[test]
fn a_refused_connection_is_an_integration_failure() {
    let closed = support::Closed::new();
    let gateway = start(api("http", closed.port()));
    for target in ["/s/streamed/x", "/s/whole/x"] {
        check(&gateway, target, 500, FAILED, &[&format!("127.0.0.1:{}: Connection refused", closed.port())]);
    }
}

#[test]
fn a_connection_that_nobody_accepts_ends_with_the_time_out() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = socket.local_addr().unwrap();
    let _listener = socket.listen(1).unwrap();
    // The kernel completes as many as its queue holds; from then on it answers nobody.
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        held.push(stream);
    }
    let gateway = start(api("http", address.port()));
    for target in ["/s/streamed/x", "/s/whole/x"] {
        check(&gateway, target, 504, TIMED_OUT, &["no connection within 500 ms (timeoutInMillis)", &address.to_string()]);
    }
}

/// What nobody reads fills the pipe after some hundred lines; requests go on.
#[test]
fn a_reader_of_messages_that_is_stuck_stops_no_request() {
    let [port, admin, unused] = support::free_ports();
    let closed = support::Closed::new();
    let files = support::gateway::Files::new();
    let text = format!(
        "listeners: [{{address: '127.0.0.1:{port}'}}]\nadmin: {{address: '127.0.0.1:{admin}'}}\n\
         apis: [{{id: a, definition: api.yaml, stages: [{{stageName: s}}]}}]\n"
    );
    files.write("gateway.yaml", &support::gateway::filled(&text, [port, admin, unused, closed.port()]));
    files.write("api.yaml", &api("http", closed.port()));
    let mut command = support::gateway::program();
    command.args(["run", "--config", "gateway.yaml"]).current_dir(&files.0).stdout(std::process::Stdio::null());
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let answers = (0..1000).filter(|_| {
        let answered = client::send(port, "GET", "/s/whole/x", &[], b"").is_ok_and(|response| response.status == 500);
        if !answered {
            std::thread::sleep(Duration::from_millis(10));
        }
        answered
    });
    let answered = answers.take(500).count();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answered, 500);
}

#[test]
fn an_endpoint_that_speaks_no_tls_is_an_integration_failure() {
    let origin = Origin::start(|_| false);
    let port = origin.port;
    let gateway = start(api("https", port));
    std::thread::spawn(move || drop(origin));
    for target in ["/s/streamed/x", "/s/whole/x"] {
        let response = gateway.get(target);
        assert!(matches!(response.status, 500 | 504), "{}", response.status);
    }
    // Plain text in the place of a handshake.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let gateway = start(api("https", port));
    for target in ["/s/streamed/x", "/s/whole/x"] {
        check(&gateway, target, 500, FAILED, &["TLSHandshakeFailure", &format!("127.0.0.1:{port}")]);
    }
}

#[test]
fn an_endpoint_that_never_answers_is_a_time_out() {
    let origin = Origin::start(|asked| {
        asked.until_closed();
        false
    });
    let gateway = start(api("http", origin.port));
    for way in ["streamed", "whole"] {
        let says = ["no response within 500 ms (timeoutInMillis)", &format!("127.0.0.1:{}", origin.port)];
        check(&gateway, &format!("/s/{way}/x"), 504, TIMED_OUT, &says);
        // The time that was waited in vain counts, as CloudWatch counts it.
        let labels = format!("{{api=\"a\",method=\"ANY\",resource=\"/{way}/{{proxy+}}\",stage=\"s\"}} 1");
        let counted = |metric: &str| {
            let text = client::send(gateway.admin_port, "GET", "/metrics", &[], b"").unwrap().text();
            text.contains(&format!("{metric}{labels}"))
        };
        let until = Instant::now() + Duration::from_secs(10);
        while !counted("headgate_integration_latency_seconds_count") && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(counted("headgate_integration_latency_seconds_count") && counted("headgate_integration_timeouts_total"));
    }
}

#[test]
fn a_head_that_comes_byte_by_byte_is_a_time_out() {
    let drip = |asked: &mut Asked<'_>| {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        bytes.iter().all(|byte| {
            std::thread::sleep(Duration::from_millis(50));
            asked.send([*byte])
        })
    };
    fails(drip, 504, TIMED_OUT, &["no response within 500 ms (timeoutInMillis)"]);
}

#[test]
fn content_that_comes_too_slowly_is_a_time_out_where_it_is_completed() {
    let origin = Origin::start(|asked| {
        asked.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        asked.until_closed();
        false
    });
    let gateway = start(api("http", origin.port));
    check(&gateway, "/s/whole/x", 504, TIMED_OUT, &["no end of the response within 500 ms (timeoutInMillis)"]);
}

#[test]
fn a_connection_that_is_reset_is_an_integration_failure() {
    // What was sent and not read makes the kernel reset the connection.
    let reset = |asked: &mut Asked<'_>| {
        let _ = asked.stream.set_nonblocking(true);
        false
    };
    let origin = Origin::start(reset);
    let gateway = start(api("http", origin.port));
    for way in ["streamed", "whole"] {
        let body = vec![b'x'; 1 << 16];
        let response = client::send(gateway.port, "POST", &format!("/s/{way}/x"), &[], &body).unwrap();
        assert_eq!(response.status, 500, "{way}");
        assert!(log_line(&gateway, &response).contains(&format!("127.0.0.1:{}", origin.port)));
    }
}

#[test]
fn a_connection_that_closes_unanswered_is_an_integration_failure() {
    fails(|_| false, 500, FAILED, &["the connection was closed too early"]);
}

#[test]
fn garbage_is_an_integration_failure() {
    answers("\u{16}\u{3}\u{1} not http at all\r\n\r\n", &["what came is no HTTP/1.1 response"]);
}

#[test]
fn a_status_line_without_a_status_is_an_integration_failure() {
    answers("HTTP/1.1 abc Word\r\nContent-Length: 0\r\n\r\n", &["what came is no HTTP/1.1 response"]);
}

#[test]
fn a_version_that_is_not_spoken_is_an_integration_failure() {
    answers("HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n", &["what came is no HTTP/1.1 response"]);
}

#[test]
fn a_control_character_in_a_field_is_an_integration_failure() {
    answers("HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n", &["what came is no HTTP/1.1 response"]);
}

#[test]
fn two_lengths_are_an_integration_failure() {
    answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\nhello", &[]);
}

#[test]
fn a_length_below_zero_is_an_integration_failure() {
    answers("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", &[]);
}

#[test]
fn a_switch_of_protocols_that_nobody_asked_for_is_an_integration_failure() {
    answers("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n", &["101 where no upgrade was asked for"]);
}

#[test]
fn more_interim_responses_than_are_read_are_an_integration_failure() {
    let flood = |asked: &mut Asked<'_>| {
        (0..1000).all(|_| asked.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"));
        asked.until_closed();
        false
    };
    fails(flood, 500, FAILED, &["more interim responses than are read"]);
}

#[test]
fn a_head_of_more_than_64_kib_is_an_integration_failure() {
    let long = |asked: &mut Asked<'_>| {
        asked.send(format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(70_000)));
        asked.until_closed();
        false
    };
    fails(long, 500, FAILED, &["the response's head is larger than is read"]);
}

#[test]
fn a_head_of_more_than_200_fields_is_an_integration_failure() {
    let many = |asked: &mut Asked<'_>| {
        let fields: String = (0..201).map(|index| format!("X-{index}: y\r\n")).collect();
        asked.send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n"));
        asked.until_closed();
        false
    };
    fails(many, 500, FAILED, &["the response has more field lines than are read"]);
}

#[test]
fn a_head_without_an_end_is_an_integration_failure() {
    let endless = |asked: &mut Asked<'_>| {
        asked.send("HTTP/1.1 200 OK\r\nX-Long: ");
        (0..64).all(|_| asked.send([b'x'; 65_536]));
        false
    };
    fails(endless, 500, FAILED, &["larger than"]);
}

#[test]
fn what_an_origin_sends_in_a_broken_head_does_not_fill_the_log() {
    let many = |asked: &mut Asked<'_>| {
        let fields: String = (0..50_000).map(|index| format!("X-{index}: y\r\n")).collect();
        asked.send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n"));
        asked.until_closed();
        false
    };
    fails(many, 500, FAILED, &[]);
}

#[test]
fn a_response_that_breaks_off_is_a_failure_where_it_is_completed_and_cut_where_it_is_streamed() {
    for truncated in [
        "Content-Length: 1000\r\n\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n40\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\nZZ\r\n",
    ] {
        let origin = Origin::start(move |asked| {
            asked.send(format!("HTTP/1.1 200 OK\r\n{truncated}"));
            false
        });
        let gateway = start(api("http", origin.port));
        check(&gateway, "/s/whole/x", 500, FAILED, &[&format!("127.0.0.1:{}", origin.port)]);
        let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(b"GET /s/streamed/x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(text.starts_with("HTTP/1.1 200") && !text.ends_with("0\r\n\r\n"), "{text}");
        let id = text.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("x-amzn-requestid: ").map(str::to_owned)).unwrap();
        let headers = vec![("x-amzn-RequestId".to_owned(), id)];
        let line = log_line(&gateway, &client::Response { status: 200, headers, body: Vec::new() });
        assert!(line.contains("the response broke off: ") && line.contains(" ms"), "{line}");
    }
}

#[test]
fn content_that_is_broken_from_its_beginning_is_a_failure_in_both_ways() {
    answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", &["a chunk's size is no number"]);
}

#[test]
fn content_without_an_end_is_a_failure_where_it_is_completed() {
    let origin = Origin::start(|asked| {
        asked.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = [b"100000\r\n".as_slice(), &[b'x'; 1 << 20], b"\r\n"].concat();
        while asked.send(&chunk) {}
        false
    });
    let api = api("http", origin.port).replace(&format!("timeoutInMillis: {TIMEOUT}"), "timeoutInMillis: 20000");
    let gateway = start(api);
    let response = gateway.get("/s/whole/x");
    assert_eq!((response.status, response.text()), (500, "{\"message\": \"Internal server error\"}".to_owned()));
    let line = log_line(&gateway, &response);
    assert!(line.contains("the response is larger than is kept in memory"), "{line}");
}

/// What a response takes in memory is bounded by what is in it, however small its pieces are.
#[test]
fn content_in_the_smallest_pieces_takes_no_more_memory_than_it_has() {
    const PIECES: usize = 400_000;
    let origin = Origin::start(|asked| {
        if asked.kind() == "warm" {
            return asked.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
        asked.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let pieces = "1\r\nx\r\n".repeat(PIECES / 100);
        (0..100).all(|_| asked.send(&pieces)) && asked.send("0\r\n\r\n")
    });
    let gateway = start(api("http", origin.port).replace(&format!("timeoutInMillis: {TIMEOUT}"), "timeoutInMillis: 20000"));
    let peak = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.child.id())).unwrap();
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<usize>().ok()).unwrap()
    };
    gateway.get("/s/whole/warm");
    let before = peak();
    assert_eq!(gateway.get("/s/whole/x").body.len(), PIECES);
    let grown = peak().saturating_sub(before);
    assert!(grown < 16 << 10, "memory grew by {grown} KiB for {PIECES} bytes");
}

/// Bytes that nobody asked for are never the beginning of the next response: such a connection is not used again.
#[test]
fn a_connection_that_brings_more_than_its_response_is_not_used_again() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned",
        "HTTP/1.1 204 No Content\r\nContent-Length: 8\r\n\r\npoisoned",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\npoisoned",
    ] {
        let origin = Origin::start(move |asked| {
            asked.send(if asked.kind() == "more" { answer } else { "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" })
        });
        let gateway = start(api("http", origin.port));
        for way in ["streamed", "whole"] {
            let response = gateway.get(&format!("/s/{way}/more"));
            assert!(response.status >= 500 || !response.text().contains("poisoned"), "{}", response.text());
            let before = origin.connections();
            assert_eq!(gateway.get(&format!("/s/{way}/good")).text(), "good");
            assert_eq!(origin.connections(), before + 1, "{way}: {answer:?}");
        }
    }
}

#[test]
fn a_request_that_may_not_be_repeated_is_sent_once() {
    for (method, way) in [("POST", "streamed"), ("POST", "whole"), ("PATCH", "whole"), ("GET", "streamed"), ("GET", "whole")] {
        // A new connection that closes was no idle one: nothing is tried again, whatever the method.
        let origin = Origin::start(|_| false);
        let gateway = start(api("http", origin.port));
        assert_eq!(client::send(gateway.port, method, &format!("/s/{way}/x"), &[], b"").unwrap().status, 500);
        assert_eq!(origin.heads().len(), 1, "{method} {way}");
    }
}

#[test]
fn an_idle_connection_that_was_closed_costs_an_idempotent_request_nothing() {
    for way in ["streamed", "whole"] {
        let origin = Origin::start(|asked| {
            // The second request of a connection is closed upon.
            let answered = asked.head.contains("/first ") || asked.before >= 2;
            answered && asked.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
        });
        let gateway = start(api("http", origin.port));
        assert_eq!(gateway.get(&format!("/s/{way}/first")).status, 200);
        assert_eq!(gateway.get(&format!("/s/{way}/second")).text(), "good");
        assert_eq!((origin.heads().len(), origin.connections()), (3, 2), "{way}");
        let metrics = client::send(gateway.admin_port, "GET", "/metrics", &[], b"").unwrap().text();
        assert!(metrics.contains("headgate_endpoint_repeated_requests_total 1"), "{metrics}");
    }
}

/// A piece of a streamed response is there before the next one is sent: an event does not wait for another.
#[test]
fn a_streamed_piece_does_not_wait_for_the_next() {
    for (framing, piece, end) in [("Transfer-Encoding: chunked", "6\r\nhello\n\r\n", "0\r\n\r\n"), ("Content-Length: 7", "hello\n", "!")] {
        let (seen, client_has_it) = std::sync::mpsc::channel::<()>();
        let client_has_it = std::sync::Mutex::new(client_has_it);
        let origin = Origin::start(move |asked| {
            asked.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{piece}"));
            // Without the client's word the rest is never sent, and the client's read times out.
            client_has_it.lock().unwrap().recv().is_ok() && asked.send(end)
        });
        let gateway = start(api("http", origin.port));
        let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(b"GET /s/streamed/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        while !answer.windows(6).any(|bytes| bytes == b"hello\n") {
            let mut piece = [0; 4096];
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&piece[..count]);
        }
        seen.send(()).unwrap();
        stream.read_to_end(&mut answer).unwrap();
        assert!(String::from_utf8_lossy(&answer).ends_with(end), "{framing}");
    }
}

/// What is no whole handshake is no upgrade: bytes behind it are the next request, never the origin's to read.
#[test]
fn only_a_whole_handshake_leaves_http() {
    for head in [
        "GET /s/streamed/x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "GET /s/streamed/x HTTP/1.0\r\nHost: a\r\nConnection: upgrade, keep-alive\r\nUpgrade: websocket\r\n\r\n",
        "POST /s/streamed/x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nok",
    ] {
        let origin = Origin::start(|asked| {
            let asks = asked.head.to_ascii_lowercase().contains("upgrade");
            asked.send(if asks { "HTTP/1.1 101 Switching Protocols\r\n\r\n" } else { "HTTP/1.1 204 No Content\r\n\r\n" })
        });
        let gateway = start(api("http", origin.port));
        let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let next = "GET /s/streamed/next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(format!("{head}{next}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(!answer.contains(" 101 ") && answer.matches("HTTP/1.1 204").count() == 2, "{head}{answer}");
    }
}
