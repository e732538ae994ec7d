//! Lambda functions that run here, as `AWS::Lambda::Function` describes them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::load::{Files, variable};
use crate::document::{Fields, Node, Problems};
use crate::functions::{Alias, FunctionSettings, Runtime, Version};

/// Files of a function's code that are looked at for changes.
const WATCHED: usize = 2_000;

/// Reads `functions`.
pub(super) fn functions(fields: &mut Fields<'_>, files: &mut Files, problems: &mut Problems) -> Vec<FunctionSettings> {
    let mut functions: Vec<FunctionSettings> = Vec::new();
    for node in fields.list("functions", problems) {
        let Some(function) = function(node, files, problems) else { continue };
        if functions.iter().any(|other| other.function_name == function.function_name) {
            problems.error(node, format!("two functions have the name `{}`", function.function_name));
        }
        functions.push(function);
    }
    functions
}

fn function(node: &Node, files: &mut Files, problems: &mut Problems) -> Option<FunctionSettings> {
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
    let runtime = fields.required("runtime", problems).and_then(|node| runtime(node, problems));
    let handler = fields.string("handler", problems);
    if handler.is_none() && matches!(runtime, Some((Runtime::Node | Runtime::Python, _))) {
        problems.error(node, "`handler` is missing: the file and the function in it, such as app.handler");
    }
    let code =
        fields.required("codeUri", problems).and_then(|node| code(node, runtime.as_ref().map(|(runtime, _)| *runtime), files, problems));
    let environment = environment(&mut fields, problems);
    let timeout = fields.number("timeout", 1..=900, problems).unwrap_or(3);
    let memory_size = fields.number("memorySize", 128..=10_240, problems).unwrap_or(128);
    let reserved_concurrency = fields.number("reservedConcurrentExecutions", 0..=10_000, problems);
    let versions = versions(&mut fields, runtime.as_ref().map(|(runtime, _)| *runtime), files, problems);
    let aliases = aliases(&mut fields, &versions, problems);
    fields.ignore(&["description", "role", "architectures", "tags", "layers", "tracingConfig"]);
    fields.finish(problems);
    let ((runtime, interpreter), code) = (runtime?, code?);
    let code_fingerprint = fingerprint(&code, files);
    Some(FunctionSettings {
        function_name,
        runtime,
        interpreter,
        handler: handler.unwrap_or_default(),
        code,
        code_fingerprint,
        environment,
        timeout: Duration::from_secs(timeout),
        memory_size,
        reserved_concurrency,
        versions,
        aliases,
    })
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
    let path = files.beside(node, node.scalar()?);
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

fn versions(fields: &mut Fields<'_>, runtime: Option<Runtime>, files: &Files, problems: &mut Problems) -> Vec<Version> {
    let mut versions = Vec::new();
    for node in fields.list("versions", problems) {
        let Some(mut own) = Fields::of(node, "a version", problems) else { continue };
        let version = own.required_string("version", problems);
        let code = own.required("codeUri", problems).and_then(|node| code(node, runtime, files, problems));
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

/// Names, sizes and times of a directory's files: another text is other code. They are watched like files that were read.
fn fingerprint(directory: &Path, files: &mut Files) -> String {
    let mut text = String::new();
    let mut pending = vec![directory.to_owned()];
    let mut seen = 0;
    while let Some(place) = pending.pop() {
        let mut entries: Vec<_> = std::fs::read_dir(&place).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for path in entries {
            let Ok(about) = std::fs::symlink_metadata(&path) else { continue };
            if about.is_dir() {
                let is_cache = path.file_name().is_some_and(|name| name == "__pycache__" || name == ".git");
                if !is_cache {
                    pending.push(path);
                }
                continue;
            }
            seen += 1;
            if seen > WATCHED {
                return text;
            }
            text.push_str(&format!("{} {} {:?}\n", path.display(), about.len(), about.modified().ok()));
            // What is packed with the code changes with it, and is too much to be read twice a second.
            if !path.components().any(|part| part.as_os_str() == "node_modules") {
                files.watch(path);
            }
        }
    }
    text
}
