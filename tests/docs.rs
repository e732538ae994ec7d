//! What the documents show is run, and what they list is complete.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

// ── the samples, served on ports of this test's own ──────────────────────────────────────────────────────────────────

/// The samples with other ports, and a gateway that serves one of their configurations.
struct Gateway {
    child: Child,
    directory: PathBuf,
    ports: [(u16, u16); 3],
}

impl Gateway {
    fn start(config: &str) -> Self {
        // Another process may take a port between its choice and its use.
        (0..5).find_map(|_| Self::try_start(config)).unwrap_or_else(|| panic!("{config} is not served"))
    }

    fn try_start(config: &str) -> Option<Self> {
        let free = [0; 3].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let port = |index: usize| free[index].local_addr().unwrap().port();
        let ports = [(8080, port(0)), (9000, port(1)), (9901, port(2))];
        let directory = std::env::temp_dir().join(format!("headgate-docs-{}-{}", std::process::id(), ports[0].1));
        copy(&Path::new(ROOT).join("openapi"), &directory.join("openapi"), &str::to_owned);
        copy(&Path::new(ROOT).join("config"), &directory.join("config"), &|text| on_ports(text, ports));
        for name in ["python", "node", "compiled"] {
            let from = Path::new(ROOT).join("functions").join(name);
            let to = directory.join("functions").join(name);
            fs::create_dir_all(&to).unwrap();
            for file in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
                fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
            }
        }
        drop(free);
        let child = Command::new(env!("CARGO_BIN_EXE_headgate"))
            .args(["run", "--config"])
            .arg(directory.join("config").join(config))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut gateway = Self { child, directory, ports };
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until && gateway.child.try_wait().unwrap().is_none() {
            if get(ports[2].1, "/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                return Some(gateway);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// What a shown command prints.
    fn answer(&self, command: &str) -> String {
        let words = words(&on_ports(command, self.ports));
        let mut parts = words.split(|word| word == "|");
        let first = parts.next().unwrap();
        let mut text = match first[0].as_str() {
            "curl" => curl(&first[1..]),
            "headgate" => headgate(&first[1..], &self.directory),
            other => panic!("the test does not know the program `{other}`"),
        };
        for filter in parts {
            text = grep(filter, &text);
        }
        self.ports.iter().fold(text, |text, (shown, used)| text.replace(&format!(":{used}"), &format!(":{shown}")))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn copy(from: &Path, to: &Path, change: &dyn Fn(&str) -> String) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::write(to.join(path.file_name().unwrap()), change(&fs::read_to_string(&path).unwrap())).unwrap();
        }
    }
}

/// A sample or a command with the ports that are free; what a sample leaves to the defaults is written out.
fn on_ports(text: &str, ports: [(u16, u16); 3]) -> String {
    let mut text = ports.iter().fold(text.to_owned(), |text, (shown, used)| text.replace(&format!(":{shown}"), &format!(":{used}")));
    let writes = |text: &str, key: &str| text.lines().any(|line| line.starts_with(key));
    if writes(&text, "apis:") && !writes(&text, "listeners:") {
        text.push_str(&format!("\nlisteners: [{{address: \"127.0.0.1:{}\"}}]\n", ports[0].1));
    }
    if writes(&text, "apis:") && !writes(&text, "admin:") {
        text.push_str(&format!("\nadmin: {{address: \"127.0.0.1:{}\"}}\n", ports[2].1));
    }
    text
}

// ── the few things that a shell and curl do in the documents ─────────────────────────────────────────────────────────

fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if open == c => quote = None,
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn curl(arguments: &[String]) -> String {
    let (mut method, mut fields, mut body, mut url, mut head) = (None, String::new(), None, "", false);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-X" => method = arguments.next().cloned(),
            "-H" => fields.push_str(&format!("{}\r\n", arguments.next().unwrap())),
            "-d" => body = arguments.next().cloned(),
            "-s" => {}
            "-i" | "-si" => head = true,
            other => url = other.strip_prefix("http://").unwrap_or_else(|| panic!("the test does not know `{other}`")),
        }
    }
    let (authority, path) = url.split_once('/').unwrap();
    let port = authority.rsplit_once(':').unwrap().1.parse().unwrap();
    if !fields.contains("Host:") {
        fields.push_str(&format!("Host: {authority}\r\n"));
    }
    if let Some(body) = &body {
        fields.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    let method = method.unwrap_or_else(|| if body.is_some() { "POST" } else { "GET" }.to_owned());
    let request = format!("{method} /{path} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n{}", body.unwrap_or_default());
    let answer = send(port, &request).unwrap();
    let (answer_head, content) = answer.split_once("\r\n\r\n").unwrap();
    if head { format!("{answer_head}\n\n{content}") } else { content.to_owned() }
}

fn get(port: u16, path: &str) -> Option<String> {
    send(port, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"))
}

fn send(port: u16, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// Runs a command beside the copy of the samples that is served.
fn headgate(arguments: &[String], directory: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_headgate")).args(arguments).current_dir(directory).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn grep(filter: &[String], text: &str) -> String {
    let pattern = regex::RegexBuilder::new(filter.last().unwrap()).case_insensitive(true).build().unwrap();
    if filter.iter().any(|word| word == "-o") {
        return pattern.find_iter(text).map(|found| format!("{}\n", found.as_str())).collect();
    }
    text.lines().filter(|line| pattern.is_match(line)).map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Commands that are shown, each with what is shown below it.
fn shown<'t>(lines: impl Iterator<Item = &'t str>) -> Vec<(String, String)> {
    let mut shown: Vec<(String, String)> = Vec::new();
    for line in lines {
        match (line.strip_prefix("$ "), shown.last_mut()) {
            (Some(command), _) => shown.push((command.to_owned(), String::new())),
            (None, Some((_, answer))) => answer.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    shown
}

/// The lines of a page's blocks in one language, one list for each block.
fn blocks<'t>(page: &'t str, language: &str) -> Vec<Vec<&'t str>> {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    let mut inside = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut inside) {
            (Some(name), None) => inside = Some((name == language, Vec::new())),
            (Some(_), Some((wanted, lines))) => {
                if *wanted {
                    blocks.push(std::mem::take(lines));
                }
                inside = None;
            }
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => {}
        }
    }
    blocks
}

fn compare(gateway: &Gateway, place: &str, shown: &[(String, String)]) {
    for (command, expected) in shown {
        assert_eq!(gateway.answer(command).trim_end(), expected.trim_end(), "{place}: {command}");
    }
}

/// The pages that a reader finds, with their paths.
fn pages() -> Vec<(String, String)> {
    let directories = ["", "docs", "docs/guide"].map(|path| Path::new(ROOT).join(path));
    let files = directories.iter().flat_map(|directory| fs::read_dir(directory).unwrap()).map(|entry| entry.unwrap().path());
    let pages = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.map(|path| (path.strip_prefix(ROOT).unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap())).collect()
}

fn page(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

#[test]
fn what_the_pages_show_is_what_the_program_answers() {
    let gateway = Gateway::start("gateway.yaml");
    let mut commands = 0;
    for (path, text) in pages() {
        for block in blocks(&text, "console") {
            let shown = shown(block.into_iter());
            commands += shown.len();
            compare(&gateway, &path, &shown);
        }
    }
    assert!(commands >= 5, "the pages show only {commands} commands");
}

/// A block may name the sample that it speaks of; all of a page's blocks for one sample are one story.
#[test]
fn what_the_pages_show_of_a_sample_is_what_it_answers() {
    let mut commands = 0;
    for entry in fs::read_dir(Path::new(ROOT).join("config")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        for (path, text) in pages() {
            let shown = shown(blocks(&text, &format!("console {name}")).into_iter().flatten());
            commands += shown.len();
            if !shown.is_empty() {
                compare(&Gateway::start(&name), &path, &shown);
            }
        }
    }
    assert!(commands >= 10, "the pages show only {commands} commands of samples");
}

#[test]
fn what_the_samples_show_is_what_they_answer() {
    for entry in fs::read_dir(Path::new(ROOT).join("config")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let shown = shown(text.lines().map_while(|line| line.strip_prefix('#')).filter_map(|line| line.strip_prefix("     ")));
        if name != "gateway.yaml" {
            assert!(!shown.is_empty(), "{name} shows no request");
            compare(&Gateway::start(&name), &name, &shown);
        }
    }
}

/// Commands that need nothing but the samples are run; of `make`, the targets are looked for.
#[test]
fn what_the_pages_tell_to_type_can_be_typed() {
    let makefile = page("Makefile");
    let mut typed = 0;
    for (path, text) in pages() {
        for line in blocks(&text, "sh").concat() {
            let words = words(line.split(" # ").next().unwrap().trim());
            match words.first().map(String::as_str) {
                Some("make") => assert!(makefile.contains(&format!("\n{}:", words[1])), "{path}: {line}"),
                Some("headgate") if line.contains("config/") && words[1] != "run" => {
                    let output = Command::new(env!("CARGO_BIN_EXE_headgate")).args(&words[1..]).current_dir(ROOT).output().unwrap();
                    assert!(output.status.success(), "{path}: {line}: {}", String::from_utf8_lossy(&output.stderr));
                }
                _ => continue,
            }
            typed += 1;
        }
    }
    assert!(typed >= 4, "only {typed} commands are told");
}

/// Blocks that begin with `# gateway.yaml` are whole configurations.
#[test]
fn the_configurations_that_the_pages_show_have_no_error() {
    let mut checked = 0;
    for (path, text) in pages() {
        for block in blocks(&text, "yaml").iter().filter(|block| block.first().is_some_and(|line| line.starts_with("# gateway.yaml"))) {
            let directory = std::env::temp_dir().join(format!("headgate-docs-{}-yaml-{checked}", std::process::id()));
            fs::create_dir_all(&directory).unwrap();
            fs::copy(Path::new(ROOT).join("openapi/petstore.yaml"), directory.join("shop.json")).unwrap();
            let config = directory.join("gateway.yaml");
            fs::write(&config, block.join("\n")).unwrap();
            let output = Command::new(env!("CARGO_BIN_EXE_headgate")).args(["check", "--config"]).arg(&config).output().unwrap();
            assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
            fs::remove_dir_all(&directory).unwrap();
            checked += 1;
        }
    }
    assert!(checked > 0);
}

#[test]
fn links_between_the_pages_lead_somewhere() {
    let link = regex::Regex::new(r"\]\(([^)#:]+)(#[^)]*)?\)").unwrap();
    for (path, text) in pages() {
        for found in link.captures_iter(&text) {
            let target = Path::new(ROOT).join(&path).parent().unwrap().join(&found[1]);
            assert!(target.exists(), "{path} links to {}, which is not there", &found[1]);
        }
    }
}

// ── the lists ────────────────────────────────────────────────────────────────────────────────────────────────────────

/// The property names that readers in `directory` ask for: the first argument of `Fields`' functions, and lists of ignored names.
fn names_read(directory: &str) -> BTreeSet<String> {
    let taken = regex::Regex::new(
        r#"(?:take|required|required_string|string|scalar|entries|variables|boolean|number|choice|list|strings|address|file|get|text|flag|seconds|switch)\(\s*"([A-Za-z][A-Za-z0-9-]*)"|field\("([a-z-]+)"\)"#,
    )
    .unwrap();
    let lists = regex::Regex::new(r"(?s)(?:\.ignore\(&\[|AWS_ONLY: \[&str; \d+\] = \[|for name in \[)(.*?)\]").unwrap();
    let quoted = regex::Regex::new(r#""([A-Za-z][A-Za-z0-9-]*)""#).unwrap();
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(Path::new(ROOT).join(directory)).unwrap() {
        let source = fs::read_to_string(entry.unwrap().path()).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        for found in taken.captures_iter(source) {
            names.extend(found.iter().skip(1).flatten().map(|name| name.as_str().to_owned()));
        }
        for list in lists.captures_iter(source) {
            names.extend(quoted.captures_iter(&list[1]).map(|name| name[1].to_owned()));
        }
    }
    names
}

/// The names in the first column of a page's tables: `a`, or `a`, `b`.
fn names_listed(page: &str) -> BTreeSet<String> {
    let quoted = regex::Regex::new(r"`([^`]+)`").unwrap();
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let names = cells.flat_map(|cell| quoted.captures_iter(cell)).map(|name| name[1].to_owned());
    names.collect()
}

fn last_parts(names: &BTreeSet<String>) -> BTreeSet<String> {
    names.iter().map(|name| name.rsplit('.').next().unwrap().trim_end_matches("[]").to_owned()).collect()
}

#[test]
fn the_configuration_page_lists_each_property_that_is_read() {
    let read = names_read("src/config");
    let listed = last_parts(&names_listed(&page("docs/guide/configuration.md")));
    assert!(read.len() > 100, "the readers' names are not found any more: {read:?}");
    let missing: Vec<&String> = read.difference(&listed).collect();
    let too_many: Vec<&String> = listed.difference(&read).filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric())).collect();
    assert!(missing.is_empty(), "read, but not listed: {missing:?}");
    assert!(too_many.is_empty(), "listed, but not read: {too_many:?}");
}

#[test]
fn the_compatibility_page_lists_each_extension_and_property() {
    let text = page("docs/compatibility.md");
    let listed = names_listed(&text);
    let extension = regex::Regex::new(r#""(x-amazon-apigateway-[a-z-]+)""#).unwrap();
    for directory in ["src/openapi", "src/config"] {
        for entry in fs::read_dir(Path::new(ROOT).join(directory)).unwrap() {
            let source = fs::read_to_string(entry.unwrap().path()).unwrap();
            let source = source.split("#[cfg(test)]").next().unwrap();
            for name in extension.captures_iter(source) {
                assert!(listed.contains(&name[1]), "docs/compatibility.md does not list {}", &name[1]);
            }
        }
    }
    let parts = last_parts(&listed);
    for file in ["src/config/stage.rs", "src/config/domain_names.rs", "src/openapi/integration.rs", "src/openapi/integration_response.rs"] {
        let missing: Vec<String> = names_read_in(file).into_iter().filter(|name| !parts.contains(name)).collect();
        assert!(missing.is_empty(), "docs/compatibility.md does not list what {file} reads: {missing:?}");
    }
}

fn names_read_in(file: &str) -> BTreeSet<String> {
    let directory = std::env::temp_dir().join(format!("headgate-docs-{}-{}", std::process::id(), file.replace('/', "-")));
    fs::create_dir_all(&directory).unwrap();
    fs::copy(Path::new(ROOT).join(file), directory.join("source.rs")).unwrap();
    let names = names_read(directory.to_str().unwrap());
    fs::remove_dir_all(&directory).unwrap();
    names
}

#[test]
fn each_row_of_the_compatibility_page_says_yes_partly_or_no() {
    let text = page("docs/compatibility.md");
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let says = line.split(" | ").nth(1).unwrap_or_default().trim();
        assert!(["yes", "partly", "no", "not yet", "accepted"].contains(&says), "`{says}` in: {line}");
    }
}

#[test]
fn each_sample_definition_is_served_by_a_sample() {
    let configs: String =
        fs::read_dir(Path::new(ROOT).join("config")).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    for entry in fs::read_dir(Path::new(ROOT).join("openapi")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(configs.contains(&format!("../openapi/{name}")), "no configuration names openapi/{name}");
    }
}

/// Every metric that the code names is told of, and nothing else.
#[test]
fn the_observability_page_lists_each_metric() {
    let metric = regex::Regex::new(r#""(headgate_[a-z_]+)""#).unwrap();
    let mut named = BTreeSet::new();
    for entry in fs::read_dir(Path::new(ROOT).join("src/observe")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    {
        let source = fs::read_to_string(entry).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        named.extend(metric.captures_iter(source).map(|name| name[1].to_owned()));
    }
    assert!(named.len() > 20, "the metrics' names are not found any more: {named:?}");
    let listed: BTreeSet<String> =
        names_listed(&page("docs/guide/observability.md")).into_iter().filter(|name| name.starts_with("headgate_")).collect();
    assert_eq!(named, listed);
}
