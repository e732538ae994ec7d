//! Reads and compiles definitions of 100 and 1,000 operations, each with parameters, a model, a template both ways: what a start or a reload
//! waits for. One thread, the files in the page cache.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use headgate::control::Gateway;
use headgate::document::{Limits, Problems, parse};
use headgate::observe::Metrics;
use headgate::store::Clock;
use serde_json::{Map, Value, json};

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn operation(index: usize) -> Value {
    json!({
        "operationId": format!("operation{index}"),
        "parameters": [
            { "name": "id", "in": "path", "required": true, "schema": { "type": "string" } },
            { "name": "verbose", "in": "query", "schema": { "type": "boolean" } },
        ],
        "requestBody": { "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/Thing{}", index % 50) } } } },
        "responses": { "200": { "description": "done" }, "400": { "description": "refused" } },
        "x-amazon-apigateway-request-validator": "all",
        "x-amazon-apigateway-integration": {
            "type": "http", "httpMethod": "POST", "uri": "http://${stageVariables.origin}/things/{id}",
            "requestParameters": { "integration.request.path.id": "method.request.path.id" },
            "requestTemplates": { "application/json": "#set($root = $input.path('$'))\n{\"name\": \"$util.escapeJavaScript($root.name)\", \"tags\": $input.json('$.tags')}" },
            "responses": {
                "default": { "statusCode": "200", "responseTemplates": { "application/json": "{\"result\": $input.json('$')}" } },
                "4\\d{2}": { "statusCode": "400" },
            },
        },
    })
}

fn definition(operations: usize) -> String {
    let schema = |index: usize| {
        let properties =
            json!({ "name": { "type": "string", "maxLength": 64 }, "tags": { "type": "array", "items": { "type": "string" } } });
        (format!("Thing{index}"), json!({ "type": "object", "required": ["name"], "properties": properties }))
    };
    let paths: Map<String, Value> =
        (0..operations).map(|index| (format!("/things{index}/{{id}}"), json!({ "post": operation(index) }))).collect();
    let schemas: Map<String, Value> = (0..50).map(schema).collect();
    json!({
        "openapi": "3.0.1", "info": { "title": "bench", "version": "1" }, "paths": paths, "components": { "schemas": schemas },
        "x-amazon-apigateway-request-validators": { "all": { "validateRequestBody": true, "validateRequestParameters": true } },
    })
    .to_string()
}

fn compile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(20);
    for operations in [100, 1_000] {
        let text = definition(operations);
        group.throughput(Throughput::Elements(operations as u64));
        group.bench_function(BenchmarkId::new("document", operations), |bencher| {
            bencher.iter(|| {
                let mut problems = Problems::default();
                black_box(parse("api.json", text.as_bytes(), Limits::default(), &mut problems)).unwrap()
            });
        });
        let directory = std::env::temp_dir().join(format!("headgate-bench-compile-{}-{operations}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("api.json"), &text).unwrap();
        let stage = json!({ "stageName": "prod", "variables": { "origin": "127.0.0.1:9000" } });
        let configuration = json!({ "apis": [{ "id": "bench", "definition": "api.json", "stages": [stage] }] });
        let path = directory.join("gateway.yaml");
        std::fs::write(&path, configuration.to_string()).unwrap();
        let gateway = Gateway::new(path, Arc::new(Metrics::new()), || SystemTime::UNIX_EPOCH, Clock::new(|| Duration::ZERO));
        group.bench_function(BenchmarkId::new("configuration", operations), |bencher| {
            bencher.iter(|| black_box(gateway.load()).unwrap_or_else(|problems| panic!("{}", problems.to_text())));
        });
        std::fs::remove_dir_all(&directory).unwrap();
    }
    group.finish();
}

criterion_group!(benches, compile);
criterion_main!(benches);
