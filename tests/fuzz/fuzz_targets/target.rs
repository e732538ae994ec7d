//! A request target that the front door lets in has one reading: no segment climbs, nothing in it is a control, and its query reads back
//! as it was read.
#![no_main]

use headgate::exchange::Query;
use headgate::server::front_door::{HeadLimits, check};
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;
use pingora::http::RequestHeader;

fuzz_target!(|bytes: &[u8]| {
    let (host, target) = bytes.split_at(bytes.iter().position(|byte| *byte == b' ').unwrap_or(0));
    let Ok(mut head) = RequestHeader::build("GET", target.strip_prefix(b" ").unwrap_or(target), None) else { return };
    if head.append_header("Host", if host.is_empty() { b"a" } else { host }).is_err() {
        return;
    }
    let Ok(target) = check(&head, HeadLimits::new(bytes.len() % 2 == 0)) else { return };
    assert!(target.path.starts_with('/') && target.path.is_ascii());
    assert!(!target.host.bytes().any(|byte| byte.is_ascii_uppercase() || b"/?#@ \\".contains(&byte)));
    let decoded = percent_decode_str(target.path).decode_utf8_lossy();
    assert!(!decoded.contains(|c: char| c.is_ascii_control()), "{decoded:?}");
    assert!(!decoded.split(['/', '\\']).any(|segment| segment == "." || segment == ".."), "{decoded:?}");
    if let Some(query) = target.query {
        let query = Query::parse(query);
        let mut text = String::new();
        query.write(&mut text);
        assert_eq!(Query::parse(&text), query);
    }
});
