//! HTTP/2 frame by frame: what is announced, and what becomes of clients that flood (RFC 9113).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::too_many_lines
)]

mod support;

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use support::gateway::Gateway;

const GATEWAY: &str = "listeners: [{address: '127.0.0.1:${GATEWAY_PORT}'}]\nadmin: {address: '127.0.0.1:${ADMIN_PORT}'}\napis: [{id: a, definition: api.yaml, stages: [{stageName: s}]}]\n";
const API: &str = "openapi: 3.0.1\ninfo: {title: t, version: '1'}\npaths:\n  /x:\n    get:\n      responses: {'200': {description: ok}}\n      x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: '{\"statusCode\": 200}'}, responses: {default: {statusCode: '200'}}}\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;
/// GET, http, `/s/x`, `a`: the static table, and literals without Huffman coding.
const REQUEST: &[u8] = b"\x82\x86\x04\x04/s/x\x41\x01a";

fn start() -> Gateway {
    let files = [("gateway.yaml".to_owned(), GATEWAY.to_owned()), ("api.yaml".to_owned(), API.to_owned())];
    Gateway::start(&files, 1, &[]).unwrap()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

struct Client(TcpStream);

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

impl Client {
    fn connect(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).unwrap();
        Self(stream)
    }

    /// False once the other side has closed.
    fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Nothing once the connection has ended.
    fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).ok()?;
        Some(Frame { kind: head[3], flags: head[4], stream: u32::from_be_bytes(head[5..].try_into().unwrap()), payload })
    }

    fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.next()?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    /// The error code with which the connection is given up.
    fn ends_with(&mut self) -> Option<u32> {
        self.until(|frame| frame.kind == GOAWAY && frame.number(4) != 0).map(|frame| frame.number(4))
    }
}

fn resident_kib(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.child.id())).unwrap();
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok()).unwrap()
}

fn is_served(gateway: &Gateway) {
    let mut client = Client::connect(gateway.port);
    assert!(client.send(&frame(HEADERS, 5, 1, REQUEST)));
    let answer = client.until(|frame| frame.kind == HEADERS && frame.stream == 1).unwrap();
    assert_eq!(answer.payload[0], 0x88, ":status 200");
}

#[test]
fn limits_are_announced() {
    let gateway = start();
    let mut client = Client::connect(gateway.port);
    let settings = client.until(|frame| frame.kind == SETTINGS && frame.flags == 0).unwrap();
    let announced: HashMap<u16, u32> = settings
        .payload
        .chunks(6)
        .map(|pair| (u16::from_be_bytes([pair[0], pair[1]]), u32::from_be_bytes(pair[2..].try_into().unwrap())))
        .collect();
    assert_eq!(announced.get(&3), Some(&100), "streams");
    assert_eq!(announced.get(&4), Some(&(64 << 10)), "stream window");
    assert_eq!(announced.get(&5).copied().unwrap_or(16 << 10), 16 << 10, "frame");
    assert_eq!(announced.get(&6), Some(&(64 << 10)), "header list");
    let window = client.until(|frame| frame.kind == WINDOW_UPDATE && frame.stream == 0).unwrap();
    assert_eq!(window.number(0), (1 << 20) - 65_535, "connection window");
}

#[test]
fn streams_that_are_reset_as_fast_as_they_are_opened_end_the_connection() {
    let gateway = start();
    let mut client = Client::connect(gateway.port);
    let mut flood = Vec::new();
    for stream in (1..4001).step_by(2) {
        flood.extend(frame(HEADERS, 5, stream, REQUEST));
        flood.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    client.send(&flood);
    assert_eq!(client.ends_with(), Some(ENHANCE_YOUR_CALM));
    is_served(&gateway);
}

#[test]
fn a_header_block_without_an_end_ends_the_connection_and_holds_little() {
    let gateway = start();
    is_served(&gateway);
    let before = resident_kib(&gateway);
    for literal in [true, false] {
        let mut client = Client::connect(gateway.port);
        client.send(&frame(HEADERS, 1, 1, REQUEST));
        // Fields that are kept, and frames that hold none.
        let field = [&[0x00, 0x01, b'x', 0x7f, 0x80, 0x78][..], &[b'y'; 15_487]].concat();
        let more = frame(CONTINUATION, 0, 1, if literal { &field } else { &[] });
        let sent = (0..200_000).take_while(|_| client.send(&more)).count();
        assert!(sent < 200_000, "the flood had no end");
        while client.next().is_some() {}
    }
    let grown = resident_kib(&gateway).saturating_sub(before);
    assert!(grown < 8 << 10, "memory grew by {grown} KiB");
    is_served(&gateway);
}

#[test]
fn a_list_of_fields_beyond_its_limit_is_refused() {
    let gateway = start();
    let mut client = Client::connect(gateway.port);
    let field = [&[0x00, 0x01, b'x', 0x7f, 0x80, 0x78][..], &[b'y'; 15_487]].concat();
    client.send(&frame(HEADERS, 1, 1, REQUEST));
    for index in 0..5 {
        client.send(&frame(CONTINUATION, if index == 4 { 4 } else { 0 }, 1, &field));
    }
    let answer = client.until(|frame| matches!(frame.kind, HEADERS | RST_STREAM | GOAWAY)).unwrap();
    // Either a status that is no 200, or no answer at all.
    assert!(answer.kind != HEADERS || answer.payload[0] != 0x88, "{answer:?}");
    is_served(&gateway);
}

#[test]
fn a_refusal_of_head_has_no_content() {
    let gateway = start();
    for (method, has_content) in [("GET", true), ("HEAD", false)] {
        let mut client = Client::connect(gateway.port);
        let name = [0x02, u8::try_from(method.len()).unwrap()];
        // An encoded control in a path is refused before anything is looked for.
        client.send(&frame(HEADERS, 5, 1, &[&name, method.as_bytes(), b"\x86\x04\x04/%00\x41\x01a"].concat()));
        let head = client.until(|frame| frame.kind == HEADERS).unwrap();
        assert_ne!(head.payload[0], 0x88, "{method}");
        let is_end = |frame: &Frame| frame.stream == 1 && frame.flags & 1 == 1 && matches!(frame.kind, DATA | HEADERS);
        let content = if is_end(&head) { 0 } else { client.until(is_end).unwrap().payload.len() };
        assert_eq!(content > 0, has_content, "{method}");
    }
}

#[test]
fn control_frames_without_end_hold_little() {
    let gateway = start();
    is_served(&gateway);
    let before = resident_kib(&gateway);
    for one in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]), frame(DATA, 0, 0, &[])] {
        let mut client = Client::connect(gateway.port);
        client.0.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        let flood = one.repeat(1000);
        // Nothing is read: either the connection ends, or nothing more is taken from it.
        let sent = (0..2000).take_while(|_| client.send(&flood)).count();
        assert!(sent < 2000, "two million frames were taken from a client that reads nothing");
    }
    let grown = resident_kib(&gateway).saturating_sub(before);
    assert!(grown < 8 << 10, "memory grew by {grown} KiB");
    is_served(&gateway);
}

#[test]
fn requests_that_are_malformed_again_and_again_end_the_connection() {
    let gateway = start();
    let mut client = Client::connect(gateway.port);
    for stream in (1..200).step_by(2) {
        // The same field twice with different lengths.
        let lengths = b"\x00\x0econtent-length\x011\x00\x0econtent-length\x012";
        client.send(&frame(HEADERS, 4, stream, &[REQUEST, lengths].concat()));
    }
    while let Some(frame) = client.next() {
        assert!(frame.kind != HEADERS || frame.payload[0] != 0x88, "{frame:?}");
    }
    is_served(&gateway);
}

#[test]
fn the_end_is_announced_before_it_comes() {
    let mut gateway = start();
    let mut client = Client::connect(gateway.port);
    client.send(&frame(HEADERS, 5, 1, REQUEST));
    client.until(|frame| frame.kind == HEADERS && frame.stream == 1).unwrap();
    gateway.signal("TERM");
    let first = client.until(|frame| frame.kind == GOAWAY).unwrap();
    assert_eq!((first.number(0), first.number(4)), (0x7fff_ffff, 0));
    // What the client had sent before it knew is served.
    client.send(&frame(HEADERS, 5, 3, REQUEST));
    let ping = client.until(|frame| frame.kind == PING).unwrap();
    client.send(&frame(PING, 1, 0, &ping.payload));
    let rest: Vec<Frame> = std::iter::from_fn(|| client.next()).collect();
    assert!(rest.iter().any(|frame| frame.kind == HEADERS && frame.stream == 3), "{rest:?}");
    let last = rest.iter().rfind(|frame| frame.kind == GOAWAY).unwrap();
    assert_eq!((last.number(0), last.number(4)), (3, 0));
    let ended = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        gateway.child.try_wait().unwrap().is_some_and(|status| status.success())
    });
    assert!(ended, "the process goes on");
}
