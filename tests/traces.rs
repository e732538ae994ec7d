//! Traces: what a receiver of OTLP gets, and what endpoints are told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod support;

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use support::backend::{Backend, Record};
use support::client;
use support::gateway::Gateway;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn start(backend: u16, stage: &str, more: &str) -> Gateway {
    let gateway = format!(
        "listeners: [{{address: '127.0.0.1:${{GATEWAY_PORT}}'}}]\nadmin: {{address: '127.0.0.1:${{ADMIN_PORT}}'}}\n\
         apis: [{{id: a, definition: api.yaml, stages: [{{stageName: s{stage}}}]}}]\n{more}"
    );
    let integration = |kind: &str, port: &str| {
        format!(
            "    get:\n      x-amazon-apigateway-integration: {{type: {kind}, httpMethod: GET, uri: 'http://127.0.0.1:{port}/{{id}}?secret=1', \
             requestParameters: {{integration.request.path.id: method.request.path.id}}, responses: {{default: {{statusCode: '200'}}}}}}\n"
        )
    };
    let api = format!(
        "openapi: 3.0.1\npaths:\n  /streamed/{{id}}:\n{}  /whole/{{id}}:\n{}  /closed/{{id}}:\n{}",
        integration("http_proxy", "${BACKEND_PORT}"),
        integration("http", "${BACKEND_PORT}"),
        integration("http", "${CLOSED_PORT}")
    );
    Gateway::start(&[("gateway.yaml".to_owned(), gateway), ("api.yaml".to_owned(), api)], backend, &[]).unwrap()
}

fn exporting(collector: u16) -> String {
    format!("tracing: {{endpoint: 'http://127.0.0.1:{collector}', serviceName: edge, headers: {{x-token: secret}}}}\n")
}

fn get(gateway: &Gateway, target: &str, headers: &[(&str, &str)]) -> client::Response {
    let headers: Vec<(String, String)> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    client::send(gateway.port, "GET", target, &headers, b"").unwrap()
}

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

fn field(record: &Record, name: &str) -> Option<String> {
    record.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
}

/// All spans that a collector gets until there are as many as are wanted.
fn spans(collector: &Backend, wanted: usize) -> Vec<Span> {
    let mut spans = Vec::new();
    for _ in 0..500 {
        for record in collector.take() {
            assert_eq!((record.method.as_str(), record.path.as_str()), ("POST", "/v1/traces"));
            assert_eq!(field(&record, "content-type").as_deref(), Some("application/x-protobuf"));
            assert_eq!(field(&record, "x-token").as_deref(), Some("secret"));
            let request = ExportTraceServiceRequest::decode(record.body.as_slice()).unwrap();
            for of_resource in request.resource_spans {
                assert_eq!(text(&of_resource.resource.unwrap().attributes, "service.name"), "edge");
                spans.extend(of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        if spans.len() >= wanted {
            return spans;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{wanted} spans did not come within 10 s: {spans:?}");
}

fn text(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name).and_then(|attribute| attribute.value.clone());
    match found {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text,
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_kind(spans: &[Span], kind: SpanKind) -> &Span {
    spans.iter().find(|span| span.kind == kind as i32).unwrap()
}

#[test]
fn a_request_is_a_span_of_the_server_and_its_call_one_of_the_client() {
    let (backend, collector) = (Backend::start(), Backend::start());
    let gateway = start(backend.port, "", &exporting(collector.port));
    for way in ["streamed", "whole"] {
        let headers = [("traceparent", traceparent("01")), ("tracestate", "vendor=1".to_owned())];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(get(&gateway, &format!("/s/{way}/7"), &headers).status, 200);
        let spans = spans(&collector, 2);
        let (server, call) = (of_kind(&spans, SpanKind::Server), of_kind(&spans, SpanKind::Client));
        assert_eq!([&server.trace_id, &call.trace_id].map(|id| hex(id)), [TRACE, TRACE]);
        assert_eq!((hex(&server.parent_span_id).as_str(), &call.parent_span_id), (CALLER, &server.span_id));
        assert_eq!((server.name.as_str(), call.name.as_str()), (format!("GET /{way}/{{id}}").as_str(), "GET"));
        let attributes = &server.attributes;
        for (name, value) in [
            ("http.request.method", "GET"),
            ("http.route", &format!("/{way}/{{id}}")),
            ("url.path", &format!("/s/{way}/7")),
            ("url.scheme", "http"),
            ("http.response.status_code", "200"),
            ("server.port", &gateway.port.to_string()),
            ("client.address", "127.0.0.1"),
            ("headgate.stage", "s"),
        ] {
            assert_eq!(text(attributes, name), value, "{name}");
        }
        assert_eq!(text(&call.attributes, "url.full"), format!("http://127.0.0.1:{}/7", backend.port), "a query may hold secrets");
        assert!(server.start_time_unix_nano <= call.start_time_unix_nano && call.end_time_unix_nano <= server.end_time_unix_nano);
        assert!(call.start_time_unix_nano < call.end_time_unix_nano);
        let asked = &backend.take()[0];
        assert_eq!(field(asked, "traceparent"), Some(format!("00-{TRACE}-{}-01", hex(&call.span_id))));
        assert_eq!(field(asked, "tracestate").as_deref(), Some("vendor=1"));
        let x_ray = format!("Root=1-0af76519-16cd43dd8448eb211c80319c;Parent={};Sampled=1", hex(&call.span_id));
        assert_eq!(field(asked, "x-amzn-trace-id"), Some(x_ray));
    }
}

#[test]
fn a_call_that_failed_says_why() {
    let (backend, collector) = (Backend::start(), Backend::start());
    let gateway = start(backend.port, "", &exporting(collector.port));
    assert_eq!(gateway.get("/s/closed/7").status, 500);
    let spans = spans(&collector, 2);
    for kind in [SpanKind::Server, SpanKind::Client] {
        let span = of_kind(&spans, kind);
        assert_eq!(text(&span.attributes, "error.type"), "INTEGRATION_FAILURE");
        let status = span.status.as_ref().unwrap();
        assert!(status.code == StatusCode::Error as i32 && status.message.contains("Connection refused"), "{status:?}");
    }
}

#[test]
fn a_mistake_of_the_client_is_no_error_of_the_server() {
    let collector = Backend::start();
    let gateway = start(Backend::start().port, "", &exporting(collector.port));
    assert_eq!(gateway.get("/s/nothing").status, 403);
    let spans = spans(&collector, 1);
    assert_eq!((spans.len(), spans[0].name.as_str(), spans[0].status.is_none()), (1, "GET", true));
    assert_eq!(text(&spans[0].attributes, "http.response.status_code"), "403");
}

#[test]
fn what_the_caller_does_not_record_is_not_recorded_but_passed_on() {
    let (backend, collector) = (Backend::start(), Backend::start());
    let gateway = start(backend.port, "", &exporting(collector.port));
    get(&gateway, "/s/whole/1", &[("traceparent", &traceparent("00"))]);
    get(&gateway, "/s/whole/2", &[("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0")]);
    get(&gateway, "/s/whole/3", &[("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")]);
    let spans = spans(&collector, 2);
    assert!(spans.iter().all(|span| hex(&span.trace_id) == "5759e988bd862e3fe1be46a994272793"), "{spans:?}");
    assert_eq!(hex(&of_kind(&spans, SpanKind::Server).parent_span_id), "53995c3f42cd8ad8");
    let told: Vec<String> = backend.take().iter().map(|record| field(record, "traceparent").unwrap()).collect();
    assert!(told[0].starts_with(&format!("00-{TRACE}-")) && told[0].ends_with("-00"), "{told:?}");
    assert!(told[1].ends_with("-00") && told[2].ends_with("-01"), "{told:?}");
}

#[test]
fn a_stage_that_is_not_traced_leaves_it_to_the_caller() {
    let (backend, collector) = (Backend::start(), Backend::start());
    let gateway = start(backend.port, ", tracingEnabled: false", &exporting(collector.port));
    assert_eq!(gateway.get("/s/whole/1").status, 200);
    get(&gateway, "/s/whole/2", &[("traceparent", &traceparent("01"))]);
    assert!(spans(&collector, 2).iter().all(|span| hex(&span.trace_id) == TRACE));
}

#[test]
fn without_a_receiver_nothing_is_changed_and_tracing_enabled_sets_sampled() {
    for (stage, sampled) in [("", "Sampled=0"), (", tracingEnabled: false", "Sampled=0"), (", tracingEnabled: true", "Sampled=1")] {
        let backend = Backend::start();
        let gateway = start(backend.port, stage, "");
        get(&gateway, "/s/streamed/1", &[("traceparent", &traceparent("01"))]);
        let asked = &backend.take()[0];
        assert_eq!(field(asked, "traceparent"), Some(traceparent("01")));
        assert!(field(asked, "x-amzn-trace-id").unwrap().ends_with(sampled), "{stage}: {asked:?}");
    }
}

#[test]
fn a_receiver_that_is_away_costs_spans_and_no_request() {
    let backend = Backend::start();
    let closed = support::Closed::new();
    let gateway = start(backend.port, "", &exporting(closed.port()));
    (0..5).for_each(|_| assert_eq!(gateway.get("/s/whole/1").status, 200));
    let metrics = || client::send(gateway.admin_port, "GET", "/metrics", &[], b"").unwrap().text();
    for _ in 0..500 {
        if metrics().contains("headgate_otel_spans_dropped_total 10") {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the spans were not given up within 10 s: {}", metrics());
}

#[test]
fn a_gateway_that_stops_sends_what_it_has() {
    let (backend, collector) = (Backend::start(), Backend::start());
    let mut gateway = start(backend.port, "", &exporting(collector.port));
    assert_eq!(gateway.get("/s/whole/1").status, 200);
    gateway.signal("TERM");
    assert!(gateway.child.wait().unwrap().success());
    assert_eq!(spans(&collector, 2).len(), 2);
}
