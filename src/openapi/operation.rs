//! An operation becomes a method.

use http::Method as HttpMethod;
use indexmap::IndexMap;

use super::Reader;
use crate::apigateway::api::{Api, Method, ParameterLocation, RequestValidator, RequiredParameter};
use crate::document::{Entry, Node, Problems, Severity, Spanned, entries, flag, items, nearest};

/// The extensions that may stand in an operation.
const EXTENSIONS: [&str; 4] = [
    "x-amazon-apigateway-integration",
    "x-amazon-apigateway-request-validator",
    "x-amazon-apigateway-auth",
    "x-amazon-apigateway-any-method",
];

/// A parameter that an operation or its path declares, or that the path has without saying so.
struct Declared {
    parameter: RequiredParameter,
    required: bool,
    place: Option<Spanned<()>>,
}

impl Declared {
    fn is_path(&self, name: &str) -> bool {
        self.parameter.location == ParameterLocation::Path && *self.parameter.name == *name
    }
}

impl Reader<'_> {
    pub(super) fn operation(&mut self, path: &str, entry: &Entry, shared: Option<&Node>, api: &mut Api, problems: &mut Problems) -> Method {
        let operation = &entry.node;
        let http_method = HttpMethod::from_bytes(entry.key.to_ascii_uppercase().as_bytes()).ok().filter(|_| !entry.key.starts_with('x'));
        known_extensions(operation, &EXTENSIONS, problems);
        let label = format!("{} {path}", http_method.as_ref().map_or("ANY", HttpMethod::as_str));
        let mut parameters = Vec::new();
        let mut request_models = IndexMap::new();
        entries(Some(operation), "an operation", problems);
        for place in [shared, operation.get("parameters")] {
            for node in items(place, "`parameters`", problems) {
                self.parameter(node, (operation, &label), &mut parameters, &mut request_models, api, problems);
            }
        }
        parameters_elsewhere(path, &parameters, problems);
        self.request_body(operation, &label, &mut request_models, api, problems);
        undeclared_path_parameters(path, &mut parameters);
        let security = self.security(operation, problems);
        let integration = self.integration(operation, path, &label, problems);
        Method {
            http_method,
            authorization: security.authorization,
            api_key_required: security.api_key_required,
            request_validator: self.request_validator(operation, problems),
            required_parameters: required(parameters),
            request_models,
            response_statuses: entries(operation.get("responses"), "`responses`", problems).iter().map(|entry| entry.key.clone()).collect(),
            integration,
        }
    }

    fn parameter(
        &mut self,
        node: &Node,
        (operation, label): (&Node, &str),
        parameters: &mut Vec<Declared>,
        models: &mut IndexMap<String, String>,
        api: &mut Api,
        problems: &mut Problems,
    ) {
        let Some(parameter) = self.resolve(node, problems) else { return };
        let text = |key| parameter.get(key).and_then(Node::scalar);
        let location = match text("in") {
            Some("header") => ParameterLocation::Header,
            Some("path") => ParameterLocation::Path,
            Some("query") => ParameterLocation::QueryString,
            Some("body") => {
                if let Some(schema) = parameter.get("schema") {
                    let name = self.model(schema, &model_name(label, ""), api, problems);
                    let consumes = self.consumes(operation, problems);
                    models.extend(consumes.into_iter().map(|media_type| (media_type, name.clone())));
                }
                return;
            }
            Some("cookie" | "formData") => return,
            _ => {
                let found = text("in").unwrap_or("nothing");
                problems.error(
                    parameter.get("in").unwrap_or(&parameter),
                    format!("`in` is one of path, query, header, cookie, body, formData, not `{found}`"),
                );
                return;
            }
        };
        let Some(name) = text("name") else {
            problems.error(&parameter, "a parameter needs a `name`");
            return;
        };
        let name = if location == ParameterLocation::Path { name.trim_end_matches('+') } else { name };
        let required = flag(parameter.get("required"), "`required`", problems);
        if parameters.iter().any(|known| known.parameter.location != location && *known.parameter.name == *name) {
            problems.error(
                parameter.get("name").unwrap_or(&parameter),
                format!("Parameter names must be unique across querystring, header and path: `{name}`"),
            );
        }
        parameters.retain(|known| known.parameter.location != location || *known.parameter.name != *name);
        let place = Spanned::at(parameter.get("name").unwrap_or(&parameter), ());
        parameters.push(Declared { parameter: RequiredParameter { location, name: name.into() }, required, place: Some(place) });
    }

    /// The media types of an operation's body in Swagger: its own, or the document's.
    fn consumes(&self, operation: &Node, problems: &mut Problems) -> Vec<String> {
        let written = operation.get("consumes").or_else(|| self.root.get("consumes"));
        let listed: Vec<String> = items(written, "`consumes`", problems).iter().filter_map(Node::scalar).map(media_type).collect();
        if listed.is_empty() { vec!["application/json".to_owned()] } else { listed }
    }

    fn request_body(
        &mut self,
        operation: &Node,
        label: &str,
        models: &mut IndexMap<String, String>,
        api: &mut Api,
        problems: &mut Problems,
    ) {
        let Some(body) = operation.get("requestBody").and_then(|body| self.resolve(body, problems)) else { return };
        entries(Some(&body), "a request body", problems);
        for entry in entries(body.get("content"), "`content`", problems) {
            entries(Some(&entry.node), "a media type's content", problems);
            if let Some(schema) = entry.node.get("schema") {
                let name = self.model(schema, &model_name(label, &entry.key), api, problems);
                models.insert(media_type(&entry.key), name);
            }
        }
    }

    fn request_validator(&self, operation: &Node, problems: &mut Problems) -> RequestValidator {
        match operation.get("x-amazon-apigateway-request-validator").filter(|node| !node.is_null()) {
            Some(node) => self.validator_named(node, problems),
            None => self.default_validator,
        }
    }
}

/// A media type without parameters, in lower case; `$default` stays.
pub(super) fn media_type(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// No schema of the document has such a name: it has blanks.
fn model_name(label: &str, media_type: &str) -> String {
    format!("{label} {media_type}")
}

/// Placeholders that nobody declared are required all the same; greedy ones are not.
fn undeclared_path_parameters(path: &str, parameters: &mut Vec<Declared>) {
    for name in variables(path).filter(|name| !name.ends_with('+')) {
        if !parameters.iter().any(|known| known.is_path(name)) {
            let parameter = RequiredParameter { location: ParameterLocation::Path, name: name.into() };
            parameters.push(Declared { parameter, required: true, place: None });
        }
    }
}

/// A path parameter that the path does not have. API Gateway takes it, and a validator then misses it in every request; where a variable
/// of the path is declared nowhere, this one is a misspelling of it.
fn parameters_elsewhere(path: &str, parameters: &[Declared], problems: &mut Problems) {
    let bare = |name: &str| name.trim_end_matches('+').to_owned();
    let undeclared: Vec<String> = variables(path).map(bare).filter(|name| !parameters.iter().any(|known| known.is_path(name))).collect();
    for declared in parameters.iter().filter(|known| known.parameter.location == ParameterLocation::Path) {
        let name = &declared.parameter.name;
        let Some(place) = declared.place.as_ref().filter(|_| !variables(path).any(|variable| bare(variable) == **name)) else { continue };
        let (severity, help) = match undeclared.as_slice() {
            [] => (Severity::Warning, "where parameters are validated, every request is refused because it lacks this one".to_owned()),
            names => (Severity::Error, format!("declared nowhere: `{}`", names.join("`, `"))),
        };
        problems.spanned(severity, place, format!("the path {path} has no variable `{name}`")).help(help);
    }
}

/// The names in braces of a path, a greedy one with its `+`.
fn variables(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

fn required(parameters: Vec<Declared>) -> Vec<RequiredParameter> {
    let mut required: Vec<RequiredParameter> = parameters.into_iter().filter(|known| known.required).map(|known| known.parameter).collect();
    required.sort();
    required
}

/// Reports extensions that are not among `known`: misspelt ones would silently do nothing.
pub(super) fn known_extensions(node: &Node, known: &[&str], problems: &mut Problems) {
    for entry in node.entries().iter().filter(|entry| entry.key.starts_with("x-amazon-apigateway-") && !known.contains(&entry.key.as_str()))
    {
        problems.at(Severity::Error, &entry.node.source, entry.key_span, format!("unknown extension `{}` here", entry.key));
        problems.help(match nearest(&entry.key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        });
    }
}
