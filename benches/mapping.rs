//! What parameter mapping costs: a request admitted up to the head that goes to the origin, with none, one and ten parameters mapped; then
//! plain substitution as gateway responses and access logs do it. One thread, no socket.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use headgate::control::Gateway;
use headgate::exchange::{FieldName, Fields, Peer, Request};
use headgate::mapping::substitution::{Substitution, Variable};
use headgate::observe::Metrics;
use headgate::pipeline::{Arrival, Next, Pipeline};
use headgate::store::Clock;
use serde_json::{Map, Value, json};

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MAPPED: [usize; 3] = [0, 1, 10];

/// One resource for each number of parameters: half of them from header fields to header fields, half from the query to the query.
fn definition() -> Value {
    let path = |count: &usize| {
        let pair = |index: usize| {
            let (to, from) =
                if index.is_multiple_of(2) { ("header.x-to", "header.x-from") } else { ("querystring.to", "querystring.from") };
            (format!("integration.request.{to}-{index}"), json!(format!("method.request.{from}-{index}")))
        };
        let parameters: Map<String, Value> = (0..*count).map(pair).collect();
        let integration = json!({
            "type": "http_proxy", "httpMethod": "GET", "uri": "http://127.0.0.1:9000/origin", "requestParameters": parameters,
        });
        (format!("/{count}"), json!({ "get": { "responses": {}, "x-amazon-apigateway-integration": integration } }))
    };
    let paths: Map<String, Value> = MAPPED.iter().map(path).collect();
    json!({ "openapi": "3.0.1", "info": { "title": "bench", "version": "1" }, "paths": paths })
}

fn pipeline(directory: &Path) -> Pipeline {
    std::fs::create_dir_all(directory).unwrap();
    std::fs::write(directory.join("api.json"), definition().to_string()).unwrap();
    let configuration = json!({ "apis": [{ "id": "bench", "definition": "api.json", "stages": [{ "stageName": "prod" }] }] });
    let path = directory.join("gateway.yaml");
    std::fs::write(&path, configuration.to_string()).unwrap();
    let gateway = Gateway::new(path, Arc::new(Metrics::new()), || SystemTime::UNIX_EPOCH, Clock::new(|| Duration::ZERO));
    let mut loaded = gateway.load().unwrap_or_else(|problems| panic!("{}", problems.to_text()));
    gateway.apply(&mut loaded);
    Pipeline::new(Arc::clone(gateway.current()))
}

fn request(count: usize) -> Request {
    let mut fields = Fields::default();
    for (name, value) in [("user-agent", "bench/1"), ("accept", "*/*"), ("accept-encoding", "gzip")] {
        fields.append_text(FieldName::parse(name.as_bytes()).unwrap(), value);
    }
    for index in (0..count).step_by(2) {
        fields.append_text(FieldName::parse(format!("x-from-{index}").as_bytes()).unwrap(), "value");
    }
    let query: Vec<String> = (0..count).skip(1).step_by(2).map(|index| format!("from-{index}=a%20value")).collect();
    let local = "127.0.0.1".parse().unwrap();
    Request {
        http_method: http::Method::GET,
        host: "bench.example.com".into(),
        path: format!("/prod/{count}").into(),
        query: (!query.is_empty()).then(|| query.join("&").into()),
        fields,
        peer: Peer { source_ip: local, address: local, local_port: 8080, secure: false, client_certificate: None },
    }
}

fn parameters(criterion: &mut Criterion) {
    let directory: PathBuf = std::env::temp_dir().join(format!("headgate-bench-mapping-{}", std::process::id()));
    let pipeline = pipeline(&directory);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut group = criterion.benchmark_group("mapping");
    group.throughput(Throughput::Elements(1));
    for count in MAPPED {
        let admit = |request: Request| {
            let mut exchange = pipeline.begin(request, Arrival { now_ms: 1_700_000_000_000, random: 7 });
            match runtime.block_on(pipeline.admit(&mut exchange)) {
                Next::Forward(forward) => forward,
                other => panic!("the request was not to be forwarded: {other:?}"),
            }
        };
        let fields = admit(request(count)).request.fields;
        assert_eq!(fields.iter().filter(|field| field.name.as_str().starts_with("x-to-")).count(), count.div_ceil(2));
        group.bench_function(BenchmarkId::new("parameters", count), |bencher| {
            bencher.iter_batched(|| request(count), |request| black_box(admit(request)), criterion::BatchSize::SmallInput);
        });
    }
    group.finish();
    std::fs::remove_dir_all(&directory).unwrap();
}

fn substitution(criterion: &mut Criterion) {
    const FORMAT: &str = r#"{"requestId":"$context.requestId","ip":"$context.identity.sourceIp","time":"$context.requestTime","method":"$context.httpMethod","status":"$context.status","colour":"$stageVariables.colour"}"#;
    let value = |variable: &Variable| match variable {
        Variable::Context(_) => Some("c6af9ac6-7b61-11e6-9a41-93e8deadbeef".into()),
        Variable::StageVariable(_) => Some("blue".into()),
        _ => None,
    };
    let parsed = Substitution::parse(FORMAT);
    assert_eq!(parsed.variables().count(), 6);
    let mut group = criterion.benchmark_group("mapping");
    group.throughput(Throughput::Elements(1));
    let mut out = String::new();
    group.bench_function("substitution", |bencher| {
        bencher.iter(|| {
            out.clear();
            parsed.render(&mut out, "-", value);
            black_box(out.len())
        });
    });
    group.bench_function("substitution, parsed", |bencher| bencher.iter(|| black_box(Substitution::parse(black_box(FORMAT)))));
    group.finish();
}

criterion_group!(benches, parameters, substitution);
criterion_main!(benches);
