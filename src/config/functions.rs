//! Lambda functions that run here, as `AWS::Lambda::Function` describes them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::load::{Files, variable};
use super::watched::content_of;
use crate::document::{Fields, Node, Problems, text};
use crate::functions::{Alias, FunctionSettings, Runtime, Version};

/// Reads `functions`.
pub(super) fn functions(fields: &mut Fields<'_>, region: &str, files: &mut Files, problems: &mut Problems) -> Vec<FunctionSettings> {
    let mut functions: Vec<FunctionSettings> = Vec::new();
    for node in fields.list("functions", problems) {
        let Some(function) = function(node, region, files, problems) else { continue };
        if functions.iter().any(|other| other.function_name == function.function_name) {
            problems.error(node, format!("two functions have the name `{}`", function.function_name));
        }
        functions.push(function);
    }
    functions
}

fn function(node: &Node, region: &str, files: &mut Files, problems: &mut Problems) -> Option<FunctionSettings> {
    let mut fields = Fields::of(node, "a function", problems)?;
    let name = fields.required("functionName", problems);
    let function_name = name.and_then(Node::scalar).unwrap_or_default().to_owned();
    if let Some(name) = name
        && (function_name.is_empty()
            || function_name.len() > 64
            || !function_name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)))
    {
        problems.error(name, format!("a function's name is 1 to 64 letters, digits, `-` and `_`, not `{function_name}`"));
    }
    let runtime_node = fields.required("runtime", problems);
    let runtime_name = runtime_node.and_then(Node::scalar).unwrap_or_default().to_owned();
    let runtime = runtime_node.and_then(|node| runtime(node, problems));
    let handler = fields.string("handler", problems);
    if handler.is_none() && matches!(runtime, Some((Runtime::Node | Runtime::Python, _))) {
        problems.error(node, "`handler` is missing: the file and the function in it, such as app.handler");
    }
    let code =
        fields.required("codeUri", problems).and_then(|node| code(node, runtime.as_ref().map(|(runtime, _)| *runtime), files, problems));
    let environment = environment(&mut fields, problems);
    let timeout = fields.number("timeout", 1..=900, problems).unwrap_or(3);
    let memory_size = fields.number("memorySize", 128..=10_240, problems).unwrap_or(128);
    let (init_timeout, idle_timeout) = own_timeouts(&mut fields, problems);
    let reserved_concurrency = fields.number("reservedConcurrentExecutions", 0..=10_000, problems);
    let versions = versions(&mut fields, (code.as_deref(), runtime.as_ref().map(|(runtime, _)| *runtime)), files, problems);
    let aliases = aliases(&mut fields, &versions, problems);
    fields.ignore(&["description", "role", "architectures", "tags", "layers", "tracingConfig"]);
    fields.finish(problems);
    let ((runtime, interpreter), code) = (runtime?, code?);
    let code_fingerprint = fingerprint(&code, files);
    Some(FunctionSettings {
        function_name,
        region: region.to_owned(),
        runtime,
        runtime_name,
        interpreter,
        handler: handler.unwrap_or_default(),
        code,
        code_fingerprint,
        environment,
        timeout: Duration::from_secs(timeout),
        memory_size,
        reserved_concurrency,
        init_timeout,
        idle_timeout,
        versions,
        aliases,
    })
}

/// What Lambda decides by itself: how long the first start may take, and how long a process is kept that nobody uses.
fn own_timeouts(fields: &mut Fields<'_>, problems: &mut Problems) -> (Duration, Duration) {
    let (mut init, mut idle) = (None, None);
    if let Some(mut own) = fields.take("x-headgate").and_then(|node| Fields::of(node, "`x-headgate`", problems)) {
        init = own.number("initTimeoutSeconds", 1..=900, problems);
        idle = own.number("idleTimeoutSeconds", 0..=86_400, problems);
        own.finish(problems);
    }
    (Duration::from_secs(init.unwrap_or(10)), Duration::from_secs(idle.unwrap_or(300)))
}

/// What runs it, and where that is. What is not there is a warning: only the calls of this function fail.
fn runtime(node: &Node, problems: &mut Problems) -> Option<(Runtime, PathBuf)> {
    let text = node.scalar().unwrap_or_default();
    let (runtime, program) = match text {
        _ if text.starts_with("python3") => (Runtime::Python, "python3"),
        _ if text.starts_with("nodejs") => (Runtime::Node, "node"),
        "provided" | "provided.al2" | "provided.al2023" => return Some((Runtime::Provided, PathBuf::new())),
        _ => {
            problems
                .error(node, format!("functions with the runtime `{text}` cannot be run here"))
                .help("python3.x, nodejs…, or provided.al2023");
            return None;
        }
    };
    let found = find(program);
    if found.is_none() {
        problems.warning(node, format!("`{program}` is not on this machine, so this function answers 502"));
    }
    Some((runtime, found.unwrap_or_else(|| program.into())))
}

/// Where the system keeps its programs, then `PATH`: a function's process gets an environment of its own, in which shims do not work.
fn find(program: &str) -> Option<PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    let places = ["/usr/local/bin", "/usr/bin", "/bin"].into_iter().chain(path.split(':'));
    places.map(|place| Path::new(place).join(program)).find(|path| path.is_file())
}

fn code(node: &Node, runtime: Option<Runtime>, files: &Files, problems: &mut Problems) -> Option<PathBuf> {
    let path = files.beside(node, text(node, "`codeUri`", problems)?);
    if !path.is_dir() {
        problems.error(node, format!("{} is no directory", path.display())).help("`codeUri` is the directory of the function's code");
        return None;
    }
    if runtime == Some(Runtime::Provided) && !path.join("bootstrap").is_file() {
        problems.warning(node, format!("{} has no `bootstrap`, so this function answers 502", path.display()));
    }
    Some(path)
}

fn environment(fields: &mut Fields<'_>, problems: &mut Problems) -> Vec<(String, String)> {
    let node = fields.take("environment");
    let mut variables = Vec::new();
    // Values may be secrets: no message shows them.
    problems.secretly(|problems| {
        let Some(mut own) = node.and_then(|node| Fields::of(node, "`environment`", problems)) else { return };
        for entry in own.take("variables").map(Node::entries).unwrap_or_default() {
            match entry.node.scalar() {
                Some(value) => variables.push((entry.key.clone(), value.to_owned())),
                None => {
                    problems.error(&entry.node, "a variable is a string");
                }
            }
        }
        own.finish(problems);
    });
    variables
}

fn versions(
    fields: &mut Fields<'_>,
    (latest, runtime): (Option<&Path>, Option<Runtime>),
    files: &Files,
    problems: &mut Problems,
) -> Vec<Version> {
    let mut versions = Vec::new();
    for node in fields.list("versions", problems) {
        let Some(mut own) = Fields::of(node, "a version", problems) else { continue };
        let version = own.required_string("version", problems);
        let code = match own.take("codeUri") {
            Some(node) => code(node, runtime, files, problems),
            None => latest.map(Path::to_owned),
        };
        own.ignore(&["description"]);
        own.finish(problems);
        if let (Some(version), Some(code)) = (version, code) {
            if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
                problems.error(node, format!("a version is a number, not `{version}`"));
            }
            versions.push(Version { version, code });
        }
    }
    versions
}

fn aliases(fields: &mut Fields<'_>, versions: &[Version], problems: &mut Problems) -> Vec<Alias> {
    let mut aliases = Vec::new();
    for node in fields.list("aliases", problems) {
        let Some(mut own) = Fields::of(node, "an alias", problems) else { continue };
        let name = own.required_string("name", problems);
        let function_version = own.required_string("functionVersion", problems);
        let mut additional = None;
        if let Some(mut routing) = own.take("routingConfig").and_then(|node| Fields::of(node, "`routingConfig`", problems)) {
            let weights = routing.take("additionalVersionWeights");
            routing.finish(problems);
            for entry in weights.map(Node::entries).unwrap_or_default() {
                match entry.node.scalar().and_then(|text| text.parse().ok()).filter(|weight: &f64| (0.0..=1.0).contains(weight)) {
                    Some(weight) if additional.is_none() => additional = Some((entry.key.clone(), weight)),
                    Some(_) => {
                        problems.error(&entry.node, "an alias has one additional version");
                    }
                    None => {
                        problems.error(&entry.node, "a weight is from 0 to 1");
                    }
                }
            }
        }
        own.ignore(&["description"]);
        own.finish(problems);
        let (Some(name), Some(function_version)) = (name, function_version) else { continue };
        for version in std::iter::once(&function_version).chain(additional.iter().map(|(version, _)| version)) {
            if version != "$LATEST" && !versions.iter().any(|known| known.version == *version) {
                problems.error(node, format!("the alias `{name}` means the version `{version}`, which is not among `versions`"));
            }
        }
        aliases.push(Alias { name, function_version, additional });
    }
    aliases
}

/// Names, sizes and times of a directory's files: another text is other code. The directory is watched.
fn fingerprint(directory: &Path, files: &mut Files) -> String {
    files.watch(directory.to_owned());
    content_of(directory)
}
