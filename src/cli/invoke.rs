//! `headgate invoke`: one request through the pipeline, and what each step made of it, in the form of TestInvokeMethod's log.

use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::args::{Format, Invoke};
use super::check::load;
use super::{DONE, REFUSED, clock, output};
use crate::exchange::{FieldName, Fields, Peer, Request, Response};
use crate::mapping::context::log_time;
use crate::pipeline::{Arrival, Pipeline};
use crate::snapshot::Current;

/// Runs the request and prints its log, then its response.
pub(super) fn invoke(arguments: &Invoke) -> u8 {
    let (compiled, problems, aws) = load(&arguments.config.config);
    let Some((loaded, snapshot)) = compiled.filter(|_| !problems.has_errors()) else {
        output::err(&problems.to_text());
        return REFUSED;
    };
    let known =
        snapshot.stages.iter().any(|stage| *stage.release.facts.api_id == *arguments.api && *stage.release.facts.stage == *arguments.stage);
    if !known {
        output::err(&format!("there is no stage `{}` of an API `{}`\n", arguments.stage, arguments.api));
        return REFUSED;
    }
    let (request, content) = match request(arguments) {
        Ok(request) => request,
        Err(message) => {
            output::err(&format!("{message}\n"));
            return REFUSED;
        }
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return REFUSED };
    let calls_aws = snapshot.calls_aws();
    let pipeline = Pipeline::new(std::sync::Arc::new(Current::new(snapshot)));
    let mut log = Vec::new();
    let started = clock::now();
    let response = runtime.block_on(async {
        aws.functions().apply(&loaded.account.functions, &loaded.process.state_directory.join("functions"));
        if calls_aws && let Err(reason) = aws.load_credentials().await {
            output::err(&format!("no AWS credentials: {reason}\n"));
        }
        let mut exchange = pipeline.begin(request, arrival());
        log.push(format!("Execution log for request {}", exchange.context.request_id));
        let response = pipeline.explain(&mut exchange, content, &mut |line| log.push(format!("{} : {line}", log_time(now_ms())))).await;
        aws.functions().end();
        response
    });
    let latency = clock::now().duration_since(started).map_or(0, |taken| taken.as_millis());
    match arguments.format {
        Format::Text => {
            output::err(&format!("{}\n", log.join("\n")));
            output::out(&text(&response));
        }
        Format::Json => output::out(&format!("{:#}\n", object(&response, &log, latency))),
    }
    if response.status < 500 { DONE } else { REFUSED }
}

fn text(response: &Response) -> String {
    let head: String = response.fields.iter().map(|field| format!("{}: {}\n", field.name.as_str(), field.text())).collect();
    format!("{}\n{head}\n{}\n", response.status, String::from_utf8_lossy(&response.content))
}

/// The members that TestInvokeMethod's result has.
fn object(response: &Response, log: &[String], latency: u128) -> Value {
    let mut all: Map<String, Value> = Map::new();
    for field in &response.fields {
        let values = all.entry(field.name.as_str()).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(field.text().into());
        }
    }
    let last: Map<String, Value> =
        all.iter().filter_map(|(name, values)| Some((name.clone(), values.as_array()?.last()?.clone()))).collect();
    json!({
        "status": response.status,
        "headers": last,
        "multiValueHeaders": all,
        "body": String::from_utf8_lossy(&response.content),
        "latency": u64::try_from(latency).unwrap_or(u64::MAX),
        "log": log.join("\n"),
    })
}

fn request(arguments: &Invoke) -> Result<(Request, Bytes), String> {
    let mut fields = Fields::default();
    for header in &arguments.headers {
        let (name, value) = header.split_once(':').ok_or_else(|| format!("a header field is written `name: value`, not `{header}`"))?;
        let name = FieldName::parse(name.trim().as_bytes()).ok_or_else(|| format!("`{name}` is no field name"))?;
        fields.append_text(name, value.trim());
    }
    let http_method = arguments.method.to_ascii_uppercase().parse().map_err(|_| format!("`{}` is no method", arguments.method))?;
    let (path, query) = arguments.path.split_once('?').map_or((arguments.path.as_str(), None), |(path, query)| (path, Some(query)));
    let host = format!("{}.execute-api.localhost", arguments.api).to_ascii_lowercase();
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let request = Request {
        http_method,
        host: host.into(),
        path: format!("/{}/{}", arguments.stage, path.trim_start_matches('/')).into(),
        query: query.map(Into::into),
        fields,
        peer: Peer { source_ip: local, address: local, local_port: 0, secure: false, client_certificate: None },
    };
    Ok((request, content(&arguments.data)?))
}

fn content(data: &str) -> Result<Bytes, String> {
    let read = match (data, data.strip_prefix('@')) {
        ("-", _) => std::io::read_to_string(std::io::stdin()).map(String::into_bytes),
        (_, Some(path)) => std::fs::read(path),
        _ => return Ok(Bytes::copy_from_slice(data.as_bytes())),
    };
    read.map(Bytes::from).map_err(|error| format!("{data}: {error}"))
}

fn now_ms() -> u64 {
    let since = clock::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    u64::try_from(since).unwrap_or(u64::MAX)
}

fn arrival() -> Arrival {
    Arrival { now_ms: now_ms(), random: fastrand::u128(..) }
}
