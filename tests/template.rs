//! Every template below `cases/template` through `headgate template render --batch`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::too_many_lines
)]

mod support;

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

#[test]
fn every_template_renders_as_expected() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/template");
    let mut failures = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let vectors: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let results = batch(&text);
        assert_eq!(results.len(), vectors.len(), "each template has a result");
        count += vectors.len();
        failures.extend(vectors.iter().zip(&results).filter(|(vector, result)| !is_right(vector, result)).map(|(vector, result)| {
            format!("{} {}\n  expected {}\n  got      {result}", vector["id"], vector["template"], vector["expected"])
        }));
    }
    assert!(count > 500, "the templates are there");
    assert!(failures.is_empty(), "{} of {count} templates failed:\n{}", failures.len(), failures.join("\n"));
}

fn batch(text: &str) -> Vec<Value> {
    let mut child = support::gateway::program()
        .args(["template", "render", "--batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = text.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn is_right(vector: &Value, result: &Value) -> bool {
    if vector["id"] != result["id"] {
        return false;
    }
    if vector["expectedError"] == true {
        return result.get("error").is_some();
    }
    let Some(output) = result["output"].as_str() else { return false };
    let expected = vector["expected"].as_str().unwrap_or_default();
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    let same = if vector["compare"] == "json" { json(output).is_some() && json(output) == json(expected) } else { output == expected };
    let overrides = vector
        .get("expectedOverrides")
        .is_none_or(|wanted| *wanted == result.get("overrides").cloned().unwrap_or_else(|| serde_json::json!({})));
    same && overrides
}
