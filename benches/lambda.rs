//! The gateway's own work of a Lambda proxy request: the event, and the response from the function's result.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use headgate::exchange::{Context, FieldName, Fields, MethodRequest, PathParameters, Peer, Request, ResourceFacts, StageFacts};
use headgate::mapping::lambda_proxy::{Event, Payload, Prelude, payload_1, payload_2, result_1, result_2};
use indexmap::IndexMap;

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FIELDS: [(&str, &str); 9] = [
    ("Host", "api.example.com"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"),
    ("Accept", "application/json, text/plain, */*"),
    ("Accept-Language", "en-GB,en;q=0.9"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Content-Type", "application/json"),
    ("X-Forwarded-For", "198.51.100.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Amzn-Trace-Id", "Root=1-65f44c7e-334847d81807d98c34072202"),
];

fn request() -> MethodRequest {
    let mut fields = Fields::default();
    for (name, value) in FIELDS {
        fields.append_text(FieldName::from_static(name), value);
    }
    let address = std::net::IpAddr::from([198, 51, 100, 7]);
    let request = Request {
        http_method: http::Method::POST,
        host: "api.example.com".into(),
        path: "/prod/orders/42".into(),
        query: Some("page=2&sort=name&tag=a&tag=b".into()),
        fields,
        peer: Peer { source_ip: address, address, local_port: 443, secure: true, client_certificate: None },
    };
    let parameters = PathParameters(vec![(Arc::from("id"), "42".into())]);
    MethodRequest::new(request, "/orders/42".into(), parameters)
}

fn context() -> Context {
    let facts = StageFacts {
        account_id: "123456789012".into(),
        api_id: "abc123def4".into(),
        stage: "prod".into(),
        deployment_id: "d3pl0y".into(),
        is_canary_request: None,
    };
    Context {
        stage: Some(Arc::new(facts)),
        resource: Some(Arc::new(ResourceFacts { id: "ab12cd".into(), path: "/orders/{id}".into() })),
        request_id: "c6af9ac6-7b61-11e6-9a41-93e8deadbeef".into(),
        extended_request_id: "VRTB2HecDoEF2yA=".into(),
        http_method: http::Method::POST,
        path: "/prod/orders/42".into(),
        domain_name: "api.example.com".into(),
        request_time_ms: 1_584_039_838_123,
        ..Context::default()
    }
}

fn events(c: &mut Criterion) {
    let (request, context) = (request(), context());
    let variables = IndexMap::from([("table".to_owned(), "orders".to_owned())]);
    let mut group = c.benchmark_group("event");
    for (name, size) in [("small", 100), ("1 MB", 1 << 20)] {
        let content = "{\"item\": \"tea\"} ".repeat(size / 16 + 1);
        let fields = &request.request.fields;
        let event = |is_binary| Event {
            request: &request,
            fields,
            context: &context,
            stage_variables: &variables,
            payload: Payload { content: content.as_bytes(), is_binary },
        };
        group.throughput(Throughput::Bytes(content.len() as u64));
        group.bench_function(format!("1.0, {name}"), |b| b.iter(|| payload_1(black_box(&event(false)))));
        group.bench_function(format!("2.0, {name}"), |b| b.iter(|| payload_2(black_box(&event(false)))));
        group.bench_function(format!("1.0, {name}, binary"), |b| b.iter(|| payload_1(black_box(&event(true)))));
    }
}

fn results(c: &mut Criterion) {
    let mut group = c.benchmark_group("result");
    for (name, size) in [("small", 100), ("1 MB", 1 << 20)] {
        for (kind, unit) in [("plain", "plain text 16 B "), ("JSON", r#"{\"item\":\"tea\"}"#)] {
            let body = unit.repeat(size / unit.len() + 1);
            let payload = format!(
                r#"{{"statusCode":200,"headers":{{"Content-Type":"application/json","Cache-Control":"no-store"}},"body":"{body}","isBase64Encoded":false}}"#
            );
            let payload = Bytes::from(payload);
            group.throughput(Throughput::Bytes(payload.len() as u64));
            let content = |result: headgate::mapping::lambda_proxy::ProxyResult| result.content(false).unwrap();
            group.bench_function(format!("1.0, {name}, {kind}"), |b| b.iter(|| content(result_1(black_box(&payload)).unwrap())));
            group.bench_function(format!("2.0, {name}, {kind}"), |b| b.iter(|| content(result_2(black_box(&payload)).unwrap())));
        }
    }
    let streamed = [&br#"{"statusCode":200,"headers":{"Content-Type":"text/plain"}}"#[..], &[0; 8], b"first bytes"].concat();
    group.throughput(Throughput::Bytes(streamed.len() as u64));
    group.bench_function("streamed head", |b| b.iter(|| Prelude::default().take(black_box(&streamed)).unwrap()));
}

criterion_group!(benches, events, results);
criterion_main!(benches);
