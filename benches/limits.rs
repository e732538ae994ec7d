//! What admitting a request costs as keys and routes grow in number, and what refusing one costs. One thread, no sockets: from the request's
//! nouns to the decision, with the program's own configuration reader, snapshot and store.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Instant, SystemTime};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use headgate::control::Gateway;
use headgate::exchange::{FieldName, Fields, Peer, Request};
use headgate::observe::Metrics;
use headgate::pipeline::{Arrival, Next, Pipeline};
use headgate::store::Clock;

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A gateway without listeners, with files of its own.
struct Served {
    gateway: Gateway,
    pipeline: Pipeline,
    directory: PathBuf,
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(store) = self.gateway.durable() {
            store.close();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn serve(keys: usize, routes: usize, rate: &str) -> Served {
    let directory = std::env::temp_dir().join(format!("headgate-bench-{}-{keys}-{routes}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let mut definition = String::from("openapi: 3.0.1\ninfo: {title: shop, version: '1'}\npaths:\n");
    for number in 0..routes {
        let _ = write!(
            definition,
            "  /r{number}/{{id}}:\n    get:\n      security: [{{api_key: []}}]\n      x-amazon-apigateway-integration: {{type: http_proxy, httpMethod: GET, uri: 'http://127.0.0.1:9000/r{number}/{{id}}'}}\n"
        );
    }
    definition.push_str("components: {securitySchemes: {api_key: {type: apiKey, name: x-api-key, in: header}}}\n");
    let mut key_file = String::from("Name,Key,UsagePlanIds\n");
    for number in 0..keys {
        let _ = writeln!(key_file, "key-{number},{},gold", key(number));
    }
    let config = format!(
        "
usagePlans:
  - id: gold
    throttle: {{rateLimit: {rate}, burstLimit: 1}}
    quota: {{limit: 4000000000, period: MONTH}}
    apiStages: [{{apiId: shop, stage: prod}}]
apiKeys: [{{file: keys.csv}}]
apis:
  - id: shop
    definition: api.yaml
    stages: [{{stageName: prod}}]
"
    );
    for (name, text) in [("api.yaml", definition), ("keys.csv", key_file), ("gateway.yaml", config)] {
        std::fs::write(directory.join(name), text).unwrap();
    }
    let started = Instant::now();
    let clock = Clock::new(move || started.elapsed());
    let gateway = Gateway::new(directory.join("gateway.yaml"), Arc::new(Metrics::new()), SystemTime::now, clock);
    let mut loaded = gateway.load().unwrap_or_else(|problems| panic!("{}", problems.to_text()));
    gateway.apply(&mut loaded);
    Served { pipeline: Pipeline::new(Arc::clone(gateway.current())), gateway, directory }
}

fn key(number: usize) -> String {
    format!("value-0123456789-0123456789-{number:08}")
}

fn request(key: &str, route: usize) -> Request {
    let mut fields = Fields::default();
    for (name, value) in [("Host", "api.example.com"), ("Accept", "*/*"), ("User-Agent", "bench"), ("X-API-Key", key)] {
        fields.append_text(FieldName::parse(name.as_bytes()).unwrap(), value);
    }
    let local = "127.0.0.1".parse().unwrap();
    Request {
        http_method: http::Method::GET,
        host: "api.example.com".into(),
        path: format!("/prod/r{route}/7").into(),
        query: None,
        fields,
        peer: Peer { source_ip: local, address: local, local_port: 8080, secure: false, client_certificate: None },
    }
}

/// Begins and admits a request; nothing here waits.
fn admit(served: &Served, request: Request) -> Next {
    let arrival = Arrival { now_ms: 1_700_000_000_000, random: 7 };
    let mut exchange = served.pipeline.begin(request, arrival);
    match pin!(served.pipeline.admit(&mut exchange)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(next) => next,
        Poll::Pending => panic!("admission waited"),
    }
}

/// A limit that nobody reaches, and one that everybody does.
const AMPLE: &str = "1000000000";
const NONE: &str = "0.000001";

fn limits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("admit/keys");
    for keys in [1, 1_000, 100_000] {
        let served = serve(keys, 1, AMPLE);
        let requests: Vec<Request> = (0..keys.min(1_000)).map(|number| request(&key(number * (keys / keys.min(1_000))), 0)).collect();
        let mut turn = requests.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(keys), |bencher| {
            bencher.iter_batched(
                || turn.next().unwrap().clone(),
                |request| assert!(matches!(black_box(admit(&served, request)), Next::Forward(_))),
                criterion::BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("admit/routes");
    for routes in [10, 1_000, 10_000] {
        let served = serve(1, routes, AMPLE);
        let requests: Vec<Request> = (0..10).map(|number| request(&key(0), number * routes / 10)).collect();
        let mut turn = requests.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(routes), |bencher| {
            bencher.iter_batched(
                || turn.next().unwrap().clone(),
                |request| assert!(matches!(black_box(admit(&served, request)), Next::Forward(_))),
                criterion::BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    let served = serve(1_000, 2, NONE);
    let throttled = request(&key(1), 0);
    assert!(matches!(admit(&served, throttled.clone()), Next::Forward(_)));
    criterion.bench_function("refuse", |bencher| {
        bencher.iter_batched(
            || throttled.clone(),
            |request| assert!(matches!(black_box(admit(&served, request)), Next::Respond(response) if response.status == 429)),
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, limits);
criterion_main!(benches);
