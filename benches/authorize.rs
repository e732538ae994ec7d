//! What it costs to know who calls: admission of a request to a method with each kind of authorizer, beside one without; and what
//! `jsonwebtoken` alone takes for the same tokens. One thread.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods)]

use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use criterion::{Criterion, criterion_group};
use headgate::backend::Backends;
use headgate::control;
use headgate::exchange::{FieldName, Fields, Peer, Request};
use headgate::functions::Functions;
use headgate::observe::Metrics;
use headgate::outbound::Client;
use headgate::outbound::aws::Aws;
use headgate::pipeline::{Arrival, Next, Pipeline};
use headgate::snapshot::{Authorizers, Current, Means};
use headgate::store::{Caches, Circuits, Clock, MemoryQuotas, MemoryRates};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde_json::{Value, json};

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RSA: &str = include_str!("../tests/fixtures/issuer-rsa.pem");
const EC: &str = include_str!("../tests/fixtures/issuer-ec.pem");
const KEYS: &str = include_str!("../tests/fixtures/issuer-jwks.json");
const ISSUER: &str = "https://issuer.example";

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

/// A Lambda that allows everything.
fn lambda() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let allow = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:*:*:api/s/*"}]});
    let answer = json!({"principalId": "ada", "policyDocument": allow, "context": {"tier": "gold", "n": 7}}).to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut length, mut line) = (0, String::new());
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                let lower = line.to_ascii_lowercase();
                length = lower.strip_prefix("content-length:").map_or(length, |value| value.trim().parse().unwrap());
                line.clear();
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            write!(&stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()).unwrap();
        }
    });
    port
}

fn definition() -> Value {
    let scheme = |authorizer: Value| json!({"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authorizer": authorizer});
    let jwt = |ttl: u32| {
        scheme(json!({"type": "jwt", "identitySource": "$request.header.Authorization", "authorizerResultTtlInSeconds": ttl,
            "jwtConfiguration": {"issuer": ISSUER, "audience": ["me"]}, "x-headgate": {"jwksFile": "keys.json"}}))
    };
    let uri =
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:auth/invocations";
    let method = |security: Value| json!({"get": {"security": security, "responses": {}, "x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": "http://127.0.0.1:9000/"}}});
    json!({
        "openapi": "3.0.1", "info": {"title": "t", "version": "1"},
        "paths": {
            "/open": method(json!([])), "/token": method(json!([{"token": []}])), "/request": method(json!([{"request": []}])),
            "/jwt": method(json!([{"jwt": []}])), "/remembered": method(json!([{"remembered": []}])),
        },
        "components": {"securitySchemes": {
            "token": scheme(json!({"type": "token", "authorizerUri": uri})),
            "request": scheme(json!({"type": "request", "authorizerUri": uri, "identitySource": "method.request.header.Authorization, method.request.querystring.q"})),
            "jwt": jwt(0), "remembered": jwt(300),
        }},
    })
}

fn pipeline(runtime: &tokio::runtime::Runtime) -> Pipeline {
    let directory = std::env::temp_dir().join(format!("headgate-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let port = lambda();
    let config = json!({"aws": {"region": "us-east-1", "endpoints": {"lambda": format!("http://127.0.0.1:{port}")}},
        "apis": [{"id": "api", "definition": "api.json", "stages": [{"stageName": "s"}]}]});
    for (name, text) in [("gateway.yaml", config.to_string()), ("api.json", definition().to_string()), ("keys.json", KEYS.to_owned())] {
        std::fs::write(directory.join(name), text).unwrap();
    }
    let client = Arc::new(Client::new());
    let functions = Arc::new(Functions::new());
    let aws = Arc::new(Aws::new(Arc::clone(&client), functions, SystemTime::now));
    let backends = Backends::new(Arc::clone(&client), Arc::clone(&aws));
    let started = Instant::now();
    let clock = Clock::new(move || started.elapsed());
    let (rates, quotas, metrics) = (MemoryRates::new(clock.clone()), MemoryQuotas::default(), Metrics::new());
    let authorizers = Authorizers::new(Arc::clone(&aws), Arc::clone(&client));
    let (caches, circuits) = (Caches::default(), Circuits::default());
    let means = Means {
        backends: &backends,
        metrics: &metrics,
        authorizers: &authorizers,
        rates: &rates,
        quotas: &quotas,
        clock: &clock,
        caches: &caches,
        api_keys: None,
        tracer: None,
        circuits: &circuits,
    };
    let (compiled, problems) = control::compile(&directory.join("gateway.yaml"), &means);
    let _ = std::fs::remove_dir_all(&directory);
    runtime.block_on(aws.credentials().load(SystemTime::now())).unwrap();
    let (_, snapshot) = compiled.filter(|_| !problems.has_errors()).unwrap_or_else(|| panic!("{}", problems.to_text()));
    Pipeline::new(Arc::new(Current::new(snapshot)))
}

fn token(algorithm: Algorithm) -> String {
    let der = |pem: &str| STANDARD.decode(pem.lines().filter(|line| !line.starts_with("-----")).collect::<String>()).unwrap();
    let (key, kid) = match algorithm {
        Algorithm::ES256 => (EncodingKey::from_ec_der(&der(EC)), "ec-1"),
        _ => (EncodingKey::from_rsa_der(&der(RSA)), "rsa-1"),
    };
    let now = now_ms() / 1000;
    let claims = json!({"iss": ISSUER, "aud": "me", "sub": "0123456789", "exp": now + 86_400, "iat": now, "scope": "read write", "email": "ada@example.com"});
    encode(&Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) }, &claims, &key).unwrap()
}

fn request(path: &str, authorization: &str) -> Request {
    let mut fields = Fields::default();
    for (name, value) in [("Host", "127.0.0.1:8080"), ("User-Agent", "bench"), ("Accept", "*/*"), ("Authorization", authorization)] {
        fields.append_text(FieldName::from_static(name), value);
    }
    let local = "127.0.0.1".parse().unwrap();
    let peer = Peer { source_ip: local, address: local, local_port: 8080, secure: false, client_certificate: None };
    Request { http_method: http::Method::GET, host: "127.0.0.1".into(), path: path.into(), query: Some("q=1".into()), fields, peer }
}

fn authorize(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pipeline = pipeline(&runtime);
    let (rs256, es256) = (token(Algorithm::RS256), token(Algorithm::ES256));
    let mut group = criterion.benchmark_group("admit");
    for (name, path, authorization) in [
        ("without an authorizer", "/s/open", &rs256),
        ("JWT, remembered", "/s/remembered", &rs256),
        ("JWT RS256, verified", "/s/jwt", &rs256),
        ("JWT ES256, verified", "/s/jwt", &es256),
    ] {
        let request = request(path, &format!("Bearer {authorization}"));
        measure(&mut group, &runtime, &pipeline, name, &request);
    }
    for (name, path) in [("TOKEN, kept", "/s/token"), ("REQUEST, kept", "/s/request")] {
        measure(&mut group, &runtime, &pipeline, name, &request(path, "allow"));
    }
    group.finish();
    let mut group = criterion.benchmark_group("jsonwebtoken alone");
    let keys: JwkSet = serde_json::from_str(KEYS).unwrap();
    for (name, token, kid, algorithm) in [("RS256", &rs256, "rsa-1", Algorithm::RS256), ("ES256", &es256, "ec-1", Algorithm::ES256)] {
        let key = DecodingKey::from_jwk(keys.find(kid).unwrap()).unwrap();
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["me"]);
        validation.set_issuer(&[ISSUER]);
        group.bench_function(name, |bench| bench.iter(|| decode::<Value>(black_box(token), &key, &validation).unwrap()));
    }
    group.finish();
}

fn measure(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    runtime: &tokio::runtime::Runtime,
    pipeline: &Pipeline,
    name: &str,
    request: &Request,
) {
    group.bench_function(name, |bench| {
        bench.iter(|| {
            let mut exchange = pipeline.begin(black_box(request).clone(), Arrival { now_ms: now_ms(), random: 7 });
            let next = runtime.block_on(pipeline.admit(&mut exchange));
            assert!(matches!(next, Next::Forward(_)), "{name} is not admitted: {:?}", exchange.context.error);
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    targets = authorize
}

/// Calls of the stub are signed, and credentials come from the environment: where it has none, this starts itself again with some.
fn main() {
    if std::env::var_os("AWS_ACCESS_KEY_ID").is_none() {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args(std::env::args_os().skip(1)).env("AWS_ACCESS_KEY_ID", "AKIDBENCH").env("AWS_SECRET_ACCESS_KEY", "secret");
        std::process::exit(again.status().unwrap().code().unwrap_or(1));
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
