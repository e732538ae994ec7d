//! Properties of the whole reader.

use proptest::prelude::*;

use super::{Limits, Node, Position, Problems, Severity, parse};

fn read(text: &str) -> (Option<Node>, Problems) {
    let mut problems = Problems::default();
    let node = parse("f", text.as_bytes(), Limits::default(), &mut problems);
    (node, problems)
}

fn lines(text: &str) -> Vec<String> {
    read(text).1.to_lines()
}

#[test]
fn what_is_no_document_is_told_with_its_place() {
    assert_eq!(lines("a: 1\na: 2"), ["f:2:1: error: the key `a` is there twice"]);
    assert_eq!(lines("{\"a\": 1,\n \"a\": 2}"), ["f:2:2: error: the key `a` is there twice"]);
    assert_eq!(lines("a: *b").len(), 1);
    assert_eq!(lines("a: &a [*a]").len(), 1);
    assert_eq!(lines("a: 1\n---\nb: 2"), ["f:2:1: error: a file holds one document"]);
    for (text, place) in [("{\"a\": 1,}", "f:1:"), ("{\"a\": 1 // no\n}", "f:1:"), ("{'a': 1}", "f:1:"), ("{\"a\": 01}", "f:1:")] {
        assert!(lines(text).iter().all(|line| line.starts_with(place)) && !lines(text).is_empty(), "{text}: {:?}", lines(text));
    }
}

#[test]
fn invalid_utf_8_is_told_with_its_place() {
    let mut problems = Problems::default();
    assert!(parse("f", b"a: b\nc: \xff", Limits::default(), &mut problems).is_none());
    assert_eq!(problems.to_lines(), ["f:2:4: error: the file is not UTF-8: byte 9 of it is not valid"]);
}

#[test]
fn depth_and_size_are_limited_in_both_languages() {
    let limits = Limits { bytes: 1000, depth: 3, nodes: 10 };
    let refused = |text: &str| {
        let mut problems = Problems::default();
        parse("f", text.as_bytes(), limits, &mut problems).is_none() && problems.count(Severity::Error) == 1
    };
    assert!(refused("[[[[0]]]]") && refused("- - - - 0") && refused("a: [[[0]]]"));
    assert!(!refused("[[[0]]]") && !refused("- - - 0"));
    assert!(refused("[0,0,0,0,0,0,0,0,0,0]") && refused("a: &a [0,0,0]\nb: [*a,*a]"));
    assert!(refused(&" ".repeat(1001)));
}

#[test]
fn scalars_follow_the_core_schema() {
    let (node, _) = read("a: yes\nb: 010\nc: 1e3\nd: True\ne: ~\nf: '1'\ng: !!str 1\nh: ! 1\n1: x");
    let node = node.unwrap();
    let kinds: Vec<&str> = node.entries().iter().map(|entry| entry.node.kind()).collect();
    assert_eq!(kinds, ["a string", "a string", "a number", "a boolean", "nothing", "a string", "a string", "a string", "a string"]);
    assert_eq!(node.get("1").and_then(Node::as_str), Some("x"));
}

#[test]
fn merge_keys_and_short_tags() {
    let (node, problems) = read("b: &b {x: 1, y: 2}\na: {<<: *b, y: 3}\nc: !Sub '${x}'\nd: !Ref x");
    assert!(problems.list().is_empty());
    let json = node.unwrap().to_json();
    assert_eq!(json["a"], serde_json::json!({"y": 3, "x": 1}));
    assert_eq!((&json["c"], &json["d"]), (&serde_json::json!({"Fn::Sub": "${x}"}), &serde_json::json!({"Ref": "x"})));
}

#[test]
fn places_inside_of_text_are_places_in_the_file() {
    let (node, _) = read("a: |\n    one\n    two\nb: \"xyz\"\nc: plain\nd:\n  - |-\n    é1\n    23\n");
    let node = node.unwrap();
    let place = |node: &Node, line, column| {
        let found = node.source.position(node.offset_in_text(Position { line, column }));
        (found.line, found.column)
    };
    assert_eq!(place(node.get("a").unwrap(), 2, 2), (3, 6));
    assert_eq!(place(node.get("b").unwrap(), 1, 3), (4, 7));
    assert_eq!(place(node.get("c").unwrap(), 1, 1), (5, 4));
    let item = &node.get("d").unwrap().items()[0];
    assert_eq!((place(item, 1, 2), place(item, 2, 1)), ((8, 6), (9, 5)));
}

#[test]
fn lines_of_many_characters_keep_their_columns() {
    let (node, _) = read("a: {é: ü, 日本: [x, 語]}");
    let node = node.unwrap();
    let columns: Vec<usize> =
        node.get("a").unwrap().entries().iter().map(|entry| node.source.position(entry.key_span.start).column).collect();
    assert_eq!(columns, [5, 11]);
    assert_eq!(node.get("a").unwrap().get("日本").unwrap().items()[1].position().column, 19);
}

/// Every place that is reported lies in the text, between characters.
fn sound(node: &Node) -> bool {
    let text = &node.source.text;
    let inside = |start: usize, end: usize| start <= end && text.get(start..end).is_some();
    inside(node.span.start, node.span.end)
        && node.entries().iter().all(|entry| inside(entry.key_span.start, entry.key_span.end) && sound(&entry.node))
        && node.items().iter().all(sound)
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut problems = Problems::default();
        let node = parse("f", &bytes, Limits::default(), &mut problems);
        prop_assert!(node.is_some() || problems.has_errors());
        let _ = (problems.to_text(), problems.to_json());
    }

    #[test]
    fn anything_like_yaml_is_read_or_refused(text in "[-a-c:?\\[\\]{}&*!|>'\"#%,. \\n\\r\\té<0-9\\\\]{0,80}") {
        let (node, problems) = read(&text);
        prop_assert!(node.is_some() || problems.has_errors());
        let _ = (problems.to_text(), problems.to_json());
        if let Some(node) = node {
            prop_assert!(sound(&node), "{:?}", node);
            let _ = node.offset_in_text(Position { line: 3, column: 7 });
        }
    }

    #[test]
    fn json_is_kept(text in "[a-zé\"\\\\\\n]{0,20}", number in any::<i64>(), flag in any::<bool>()) {
        let json = serde_json::json!({"a": [text, number, null], "b": {"c": flag}});
        let (compact, pretty) = (json.to_string(), format!("{json:#}"));
        let expected = &json;
        prop_assert_eq!(&read(&compact).0.unwrap().to_json(), expected);
        prop_assert_eq!(&read(&pretty).0.unwrap().to_json(), expected);
    }
}
