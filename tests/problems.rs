//! What `check` says, to the character: every directory below `cases/problem` holds a configuration and the expected standard error.
//! `HEADGATE_BLESS=1` writes the expectations anew.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn every_problem_is_told_as_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/problem");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 25, "the cases are there");
    let bless = std::env::var_os("HEADGATE_BLESS").is_some();
    let different: Vec<String> = cases.iter().filter_map(|case| difference(case, bless)).collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Runs one case; tells what is different from what is expected.
fn difference(case: &Path, bless: bool) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_headgate"))
        .args(["check", "--config", "gateway.yaml"])
        .current_dir(case)
        .env_clear()
        .env("SET", "from-the-environment")
        .output()
        .unwrap();
    let found = String::from_utf8(output.stderr).unwrap();
    let code = output.status.code();
    let expected_code = Some(i32::from(found.lines().any(|line| line.starts_with("error: "))));
    assert_eq!(code, expected_code, "{}: an error, and only an error, makes the exit code 1\n{found}", case.display());
    assert!(output.stdout.is_empty(), "{}: problems are messages, so they go to standard error", case.display());
    let file = case.join("expected.stderr");
    if bless {
        std::fs::write(&file, &found).unwrap();
        return None;
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    (found != expected).then(|| format!("{}:\n--- expected\n{expected}\n--- found\n{found}", case.display()))
}
