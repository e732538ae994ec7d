//! An operation becomes a method.

use http::Method as HttpMethod;
use indexmap::IndexMap;

use super::Reader;
use crate::apigateway::api::{Api, Method, ParameterLocation, RequestValidator, RequiredParameter};
use crate::document::{Entry, Node, Problems, nearest};

/// The extensions that may stand in an operation.
const EXTENSIONS: [&str; 4] = [
    "x-amazon-apigateway-integration",
    "x-amazon-apigateway-request-validator",
    "x-amazon-apigateway-auth",
    "x-amazon-apigateway-any-method",
];

impl Reader<'_> {
    pub(super) fn operation(&mut self, path: &str, entry: &Entry, shared: Option<&Node>, api: &mut Api, problems: &mut Problems) -> Method {
        let operation = &entry.node;
        let http_method = HttpMethod::from_bytes(entry.key.to_ascii_uppercase().as_bytes()).ok().filter(|_| !entry.key.starts_with('x'));
        known_extensions(operation, &EXTENSIONS, problems);
        let label = format!("{} {path}", http_method.as_ref().map_or("ANY", HttpMethod::as_str));
        let mut parameters = Vec::new();
        let mut request_models = IndexMap::new();
        for node in shared.into_iter().chain(operation.get("parameters")).flat_map(Node::items) {
            self.parameter(node, &label, &mut parameters, &mut request_models, api, problems);
        }
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
            response_statuses: operation
                .get("responses")
                .map(Node::entries)
                .unwrap_or_default()
                .iter()
                .map(|entry| entry.key.clone())
                .collect(),
            integration,
        }
    }

    fn parameter(
        &mut self,
        node: &Node,
        label: &str,
        parameters: &mut Vec<(RequiredParameter, bool)>,
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
                    let consumes = self.consumes();
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
        let path = label.split_once(' ').map_or("", |(_, path)| path);
        if location == ParameterLocation::Path && !path.contains(&format!("{{{name}}}")) && !path.contains(&format!("{{{name}+}}")) {
            problems
                .warning(parameter.get("name").unwrap_or(&parameter), format!("the path {path} has no variable `{name}`"))
                .help("where parameters are validated, every request is refused because it lacks this one");
        }
        let required = text("required") == Some("true");
        parameters.retain(|(known, _)| known.location != location || *known.name != *name);
        parameters.push((RequiredParameter { location, name: name.into() }, required));
    }

    fn consumes(&self) -> Vec<String> {
        let listed: Vec<String> =
            self.root.get("consumes").map(Node::items).unwrap_or_default().iter().filter_map(Node::scalar).map(media_type).collect();
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
        for entry in body.get("content").map(Node::entries).unwrap_or_default() {
            if let Some(schema) = entry.node.get("schema") {
                let name = self.model(schema, &model_name(label, &entry.key), api, problems);
                models.insert(media_type(&entry.key), name);
            }
        }
    }

    fn request_validator(&mut self, operation: &Node, problems: &mut Problems) -> RequestValidator {
        let key = "x-amazon-apigateway-request-validator";
        let Some(node) = operation.get(key).or_else(|| self.root.get(key)).filter(|node| !node.is_null()) else {
            return RequestValidator::default();
        };
        let name = node.scalar().unwrap_or_default();
        let validators = self.root.get("x-amazon-apigateway-request-validators");
        let Some(validator) = validators.and_then(|validators| validators.get(name)) else {
            problems.error(node, format!("Invalid Request Validator identifier specified: `{name}`"));
            let known = validators.map(Node::entries).unwrap_or_default().iter().map(|entry| entry.key.as_str());
            if let Some(near) = nearest(name, known) {
                problems.help(format!("did you mean `{near}`?"));
            }
            return RequestValidator { body: true, parameters: true };
        };
        let flag = |key| validator.get(key).and_then(Node::scalar).is_some_and(|text| text.eq_ignore_ascii_case("true"));
        RequestValidator { body: flag("validateRequestBody"), parameters: flag("validateRequestParameters") }
    }
}

/// A media type without parameters, in lower case; `$default` stays.
pub(super) fn media_type(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn model_name(label: &str, media_type: &str) -> String {
    format!("{label} {media_type}").chars().filter(char::is_ascii_alphanumeric).collect()
}

/// Placeholders that nobody declared are required all the same; greedy ones are not.
fn undeclared_path_parameters(path: &str, parameters: &mut Vec<(RequiredParameter, bool)>) {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).filter(|name| !name.ends_with('+'));
    for name in names {
        if !parameters.iter().any(|(known, _)| known.location == ParameterLocation::Path && &*known.name == name) {
            parameters.push((RequiredParameter { location: ParameterLocation::Path, name: name.into() }, true));
        }
    }
}

fn required(parameters: Vec<(RequiredParameter, bool)>) -> Vec<RequiredParameter> {
    let mut required: Vec<RequiredParameter> =
        parameters.into_iter().filter(|(_, required)| *required).map(|(parameter, _)| parameter).collect();
    required.sort();
    required
}

/// Reports extensions that are not among `known`: misspelt ones would silently do nothing.
pub(super) fn known_extensions(node: &Node, known: &[&str], problems: &mut Problems) {
    for entry in node.entries().iter().filter(|entry| entry.key.starts_with("x-amazon-apigateway-") && !known.contains(&entry.key.as_str()))
    {
        problems.at(
            crate::document::Severity::Error,
            &entry.node.source,
            entry.key_span,
            format!("unknown extension `{}` here", entry.key),
        );
        problems.help(match nearest(&entry.key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        });
    }
}
