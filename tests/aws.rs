//! Calls of AWS's services: how they are signed, and what comes back. The services are a stub that records what it was asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr
)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use headgate::outbound::aws::{Event, message};
use serde_json::json;
use support::backend::{Backend, Record};
use support::client;
use support::gateway::{Files, Gateway, run};

const ENVIRONMENT: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "AKIDBASE"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("AWS_REGION", "eu-west-1"),
];

fn start(backend: &Backend, aws: &str, paths: &str) -> Gateway {
    let config = format!(
        "
listeners: [{{address: \"127.0.0.1:${{GATEWAY_PORT}}\"}}]
admin: {{address: \"127.0.0.1:${{ADMIN_PORT}}\"}}
aws: {{{aws}}}
apis:
  - id: services
    definition: api.yaml
    stages:
      - stageName: prod
        accessLogSettings: {{destinationArn: 'file:access.log', format: 'id=$context.integration.requestId'}}
"
    );
    let definition = format!("openapi: 3.0.1\ninfo: {{title: services, version: '1'}}\npaths:\n{paths}");
    let files = [("gateway.yaml".to_owned(), config), ("api.yaml".to_owned(), definition)];
    Gateway::start_in(&ENVIRONMENT, &files, backend.port, &[]).unwrap()
}

fn field<'r>(record: &'r Record, name: &str) -> &'r str {
    record.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}

fn sts(key: &str, expiration: &str) -> String {
    format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/api/headgate</Arn>\
         <AssumedRoleId>AROA:headgate</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>{key}</AccessKeyId>\
         <SecretAccessKey>assumed</SecretAccessKey><SessionToken>token</SessionToken><Expiration>{expiration}</Expiration></Credentials></AssumeRoleResult>\
         <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleResponse>"
    )
}

const TABLES: &str = "
  /tables:
    post:
      responses: {'200': {description: done}}
      x-amazon-apigateway-integration:
        type: aws
        httpMethod: POST
        credentials: arn:aws:iam::123456789012:role/api
        uri: arn:aws:apigateway:eu-west-1:dynamodb:action/ListTables
        responses: {default: {statusCode: '200'}}
";

#[test]
fn roles_are_assumed_where_that_is_asked_for_and_never_on_a_requests_way() {
    let backend = Backend::start();
    let routes = json!([
        {"path": "^/sts", "respond": {"status": 200, "body": sts("AKIDROLE", "2999-01-01T00:00:00Z"), "headers": {"Content-Type": "text/xml"}}},
        {"path": "^/tables", "respond": {"status": 200, "json": {"TableNames": []}}},
    ]);
    backend.reset(Some(&routes));
    let endpoints = "endpoints: {sts: \"http://127.0.0.1:${BACKEND_PORT}/sts\", dynamodb: \"http://127.0.0.1:${BACKEND_PORT}/tables\"}";
    let gateway = start(&backend, &format!("assumeRoles: true, {endpoints}"), TABLES);
    let asked = backend.take();
    assert_eq!(asked.len(), 1, "before the gateway was ready: {asked:?}");
    let body = String::from_utf8_lossy(&asked[0].body).into_owned();
    assert!(body.contains("Action=AssumeRole") && body.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fapi"), "{body}");
    assert!(field(&asked[0], "authorization").contains("Credential=AKIDBASE/"));
    for _ in 0..3 {
        assert_eq!(client::send(gateway.port, "POST", "/prod/tables", &[], b"{}").unwrap().status, 200);
    }
    let asked = backend.take();
    assert_eq!(asked.len(), 3, "nobody is asked for credentials again: {asked:?}");
    for record in &asked {
        assert!(field(record, "authorization").contains("Credential=AKIDROLE/"), "{record:?}");
        assert_eq!((field(record, "x-amz-security-token"), field(record, "x-amz-target")), ("token", "DynamoDB_20120810.ListTables"));
    }
    drop(gateway);

    let gateway = start(&backend, endpoints, TABLES);
    assert_eq!(client::send(gateway.port, "POST", "/prod/tables", &[], b"{}").unwrap().status, 200);
    let asked = backend.take();
    assert_eq!(asked.len(), 1, "without `assumeRoles` the gateway's own credentials sign: {asked:?}");
    assert!(field(&asked[0], "authorization").contains("Credential=AKIDBASE/"));
}

#[test]
fn a_role_that_cannot_be_assumed_is_500_and_never_the_gateways_own_credentials() {
    let backend = Backend::start();
    backend.reset(Some(&json!([{"path": "^/sts", "respond": {"status": 403, "body": "<ErrorResponse/>"}}])));
    let endpoints = "endpoints: {sts: \"http://127.0.0.1:${BACKEND_PORT}/sts\", dynamodb: \"http://127.0.0.1:${BACKEND_PORT}/tables\"}";
    let gateway = start(&backend, &format!("assumeRoles: true, {endpoints}"), TABLES);
    let answer = client::send(gateway.port, "POST", "/prod/tables", &[], b"{}").unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (500, r#"{"message": "Internal server error"}"#));
    assert!(backend.take().iter().all(|record| record.path.starts_with("/sts")));
}

#[test]
fn the_role_of_an_authorizer_signs_for_its_function() {
    let backend = Backend::start();
    let allow = json!({"principalId": "p", "policyDocument": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}]}});
    backend.reset(Some(&json!([
        {"path": "^/sts", "respond": {"status": 200, "body": sts("AKIDROLE", "2999-01-01T00:00:00Z"), "headers": {"Content-Type": "text/xml"}}},
        {"path": "^/2015-03-31", "respond": {"status": 200, "json": allow}},
    ])));
    let api = "
  /guarded:
    get:
      security: [{asks: []}]
      responses: {'200': {description: done}}
      x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: '{\"statusCode\": 200}'}, responses: {default: {statusCode: '200'}}}
components:
  securitySchemes:
    asks:
      type: apiKey
      name: Authorization
      in: header
      x-amazon-apigateway-authtype: custom
      x-amazon-apigateway-authorizer:
        type: token
        authorizerUri: arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:decides/invocations
        authorizerCredentials: arn:aws:iam::123456789012:role/api
";
    let endpoints = "endpoints: {sts: \"http://127.0.0.1:${BACKEND_PORT}/sts\", lambda: \"http://127.0.0.1:${BACKEND_PORT}\"}";
    for (assumes, key) in [("assumeRoles: true, ", "AKIDROLE"), ("", "AKIDBASE")] {
        let gateway = start(&backend, &format!("{assumes}{endpoints}"), api);
        backend.take();
        let response = client::send(gateway.port, "GET", "/prod/guarded", &[("Authorization".to_owned(), "t".to_owned())], b"").unwrap();
        assert_eq!(response.status, 200, "{}", response.text());
        let asked = backend.take();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert!(field(&asked[0], "authorization").contains(&format!("Credential={key}/")), "{asked:?}");
    }
}

#[test]
fn a_function_at_aws_streams_to_the_client() {
    let backend = Backend::start();
    let streamed = |events: &[Event]| STANDARD.encode(events.iter().flat_map(message).collect::<Vec<u8>>());
    let chunk = |bytes: &'static [u8]| Event::PayloadChunk(Bytes::from_static(bytes));
    let whole = streamed(&[
        chunk(br#"{"statusCode":202,"#),
        chunk(b"\"headers\":{\"X-A\":\"1\"}}\0\0\0"),
        chunk(b"\0\0\0\0\0one "),
        chunk(b"two"),
        Event::InvokeComplete(None),
    ]);
    let failed = streamed(&[Event::InvokeComplete(Some("{}".into()))]);
    let late = streamed(&[chunk(b"{}\0\0\0\0\0\0\0\0one "), Event::InvokeComplete(Some("{}".into()))]);
    let cut = streamed(&[chunk(b"{}\0\0\0\0\0\0\0\0one ")]);
    let stream = |name: &str, body: &str| {
        let path = format!("^/2021-11-15/functions/.*{name}/response-streaming-invocations$");
        json!({"path": path, "respond": {"status": 200, "bodyBase64": body, "headers": {"Content-Type": "application/vnd.amazon.eventstream"}}})
    };
    let refused = json!({"path": "^/2021.*refused", "respond": {"status": 404, "json": {"Message": "Function not found"}}});
    backend.reset(Some(&json!([stream("whole", &whole), stream("failed", &failed), stream("late", &late), stream("cut", &cut), refused])));
    let paths: String = ["whole", "failed", "late", "cut", "refused"]
        .map(|name| {
            format!(
                "
  /{name}:
    get:
      responses: {{'200': {{description: done}}}}
      x-amazon-apigateway-integration:
        type: aws_proxy
        httpMethod: POST
        responseTransferMode: STREAM
        uri: arn:aws:apigateway:eu-west-1:lambda:path/2021-11-15/functions/arn:aws:lambda:eu-west-1:123456789012:function:{name}/response-streaming-invocations
"
            )
        })
        .concat();
    let gateway = start(&backend, "endpoints: {lambda: \"http://127.0.0.1:${BACKEND_PORT}\"}", &paths);
    let answer = gateway.get("/prod/whole");
    assert_eq!((answer.status, answer.text().as_str(), answer.header("x-a").as_deref()), (202, "one two", Some("1")));
    let asked = backend.take();
    assert_eq!(
        asked[0].path,
        "/2021-11-15/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Awhole/response-streaming-invocations"
    );
    assert!(field(&asked[0], "authorization").contains("/eu-west-1/lambda/aws4_request"));
    for name in ["failed", "refused"] {
        assert_eq!(gateway.get(&format!("/prod/{name}")).status, 502, "{name}");
    }
    for name in ["late", "cut"] {
        assert!(client::send(gateway.port, "GET", &format!("/prod/{name}"), &[], b"").is_err(), "{name} breaks off");
    }
    assert_eq!(gateway.get("/prod/whole").status, 202);
}

#[test]
fn app_config_is_asked_by_its_path() {
    let backend = Backend::start();
    backend.reset(Some(&json!([{"path": "^/applications", "respond": {"status": 200, "body": "flag: true", "headers": {"Content-Type": "application/x-yaml", "x-amzn-RequestId": "the-services"}}}])));
    let paths = "
  /flags/{environment}:
    get:
      parameters: [{name: environment, in: path, required: true, schema: {type: string}}]
      responses: {'200': {description: done}}
      x-amazon-apigateway-integration:
        type: aws_proxy
        integrationSubtype: AppConfig-GetConfiguration
        payloadFormatVersion: '1.0'
        requestParameters:
          Application: my app
          Environment: $request.path.environment
          Configuration: flags
          ClientId: $request.querystring.id
";
    let gateway = start(&backend, "endpoints: {appconfig: \"http://127.0.0.1:${BACKEND_PORT}\"}", paths);
    let answer = gateway.get("/prod/flags/blue?id=me");
    assert_eq!(
        (answer.status, answer.text().as_str(), answer.header("content-type").as_deref()),
        (200, "flag: true", Some("application/x-yaml"))
    );
    assert_eq!(answer.header("x-amzn-remapped-x-amzn-requestid").as_deref(), Some("the-services"));
    let log = gateway.files.0.join("access.log");
    support::eventually("the access log has the service's request id", || {
        std::fs::read_to_string(&log).is_ok_and(|log| log == "id=the-services\n")
    });
    let asked = backend.take();
    let record = &asked[0];
    assert_eq!(
        (record.method.as_str(), record.path.as_str(), record.query.as_str(), record.body.len()),
        ("GET", "/applications/my%20app/environments/blue/configurations/flags", "client_id=me", 0)
    );
    assert!(field(record, "authorization").contains("/eu-west-1/appconfig/aws4_request"));
}

/// What `check` says of a function that nobody serves, on a machine without credentials.
#[test]
fn check_says_when_a_function_is_neither_here_nor_reachable() {
    let files = Files::new();
    files.write(
        "api.yaml",
        "
openapi: 3.0.1
info: {title: f, version: '1'}
paths:
  /f:
    get:
      responses: {'200': {description: done}}
      x-amazon-apigateway-integration:
        type: aws_proxy
        httpMethod: POST
        uri: arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:${stageVariables.f}/invocations
",
    );
    let config = |more: &str| format!("apis:\n  - id: f\n    definition: api.yaml\n    stages: [{{stageName: prod, variables: {more}}}]\n");
    files.write("gateway.yaml", &config("{f: orders}"));
    let said = |output: std::process::Output| (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned());
    let check = || {
        let mut command = support::gateway::program();
        command.args(["check"]).current_dir(&files.0).env("HOME", &files.0).env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_PROFILE");
        said(command.output().unwrap())
    };
    let (passed, text) = check();
    assert!(passed && text.contains("the function `orders` is none of `functions`"), "{text}");
    files.write("gateway.yaml", &(config("{f: orders}") + "aws: {endpoints: {lambda: \"http://127.0.0.1:9001\"}}\n"));
    let (_, text) = check();
    assert!(!text.contains("is none of `functions`"), "{text}");
    files.write("gateway.yaml", &config("{f: \"a b\"}"));
    let (passed, text) = said(run(&files.0, &["check"]));
    assert!(!passed && text.contains("error: Invalid ARN on stage `prod`"), "{text}");
}
