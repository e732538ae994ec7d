//! A request that the front door lets in has one reading: its head is written as HTTP/1.1 wants it, no segment of its path climbs, nothing in
//! it is a control, and its query reads back as it was read.
#![no_main]

use bytes::Bytes;
use headgate::exchange::Query;
use headgate::http1::read_request_head;
use headgate::server::front_door::{Head, HeadLimits, check};
use http::Version;
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;

fuzz_target!(|bytes: &[u8]| {
    let (target, fields) = bytes.split_at(bytes.iter().position(|byte| *byte == b' ').unwrap_or(bytes.len()));
    let lines = [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n", fields.strip_prefix(b" ").unwrap_or(fields), b"\r\n\r\n"].concat();
    for text in [bytes.to_vec(), lines] {
        let Ok(head) = read_request_head(&Bytes::from(text.clone())) else { continue };
        assert!(text.windows(2).all(|pair| pair[1] != b'\n' || pair[0] == b'\r'), "a bare line feed");
        let head = Head { http_method: head.http_method, target: head.target, authority: None, version: Version::HTTP_11, fields: head.fields };
        let Ok(target) = check(&head, HeadLimits::new(bytes.len() % 2 == 0)) else { continue };
        assert!(target.path.starts_with('/') && target.path.is_ascii());
        assert!(!target.host.bytes().any(|byte| byte.is_ascii_uppercase() || b"/?#@ \\".contains(&byte)));
        let decoded = percent_decode_str(&target.path).decode_utf8_lossy();
        assert!(!decoded.contains(|c: char| c.is_ascii_control()), "{decoded:?}");
        assert!(!decoded.split(['/', '\\']).any(|segment| segment == "." || segment == ".."), "{decoded:?}");
        if let Some(query) = &target.query {
            let query = Query::parse(query);
            let mut text = String::new();
            query.write(&mut text);
            assert_eq!(Query::parse(&text), query);
        }
    }
});
