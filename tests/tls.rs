//! TLS as clients that are not ours see it: certificates by name, versions, reloads, mutual TLS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::too_many_lines
)]

mod support;

use serde_json::Value;
use support::eventually;
use support::gateway::{Gateway, run};
use support::pki::Authority;

const TEMPLATE: &str = r#"{"cert": "$context.identity.clientCert.subjectDN", "issuer": "$context.identity.clientCert.issuerDN", "serial": "$context.identity.clientCert.serialNumber", "until": "$context.identity.clientCert.validity.notAfter", "pem": "$util.escapeJavaScript($context.identity.clientCert.clientCertPem)"}"#;

fn api() -> String {
    let template = TEMPLATE.replace('"', "\\\"");
    format!(
        "openapi: 3.0.1\ninfo: {{title: t, version: '1'}}\npaths:\n  /who:\n    get:\n      responses: {{'200': {{description: ok}}}}\n      x-amazon-apigateway-integration:\n        type: mock\n        requestTemplates: {{application/json: '{{\"statusCode\": 200}}'}}\n        responses: {{default: {{statusCode: '200', responseTemplates: {{application/json: \"{template}\"}}}}}}\n"
    )
}

const HEAD: &str = "admin: {address: '127.0.0.1:${ADMIN_PORT}'}\napis: [{id: a, definition: api.yaml, stages: [{stageName: s, accessLogSettings: {destinationArn: 'file:access.log', format: '$context.requestId $context.status $context.identity.clientCert.serialNumber'}}]}]\n";
const LISTENER: &str = "listeners: [{address: '127.0.0.1:${GATEWAY_PORT}', tls: {certificate: default.pem, privateKey: default.key}}]\n";

fn domain(name: &str, more: &str) -> String {
    format!("  - {{domainName: '{name}', {more} basePathMappings: [{{basePath: (none), restApiId: a, stage: s}}]}}\n")
}

fn start(authority: &Authority, certificates: &[&str], gateway_yaml: String, arguments: &[&str]) -> Gateway {
    let mut files = authority.files(certificates);
    files.extend([("gateway.yaml".to_owned(), gateway_yaml), ("api.yaml".to_owned(), api())]);
    Gateway::start(&files, 1, arguments).unwrap()
}

#[test]
fn a_certificate_is_chosen_by_the_name_that_is_asked_for() {
    let authority = Authority::new("Test CA");
    authority.server("default", &["localhost"]);
    authority.server("api", &["api.test"]);
    authority.server("wild", &["*.wild.test"]);
    let domains = [
        domain("api.test", "certificate: api.pem, privateKey: api.key,"),
        domain("*.wild.test", "certificate: wild.pem, privateKey: wild.key,"),
        domain("new.test", "securityPolicy: SecurityPolicy_TLS13_1_3_2025_09,"),
    ];
    let yaml = format!("{LISTENER}{HEAD}domainNames:\n{}", domains.concat());
    let certificates = ["default.pem", "default.key", "api.pem", "api.key", "wild.pem", "wild.key"];
    let gateway = start(&authority, &certificates, yaml, &[]);
    let subject = |name: &str| {
        let text = authority.s_client(gateway.port, &["-servername", name]);
        text.lines().find_map(|line| line.strip_prefix("subject=")).unwrap_or_default().replace(' ', "")
    };
    for (name, expected) in [
        ("api.test", "CN=api"),
        ("API.test", "CN=api"),
        ("x.wild.test", "CN=wild"),
        ("x.y.wild.test", "CN=default"),
        ("other.test", "CN=default"),
    ] {
        assert_eq!(subject(name), expected, "{name}");
    }
    let shakes = |arguments: &[&str]| {
        let text = authority.s_client(gateway.port, arguments);
        text.contains("Verify return code: 0 (ok)") && !text.contains("Cipher is (NONE)")
    };
    assert!(shakes(&["-tls1_2"]) && shakes(&["-tls1_3"]));
    assert!(!shakes(&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]), "TLS 1.1 is spoken");
    assert!(shakes(&["-servername", "new.test", "-tls1_3"]) && !shakes(&["-servername", "new.test", "-tls1_2"]));
    assert!(authority.s_client(gateway.port, &["-alpn", "h2,http/1.1"]).contains("ALPN protocol: h2"));
    assert!(authority.s_client(gateway.port, &["-alpn", "http/1.1"]).contains("ALPN protocol: http/1.1"));
    assert!(authority.s_client(gateway.port, &["-tls1_2", "-reconnect"]).contains("Reused, TLSv1.2"));
    for version in ["--http1.1", "--http2"] {
        assert_eq!(authority.curl(gateway.port, "https://api.test/who", &[version]).0, Some(200), "{version}");
    }
}

#[test]
fn a_certificate_that_changes_is_taken_without_a_restart() {
    let authority = Authority::new("Test CA");
    authority.server("default", &["localhost"]);
    let gateway = start(&authority, &["default.pem", "default.key"], format!("{LISTENER}{HEAD}"), &["--watch"]);
    let fingerprint = || {
        let text = authority.s_client(gateway.port, &["-servername", "localhost"]);
        let start = text.find("-----BEGIN CERTIFICATE-----").unwrap_or_default();
        let end = text.find("-----END CERTIFICATE-----").unwrap_or_default();
        text[start..end].to_owned()
    };
    let write = |name: &str, text: &str| std::fs::write(gateway.files.0.join(name), text).unwrap();
    let first = fingerprint();
    authority.server("default", &["localhost"]);
    write("default.pem", &authority.text("default.pem"));
    write("default.key", &authority.text("default.key"));
    eventually("the new certificate", || fingerprint() != first);
    // A key that does not fit keeps what is served.
    let second = fingerprint();
    authority.server("default", &["localhost"]);
    write("default.key", &authority.text("default.key"));
    let refused = run(&gateway.files.0, &["reload", "--config", "gateway.yaml"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(fingerprint(), second);
    write("default.pem", &authority.text("default.pem"));
    gateway.signal("HUP");
    eventually("the newest certificate", || fingerprint() != second);
}

#[test]
fn a_custom_domain_with_a_truststore_lets_in_whom_it_vouches_for() {
    let (authority, strangers) = (Authority::new("Test CA"), Authority::new("Strangers"));
    authority.server("default", &["localhost", "open.test", "closed.test"]);
    authority.client("client", "clientAuth");
    authority.client("server-only", "serverAuth");
    strangers.client("stranger", "clientAuth");
    for file in ["stranger.pem", "stranger.key"] {
        authority.0.write(file, &strangers.text(file));
    }
    let domains = [domain("open.test", ""), domain("closed.test", "mutualTlsAuthentication: {truststoreUri: ca.pem},")];
    let yaml = format!("{LISTENER}{HEAD}domainNames:\n{}", domains.concat());
    let gateway = start(&authority, &["default.pem", "default.key", "ca.pem"], yaml, &[]);
    let certified = ["--cert", "client.pem", "--key", "client.key"];
    for version in ["--http1.1", "--http2"] {
        let (status, content) = authority.curl(gateway.port, "https://closed.test/who", &[&[version][..], &certified].concat());
        assert_eq!(status, Some(200), "{version}: {content}");
        let who: Value = serde_json::from_str(&content).unwrap();
        assert_eq!(who["cert"], "C=DE,O=Example,CN=client");
        assert_eq!(who["issuer"], "C=DE,O=Example,CN=Test CA");
        assert_eq!(who["serial"], "a1:b2:c3");
        assert!(who["until"].as_str().unwrap().ends_with(" GMT"), "{who}");
        assert_eq!(who["pem"], authority.text("client.pem"));
    }
    // Nobody without a certificate, with somebody else's, or with one for another use.
    for arguments in
        [&[][..], &["--cert", "stranger.pem", "--key", "stranger.key"], &["--cert", "server-only.pem", "--key", "server-only.key"]]
    {
        assert_eq!(authority.curl(gateway.port, "https://closed.test/who", arguments).0, None, "{arguments:?}");
    }
    // The handshake in one name, the request in another: whoever they are.
    for arguments in [&[][..], &certified] {
        for version in ["--http1.1", "--http2"] {
            let host = ["-H", "Host: closed.test", version];
            let (status, content) = authority.curl(gateway.port, "https://open.test/who", &[&host[..], arguments].concat());
            assert_eq!((status, content.as_str()), (Some(403), r#"{"message":"Forbidden"}"#));
        }
    }
    let (status, content) = authority.curl(gateway.port, "https://open.test/who", &[]);
    let who: Value = serde_json::from_str(&content).unwrap();
    assert_eq!((status, &who["cert"]), (Some(200), &Value::from("")));
    let log = gateway.files.0.join("access.log");
    eventually("the log", || std::fs::read_to_string(&log).is_ok_and(|text| text.lines().any(|line| line.ends_with(" 200 a1:b2:c3"))));
}

#[test]
fn a_listener_with_a_truststore_lets_nobody_else_in() {
    let authority = Authority::new("Test CA");
    authority.server("default", &["localhost"]);
    authority.client("client", "clientAuth");
    let listener = LISTENER.replace("privateKey: default.key", "privateKey: default.key, truststore: ca.pem");
    let gateway = start(&authority, &["default.pem", "default.key", "ca.pem"], format!("{listener}{HEAD}"), &[]);
    assert_eq!(authority.curl(gateway.port, "https://localhost/s/who", &[]).0, None);
    let (status, content) = authority.curl(gateway.port, "https://localhost/s/who", &["--cert", "client.pem", "--key", "client.key"]);
    assert!(status == Some(200) && content.contains("CN=client"), "{content}");
}

#[test]
fn the_admin_address_over_tls_takes_certificates_and_commands_have_one() {
    let authority = Authority::new("Test CA");
    authority.server("admin", &["localhost"]);
    authority.client("client", "clientAuth");
    let plain = format!("listeners: [{{address: '127.0.0.1:${{GATEWAY_PORT}}'}}]\n{HEAD}");
    let gateway = start(&authority, &["admin.pem", "admin.key", "ca.pem"], plain, &[]);
    let path = gateway.files.0.join("gateway.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let address = format!("127.0.0.1:{}'", gateway.admin_port);
    let tls = format!("{address}, tls: {{certificate: admin.pem, privateKey: admin.key, truststore: ca.pem}}");
    std::fs::write(&path, text.replace(&address, &tls)).unwrap();
    gateway.signal("HUP");
    let certified = ["--cert", "client.pem", "--key", "client.key"];
    eventually("TLS", || authority.curl(gateway.admin_port, "https://localhost/metrics", &certified).0 == Some(200));
    assert_eq!(authority.curl(gateway.admin_port, "https://localhost/metrics", &[]).0, None);
    assert_eq!(authority.curl(gateway.admin_port, "http://localhost/metrics", &[]).0, None);
    let reloaded = run(&gateway.files.0, &["reload", "--config", "gateway.yaml"]);
    assert_eq!(reloaded.status.code(), Some(0), "{}", String::from_utf8_lossy(&reloaded.stderr));
}

#[test]
fn check_finds_what_a_handshake_would() {
    let authority = Authority::new("Test CA");
    authority.server("a", &["a.test"]);
    authority.server("b", &["b.test"]);
    authority.0.write("empty.pem", "");
    authority.0.write("api.yaml", &api());
    let yaml = "listeners:\n  - address: 127.0.0.1:1\n    tls:\n      certificate: a.pem\n      privateKey: b.key\n      truststore: empty.pem\napis: [{id: a, definition: api.yaml, stages: [{stageName: s}]}]\ndomainNames:\n  - domainName: a.test\n    certificate: nowhere.pem\n    privateKey: a.pem\n    mutualTlsAuthentication: {truststoreUri: 's3://bucket/store.pem'}\n  - domainName: b.test\n    certificate: b.pem\n";
    authority.0.write("gateway.yaml", yaml);
    let output = run(&authority.0.0, &["check", "--config", "gateway.yaml"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    for (place, message) in [
        ("gateway.yaml:5:19", "b.key is not the key of the certificate"),
        ("gateway.yaml:6:19", "empty.pem has no certificate"),
        ("gateway.yaml:10:18", "there is no file nowhere.pem"),
        ("gateway.yaml:11:17", "a.pem has no private key"),
        ("gateway.yaml:12:46", "a truststore is a file"),
        ("gateway.yaml:14:18", "`certificate` needs `privateKey`"),
    ] {
        assert!(text.contains(place) && text.contains(message), "{place} {message}: {text}");
    }
}
