//! `headgate invoke`: one request through the pipeline, and what each step made of it, in the form of TestInvokeMethod's log.

use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use bytes::Bytes;

use super::args::Invoke;
use super::check::load;
use super::{DONE, REFUSED, clock, output};
use crate::exchange::{FieldName, Fields, Peer, Request};
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
    let (status, head, body) = runtime.block_on(async {
        aws.functions().apply(&loaded.account.functions, &loaded.process.state_directory.join("functions"));
        if calls_aws && let Err(reason) = aws.load_credentials().await {
            output::err(&format!("no AWS credentials: {reason}\n"));
        }
        let mut exchange = pipeline.begin(request, arrival());
        let response = pipeline.explain(&mut exchange, content, &mut |line| log.push(line)).await;
        let head: String = response.fields.iter().map(|field| format!("{}: {}\n", field.name.as_str(), field.text())).collect();
        aws.functions().end();
        (response.status, head, String::from_utf8_lossy(&response.content).into_owned())
    });
    output::err(&log.iter().map(|line| format!("{line}\n")).collect::<String>());
    output::out(&format!("{status}\n{head}\n{body}\n"));
    if status < 500 { DONE } else { REFUSED }
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
        peer: Peer { source_ip: local, address: local, local_port: 0, secure: false },
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

fn arrival() -> Arrival {
    let now_ms = clock::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Arrival { now_ms: u64::try_from(now_ms).unwrap_or(u64::MAX), random: fastrand::u128(..) }
}
