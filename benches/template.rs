//! Renders a second of four mapping templates on the path that the gateway itself takes: the payload comes as text, is read at most
//! once and only if the template asks for it, and the output is a new string. One thread.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use headgate::exchange::{
    Authorizer, Context, FieldName, Fields, MethodRequest, Overrides, PathParameters, Peer, Query, Request, ResourceFacts, StageFacts,
};
use headgate::mapping::template::{Input, Template, render};
use headgate::vtl::{Limits, no_clock};
use indexmap::IndexMap;
use serde_json::Value;

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A template with what it reads.
struct Work {
    name: String,
    template: Arc<Template>,
    body: String,
    request: MethodRequest,
    stage_variables: IndexMap<String, String>,
    context: Context,
    expected: String,
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    value.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

impl Work {
    fn read(line: &str) -> Self {
        let work: Value = serde_json::from_str(line).unwrap();
        Self {
            name: text(&work, "id"),
            template: Arc::new(Template::parse(work["template"].as_str().unwrap()).unwrap()),
            body: text(&work, "body"),
            request: request(&work["params"]),
            stage_variables: pairs(&work["stageVariables"]).into_iter().collect(),
            context: context(&work["context"]),
            expected: text(&work, "expected"),
        }
    }

    fn render(&self, overrides: &Overrides) -> bytes::Bytes {
        let input =
            Input { body: &self.body, request: &self.request, stage_variables: &self.stage_variables, context: &self.context, overrides };
        render((&self.name, &self.template), &input, &Limits::default(), &no_clock).unwrap().0
    }
}

fn request(params: &Value) -> MethodRequest {
    let mut fields = Fields::default();
    for (name, value) in pairs(&params["header"]) {
        fields.append_text(FieldName::parse(name.as_bytes()).unwrap(), &value);
    }
    let mut query = Query::default();
    for (name, value) in pairs(&params["querystring"]) {
        query.append(name, value);
    }
    let mut query_string = String::new();
    query.write(&mut query_string);
    let local = "127.0.0.1".parse().unwrap();
    let request = Request {
        http_method: http::Method::POST,
        host: "api.example.com".into(),
        path: "/prod/orders/42".into(),
        query: Some(query_string.into()),
        fields,
        peer: Peer { source_ip: local, address: local, local_port: 8080, secure: false, client_certificate: None },
    };
    let path = pairs(&params["path"]).into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    MethodRequest::new(request, "/orders/42".into(), PathParameters(path))
}

fn context(values: &Value) -> Context {
    let text = |name: &str| text(values, name);
    let stage = StageFacts {
        account_id: text("accountId").into(),
        api_id: text("apiId").into(),
        stage: text("stage").into(),
        ..StageFacts::default()
    };
    let resource = ResourceFacts { id: text("resourceId").into(), path: text("resourcePath").into() };
    let mut context = Context {
        stage: Some(Arc::new(stage)),
        resource: Some(Arc::new(resource)),
        request_id: text("requestId").into(),
        http_method: http::Method::POST,
        path: text("path").into(),
        authorizer: values["authorizer"]
            .as_object()
            .cloned()
            .map(|members| Authorizer { members: members.into(), ..Authorizer::default() }),
        ..Context::default()
    };
    context.identity.source_ip = values["identity"]["sourceIp"].as_str().and_then(|address| address.parse().ok());
    context.identity.user_agent = values["identity"]["userAgent"].as_str().map(Into::into);
    context
}

fn templates(criterion: &mut Criterion) {
    let overrides = Overrides::default();
    for line in include_str!("template/work.jsonl").lines() {
        let work = Work::read(line);
        assert_eq!(work.render(&overrides), work.expected, "{}", work.name);
        let mut group = criterion.benchmark_group("template");
        group.throughput(Throughput::Elements(1));
        group.bench_function(work.name.as_str(), |bencher| bencher.iter(|| black_box(work.render(&overrides))));
    }
}

criterion_group!(benches, templates);
criterion_main!(benches);
