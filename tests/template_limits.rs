//! A template that asks for too much ends its own request, says why in the log, and leaves everyone else alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod support;

use support::eventually;
use support::gateway::Gateway;

/// A path, its template, and the limit that the log names. Each goes beyond one limit and no other.
const GREEDY: [(&str, &str, &str); 6] = [
    ("first", "#foreach($a in [1..100])#set($b = [1..60000])#end", "more than 67108864 bytes of values"),
    ("second", "#set($s = 'aaaaaaaaaaaaaaaa')#foreach($a in [1..100000])$s$s$s$s$s$s$s$s#end", "an output of more than 10485760 bytes"),
    ("third", "#set($s = 'aaaaaaaaaaaaaaaa')#foreach($a in [1..60])#set($s = $s + $s)#end", "a string of more than 10485760 bytes"),
    ("fourth", "#set($a = [1..900000000])", "a list of more than 100000 elements"),
    ("fifth", "#macro(deeper)#deeper()#end#deeper()", "macros more than 20 levels deep"),
    ("sixth", "#set($l = [1..2000])#foreach($a in $l)#foreach($b in $l)#end#end", "more than 1000000 steps"),
];

#[test]
fn a_template_beyond_a_limit_is_answered_with_500_and_its_place_is_logged() {
    let method = |(path, template, _): &(&str, &str, &str)| {
        format!(
            "  /{path}:\n    get:\n      x-amazon-apigateway-integration:\n        type: mock\n        requestTemplates:\n          \
             application/json: |\n            ## the first line\n            {template}{{\"statusCode\": 200}}\n        responses: {{default: {{statusCode: '200'}}}}\n"
        )
    };
    let fine = ("fine", "", "");
    let api = format!("openapi: 3.0.1\npaths:\n{}{}", GREEDY.iter().map(method).collect::<String>(), method(&fine));
    let gateway = "listeners: [{address: '127.0.0.1:${GATEWAY_PORT}'}]\nadmin: {address: '127.0.0.1:${ADMIN_PORT}'}\n\
                   apis: [{id: a, definition: api.yaml, stages: [{stageName: s}]}]\n";
    let files = [("gateway.yaml".to_owned(), gateway.to_owned()), ("api.yaml".to_owned(), api)];
    let gateway = Gateway::start(&files, 0, &[]).unwrap();
    for (path, _, limit) in GREEDY {
        let answer = gateway.get(&format!("/s/{path}"));
        assert_eq!((answer.status, answer.text()), (500, r#"{"message": "Internal server error"}"#.to_owned()), "{path}");
        let place = format!("GET /{path}: the mapping template `application/json` failed: line 2, column");
        eventually(&format!("{place} … {limit}"), || gateway.said().lines().any(|line| line.contains(&place) && line.contains(limit)));
        assert_eq!(gateway.get("/s/fine").status, 200, "after {path}");
    }
}
