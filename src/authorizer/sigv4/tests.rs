//! Signatures as a client makes them. `tests/independent` has those that AWS's own tools make.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::exchange::{FieldName, Peer};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const NOW: u64 = 1_440_938_160;
const REGION: &str = "us-east-1";

fn request(path: &str, query: Option<&str>, fields: &[(&'static str, &str)]) -> Request {
    let mut all = Fields::default();
    for (name, value) in fields {
        all.append_text(FieldName::from_static(name), value);
    }
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Request {
        http_method: http::Method::GET,
        host: "example.amazonaws.com".into(),
        path: path.into(),
        query: query.map(Into::into),
        fields: all,
        peer: Peer { source_ip: local, address: local, local_port: 0, secure: false, client_certificate: None },
    }
}

fn with_signature(path: &str, query: Option<&str>, more: &[(&'static str, &str)], signature: &str) -> Request {
    let mut names: Vec<String> = more.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.extend(["host".to_owned(), "x-amz-date".to_owned()]);
    names.sort();
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/execute-api/aws4_request, SignedHeaders={}, Signature={signature}",
        names.join(";")
    );
    let mut fields = vec![("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z"), ("Authorization", &authorization)];
    fields.extend_from_slice(more);
    request(path, query, &fields)
}

/// Signs with this module's own canonical form turned around: what it proves is that every part is covered.
fn signed(path: &str, query: Option<&str>, more: &[(&'static str, &str)], content: &[u8]) -> Request {
    let unsigned = with_signature(path, query, more, &"0".repeat(64));
    let signature = read(&unsigned).unwrap().unwrap();
    let hash = match signature.payload {
        Payload::Whole => hex(&Sha256::digest(content)),
        Payload::Unsigned => UNSIGNED.to_owned(),
        Payload::Chunks => CHUNKS.to_owned(),
    };
    let form = canonical::Form { collapse: false, presigned: false };
    let canonical = canonical::request(&unsigned, &signature.signed, &hash, form).unwrap();
    let signer = Signer::new(&signature, SECRET);
    with_signature(path, query, more, &text_signature(&signer, ALGORITHM, &hex(&Sha256::digest(canonical))))
}

fn text_signature(signer: &Signer, algorithm: &str, rest: &str) -> String {
    hex(&mac(&signer.key, format!("{algorithm}\n{}{rest}", signer.preamble).as_bytes()))
}

fn verdict(request: &Request, content: &[u8], secret: &str, now: u64) -> Result<Option<Bytes>, Refused> {
    let signature = read(request).unwrap()?;
    signature.check_scope(REGION, now)?;
    signature.verify(request, content, secret)
}

#[test]
fn the_services_own_example_gives_the_signature_that_it_prints() {
    // The signing key of the General Reference's example: 20150830, us-east-1, iam.
    let scope = Scope { date: "20150830", region: REGION, service: "iam" };
    let base = signed("/", None, &[], b"");
    let signature = Signature { scope, ..read(&base).unwrap().unwrap() };
    let key = Signer::new(&signature, SECRET).key;
    assert_eq!(hex(&key), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
}

#[test]
fn a_right_signature_fits_and_every_change_breaks_it() {
    let right = signed("/prod/pets%20and/more", Some("b=2&a=%C3%A9&a=1"), &[], b"");
    assert_eq!(verdict(&right, b"", SECRET, NOW), Ok(None));
    assert_eq!(verdict(&right, b"other content", SECRET, NOW), Err(Refused::Mismatch));
    assert_eq!(verdict(&right, b"", "another key", NOW), Err(Refused::Mismatch));
    assert_eq!(verdict(&right, b"", SECRET, NOW + 301), Err(Refused::Expired));
    assert_eq!(verdict(&right, b"", SECRET, NOW - 301), Err(Refused::Expired));
    assert_eq!(read(&right).unwrap().unwrap().check_scope("eu-west-1", NOW), Err(Refused::Elsewhere));
    for (path, query) in [
        ("/prod/pets%20and/moRe", Some("b=2&a=%C3%A9&a=1")),
        ("/prod/pets%20and/more", Some("b=3&a=%C3%A9&a=1")),
        ("/prod/pets%20and/more", Some("b=2&a=%C3%A9&a=1&X-Amz-Date=1")),
        ("/prod/pets%20and/more", None),
    ] {
        let other = Request { path: path.into(), query: query.map(Into::into), ..right.clone() };
        assert_eq!(verdict(&other, b"", SECRET, NOW), Err(Refused::Mismatch), "{path} {query:?}");
    }
    let mut other = right.clone();
    other.fields.remove("host");
    assert_eq!(verdict(&other, b"", SECRET, NOW), Err(Refused::Mismatch), "a field that is signed and not there");
    other.fields.append_text(FieldName::from_static("Host"), "other.example.com");
    assert_eq!(verdict(&other, b"", SECRET, NOW), Err(Refused::Mismatch));
    let mut other = right;
    other.http_method = http::Method::DELETE;
    assert_eq!(verdict(&other, b"", SECRET, NOW), Err(Refused::Mismatch));
}

#[test]
fn arguments_sort_and_values_trim_as_signers_do() {
    let right = signed("/", Some("a=1&b=2"), &[("X-Amz-Meta", "a b")], b"");
    let mut other = Request { query: Some("b=2&a=1".into()), ..right };
    other.fields.remove("x-amz-meta");
    other.fields.append_text(FieldName::from_static("X-Amz-Meta"), "  a   b ");
    assert_eq!(verdict(&other, b"", SECRET, NOW), Ok(None));
}

#[test]
fn what_is_there_twice_is_refused() {
    for name in ["Authorization", "X-Amz-Date", "X-Amz-Content-Sha256", "X-Amz-Security-Token"] {
        let mut request = signed("/", None, &[("X-Amz-Content-Sha256", UNSIGNED), ("X-Amz-Security-Token", "t")], b"");
        let value = request.fields.text(name).unwrap().to_owned();
        request.fields.append_text(FieldName::from_static(name), &value);
        assert_eq!(read(&request).unwrap(), Err(Refused::Incomplete), "{name}");
    }
    let mut request = signed("/", None, &[], b"");
    request.fields.append_text(FieldName::from_static("Authorization"), "Bearer x");
    assert_eq!(read(&request).unwrap(), Err(Refused::Incomplete));
    let both = Request { query: Some("X-Amz-Signature=0".into()), ..signed("/", None, &[], b"") };
    assert_eq!(read(&both).unwrap(), Err(Refused::Incomplete));
}

#[test]
fn content_is_covered_as_the_request_says() {
    let right = signed("/", None, &[("X-Amz-Content-Sha256", UNSIGNED)], b"");
    assert_eq!(verdict(&right, b"anything", SECRET, NOW), Ok(None));
    let mut stripped = signed("/", None, &[], b"content");
    stripped.fields.append_text(FieldName::from_static("X-Amz-Content-Sha256"), UNSIGNED);
    assert_eq!(verdict(&stripped, b"other", SECRET, NOW), Err(Refused::Mismatch), "content cannot be declared unsigned afterwards");
    let wrong = signed("/", None, &[("X-Amz-Content-Sha256", &"0".repeat(64))], b"content");
    assert_eq!(verdict(&wrong, b"content", SECRET, NOW), Err(Refused::Mismatch));
    let trailer = with_signature("/", None, &[("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")], &"0".repeat(64));
    assert_eq!(read(&trailer).unwrap(), Err(Refused::Incomplete));
}

#[test]
fn pieces_are_signed_one_by_one() {
    let request = signed("/", None, &[("X-Amz-Content-Sha256", CHUNKS), ("X-Amz-Decoded-Content-Length", "11")], b"");
    let signature = read(&request).unwrap().unwrap();
    let signer = Signer::new(&signature, SECRET);
    let framed = |pieces: &[&str]| {
        let (mut framed, mut previous) = (String::new(), hex(&signature.signature));
        for piece in pieces {
            let text = format!("{previous}\n{}\n{}", hex(&Sha256::digest(b"")), hex(&Sha256::digest(piece)));
            previous = text_signature(&signer, "AWS4-HMAC-SHA256-PAYLOAD", &text);
            framed += &format!("{:x};chunk-signature={previous}\r\n{piece}\r\n", piece.len());
        }
        framed
    };
    let whole = framed(&["hello ", "world", ""]);
    assert_eq!(verdict(&request, whole.as_bytes(), SECRET, NOW), Ok(Some(Bytes::from_static(b"hello world"))));
    for wrong in [
        whole.replace("world", "World"),
        framed(&["hello ", "world"]),
        framed(&["hello ", "worl", ""]),
        format!("{whole}x"),
        whole.get(..whole.len() - 3).unwrap().to_owned(),
        "hello world".to_owned(),
        String::new(),
    ] {
        assert_eq!(verdict(&request, wrong.as_bytes(), SECRET, NOW), Err(Refused::Mismatch), "{wrong}");
    }
}

#[test]
fn what_is_incomplete_is_refused() {
    let zeros = "0".repeat(64);
    let scope = "A/20150830/r/execute-api/aws4_request";
    for authorization in [
        "AWS4-HMAC-SHA256 ".to_owned(),
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=x-amz-date, Signature={zeros}"),
        format!("AWS4-HMAC-SHA256 Credential=A/20150831/r/execute-api/aws4_request, SignedHeaders=host, Signature={zeros}"),
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"),
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;accept, Signature={zeros}"),
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;host, Signature={zeros}"),
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=Host, Signature={zeros}"),
        format!("AWS4-HMAC-SHA256 Credential={scope}, Credential={scope}, SignedHeaders=host, Signature={zeros}"),
        format!("AWS4-HMAC-SHA256-PAYLOAD Credential={scope}, SignedHeaders=host, Signature={zeros}"),
    ] {
        let request = request("/", None, &[("Host", "h"), ("X-Amz-Date", "20150830T123600Z"), ("Authorization", &authorization)]);
        assert_eq!(read(&request).unwrap().map(|_| ()), Err(Refused::Incomplete), "{authorization}");
    }
    assert!(read(&request("/", Some("X-Amz-Date=1"), &[("Authorization", "Bearer x")])).is_none());
}

proptest::proptest! {
    #[test]
    fn no_header_and_no_query_makes_it_panic(header in "AWS4-HMAC-SHA256.{0,80}", query in "(X-Amz-[A-Z][a-z]{2,9}=[%a-zA-Z0-9/]{0,12}&?){0,8}") {
        let request = request("/", Some(&query), &[("Host", "h"), ("X-Amz-Date", "20150830T123600Z"), ("Authorization", &header)]);
        let _ = read(&request).map(|signature| signature.map(|signature| signature.verify(&request, b"", "x")));
    }

    #[test]
    fn no_content_makes_it_panic(content in "([0-9a-f]{0,3};chunk-signature=[0-9a-f]{62,65}\r\n.{0,9}\r\n){0,3}") {
        let request = with_signature("/", None, &[("X-Amz-Content-Sha256", CHUNKS)], &"0".repeat(64));
        let signature = read(&request).unwrap().unwrap();
        proptest::prop_assert!(chunks::content(content.as_bytes(), &Signer::new(&signature, SECRET), &[0; 32]).is_none());
    }
}
