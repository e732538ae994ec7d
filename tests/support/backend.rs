//! An origin: canned answers by path, else an echo; it records what it was asked.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::{Value, json};

use super::client::{chunked, fields};

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Record {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// The origin.
#[derive(Debug)]
pub struct Backend {
    pub port: u16,
    state: Arc<Mutex<State>>,
    held: Arc<Held>,
}

/// Whether answers wait.
#[derive(Debug, Default)]
struct Held {
    held: Mutex<bool>,
    released: Condvar,
}

impl Held {
    fn wait(&self) {
        drop(self.released.wait_while(self.held.lock().unwrap(), |held| *held).unwrap());
    }
}

#[derive(Debug, Default)]
struct State {
    routes: Vec<Value>,
    records: Vec<Record>,
    calls: u64,
}

impl Backend {
    /// Listens on a free port until the test process ends.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let state = Arc::new(Mutex::new(State::default()));
        let held = Arc::<Held>::default();
        let shared = (Arc::clone(&state), Arc::clone(&held));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, held) = shared.clone();
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
                    while matches!(answer(&mut reader, &stream, &state, &held), Ok(true)) {}
                });
            }
        });
        Self { port, state, held }
    }

    /// Lets answers wait from now on, or no longer.
    pub fn hold(&self, held: bool) {
        *self.held.held.lock().unwrap() = held;
        self.held.released.notify_all();
    }

    /// Forgets what was recorded and takes the canned answers of a case.
    pub fn reset(&self, routes: Option<&Value>) {
        let mut state = self.state.lock().unwrap();
        *state = State { routes: routes.and_then(Value::as_array).cloned().unwrap_or_default(), ..State::default() };
    }

    /// What has arrived since the last call.
    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.state.lock().unwrap().records)
    }
}

/// The arguments of a query string, decoded, in order.
pub fn arguments(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// Arguments as an object; those of one name as a list.
pub fn grouped(arguments: &[(String, String)]) -> Value {
    let mut object = serde_json::Map::new();
    for (name, value) in arguments {
        match object.get_mut(name) {
            Some(Value::Array(values)) => values.push(value.as_str().into()),
            Some(single) => *single = json!([single.clone(), value]),
            None => drop(object.insert(name.clone(), value.as_str().into())),
        }
    }
    Value::Object(object)
}

fn answer(reader: &mut BufReader<TcpStream>, mut stream: &TcpStream, state: &Mutex<State>, held: &Held) -> std::io::Result<bool> {
    use std::io::BufRead as _;
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(false);
    }
    let headers = fields(reader)?;
    let named = |name: &str| headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
    let body = if named("transfer-encoding").is_some() {
        chunked(reader)?
    } else {
        let mut body = vec![0; named("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
        reader.read_exact(&mut body)?;
        body
    };
    let mut parts = line.split(' ');
    let (method, target) = (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let record = Record { method, path: path.to_owned(), query: query.to_owned(), headers, body };
    let (route, call) = {
        let mut state = state.lock().unwrap();
        state.records.push(record.clone());
        state.calls += 1;
        (state.routes.iter().find(|route| matches(route, &record)).cloned(), state.calls)
    };
    held.wait();
    let (status, headers, content) = match route {
        Some(route) => canned(route.get("respond").unwrap_or(&Value::Null)),
        None => echo(&record, call),
    };
    let mut head = format!("HTTP/1.1 {status} X\r\n");
    for (name, value) in &headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("server")) {
        head += "Server: origin\r\n";
    }
    head += &format!("Content-Length: {}\r\n\r\n", content.len());
    stream.write_all(head.as_bytes())?;
    if record.method != "HEAD" {
        stream.write_all(&content)?;
    }
    Ok(true)
}

fn matches(route: &Value, record: &Record) -> bool {
    let wanted = route.get("path").and_then(Value::as_str).unwrap_or("^");
    let path = if wanted.starts_with('^') {
        Regex::new(wanted).is_ok_and(|pattern| pattern.is_match(&record.path))
    } else {
        wanted == record.path
    };
    path && route.get("method").and_then(Value::as_str).is_none_or(|method| method == record.method)
}

fn canned(respond: &Value) -> (u64, Vec<(String, String)>, Vec<u8>) {
    let mut headers = pairs(respond.get("headers"));
    let content = if let Some(text) = respond.get("bodyBase64").and_then(Value::as_str) {
        STANDARD.decode(text).expect("a case holds valid base64")
    } else if let Some(json) = respond.get("json") {
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        json.to_string().into_bytes()
    } else {
        respond.get("body").and_then(Value::as_str).unwrap_or_default().as_bytes().to_vec()
    };
    (respond.get("status").and_then(Value::as_u64).unwrap_or(200), headers, content)
}

fn echo(record: &Record, call: u64) -> (u64, Vec<(String, String)>, Vec<u8>) {
    let json_type = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    if let Some(seconds) = record.path.strip_prefix("/delay/").and_then(|seconds| seconds.parse().ok()) {
        std::thread::sleep(Duration::from_secs_f64(seconds));
    }
    if record.path == "/echo-body" {
        return (200, json_type, record.body.clone());
    }
    let status = record.path.strip_prefix("/status/").and_then(|status| status.parse().ok()).unwrap_or(200);
    let text = String::from_utf8(record.body.clone()).ok();
    let parsed = text.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let document = json!({
        "method": record.method, "path": record.path, "query": record.query, "args": grouped(&arguments(&record.query)),
        "headers": record.headers, "data": text, "json": parsed, "call": call,
    });
    (status, json_type, document.to_string().into_bytes())
}

/// Headers are a mapping or a list of pairs; a list keeps order and repeats.
pub fn pairs(value: Option<&Value>) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Some(Value::Object(members)) => members
            .iter()
            .flat_map(|(name, value)| match value {
                Value::Array(values) => values.iter().map(|value| (name.clone(), text(value))).collect(),
                single => vec![(name.clone(), text(single))],
            })
            .collect(),
        Some(Value::Array(items)) => items.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
        _ => Vec::new(),
    }
}
