//! Paths become resources, operations become methods.

use super::{BasePathMode, Reader};
use crate::apigateway::api::{Api, Resource};
use crate::document::{Entry, Node, Problems, Severity, entries};

/// The path item's members that are operations, as API Gateway knows them.
const OPERATIONS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"];

impl Reader<'_> {
    pub(super) fn paths(&mut self, api: &mut Api, problems: &mut Problems) {
        let Some(paths) = self.root.get("paths") else {
            problems.error(self.root, "Invalid OpenAPI input: `paths` is missing");
            return;
        };
        if !paths.is_object() && !paths.is_null() {
            problems.error(paths, format!("`paths` is a mapping, not {}", paths.kind()));
        }
        let prefix = self.base_path();
        let mut seen = std::collections::HashMap::new();
        let mut known = std::collections::HashSet::new();
        for entry in paths.entries() {
            if !entry.key.starts_with('/') {
                if !entry.key.starts_with("x-") {
                    problems.at(
                        Severity::Warning,
                        &entry.node.source,
                        entry.key_span,
                        format!("`{}` is no path, and is left out", entry.key),
                    );
                    problems.help("a path begins with `/`");
                }
                continue;
            }
            let path = join(&prefix, &entry.key);
            if !known.insert(path.clone()) {
                let name = path.rsplit('/').next().unwrap_or_default();
                problems.at(
                    Severity::Error,
                    &entry.node.source,
                    entry.key_span,
                    format!("Another resource with the same parent already has this name: {name}"),
                );
                continue;
            }
            siblings(&path, entry, &mut seen, problems);
            let Some(item) = self.resolve(&entry.node, problems) else { continue };
            entries(Some(&item), "a path item", problems);
            let resource = self.resource(&path, &item, api, problems);
            api.resources.push(resource);
        }
    }

    fn resource(&mut self, path: &str, item: &Node, api: &mut Api, problems: &mut Problems) -> Resource {
        let shared = item.get("parameters");
        let mut methods = Vec::new();
        for entry in item.entries() {
            if OPERATIONS.contains(&entry.key.as_str()) {
                methods.push(self.operation(path, entry, shared, api, problems));
            } else if entry.key == "trace" {
                problems.error(&entry.node, "Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY");
            }
        }
        Resource { id: resource_id(path), path: path.into(), methods }
    }

    /// What stands before every path: Swagger's `basePath`, or the path of the first server.
    fn base_path(&self) -> String {
        let base = if self.swagger { self.root.get("basePath").and_then(Node::as_str).map(str::to_owned) } else { self.server_path() };
        let base = base.unwrap_or_default();
        let segments: Vec<&str> = base.split('/').filter(|segment| !segment.is_empty()).collect();
        let skip = match self.options.base_path {
            BasePathMode::Ignore => return String::new(),
            BasePathMode::Prepend => 0,
            BasePathMode::Split => 1,
        };
        segments.iter().skip(skip).map(|segment| format!("/{segment}")).collect()
    }

    fn server_path(&self) -> Option<String> {
        let server = self.root.get("servers")?.items().first()?;
        if let Some(variable) = server.get("variables").and_then(|variables| variables.get("basePath")) {
            return variable.get("default").and_then(Node::scalar).map(str::to_owned);
        }
        let url = server.get("url")?.as_str()?;
        let behind = url.split_once("://").map_or(url, |(_, rest)| rest);
        behind.find('/').and_then(|at| behind.get(at..)).map(str::to_owned)
    }
}

fn join(prefix: &str, path: &str) -> String {
    let path = format!("{prefix}{path}");
    if path.len() > 1 { path.trim_end_matches('/').to_owned() } else { path }
}

/// At most one variable below a parent, and nothing below a greedy one; told in the control plane's words.
fn siblings(path: &str, entry: &Entry, seen: &mut std::collections::HashMap<String, String>, problems: &mut Problems) {
    let mut parent = String::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        if parent.ends_with("+}") {
            let greedy = parent.rsplit('/').next().unwrap_or_default().to_owned();
            problems.at(
                Severity::Error,
                &entry.node.source,
                entry.key_span,
                format!("Cannot create a child of a resource with a greedy path variable: {greedy}"),
            );
            return;
        }
        if !is_path_part(segment) {
            problems.at(
                Severity::Error,
                &entry.node.source,
                entry.key_span,
                format!("Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end, not `{segment}`"),
            );
            return;
        }
        if segment.starts_with('{') {
            let known = seen.entry(parent.clone()).or_insert_with(|| segment.to_owned());
            if known != segment {
                problems.at(
                    Severity::Error,
                    &entry.node.source,
                    entry.key_span,
                    format!("A sibling ({known}) of this resource already has a variable path part -- only one is allowed"),
                );
                return;
            }
        }
        parent = format!("{parent}/{segment}");
    }
}

/// Letters, digits and a few signs; a variable fills its whole segment.
fn is_path_part(segment: &str) -> bool {
    let inside = segment
        .strip_prefix('{')
        .and_then(|inside| inside.strip_suffix('}'))
        .map_or(segment, |name| name.strip_suffix('+').unwrap_or(name));
    !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:,$~@!*'()".contains(&byte))
}

/// Six characters from the path (FNV-1a, base 36), so that a resource keeps its id from load to load and from machine to machine.
fn resource_id(path: &str) -> Box<str> {
    let mut hash = path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut digit = || {
        let digit = char::from_digit((hash % 36) as u32, 36).unwrap_or('0');
        hash /= 36;
        digit
    };
    (0..6).map(|_| digit()).collect::<String>().into()
}
