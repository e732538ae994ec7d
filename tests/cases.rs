//! Every case below `cases/request` against the real program over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::too_many_lines
)]

mod support;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::backend::{Backend, Record, arguments, grouped, pairs};
use support::client::{self, Response};
use support::gateway::{self, Files, Gateway};
use support::matching::{as_matcher, differences};

/// A case and the files beside it.
struct Case {
    name: String,
    spec: Value,
    files: Vec<(String, String)>,
}

#[test]
fn every_case_passes() {
    let cases = Mutex::new(cases());
    let total = cases.lock().unwrap().len();
    assert!(total > 100, "the cases are there");
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let backend = Backend::start();
                loop {
                    let Some(case) = cases.lock().unwrap().pop() else { return };
                    let problems = run(&case, &backend);
                    if !problems.is_empty() {
                        failures.lock().unwrap().push(format!("{}:\n    {}", case.name, problems.join("\n    ")));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {total} cases failed:\n{}", failures.len(), failures.join("\n"));
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/request");
    let directories = |path: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
    };
    let mut cases = Vec::new();
    for directory in directories(&root).iter().flat_map(|area| directories(area)) {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let files = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("case.yaml"));
        let files = files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), read(&path))).collect();
        let spec = serde_yaml::from_str(&read(&directory.join("case.yaml"))).unwrap();
        cases.push(Case { name: directory.strip_prefix(&root).unwrap().display().to_string(), spec, files });
    }
    cases.sort_by(|a, b| b.name.cmp(&a.name));
    cases
}

/// The keys that this runner understands. One that it would pass over makes its case fail: what is not checked must not look checked.
const KNOWN: [(&str, &[&str]); 8] = [
    ("case", &["title", "note", "source", "validated", "needs", "backend", "start", "steps"]),
    ("step", &["name", "request", "expect", "received", "capture", "command", "timeout"]),
    ("request", &["method", "path", "host", "headers", "body", "json", "bodyBase64", "bodyRepeat", "compress"]),
    ("expect", &["status", "headers", "body", "json", "jsonSubset", "bodyBase64", "decompress"]),
    ("received", &["count", "first", "last"]),
    ("record", &["method", "path", "query", "args", "headers", "body", "json", "jsonSubset", "bodyBase64"]),
    ("route", &["path", "method", "respond"]),
    ("respond", &["status", "headers", "body", "json", "bodyBase64"]),
];

/// Keys of a mapping that are not understood; anything but a mapping is not understood either.
fn unknown(what: &str, value: Option<&Value>) -> Vec<String> {
    let Some(value) = value else { return Vec::new() };
    let Some(members) = value.as_object() else { return vec![format!("{what} is no mapping: {value}")] };
    let known = KNOWN.iter().find(|(name, _)| *name == what).map_or(&[][..], |(_, keys)| keys);
    members.keys().filter(|key| !known.contains(&key.as_str())).map(|key| format!("this runner does not know `{key}` in {what}")).collect()
}

/// Everything in a case that would be passed over.
fn not_understood(spec: &Value) -> Vec<String> {
    let mut problems = unknown("case", Some(spec));
    for route in spec.pointer("/backend/routes").and_then(Value::as_array).into_iter().flatten() {
        problems.extend(unknown("route", Some(route)));
        problems.extend(unknown("respond", route.get("respond")));
    }
    for step in spec["steps"].as_array().into_iter().flatten() {
        problems.extend(unknown("step", Some(step)));
        for part in ["request", "expect", "received"] {
            problems.extend(unknown(part, step.get(part)));
        }
        for record in ["first", "last"] {
            problems.extend(unknown("record", step.get("received").and_then(|received| received.get(record))));
        }
        let coding = step.pointer("/request/compress").and_then(Value::as_str).unwrap_or("gzip");
        if !matches!(coding, "gzip" | "deflate") {
            problems.push(format!("this runner does not know the coding `{coding}`"));
        }
        for (name, from) in step.get("capture").and_then(Value::as_object).into_iter().flatten() {
            if from.get("header").and_then(Value::as_str).is_none() {
                problems.push(format!("this runner captures header fields only, not `{name}`"));
            }
        }
    }
    problems
}

#[test]
fn what_a_case_asks_and_nobody_checks_fails() {
    let understood =
        json!({"steps": [{"request": {"path": "/"}, "expect": {"status": 200}, "received": {"count": 1, "last": {"method": "GET"}}}]});
    assert_eq!(not_understood(&understood), Vec::<String>::new());
    for step in [
        json!({"repeat": 3}),
        json!({"request": {"sign": {}}}),
        json!({"expect": {"jsonpath": {}}}),
        json!({"received": [{"count": 1}]}),
        json!({"received": {"last": {"event": {}}}}),
        json!({"capture": {"a": {"json": "$.a"}}}),
        json!({"request": {"compress": "raw-deflate"}}),
    ] {
        assert!(!not_understood(&json!({"steps": [step.clone()]})).is_empty(), "{step}");
    }
}

fn run(case: &Case, backend: &Backend) -> Vec<String> {
    let unchecked = not_understood(&case.spec);
    if !unchecked.is_empty() {
        return unchecked;
    }
    backend.reset(case.spec.pointer("/backend/routes"));
    let steps = case.spec["steps"].as_array().cloned().unwrap_or_default();
    let mut captures = BTreeMap::new();
    if case.spec.get("start") == Some(&json!(false)) {
        let directory = Files::new();
        for (name, text) in &case.files {
            directory.write(name, &gateway::filled(text, [1; 4]));
        }
        return steps.iter().flat_map(|step| command(&step["command"], &directory)).collect();
    }
    let gateway = match Gateway::start(&case.files, backend.port, &[]) {
        Ok(gateway) => gateway,
        Err(message) => return vec![message],
    };
    let mut problems = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let at = format!("step {}", number + 1);
        if let Some(spec) = step.get("command") {
            problems.extend(command(spec, &gateway.files));
            continue;
        }
        backend.take();
        match request(&step["request"], gateway.port, &captures) {
            Ok(response) => {
                capture(step.get("capture"), &response, &mut captures);
                problems.extend(response_differences(&filled(&step["expect"], &captures), &response, &at));
            }
            Err(error) => problems.push(format!("{at}: no response: {error}")),
        }
        if let Some(received) = step.get("received") {
            problems.extend(received_differences(&filled(received, &captures), &backend.take(), &at));
        }
    }
    problems
}

fn command(spec: &Value, directory: &Files) -> Vec<String> {
    let arguments: Vec<&str> = spec["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let output = gateway::run(&directory.0, &arguments);
    let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes).into_owned());
    let all = [output.stdout.clone(), output.stderr.clone()].concat();
    let found =
        json!({ "exit": output.status.code(), "stdout": text(&output.stdout), "stderr": text(&output.stderr), "output": text(&all) });
    differences(&spec["expect"], Some(&found), "command", true)
}

fn request(spec: &Value, port: u16, captures: &BTreeMap<String, String>) -> std::io::Result<Response> {
    let spec = filled(spec, captures);
    let mut headers = pairs(spec.get("headers"));
    if let Some(host) = spec.get("host").and_then(Value::as_str) {
        headers.insert(0, ("Host".to_owned(), host.to_owned()));
    }
    let mut body = match (spec.get("json"), spec.get("bodyBase64"), spec.get("bodyRepeat")) {
        (Some(json), ..) => {
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
            }
            spaced(json)
        }
        (_, Some(text), _) => STANDARD.decode(text.as_str().unwrap_or_default()).expect("a case holds valid base64"),
        (.., Some(repeat)) => {
            repeat["text"].as_str().unwrap_or_default().repeat(usize::try_from(repeat["times"].as_u64().unwrap_or(0)).unwrap()).into_bytes()
        }
        _ => spec.get("body").and_then(Value::as_str).unwrap_or_default().as_bytes().to_vec(),
    };
    if let Some(coding) = spec.get("compress").and_then(Value::as_str) {
        body = compressed(&body, coding);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-encoding")) {
            headers.push(("Content-Encoding".to_owned(), coding.to_owned()));
        }
    }
    let target = spec["path"].as_str().unwrap_or("/");
    client::send(port, spec["method"].as_str().unwrap_or("GET"), target, &headers, &body)
}

/// JSON with a blank behind commas and colons, as the cases' lengths were counted.
fn spaced(json: &Value) -> Vec<u8> {
    struct Spaced;
    impl serde_json::ser::Formatter for Spaced {
        fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
            writer.write_all(if first { b"" } else { b", " })
        }
        fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
            writer.write_all(if first { b"" } else { b", " })
        }
        fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
            writer.write_all(b": ")
        }
    }
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Spaced);
    serde::Serialize::serialize(json, &mut serializer).expect("a value can be written");
    out
}

fn compressed(body: &[u8], coding: &str) -> Vec<u8> {
    if coding == "gzip" {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(body).unwrap();
        return encoder.finish().unwrap();
    }
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn decompressed(body: &[u8], coding: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let read = if coding == "gzip" {
        flate2::read::GzDecoder::new(body).read_to_end(&mut out)
    } else {
        flate2::read::ZlibDecoder::new(body).read_to_end(&mut out)
    };
    read.map_or_else(|_| body.to_vec(), |_| out)
}

fn response_differences(expect: &Value, response: &Response, at: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(status) = expect.get("status") {
        problems.extend(differences(
            status,
            Some(&response.status.into()),
            &format!("{at} status (body {})", response.text().chars().take(200).collect::<String>()),
            false,
        ));
    }
    problems.extend(header_differences(expect.get("headers"), &response.headers, at));
    let body = match expect.get("decompress").and_then(Value::as_str) {
        Some(coding) => decompressed(&response.body, coding),
        None => response.body.clone(),
    };
    problems.extend(body_differences(expect, &body, at));
    problems
}

fn header_differences(expected: Option<&Value>, headers: &[(String, String)], at: &str) -> Vec<String> {
    let expected = expected.and_then(Value::as_object).into_iter().flatten();
    expected
        .flat_map(|(name, wanted)| {
            let values: Vec<&str> =
                headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect();
            let found = (!values.is_empty()).then(|| Value::from(values.join(", ")));
            let text = wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned);
            let wanted = if as_matcher(wanted).is_some() { wanted.clone() } else { text.into() };
            differences(&wanted, found.as_ref(), &format!("{at} header {name}"), false)
        })
        .collect()
}

fn body_differences(spec: &Value, body: &[u8], at: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(body).into_owned();
    let mut problems = Vec::new();
    if let Some(wanted) = spec.get("body") {
        problems.extend(differences(wanted, Some(&text.as_str().into()), &format!("{at} body"), false));
    }
    if let Some(wanted) = spec.get("bodyBase64") {
        problems.extend(differences(wanted, Some(&STANDARD.encode(body).into()), &format!("{at} body"), false));
    }
    for (key, subset) in [("json", false), ("jsonSubset", true)] {
        if let Some(wanted) = spec.get(key) {
            match serde_json::from_str::<Value>(&text) {
                Ok(found) => problems.extend(differences(wanted, Some(&found), &format!("{at} $"), subset)),
                Err(_) => problems.push(format!("{at}: expected JSON, got {text:?}")),
            }
        }
    }
    problems
}

fn received_differences(spec: &Value, records: &[Record], at: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(count) = spec.get("count") {
        problems.extend(differences(count, Some(&records.len().into()), &format!("{at} received count"), false));
    }
    for (key, record) in [("first", records.first()), ("last", records.last())] {
        let Some(wanted) = spec.get(key) else { continue };
        let Some(record) = record else {
            problems.push(format!("{at}: nothing arrived"));
            continue;
        };
        let found =
            json!({ "method": record.method, "path": record.path, "query": record.query, "args": grouped(&arguments(&record.query)) });
        for key in ["method", "path", "query", "args"] {
            if let Some(wanted) = wanted.get(key) {
                problems.extend(differences(wanted, found.get(key), &format!("{at} received {key}"), false));
            }
        }
        problems.extend(header_differences(wanted.get("headers"), &record.headers, &format!("{at} received")));
        problems.extend(body_differences(wanted, &record.body, &format!("{at} received")));
    }
    problems
}

fn capture(spec: Option<&Value>, response: &Response, captures: &mut BTreeMap<String, String>) {
    for (name, from) in spec.and_then(Value::as_object).into_iter().flatten() {
        let header = from.get("header").and_then(Value::as_str).unwrap_or_default();
        captures.insert(name.clone(), response.header(header).unwrap_or_default());
    }
}

/// The value with `{{name}}` replaced by what was captured.
fn filled(value: &Value, captures: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => {
            captures.iter().fold(text.clone(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value)).into()
        }
        Value::Array(items) => items.iter().map(|item| filled(item, captures)).collect(),
        Value::Object(members) => Value::Object(members.iter().map(|(key, value)| (key.clone(), filled(value, captures))).collect()),
        other => other.clone(),
    }
}
