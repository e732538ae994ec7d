//! What the program is built from: every dependency has its line in `docs/dependencies.md`, a licence that `deny.toml` allows, and asks
//! for no newer Rust than `Cargo.toml` says. Reads `cargo metadata`, so it needs no network and no other tool.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

static METADATA: LazyLock<Value> = LazyLock::new(|| {
    let version = Command::new(env!("CARGO")).arg("-vV").output().unwrap();
    let host = String::from_utf8(version.stdout).unwrap().lines().find_map(|line| line.strip_prefix("host: ").map(str::to_owned)).unwrap();
    // Packages of other platforms need not be there.
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", &host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
});

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn packages() -> &'static [Value] {
    METADATA["packages"].as_array().unwrap()
}

fn headgate() -> &'static Value {
    packages().iter().find(|package| package["name"] == "headgate").unwrap()
}

/// The quoted words of one list in `deny.toml`.
fn denied_or_allowed(list: &str) -> BTreeSet<String> {
    let text = file("deny.toml");
    let (_, after) = text.split_once(&format!("\n{list} = [")).unwrap();
    let (inside, _) = after.split_once("]\n").unwrap();
    inside.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn each_dependency_is_argued_for() {
    let page = file("docs/dependencies.md");
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).skip(1);
    let mut argued: BTreeSet<&str> = cells.filter(|cell| !cell.starts_with("---")).flat_map(|cell| cell.split(", ")).collect();
    let tests = page.lines().find_map(|line| line.strip_prefix("Tests and benches: ")).expect("the page names what tests need");
    argued.extend(tests.split(['.', '(']).next().unwrap().split(", ").map(str::trim));
    let used: BTreeSet<&str> = headgate()["dependencies"].as_array().unwrap().iter().map(|dependency| text(dependency, "name")).collect();
    assert!(used.len() > 20, "the dependencies are not found any more");
    assert_eq!(used.difference(&argued).collect::<Vec<_>>(), Vec::<&&str>::new(), "without a line in docs/dependencies.md");
    assert_eq!(argued.difference(&used).collect::<Vec<_>>(), Vec::<&&str>::new(), "in docs/dependencies.md, and not used");
}

/// Whether one of the choices that a licence expression (SPDX) leaves is allowed as a whole.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ").replace(" WITH ", "+WITH+");
    let tokens: Vec<String> = spaced.split_whitespace().map(|token| token.replace("+WITH+", " WITH ")).collect();
    let mut at = 0;
    let verdict = either(&tokens, &mut at, allowed);
    verdict && at == tokens.len()
}

fn either(tokens: &[String], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut verdict = both(tokens, at, allowed);
    while tokens.get(*at).is_some_and(|token| token == "OR") {
        *at += 1;
        verdict |= both(tokens, at, allowed);
    }
    verdict
}

fn both(tokens: &[String], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut verdict = one(tokens, at, allowed);
    while tokens.get(*at).is_some_and(|token| token == "AND") {
        *at += 1;
        verdict &= one(tokens, at, allowed);
    }
    verdict
}

fn one(tokens: &[String], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let Some(token) = tokens.get(*at) else { return false };
    *at += 1;
    if token != "(" {
        return allowed.contains(token);
    }
    let verdict = either(tokens, at, allowed);
    let closed = tokens.get(*at).is_some_and(|token| token == ")");
    *at += 1;
    verdict && closed
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let allowed = BTreeSet::from(["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned));
    for expression in ["MIT", "MIT/GPL-3.0", "GPL-3.0 OR MIT", "(MIT OR GPL-3.0) AND Apache-2.0", "Apache-2.0 WITH LLVM-exception"] {
        assert!(is_allowed(expression, &allowed), "{expression}");
    }
    for expression in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR GPL-3.0) AND GPL-3.0", "(MIT", "MIT Apache-2.0", "MIT WITH x"] {
        assert!(!is_allowed(expression, &allowed), "{expression}");
    }
}

#[test]
fn each_licence_is_allowed() {
    let allowed = denied_or_allowed("allow");
    let refused: Vec<String> = packages()
        .iter()
        .filter(|package| !is_allowed(text(package, "license"), &allowed))
        .map(|package| format!("{}: `{}`", text(package, "name"), text(package, "license")))
        .collect();
    assert!(packages().len() > 100, "the packages are not found any more");
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn nothing_comes_from_elsewhere_than_the_registry_or_is_banned() {
    let banned = denied_or_allowed("deny");
    assert!(!banned.is_empty());
    for package in packages().iter().filter(|package| package["name"] != "headgate") {
        assert!(text(package, "source").starts_with("registry+"), "{} comes from {}", package["name"], package["source"]);
        assert!(!banned.contains(text(package, "name")), "{} is banned", package["name"]);
    }
}

fn version(text: &str) -> [u64; 3] {
    let mut parts = text.split('.').map(|part| part.parse().unwrap());
    [(); 3].map(|()| parts.next().unwrap_or_default())
}

#[test]
fn the_oldest_rust_that_is_promised_is_the_newest_that_is_asked_for() {
    let promised = version(text(headgate(), "rust_version"));
    let others = packages().iter().filter(|package| package["name"] != "headgate");
    let asked = others.filter_map(|package| Some((version(package["rust_version"].as_str()?), text(package, "name")))).max().unwrap();
    assert!(asked.0 <= promised, "{} asks for {:?}, and {promised:?} is promised", asked.1, asked.0);
}

#[test]
fn the_guide_names_the_rust_that_is_needed() {
    let promised = text(headgate(), "rust_version");
    assert!(file("docs/guide/getting-started.md").contains(&format!("Rust {promised} or newer")), "{promised} is needed");
}
