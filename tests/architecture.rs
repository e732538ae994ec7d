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

/// Each module and what it must not name.
const FORBIDDEN: [(&str, &[&str]); 15] = [
    ("document", &["crate::exchange", "crate::vtl", "crate::mapping", "crate::apigateway", "crate::pipeline", "crate::snapshot"]),
    ("exchange", &["crate::document", "crate::vtl", "crate::mapping", "crate::apigateway", "crate::pipeline", "crate::snapshot"]),
    ("vtl", &["crate::document", "crate::exchange", "crate::mapping", "crate::apigateway", "crate::pipeline", "crate::snapshot"]),
    (
        "mapping",
        &["crate::outbound", "crate::backend", "crate::snapshot", "crate::pipeline", "crate::server", "crate::config", "crate::openapi"],
    ),
    (
        "apigateway",
        &["crate::outbound", "crate::backend", "crate::snapshot", "crate::pipeline", "crate::server", "crate::config", "crate::openapi"],
    ),
    ("openapi", &["crate::outbound", "crate::snapshot", "crate::pipeline", "crate::server", "crate::config"]),
    ("config", &["crate::outbound", "crate::snapshot", "crate::pipeline", "crate::server"]),
    ("outbound", &["crate::mapping", "crate::snapshot", "crate::pipeline", "crate::server", "crate::document"]),
    ("backend", &["crate::mapping", "crate::snapshot", "crate::pipeline", "crate::server"]),
    (
        "functions",
        &["crate::mapping", "crate::apigateway", "crate::snapshot", "crate::pipeline", "crate::outbound", "crate::config", "crate::server"],
    ),
    (
        "store",
        &["crate::exchange", "crate::document", "crate::vtl", "crate::mapping", "crate::apigateway", "crate::snapshot", "crate::server"],
    ),
    ("authorizer", &["crate::snapshot", "crate::pipeline", "crate::server", "crate::config", "crate::openapi", "crate::backend"]),
    ("observe", &["crate::snapshot", "crate::pipeline", "crate::server"]),
    ("snapshot", &["crate::pipeline", "crate::server", "crate::control", "crate::config"]),
    ("pipeline", &["crate::server", "crate::control", "crate::config", "crate::openapi", "crate::outbound"]),
];

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
fn modules_know_only_what_stands_above_them() {
    let mut broken = Vec::new();
    for (name, code) in sources() {
        let module = name.split('/').next().unwrap_or_default();
        for (_, forbidden) in FORBIDDEN.iter().filter(|(known, _)| *known == module) {
            broken.extend(forbidden.iter().filter(|path| code.contains(*path)).map(|path| format!("{name} names {path}")));
        }
    }
    report(&broken);
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
