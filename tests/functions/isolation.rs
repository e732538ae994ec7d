//! What a function gets of the machine, and what is left of it when it has ended.

use super::*;

#[test]
fn what_a_function_starts_ends_with_it() {
    let code = Files::new();
    let gateway = start(&one(""), &code);
    let child: u32 = gateway.get("/prod/fork").text().parse().unwrap();
    let own_session: u32 = gateway.get("/prod/escape").text().parse().unwrap();
    let pid: u32 = gateway.get("/prod/pid").text().parse().unwrap();
    assert!(runs(child) && runs(own_session) && runs(pid));
    // The time-out ends the process, and with it everything that it started.
    assert_eq!(gateway.get("/prod/silent").status, 502);
    until("all that the function started ends", || ![child, own_session, pid].into_iter().any(runs));
    assert_eq!(gateway.get("/prod/x").text(), "1", "another process serves what comes");
}

#[test]
fn it_has_an_environment_and_directories_of_its_own() {
    let code = Files::new();
    let more = ", environment: {variables: {OWN: value, AWS_REGION: moon, _HANDLER: x}}, handler: app.handler";
    let gateway = start(&one(more), &code);
    let text = gateway.get("/prod/environment").text();
    let environment: std::collections::HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    for (name, value) in [
        ("OWN", "value"),
        ("AWS_REGION", "us-east-1"),
        ("_HANDLER", "app.handler"),
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f"),
        ("LAMBDA_TASK_ROOT", code.0.canonicalize().unwrap().to_str().unwrap()),
        ("TZ", ":UTC"),
    ] {
        assert_eq!(environment.get(name), Some(&value), "{name} in {text}");
    }
    assert!(
        !environment.contains_key("HEADGATE_LOG") && !environment.contains_key("CARGO_MANIFEST_DIR"),
        "nothing of the gateway's: {text}"
    );
    let temporary = PathBuf::from(environment["TMPDIR"]);
    assert!(temporary.is_dir());
    use std::os::unix::fs::PermissionsExt as _;
    let above = temporary.parent().unwrap().parent().unwrap();
    assert_eq!(above.metadata().unwrap().permissions().mode() & 0o777, 0o700, "nobody else looks into it");

    let open = gateway.get("/prod/descriptors").text();
    let unexpected: Vec<&str> = open
        .lines()
        .filter(|link| *link != "/dev/null" && !link.starts_with("pipe:") && !link.starts_with("socket:") && !link.ends_with("/fd"))
        .collect();
    assert!(unexpected.is_empty(), "inherited: {unexpected:?}");
    assert_eq!(open.lines().filter(|link| link.starts_with("socket:")).count(), 1, "its own connection: {open}");
    let limits = gateway.get("/prod/limits").text();
    let files: Vec<&str> = limits.lines().find(|line| line.starts_with("Max open files")).unwrap().split_whitespace().collect();
    assert_eq!(&files[3..5], ["1024", "1024"]);

    assert_eq!(gateway.get("/prod/silent").status, 502);
    until("its directories go with it", || !temporary.exists());
}

#[test]
fn who_is_idle_is_ended_and_so_is_everybody_in_the_end() {
    let code = Files::new();
    let mut gateway = start(&one(", x-headgate: {idleTimeoutSeconds: 0}"), &code);
    let pid: u32 = gateway.get("/prod/pid").text().parse().unwrap();
    until("an idle process is ended", || !runs(pid));
    assert_eq!(gateway.get("/prod/x").status, 200);
    drop(gateway);
    gateway = start(&one(""), &code);
    let pid: u32 = gateway.get("/prod/pid").text().parse().unwrap();
    let text = gateway.get("/prod/environment").text();
    let temporary = text.lines().find_map(|line| line.strip_prefix("TMPDIR=")).unwrap().to_owned();
    gateway.signal("TERM");
    until("it ends with the gateway", || !runs(pid) && !PathBuf::from(&temporary).exists());
}
