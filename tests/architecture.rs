//! Holds the code to `docs/ARCHITECTURE.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::too_many_lines
)]

use std::path::{Path, PathBuf};

/// The modules in their order, each with those that it may use.
fn allowed() -> Vec<(String, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/ARCHITECTURE.md")).unwrap();
    let section = text.split("## Who may know whom").nth(1).unwrap();
    let list = section.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    list.lines().map(words).map(|line| (line[0].clone(), line[1..].to_vec())).collect()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// Every source file with its path below `src` and its code without the unit tests.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        (path.strip_prefix(&root).unwrap().display().to_string(), code)
    };
    files(&root).into_iter().map(read).collect()
}

fn report(broken: &[String]) {
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn modules_use_only_what_the_list_allows() {
    let allowed = allowed();
    let mut broken = Vec::new();
    let pattern = regex::Regex::new(r"crate::([a-z0-9_]+)").unwrap();
    for (name, code) in sources().into_iter().filter(|(name, _)| name.contains('/')) {
        let module = name.split('/').next().unwrap();
        let Some((_, uses)) = allowed.iter().find(|(known, _)| known == module) else {
            broken.push(format!("the module {module} is not in the list"));
            continue;
        };
        for used in pattern.captures_iter(&code).map(|found| found[1].to_owned()) {
            if used != module && !uses.contains(&used) && uses != &["*"] {
                broken.push(format!("{name} uses {used}, which docs/ARCHITECTURE.md does not allow"));
            }
        }
    }
    broken.dedup();
    report(&broken);
}

#[test]
fn the_list_has_no_circles() {
    let allowed = allowed();
    let mut above: Vec<&str> = Vec::new();
    for (module, uses) in &allowed {
        let below: Vec<&String> = uses.iter().filter(|used| *used != "*" && !above.contains(&used.as_str())).collect();
        assert!(below.is_empty(), "{module} uses {below:?}, which does not stand above it");
        above.push(module);
    }
}

#[test]
fn backends_carry_and_do_not_map() {
    let of_backend = sources().into_iter().filter(|(name, _)| name.starts_with("backend/"));
    let names = |code: &str| ["Context", "Template", "::Method,", "MethodRequest"].into_iter().find(|noun| code.contains(noun));
    report(&of_backend.filter_map(|(name, code)| Some(format!("{name} names {}", names(&code)?))).collect::<Vec<_>>());
}

#[test]
fn the_framework_stays_at_the_edge() {
    let allowed = ["server/", "admin/", "outbound/"];
    let inside = sources().into_iter().filter(|(name, _)| !allowed.iter().any(|place| name.starts_with(place)));
    report(&inside.filter(|(_, code)| code.contains("pingora::")).map(|(name, _)| format!("{name} names Pingora")).collect::<Vec<_>>());
}

#[test]
fn the_environment_and_the_terminal_have_one_place_each() {
    let mut broken = Vec::new();
    for (name, code) in sources() {
        // The service manager names its socket in the environment and nowhere else.
        if code.contains("env::var") && !["config/load.rs", "cli/notify.rs"].contains(&name.as_str()) {
            broken.push(format!("{name} reads the environment"));
        }
        if ["println!", "eprintln!", "print!("].iter().any(|call| code.contains(call)) {
            broken.push(format!("{name} prints"));
        }
        if (name.starts_with("apigateway/") || name.starts_with("snapshot/")) && code.contains("async fn") {
            broken.push(format!("{name} waits"));
        }
    }
    report(&broken);
}

#[test]
fn a_file_holds_one_idea() {
    let long = sources().into_iter().map(|(name, code)| (name, code.lines().count())).filter(|(_, lines)| *lines > 400);
    report(&long.map(|(name, lines)| format!("{name} has {lines} lines")).collect::<Vec<_>>());
}
