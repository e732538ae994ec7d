//! Responses that the client gets as the function writes them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use super::*;

/// One chunk of a response that is under way.
fn chunk(reader: &mut impl std::io::BufRead) -> Vec<u8> {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut bytes = vec![0; usize::from_str_radix(line.trim(), 16).unwrap() + 2];
    reader.read_exact(&mut bytes).unwrap();
    bytes.truncate(bytes.len() - 2);
    bytes
}

#[test]
fn what_is_written_comes_before_the_rest_is() {
    let code = Files::new();
    let go = code.0.join("go");
    let more = format!(", environment: {{variables: {{GO: \"{}\"}}}}", go.display());
    let gateway = start(&one(&more).replace("timeout: 1", "timeout: 60"), &code);
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(b"GET /prod/streamed/stream HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 201 "), "{line}");
    let fields = client::fields(&mut reader).unwrap();
    let all = |name: &str| {
        fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(
        (all("content-type"), all("set-cookie"), all("transfer-encoding")),
        (vec!["text/plain"], vec!["a=1", "b=2"], vec!["chunked"])
    );
    assert_eq!(all("x-amzn-requestid").len(), 1);
    assert_eq!(chunk(&mut reader), b"first,", "the function waits now");
    std::fs::write(&go, "").unwrap();
    assert_eq!(chunk(&mut reader), b"second");
    assert_eq!(chunk(&mut reader), b"");
    // The connection lives on, and so does the process.
    stream.write_all(b"GET /prod/streamed/stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("HTTP/1.1 201 ") && rest.ends_with("first,\r\n6\r\nsecond\r\n0\r\n\r\n"), "{rest}");
    assert_eq!(gateway.get("/prod/x").text(), "3", "one process served all three");
}

#[test]
fn an_old_client_gets_no_chunks() {
    let code = Files::new();
    let gateway = start(&one(""), &code);
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(b"GET /prod/streamed/stream HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 201 ") && answer.ends_with("\r\n\r\nfirst,second") && !answer.contains("chunked"), "{answer}");
}

#[test]
fn a_client_that_goes_costs_nobody_anything() {
    let code = Files::new();
    let go = code.0.join("go");
    // With room for one process only, no other one can take its place.
    let more = format!(", reservedConcurrentExecutions: 1, environment: {{variables: {{GO: \"{}\"}}}}", go.display());
    let gateway = start(&one(&more).replace("timeout: 1", "timeout: 60"), &code);
    let pid = gateway.get("/prod/pid").text();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    stream.write_all(b"GET /prod/streamed/stream HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    until("the function writes", || go.with_extension("begun").exists());
    drop(stream);
    std::fs::write(&go, "").unwrap();
    until("the function has run to its end, and serves again", || gateway.get("/prod/pid").text() == pid);
}

#[test]
fn what_breaks_off_is_seen_to_break_off() {
    let code = Files::new();
    let gateway = start(&one(""), &code);
    for what in ["stream-break", "stream-error"] {
        let broken = client::send(gateway.port, "GET", &format!("/prod/streamed/{what}"), &[], b"");
        assert!(broken.is_err(), "{what}: {broken:?}");
        assert_eq!(gateway.get("/prod/x").status, 200, "after {what}");
    }
    for what in ["stream-headless", "null", "garbage", "x", "exit", "error", "silent"] {
        let answer = gateway.get(&format!("/prod/streamed/{what}"));
        assert_eq!((answer.status, answer.text().as_str()), (502, r#"{"message": "Internal server error"}"#), "{what}");
        assert_eq!(gateway.get("/prod/x").status, 200, "after {what}");
    }
    let answer = invoke(&gateway, "f", &json!({"path": "/stream-error"}));
    assert_eq!(
        (answer.header("x-amz-function-error").as_deref(), answer.text().as_str()),
        (Some("Unhandled"), r#"{"errorType":"Late","errorMessage":"on purpose"}"#)
    );
    assert_eq!(gateway.get("/prod/stream").status, 502, "a stream is no result for an integration that takes it whole");
}
