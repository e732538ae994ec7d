//! Many requests of every kind at one gateway: each gets its answer, and nothing that the process holds grows with their number.
//!
//! `make soak` sends five million at a release build and prints memory and descriptors on the way; a few thousand are sent with every test run.

#![cfg(target_os = "linux")]
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

use std::fmt;
use std::io::{BufReader, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use support::gateway::Gateway;
use support::{client, free_ports};

const WORKERS: usize = 8;
/// Requests on one connection; then a new one.
const KEPT_ALIVE: u64 = 200;
const KINDS: u64 = 16;

/// Another gateway's echo, as origin.
const ORIGIN: &str = r#"
listeners: [{address: "127.0.0.1:${GATEWAY_PORT}"}]
admin: {address: "127.0.0.1:${ADMIN_PORT}"}
echo: {address: "127.0.0.1:${BACKEND_PORT}"}
apis: [{id: none, definition: api.yaml, stages: [{stageName: none}]}]
"#;
const NOTHING: &str = "openapi: 3.0.1\ninfo: {title: none, version: '1'}\npaths: {}\n";

/// What the gateway's process holds.
#[derive(Debug, Clone, Copy)]
struct Sample {
    requests: u64,
    seconds: f64,
    /// Memory that is no file's, in KiB.
    anonymous: u64,
    descriptors: u64,
    threads: u64,
}

impl Sample {
    fn take(process: u32, requests: u64, since: Instant) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
        };
        let descriptors = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count() as u64;
        let seconds = since.elapsed().as_secs_f64();
        Self { requests, seconds, anonymous: number("RssAnon:"), descriptors, threads: number("Threads:") }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self.anonymous as f64 / 1024.0;
        write!(f, "| {} | {:.0} | {memory:.1} | {} | {} |", self.requests, self.seconds, self.descriptors, self.threads)
    }
}

/// A request with what it may be answered with.
struct Asked {
    method: &'static str,
    text: String,
    content: Vec<u8>,
    allowed: &'static [u16],
}

impl Asked {
    fn new(method: &'static str, target: &str, fields: &str, content: &[u8], allowed: &'static [u16]) -> Self {
        let length = if method == "POST" && !fields.contains("Transfer-Encoding") {
            format!("Content-Length: {}\r\n", content.len())
        } else {
            String::new()
        };
        let text = format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}{fields}\r\n");
        Self { method, text, content: content.to_vec(), allowed }
    }

    /// One of the kinds in turn. Paths and queries are never the same twice, so that whatever is kept by them would show.
    fn of(number: u64) -> Self {
        const JSON: &str = "Content-Type: application/json\r\n";
        let get = |target: &str, allowed| Self::new("GET", target, "", b"", allowed);
        match number % KINDS {
            0 | 1 => get(&format!("/prod/mock/{number}"), &[200]),
            2 | 3 => get(&format!("/prod/streamed/a/{number}?q={number}"), &[200]),
            4 => Self::new("POST", "/prod/streamed/b", JSON, &[b'x'; 2048], &[200]),
            5 if number.is_multiple_of(50) => Self::new("POST", "/prod/streamed/c", "", &vec![b'y'; 256 << 10], &[200]),
            5 => Self::new("POST", "/prod/streamed/d", "Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n", &[200]),
            6 => Self::new("POST", "/prod/mapped", JSON, format!(r#"{{"name": "n{number}", "tags": ["a", "b"]}}"#).as_bytes(), &[200]),
            7 => Self::new("POST", "/prod/mapped", JSON, br#"{"tags": 7}"#, &[400]),
            8 => get(&format!("/prod/nowhere/{number}"), &[403]),
            9 => Self::new("GET", "/prod/keyed", "x-api-key: wide-0123456789abcdef\r\n", b"", &[200]),
            10 => Self::new("GET", "/prod/keyed", &format!("x-api-key: unknown-{number}\r\n"), b"", &[403]),
            11 => Self::new("GET", "/prod/keyed", "x-api-key: narrow-0123456789abcdef\r\n", b"", &[200, 429]),
            12 => get("/prod/signed", &[403]),
            13 => get(&format!("/prod/kept?n={}", number % 50_000), &[200]),
            14 if number.is_multiple_of(7) => Self::new("GET", "/prod/closed", "", b"", &[500, 504]),
            14 => Self::new("GET", "/prod/large", "Accept-Encoding: gzip\r\n", b"", &[200]),
            _ => Self::new("GET", &format!("/prod/../{number}"), "", b"", &[400]),
        }
    }
}

/// Counts requests, and says when there are enough.
struct Tickets {
    next: AtomicU64,
    last: u64,
    failed: AtomicBool,
}

impl Tickets {
    fn take(&self) -> Option<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.last && !self.failed.load(Ordering::Relaxed)).then_some(number)
    }
}

/// Sends requests until there are no more; a failure ends the other workers, too.
fn work(port: u16, tickets: &Tickets) {
    struct Ends<'t>(&'t Tickets);
    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.failed.fetch_or(std::thread::panicking(), Ordering::Relaxed);
        }
    }
    let _ends = Ends(tickets);
    while connection(port, tickets) {}
}

/// One connection's requests; false when there are no more.
fn connection(port: u16, tickets: &Tickets) -> bool {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(&stream);
    for turn in 0..KEPT_ALIVE {
        let Some(number) = tickets.take() else { return false };
        let asked = Asked::of(number);
        (&stream).write_all(asked.text.as_bytes()).and_then(|()| (&stream).write_all(&asked.content)).unwrap();
        // Some clients lose interest, in the middle of whatever is under way.
        if turn == KEPT_ALIVE - 1 && number.is_multiple_of(3) {
            let _ = stream.shutdown(Shutdown::Both);
            return true;
        }
        let response = client::read(&mut reader, asked.method).unwrap_or_else(|error| panic!("{}: {error}", asked.text));
        assert!(asked.allowed.contains(&response.status), "{} {}: {}", asked.text, response.status, response.text());
        if response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            break;
        }
    }
    true
}

/// Sends so many requests, twenty reloads among them.
fn soak(requests: u64, show: bool) -> Vec<Sample> {
    let [echo] = free_ports();
    let origin = [("gateway.yaml".to_owned(), ORIGIN.to_owned()), ("api.yaml".to_owned(), NOTHING.to_owned())];
    let _origin = Gateway::start(&origin, echo, &[]).unwrap();
    let files = [
        ("gateway.yaml".to_owned(), include_str!("soak/gateway.yaml").to_owned()),
        ("api.yaml".to_owned(), include_str!("soak/api.yaml").to_owned()),
    ];
    let gateway = Gateway::start(&files, echo, &[]).unwrap();
    let configuration = std::fs::read_to_string(gateway.files.0.join("gateway.yaml")).unwrap();
    let tickets = Tickets { next: AtomicU64::new(0), last: requests, failed: AtomicBool::new(false) };
    let (since, step) = (Instant::now(), (requests / 20).max(1));
    let mut samples = vec![Sample::take(gateway.child.id(), 0, since)];
    if show {
        eprintln!("| requests | s | MiB | descriptors | threads |\n| ---: | ---: | ---: | ---: | ---: |\n{}", samples[0]);
    }
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| work(gateway.port, &tickets));
        }
        for part in 1..=20 {
            while tickets.next.load(Ordering::Relaxed) < (part * step).min(requests) && !tickets.failed.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
            // Two configurations in turn: whatever a reload leaves behind would be there twenty times.
            gateway
                .files
                .write("gateway.yaml", &configuration.replace("percentTraffic: 10", &format!("percentTraffic: {}", 10 + part % 2)));
            gateway.signal("HUP");
            samples.push(Sample::take(gateway.child.id(), tickets.next.load(Ordering::Relaxed).min(requests), since));
            if show {
                eprintln!("{}", samples[samples.len() - 1]);
            }
        }
    });
    // With all clients gone, what is left are listeners, files, and idle connections to the origin.
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let last = Sample::take(gateway.child.id(), requests, since);
        if last.descriptors <= samples[0].descriptors + WORKERS as u64 + 4 || Instant::now() > until {
            samples.push(last);
            return samples;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn assert_all_closed(samples: &[Sample]) {
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    let kept = WORKERS as u64 + 4;
    assert!(last.descriptors <= first.descriptors + kept, "{} descriptors before, {} after", first.descriptors, last.descriptors);
}

#[test]
fn every_kind_of_request_gets_its_answer_and_every_connection_is_closed() {
    assert_all_closed(&soak(4_000, false));
}

#[test]
#[ignore = "takes minutes: `make soak`"]
fn memory_and_descriptors_stay_flat() {
    let requests = std::env::var("SOAK_REQUESTS").ok().and_then(|number| number.parse().ok()).unwrap_or(5_000_000);
    let samples = soak(requests, true);
    assert_all_closed(&samples);
    // Caches and pools fill in the first quarter; from then on nothing may grow but by chance.
    let anonymous = |samples: &[Sample]| samples.iter().map(|sample| sample.anonymous).max().unwrap();
    let descriptors = |samples: &[Sample]| samples.iter().map(|sample| sample.descriptors).max().unwrap();
    let (half, end) = (&samples[5..=10], &samples[11..]);
    let (before, after) = (anonymous(half), anonymous(end));
    assert!(after <= before + (before / 10).max(8 << 10), "{before} KiB in the first half, {after} KiB in the second");
    let (before, after) = (descriptors(half), descriptors(end));
    assert!(after <= before + WORKERS as u64, "{before} descriptors in the first half, {after} in the second");
    let threads: Vec<u64> = samples.iter().map(|sample| sample.threads).collect();
    assert!(threads.iter().max() <= Some(&(threads[5] + 2)), "threads: {threads:?}");
}
