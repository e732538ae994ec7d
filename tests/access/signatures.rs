//! Signed requests, made by AWS's own signer, and what can be done to them on the way.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde_json::{Value, json};

use super::support::backend::{Backend, Record};
use super::support::client::Response;
use super::support::gateway::Gateway;
use super::{definition, proxy, send, start};

const PRINCIPALS: &str = r#"iamPrincipals:
  - arn: arn:aws:iam::${ACCOUNT}:user/ci
    accessKeyId: AKIACI
    secretAccessKey: ci-secret-ci-secret-ci-secret
    policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "execute-api:Invoke", Resource: "*"}, {Effect: Deny, Action: "*", Resource: "arn:aws:execute-api:*:*:*/s/*/forbidden"}]}]
  - arn: arn:aws:sts::${ACCOUNT}:assumed-role/deploy/session
    accessKeyId: ASIADEPLOY
    secretAccessKey: deploy-secret
    sessionToken: the-session-token
    policies: [{Statement: [{Effect: Allow, Action: "execute-api:*", Resource: "*"}]}]
  - arn: arn:aws:iam::${ACCOUNT}:user/nobody
    accessKeyId: AKIANOBODY
    secretAccessKey: nobody-secret
  - arn: arn:aws:iam::999999999999:user/stranger
    accessKeyId: AKIASTRANGER
    secretAccessKey: stranger-secret
    policies: [{Statement: [{Effect: Allow, Action: "*", Resource: "*"}]}]
"#;

/// What is signed, and how.
#[derive(Clone)]
struct Call<'c> {
    method: &'c str,
    target: &'c str,
    headers: Vec<(&'c str, &'c str)>,
    body: SignableBody<'c>,
    key: (&'c str, &'c str, Option<&'c str>),
    scope: (&'c str, &'c str),
    time: SystemTime,
    presigned: Option<u64>,
    hash_header: bool,
}

const CI: (&str, &str, Option<&str>) = ("AKIACI", "ci-secret-ci-secret-ci-secret", None);

fn call<'c>(method: &'c str, target: &'c str, body: &'c [u8]) -> Call<'c> {
    Call {
        method,
        target,
        headers: Vec::new(),
        body: SignableBody::Bytes(body),
        key: CI,
        scope: ("us-east-1", "execute-api"),
        time: SystemTime::now(),
        presigned: None,
        hash_header: false,
    }
}

/// What goes on the wire: the target and the header fields.
type Signed = (String, Vec<(String, String)>);

fn signed(gateway: &Gateway, call: &Call<'_>) -> Signed {
    let (id, secret, token) = call.key;
    let identity = Credentials::new(id, secret, token.map(str::to_owned), None, "test").into();
    let mut settings = SigningSettings::default();
    if let Some(seconds) = call.presigned {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(seconds));
    }
    if call.hash_header {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let builder = v4::SigningParams::builder().identity(&identity).region(call.scope.0).name(call.scope.1).time(call.time);
    let params = builder.settings(settings).build().unwrap().into();
    let host = format!("127.0.0.1:{}", gateway.port);
    let uri = format!("http://{host}{}", call.target);
    let headers = call.headers.iter().copied().chain([("host", &*host)]);
    let request = SignableRequest::new(call.method, &uri, headers, call.body.clone()).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let mut fields: Vec<(String, String)> = call.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    fields.extend(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut url = url::Url::parse(&uri).unwrap();
    for (name, value) in instructions.params() {
        url.query_pairs_mut().append_pair(name, value);
    }
    let target = if instructions.params().is_empty() { call.target.to_owned() } else { url[url::Position::BeforePath..].to_owned() };
    (target, fields)
}

fn deliver(gateway: &Gateway, method: &str, (target, fields): &Signed, body: &[u8]) -> Response {
    let headers: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    send(gateway, method, target, &headers, body)
}

fn answered(gateway: &Gateway, call: &Call<'_>, body: &[u8]) -> u16 {
    deliver(gateway, call.method, &signed(gateway, call), body).status
}

/// An API behind signatures; `policy`: its resource policy.
fn signing(backend: &Backend, policy: Option<Value>) -> Gateway {
    let guard = json!([{"iam": []}]);
    let with_identity = |mut method: Value| {
        let parameters = &mut method["x-amazon-apigateway-integration"]["requestParameters"];
        for (name, member) in [("Arn", "userArn"), ("Key", "accessKey"), ("Account", "accountId"), ("Caller", "caller")] {
            parameters[format!("integration.request.header.X-{name}")] = format!("context.identity.{member}").into();
        }
        method
    };
    let mut api = definition(
        json!({
            "/{proxy+}": {"x-amazon-apigateway-any-method": with_identity(proxy("/{proxy}", guard))},
            "/open": {"get": proxy("/open", json!([]))},
        }),
        json!({"iam": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}}),
    );
    if let Some(policy) = policy {
        api["x-amazon-apigateway-policy"] = policy;
    }
    start(backend, &api, &PRINCIPALS.replace("${ACCOUNT}", "123456789012"))
}

fn seen(backend: &Backend) -> Record {
    let mut records = backend.take();
    assert_eq!(records.len(), 1);
    records.remove(0)
}

#[test]
fn what_awss_signer_signs_passes() {
    let backend = Backend::start();
    let gateway = signing(&backend, None);
    for (method, target, body) in [
        ("GET", "/s/a", &b""[..]),
        ("GET", "/s/a?b=2&a=1&a=0&c", b""),
        ("GET", "/s/a?q=%C3%A9%20x%2By&z=~-_.", b""),
        ("GET", "/s/with%20blank/%C3%A9/a%2Fb", b""),
        ("GET", "/s/a//b", b""),
        ("GET", "/s/a/", b""),
        ("GET", "/s/a:b@c,d;e=f(g)!*'$&+", b""),
        ("POST", "/s/a", b"{\"a\": 1}"),
        ("PUT", "/s/a", b"\x00\xff\x80"),
        ("DELETE", "/s/a", b""),
        ("HEAD", "/s/a", b""),
        ("PATCH", "/s/a", b"x"),
        ("OPTIONS", "/s/a", b""),
    ] {
        let plain = call(method, target, body);
        let hashed = Call { hash_header: true, ..plain.clone() };
        let session = Call { key: ("ASIADEPLOY", "deploy-secret", Some("the-session-token")), ..plain.clone() };
        let more = Call { headers: vec![("x-amz-meta", "a   b"), ("content-type", "text/plain"), ("x-b", "c")], ..plain.clone() };
        let presigned = Call { presigned: Some(60), ..plain.clone() };
        let unsigned = Call { body: SignableBody::UnsignedPayload, hash_header: true, ..plain.clone() };
        for (how, call) in
            [("plain", plain), ("with a hash", hashed), ("with a session", session), ("with more fields", more), ("unsigned", unsigned)]
        {
            assert_eq!(answered(&gateway, &call, body), 200, "{method} {target}, {how}");
        }
        if body.is_empty() {
            assert_eq!(answered(&gateway, &presigned, body), 200, "{method} {target}, presigned");
        }
    }
    // Some signers cover the length and the digest, which never go further.
    let length = Call { headers: vec![("content-length", "4"), ("content-md5", "x")], ..call("POST", "/s/a", b"body") };
    assert_eq!(answered(&gateway, &length, b"body"), 200);
}

#[test]
fn who_signed_is_told_and_how_is_not() {
    let backend = Backend::start();
    let gateway = signing(&backend, None);
    let session =
        Call { key: ("ASIADEPLOY", "deploy-secret", Some("the-session-token")), hash_header: true, ..call("GET", "/s/a?x=1", b"") };
    for call in [session.clone(), Call { presigned: Some(60), ..session }] {
        assert_eq!(answered(&gateway, &call, b""), 200);
        let record = seen(&backend);
        let value = |name: &str| record.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let arn = "arn:aws:sts::123456789012:assumed-role/deploy/session";
        assert_eq!(
            (value("X-Arn"), value("X-Key"), value("X-Account"), value("X-Caller")),
            (Some(arn), Some("ASIADEPLOY"), Some("123456789012"), Some("session"))
        );
        assert_eq!(record.query, "x=1");
        let sent = format!("{:?}", record.headers);
        for secret in ["the-session-token", "AWS4-HMAC", "Signature", "x-amz-date", "X-Amz-Date", "x-amz-content-sha256"] {
            assert!(!sent.contains(secret), "{secret} in {sent}");
        }
    }
    // A signature that nobody asked for is left alone, but for the header that the service never passes on.
    assert_eq!(answered(&gateway, &call("GET", "/s/open", b""), b""), 200);
    assert!(!format!("{:?}", seen(&backend).headers).contains("AWS4-HMAC"));
}

#[test]
fn whatever_is_changed_on_the_way_breaks_the_signature() {
    let backend = Backend::start();
    let gateway = signing(&backend, None);
    let original = Call {
        headers: vec![("x-amz-meta", "a"), ("content-type", "text/plain")],
        hash_header: true,
        ..call("POST", "/s/a/b?x=1&y=2", b"body")
    };
    let (target, fields) = signed(&gateway, &original);
    let with = |name: &str, value: Option<&str>| -> Vec<(String, String)> {
        let kept = fields.iter().filter(|(known, _)| !known.eq_ignore_ascii_case(name)).cloned();
        kept.chain(value.map(|value| (name.to_owned(), value.to_owned()))).collect()
    };
    let twice = |name: &str, value: &str| -> Vec<(String, String)> {
        fields.iter().cloned().chain([(name.to_owned(), value.to_owned())]).collect()
    };
    let authorization = fields.iter().find(|(name, _)| name == "authorization").unwrap().1.clone();
    let rewritten = |from: &str, to: &str| {
        assert!(authorization.contains(from), "{authorization}");
        with("authorization", Some(&authorization.replacen(from, to, 1)))
    };
    let reordered = {
        let mut fields = fields.clone();
        fields.reverse();
        fields
    };
    assert_eq!(deliver(&gateway, "POST", &(target.clone(), reordered), b"body").status, 200, "the order of fields means nothing");
    let other_host = format!("other.example:{}", gateway.port);
    for (what, method, target, fields, body) in [
        ("the content", "POST", &*target, fields.clone(), &b"b0dy"[..]),
        ("no content", "POST", &target, fields.clone(), b""),
        ("the method", "PUT", &target, fields.clone(), b"body"),
        ("the path", "POST", "/s/a/c?x=1&y=2", fields.clone(), b"body"),
        ("the path's spelling", "POST", "/s/%61/b?x=1&y=2", fields.clone(), b"body"),
        ("an argument", "POST", "/s/a/b?x=1&y=3", fields.clone(), b"body"),
        ("an argument more", "POST", "/s/a/b?x=1&y=2&z", fields.clone(), b"body"),
        ("another signature's argument", "POST", "/s/a/b?x=1&y=2&X-Amz-Signature=0", fields.clone(), b"body"),
        ("an argument less", "POST", "/s/a/b?x=1", fields.clone(), b"body"),
        ("a signed field", "POST", &target, with("x-amz-meta", Some("b")), b"body"),
        ("a signed field twice", "POST", &target, twice("x-amz-meta", "a"), b"body"),
        ("a signed field less", "POST", &target, with("content-type", None), b"body"),
        ("the host", "POST", &target, with("Host", Some(&other_host)), b"body"),
        ("the date", "POST", &target, with("x-amz-date", Some("20150830T123600Z")), b"body"),
        ("no date", "POST", &target, with("x-amz-date", None), b"body"),
        ("two dates", "POST", &target, twice("x-amz-date", "20150830T123600Z"), b"body"),
        ("the hash", "POST", &target, with("x-amz-content-sha256", Some("UNSIGNED-PAYLOAD")), b"body"),
        ("two hashes", "POST", &target, twice("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), b"body"),
        ("no hash", "POST", &target, with("x-amz-content-sha256", None), b"body"),
        ("two signatures", "POST", &target, twice("Authorization", &authorization), b"body"),
        ("a token beside", "POST", &target, twice("Authorization", "Bearer x"), b"body"),
        ("another key", "POST", &target, rewritten("AKIACI", "AKIANOBODY"), b"body"),
        ("an unknown key", "POST", &target, rewritten("AKIACI", "AKIAX"), b"body"),
        ("no key", "POST", &target, rewritten("AKIACI", ""), b"body"),
        ("another service", "POST", &target, rewritten("execute-api", "lambda"), b"body"),
        ("another region", "POST", &target, rewritten("us-east-1", "eu-west-1"), b"body"),
        ("host not signed", "POST", &target, rewritten("host;", ""), b"body"),
        ("signed fields in another order", "POST", &target, rewritten("content-type;host", "host;content-type"), b"body"),
        ("a part twice", "POST", &target, rewritten("SignedHeaders=", "SignedHeaders=host, SignedHeaders="), b"body"),
        ("the algorithm", "POST", &target, rewritten("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), b"body"),
        ("a session that it does not have", "POST", &target, twice("X-Amz-Security-Token", "x"), b"body"),
        ("another method's name", "POST", &target, twice("X-HTTP-Method-Override", "DELETE"), b"body"),
        ("its own method's name, unsigned", "POST", &target, twice("X-HTTP-Method-Override", "POST"), b"body"),
    ] {
        let response = deliver(&gateway, method, &(target.to_owned(), fields), body);
        assert_eq!(response.status, 403, "{what}: {}", response.text());
    }
    assert_eq!(backend.take().len(), 1, "only the re-ordered one came through");
    let overridden = Call { headers: vec![("x-http-method-override", "DELETE")], ..call("POST", "/s/a", b"") };
    assert_eq!(answered(&gateway, &overridden, b""), 200);
    assert_eq!(seen(&backend).method, "DELETE");
}

#[test]
fn a_signature_has_its_time() {
    let backend = Backend::start();
    let gateway = signing(&backend, None);
    let ago = |seconds: u64| SystemTime::now() - Duration::from_secs(seconds);
    let ahead = |seconds: u64| SystemTime::now() + Duration::from_secs(seconds);
    for (time, presigned, status) in [
        (ago(240), None, 200),
        (ago(360), None, 403),
        (ahead(240), None, 200),
        (ahead(360), None, 403),
        (ago(86_400), None, 403),
        (ago(240), Some(300), 200),
        (ago(240), Some(60), 403),
        (ahead(360), Some(3600), 403),
        (ago(604_000), Some(604_800), 200),
    ] {
        let call = Call { time, presigned, ..call("GET", "/s/a", b"") };
        let response = deliver(&gateway, "GET", &signed(&gateway, &call), b"");
        assert_eq!(response.status, status, "{presigned:?}");
        if status == 403 {
            assert_eq!(response.header("x-amzn-errortype").as_deref(), Some("ExpiredTokenException"));
        }
    }
    let presigned = Call { presigned: Some(60), ..call("GET", "/s/a?x=1", b"") };
    let (target, fields) = signed(&gateway, &presigned);
    for (from, to) in [
        ("X-Amz-Expires=60", "X-Amz-Expires=600"),
        ("X-Amz-Expires=60", "X-Amz-Expires=0"),
        ("X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=600"),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders="),
        ("x=1", "x=2"),
        ("X-Amz-Algorithm=", "X-Amz-Algorithm=AWS4-HMAC-SHA512&x="),
        ("AKIACI", "AKIANOBODY"),
        ("/s/a", "/s/b"),
    ] {
        assert!(target.contains(from), "{target}");
        let changed = target.replacen(from, to, 1);
        assert_eq!(deliver(&gateway, "GET", &(changed, fields.clone()), b"").status, 403, "{from} → {to}");
    }
    assert_eq!(deliver(&gateway, "DELETE", &(target.clone(), fields.clone()), b"").status, 403);
    assert_eq!(deliver(&gateway, "GET", &(target, fields), b"").status, 200);
}

#[test]
fn a_session_needs_its_token() {
    let backend = Backend::start();
    let gateway = signing(&backend, None);
    for (token, status) in
        [(Some("the-session-token"), 200), (Some("the-session-tokeN"), 403), (Some("the-session-token2"), 403), (None, 403)]
    {
        for presigned in [None, Some(60)] {
            let call = Call { key: ("ASIADEPLOY", "deploy-secret", token), presigned, ..call("GET", "/s/a", b"") };
            assert_eq!(answered(&gateway, &call, b""), status, "{token:?} {presigned:?}");
        }
    }
}

/// The guide's tables A and B for signed callers.
#[test]
fn policies_of_callers_and_of_the_api_come_together() {
    let backend = Backend::start();
    let public = |effect: &str, resource: &str| json!({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Principal": "*", "Action": "execute-api:Invoke", "Resource": resource}]});
    let for_one = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:user/nobody"}, "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}]});
    let but_one = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"},
        {"Effect": "Deny", "NotPrincipal": {"AWS": "arn:aws:iam::123456789012:user/ci"}, "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}]});
    let nobody = ("AKIANOBODY", "nobody-secret", None);
    let stranger = ("AKIASTRANGER", "stranger-secret", None);
    for (policy, [ci, silent, foreign]) in [
        (None, [200, 403, 403]),
        (Some(public("Allow", "execute-api:/*")), [200, 200, 200]),
        (Some(public("Allow", "execute-api:/other/*")), [200, 403, 403]),
        (Some(public("Deny", "execute-api:/*")), [403, 403, 403]),
        (Some(for_one), [200, 200, 403]),
        (Some(but_one), [200, 403, 403]),
    ] {
        let gateway = signing(&backend, policy.clone());
        for (key, status) in [(CI, ci), (nobody, silent), (stranger, foreign)] {
            assert_eq!(answered(&gateway, &Call { key, ..call("GET", "/s/a", b"") }, b""), status, "{} beside {policy:?}", key.0);
        }
        assert_eq!(answered(&gateway, &call("GET", "/s/forbidden", b""), b""), 403, "the caller's own denial wins");
        assert_eq!(answered(&gateway, &call("GET", "/s/forbidden/", b""), b""), 403, "in every spelling");
    }
}
