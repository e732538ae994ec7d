//! How endpoints are reached: VPC links and their health, ceilings for what they answer, and whose time a slow upload takes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::too_many_lines
)]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use support::backend::Backend;
use support::eventually;
use support::gateway::Gateway;
use support::pki::Authority;

const GATEWAY: &str = "listeners: [{address: '127.0.0.1:${GATEWAY_PORT}'}]\nadmin: {address: '127.0.0.1:${ADMIN_PORT}'}\n";
const APIS: &str = "apis: [{id: a, definition: api.yaml, stages: [{stageName: s, variables: {link: shop, missing: none}}]}]\n";

fn start(settings: &str, integration: &str, backend: u16) -> Gateway {
    let api = format!(
        "openapi: 3.0.1\npaths:\n  /{{proxy+}}:\n    x-amazon-apigateway-any-method:\n      x-amazon-apigateway-integration: {{{integration}}}\n"
    );
    let files = [("gateway.yaml".to_owned(), format!("{GATEWAY}{APIS}{settings}")), ("api.yaml".to_owned(), api)];
    Gateway::start(&files, backend, &[]).unwrap()
}

/// An origin that answers with its name, and on `/health` with what it is told to.
struct Origin {
    port: u16,
    well: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Origin {
    fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (well, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let (its_well, its_asked) = (Arc::clone(&well), Arc::clone(&asked));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut lines = Vec::new();
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                    lines.push(std::mem::take(&mut line).to_ascii_lowercase());
                }
                let is_check = lines.first().is_some_and(|line| line.starts_with("get /health "));
                if !is_check {
                    its_asked.fetch_add(1, Ordering::SeqCst);
                }
                let status = if is_check && !its_well.load(Ordering::SeqCst) { "503 X" } else { "200 OK" };
                let host = lines.iter().find_map(|line| line.strip_prefix("host:")).unwrap_or_default().trim().to_owned();
                let body = format!("{name} {host}");
                let _ = write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            }
        });
        Self { port, well, asked }
    }
}

const THROUGH_LINK: &str = "type: http_proxy, httpMethod: ANY, connectionType: VPC_LINK, connectionId: '${stageVariables.link}', uri: 'http://orders.internal:81/{proxy}', requestParameters: {integration.request.path.proxy: method.request.path.proxy}";

#[test]
fn a_vpc_link_takes_its_targets_in_turn_and_the_uri_names_the_host_only() {
    let (one, two) = (Origin::start("one"), Origin::start("two"));
    let links = format!("vpcLinks: [{{id: shop, targets: ['127.0.0.1:{}', '127.0.0.1:{}']}}]\n", one.port, two.port);
    let gateway = start(&links, &THROUGH_LINK.replace(":81", ":8181"), 1);
    let answers: Vec<String> = (0..4).map(|_| gateway.get("/s/x").text()).collect();
    assert_eq!(answers.iter().filter(|text| *text == "one orders.internal:8181").count(), 2, "{answers:?}");
    assert_eq!(answers.iter().filter(|text| *text == "two orders.internal:8181").count(), 2, "{answers:?}");
}

#[test]
fn a_target_that_is_not_well_is_left_out_until_it_is() {
    let (one, two) = (Origin::start("one"), Origin::start("two"));
    let links = format!(
        "vpcLinks: [{{id: shop, targets: ['127.0.0.1:{}', '127.0.0.1:{}'], healthCheck: {{path: /health, intervalSeconds: 1}}}}]\n",
        one.port, two.port
    );
    let gateway = start(&links, &THROUGH_LINK.replace(":81", ""), 1);
    let both = || {
        let answers: Vec<String> = (0..2).map(|_| gateway.get("/s/x").text()).collect();
        answers.contains(&"one orders.internal".to_owned()) && answers.contains(&"two orders.internal".to_owned())
    };
    assert!(both(), "a target is well until a check says otherwise");
    one.well.store(false, Ordering::SeqCst);
    eventually("only the well one is asked", || {
        let before = one.asked.load(Ordering::SeqCst);
        (0..6).all(|_| gateway.get("/s/x").text() == "two orders.internal") && one.asked.load(Ordering::SeqCst) == before
    });
    one.well.store(true, Ordering::SeqCst);
    eventually("both are asked again", both);
    assert!(two.asked.load(Ordering::SeqCst) > 0);
}

#[test]
fn an_endpoint_over_tls_shows_a_certificate_that_is_trusted_and_is_its_own() {
    let authority = Authority::new("Test CA");
    authority.server("endpoint", &["localhost"]);
    let listener = "listeners: [{address: '127.0.0.1:${GATEWAY_PORT}', tls: {certificate: endpoint.pem, privateKey: endpoint.key}}]\nadmin: {address: '127.0.0.1:${ADMIN_PORT}'}\n";
    let fixed = "openapi: 3.0.1\npaths:\n  /x:\n    get:\n      responses: {'200': {description: ok}}\n      x-amazon-apigateway-integration:\n        type: mock\n        requestTemplates: {application/json: '{\"statusCode\": 200}'}\n        responses: {default: {statusCode: '200', responseTemplates: {application/json: \"from the endpoint\"}}}\n";
    let mut files = authority.files(&["endpoint.pem", "endpoint.key"]);
    files.extend([("gateway.yaml".to_owned(), format!("{listener}{APIS}")), ("api.yaml".to_owned(), fixed.to_owned())]);
    let endpoint = Gateway::start(&files, 1, &[]).unwrap();
    let trusted = authority.0.0.join("ca.pem").display().to_string();
    let answer = |trust: &[(&str, &str)], host: &str, tls: &str| {
        let api = format!(
            "openapi: 3.0.1\npaths:\n  /x:\n    get:\n      x-amazon-apigateway-integration: {{type: http_proxy, httpMethod: GET, uri: 'https://{host}:{}/s/x'{tls}}}\n",
            endpoint.port
        );
        let files = [("gateway.yaml".to_owned(), format!("{GATEWAY}{APIS}")), ("api.yaml".to_owned(), api)];
        let gateway = Gateway::start_in(trust, &files, 1, &[]).unwrap();
        let response = gateway.get("/s/x");
        if response.status == 500 {
            eventually("the log line", || gateway.said().contains("TLSHandshakeFailure"));
        }
        (response.status, response.text(), gateway.said())
    };
    let served = (200, "from the endpoint".to_owned());
    let trust = [("SSL_CERT_FILE", trusted.as_str())];
    let (status, text, said) = answer(&trust, "localhost", "");
    assert_eq!((status, text), served, "{said}");
    for (why, trust, host) in [("its issuer is not known", &[][..], "localhost"), ("its name is another", &trust[..], "127.0.0.1")] {
        let (status, text, said) = answer(trust, host, "");
        assert_eq!((status, text.as_str()), (500, "{\"message\": \"Internal server error\"}"), "{why}: {said}");
        assert!(said.contains("TLSHandshakeFailure") && said.contains("certificate"), "{why}: {said}");
        let (status, text, said) = answer(trust, host, ", tlsConfig: {insecureSkipVerification: true}");
        assert_eq!((status, text), served, "{why}, which was to be passed over: {said}");
    }
}

#[test]
fn under_the_limits_of_api_gateway_a_response_ends_at_10_mib() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let count = stream.read(&mut head).unwrap_or(0);
            let asked = String::from_utf8_lossy(&head[..count]).into_owned();
            let content = vec![b'x'; (10 << 20) + usize::from(asked.contains("/more"))];
            let length = if asked.contains("untold") { String::new() } else { format!("Content-Length: {}\r\n", content.len()) };
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{length}\r\n").as_bytes());
            let _ = stream.write_all(&content);
        }
    });
    let proxied = "type: http_proxy, httpMethod: GET, uri: 'http://127.0.0.1:${BACKEND_PORT}/{proxy}', requestParameters: {integration.request.path.proxy: method.request.path.proxy}";
    let completed = proxied.replace("http_proxy", "http") + ", responses: {default: {statusCode: 200}}";
    for integration in [proxied, &completed] {
        let gateway = start("limits: aws\n", integration, port);
        let fits = gateway.get("/s/fits");
        assert_eq!((fits.status, fits.body.len()), (200, 10 << 20), "{integration}");
        let more = gateway.get("/s/more");
        assert_eq!((more.status, more.text().as_str()), (500, r#"{"message": "Internal server error"}"#), "{integration}");
    }
    // What has begun cannot become a 500: it is cut, and the client sees it.
    let gateway = start("limits: aws\n", proxied, port);
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    stream.write_all(b"GET /s/more-untold HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received);
    assert!(received.starts_with(b"HTTP/1.1 200"), "the response had begun");
    assert!(received.len() <= (10 << 20) + (1 << 20) && !received.ends_with(b"0\r\n\r\n"), "{} bytes", received.len());
}

/// The endpoint's time is 300 ms, the client sends for longer than that.
#[test]
fn a_slow_upload_takes_no_time_of_the_endpoint() {
    let backend = Backend::start();
    let integration = "type: http_proxy, httpMethod: POST, timeoutInMillis: 300, uri: 'http://127.0.0.1:${BACKEND_PORT}/{proxy}', requestParameters: {integration.request.path.proxy: method.request.path.proxy}";
    let gateway = start("", integration, backend.port);
    let upload = |path: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 6\r\n\r\n").unwrap();
        for piece in ["ab", "cd", "ef"] {
            std::thread::sleep(Duration::from_millis(250));
            stream.write_all(piece.as_bytes()).unwrap();
        }
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    };
    let answered = upload("/s/echo-body");
    assert!(answered.starts_with("HTTP/1.1 200") && answered.ends_with("abcdef"), "{answered}");
    let late = upload("/s/delay/1");
    assert!(late.starts_with("HTTP/1.1 504") && late.contains("Endpoint request timed out"), "{late}");
}
