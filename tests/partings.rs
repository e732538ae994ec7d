//! Endpoints that answer before they have the whole request, clients and endpoints that leave in the middle of a response.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod support;

use std::io::{BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use support::client;
use support::eventually;
use support::gateway::Gateway;
use support::origin::{Asked, Origin};

/// `/s/streamed` passes contents as they come, `/s/whole` completes them in memory, `/s/bounded` streams for at most half a second.
fn start(behave: impl Fn(&mut Asked<'_>) -> bool + Send + Sync + 'static) -> Gateway {
    let origin = Origin::start(behave);
    let method = |path: &str, kind: &str, more: &str| {
        format!(
            "  /{path}:\n    x-amazon-apigateway-any-method:\n      x-amazon-apigateway-integration: {{type: {kind}, httpMethod: ANY, \
             uri: 'http://127.0.0.1:{}/{path}'{more}}}\n",
            origin.port
        )
    };
    let api = [
        "openapi: 3.0.1\npaths:\n".to_owned(),
        method("streamed", "http_proxy", ""),
        method("whole", "http", ", timeoutInMillis: 5000, responses: {default: {statusCode: '200'}}"),
        method("bounded", "http_proxy", ", responseTransferMode: STREAM, timeoutInMillis: 500"),
    ];
    let gateway = "listeners: [{address: '127.0.0.1:${GATEWAY_PORT}'}]\nadmin: {address: '127.0.0.1:${ADMIN_PORT}'}\n\
                   apis: [{id: a, definition: api.yaml, stages: [{stageName: s, accessLogSettings: {destinationArn: 'file:access.log', \
                   format: '$context.requestId $context.responseLength'}}]}]\n";
    Gateway::start(&[("gateway.yaml".to_owned(), gateway.to_owned()), ("api.yaml".to_owned(), api.concat())], 0, &[]).unwrap()
}

fn connect(gateway: &Gateway, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Far more than all sockets on the way hold.
const LARGE: usize = 24 << 20;

#[test]
fn an_endpoint_that_answers_and_takes_no_more_is_heard() {
    for (way, status) in [("streamed", 413), ("whole", 200)] {
        let gateway = start(|asked| {
            asked.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n\r\ntoo much");
            // Reads nothing of the content, and does not close either.
            std::thread::sleep(Duration::from_secs(20));
            false
        });
        // An announced length that is above what is kept in memory would be refused before the endpoint is asked.
        let length = if way == "whole" { 8 << 20 } else { LARGE };
        let stream = connect(&gateway, &format!("POST /s/{way} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        let mut sender = stream.try_clone().unwrap();
        let sending = std::thread::spawn(move || {
            let piece = vec![b'x'; 1 << 16];
            (0..length / piece.len()).all(|_| sender.write_all(&piece).is_ok())
        });
        let response = client::read(&mut BufReader::new(&stream), "POST").unwrap();
        assert_eq!((response.status, response.text().as_str()), (status, "too much"), "{way}: {}", gateway.said());
        drop(stream);
        sending.join().unwrap();
    }
}

#[test]
fn content_and_response_pass_each_other() {
    // Sends back what it reads, so that it reads on only while somebody reads what it sends.
    let gateway = start(|asked| {
        asked.send("HTTP/1.1 200 OK\r\nContent-Length: 25165824\r\n\r\n");
        let (mut left, mut piece) = (LARGE, vec![0; 1 << 16]);
        while left > 0 {
            let Ok(count @ 1..) = asked.stream.read(&mut piece) else { return false };
            if !asked.send(&piece[..count]) {
                return false;
            }
            left -= count;
        }
        true
    });
    let stream = connect(&gateway, &format!("POST /s/streamed HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n"));
    let mut sender = stream.try_clone().unwrap();
    let content: Vec<u8> = (0..LARGE).map(|index| (index / 7) as u8).collect();
    let sent = content.clone();
    let sending = std::thread::spawn(move || sender.write_all(&sent).is_ok());
    let response = client::read(&mut BufReader::new(&stream), "POST").unwrap();
    assert!(sending.join().unwrap());
    assert!(response.status == 200 && response.body == content, "{} {}", response.status, response.body.len());
}

#[test]
fn a_client_that_leaves_frees_its_endpoint() {
    let (left, leaving) = channel();
    let left = Mutex::new(left);
    let gateway = start(move |asked| {
        asked.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        // Sends nothing that would find out.
        asked.until_closed();
        let _ = left.lock().unwrap().send(());
        false
    });
    for way in ["streamed", "bounded"] {
        let mut stream = connect(&gateway, &format!("GET /s/{way} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello\r\n") {
            let mut piece = [0; 1024];
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0);
            answer.extend_from_slice(&piece[..count]);
        }
        drop(stream);
        assert!(leaving.recv_timeout(Duration::from_secs(10)).is_ok(), "{way}");
    }
}

#[test]
fn a_client_that_only_sends_no_more_gets_its_whole_response() {
    let gateway = start(|asked| {
        asked.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        std::thread::sleep(Duration::from_millis(700));
        asked.send("world")
    });
    let mut stream = connect(&gateway, "GET /s/streamed HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("helloworld"), "{answer}");
}

#[test]
fn what_streams_has_the_time_that_it_was_given() {
    let gateway = start(|asked| {
        asked.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while asked.send("1\r\nx\r\n") {
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    });
    let mut stream = connect(&gateway, "GET /s/bounded HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200") && !answer.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&answer));
    eventually("the log line", || gateway.said().contains("not complete within timeoutInMillis"));
}

#[test]
fn a_response_that_breaks_off_is_no_whole_one_for_http_1_0_either_and_its_length_is_what_was_sent() {
    let gateway = start(|asked| {
        asked.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        std::thread::sleep(Duration::from_millis(300));
        false
    });
    let mut stream = connect(&gateway, "GET /s/streamed HTTP/1.0\r\nHost: a\r\n\r\n");
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    assert_eq!(ended.as_ref().map_err(std::io::Error::kind), Err(ErrorKind::ConnectionReset), "{}", String::from_utf8_lossy(&answer));
    let log = gateway.files.0.join("access.log");
    eventually("the access log", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains(" 5\n")));
}

#[test]
fn fields_that_an_endpoints_connection_names_stay_there() {
    let gateway = start(|asked| asked.send("HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\nContent-Length: 0\r\n\r\n"));
    let response = gateway.get("/s/streamed");
    assert_eq!((response.header("x-hop"), response.header("x-end").as_deref()), (None, Some("2")));
}
