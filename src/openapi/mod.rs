//! OpenAPI 3.0 and 3.1 and Swagger 2.0 definitions with `x-amazon-apigateway-*` extensions, read as API Gateway's import reads them.
//!
//! What API Gateway lets pass and the standards do not is let pass here too; what it refuses is refused in its words.

mod authorizer;
mod extensions;
mod integration;
mod integration_response;
pub(crate) mod models;
mod operation;
mod paths;
mod resolve;
mod security;
mod service_action;

use std::collections::HashSet;
use std::sync::Arc;

use crate::apigateway::api::{Api, RequestValidator};
use crate::document::{Entry, Node, Problems, Value};

pub use resolve::Files;

/// How `basePath` or the server's path becomes part of the resources' paths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BasePathMode {
    /// It does not.
    #[default]
    Ignore,
    /// It stands before them.
    Prepend,
    /// It stands before them without its first segment.
    Split,
}

/// What a definition is read with.
#[derive(Debug, Clone)]
pub struct Options {
    /// See [`BasePathMode`].
    pub base_path: BasePathMode,
    /// The value of `${AWS::AccountId}`.
    pub account_id: String,
    /// The value of `${AWS::Region}`.
    pub region: String,
    /// Whether API Gateway's own ceilings hold, such as 29 seconds.
    pub aws_limits: bool,
}

/// What the parts of the reader share.
struct Reader<'r> {
    root: &'r Node,
    swagger: bool,
    options: &'r Options,
    files: &'r mut dyn Files,
    documents: Vec<(String, Node)>,
    /// The names of the document's own schemas.
    schema_names: HashSet<String>,
    /// `x-amazon-apigateway-request-validators`.
    validators: Vec<(String, RequestValidator)>,
    /// The validator of operations that name none.
    default_validator: RequestValidator,
}

/// Reads a definition; problems are collected, and what could be read is returned.
pub fn read(root: &Node, files: &mut dyn Files, options: &Options, problems: &mut Problems) -> Option<Api> {
    let swagger = version(root, problems)?;
    let replaced = root.source.text.contains("${AWS::").then(|| with_pseudo_parameters(root, options));
    let root = replaced.as_ref().unwrap_or(root);
    intrinsics(root, problems);
    let documents = vec![(root.source.name.clone(), root.clone())];
    let mut reader = Reader {
        root,
        swagger,
        options,
        files,
        documents,
        schema_names: HashSet::new(),
        validators: Vec::new(),
        default_validator: RequestValidator::default(),
    };
    let mut api = Api {
        name: root.get("info").and_then(|info| info.get("title")).and_then(Node::scalar).unwrap_or_default().to_owned(),
        ..Api::default()
    };
    reader.models(&mut api, problems);
    reader.extensions(&mut api, problems);
    reader.paths(&mut api, problems);
    Some(api)
}

/// Whether this is Swagger 2.0; nothing where it is neither that nor OpenAPI 3.
fn version(root: &Node, problems: &mut Problems) -> Option<bool> {
    if !root.is_object() {
        problems.error(root, format!("Invalid OpenAPI input: a definition is a mapping, not {}", root.kind()));
        return None;
    }
    let text = |key| root.get(key).and_then(Node::scalar);
    match (text("swagger"), text("openapi")) {
        (Some(version), _) if version.trim() == "2.0" || version.trim() == "2" => Some(true),
        (_, Some(version)) if version.trim().starts_with("3.") || version.trim() == "3" => Some(false),
        (swagger, openapi) => {
            let found = swagger
                .or(openapi)
                .map_or_else(|| "neither `openapi` nor `swagger` is there".to_owned(), |version| format!("the version is `{version}`"));
            problems.error(root, format!("Invalid OpenAPI input: {found}")).help("OpenAPI 3.0, OpenAPI 3.1 and Swagger 2.0 are read");
            None
        }
    }
}

/// Reports what CloudFormation would have replaced: an export holds none of it, a template's body does.
fn intrinsics(root: &Node, problems: &mut Problems) {
    let mut found = 0;
    let mut stack = vec![root];
    while let Some(node) = stack.pop() {
        if let [entry] = node.entries()
            && (entry.key.starts_with("Fn::") || (entry.key == "Ref" && entry.node.as_str().is_some()))
        {
            found += 1;
            if found <= 20 {
                problems.error(node, format!("`{}` is CloudFormation's and stands for a value that only a deployment knows", entry.key));
                problems.help(
                    "export the deployed API (`aws apigateway get-export --parameters extensions=apigateway`), or write the value here",
                );
            }
            continue;
        }
        stack.extend(node.entries().iter().rev().map(|entry| &entry.node));
        stack.extend(node.items().iter().rev());
    }
}

/// The tree with AWS's pseudo parameters in all of its texts, as an import puts them in. What none of them is in is shared.
fn with_pseudo_parameters(node: &Node, options: &Options) -> Node {
    match &node.value {
        Value::String(text) if text.contains("${AWS::") => {
            let text = text
                .replace("${AWS::AccountId}", &options.account_id)
                .replace("${AWS::Region}", &options.region)
                .replace("${AWS::Partition}", "aws")
                .replace("${AWS::URLSuffix}", "amazonaws.com");
            node.with_value(Value::String(text))
        }
        Value::Array(items) => {
            node.with_value(Value::Array(Arc::new(items.iter().map(|item| with_pseudo_parameters(item, options)).collect())))
        }
        Value::Object(entries) => {
            let entries = entries.iter().map(|entry| Entry { node: with_pseudo_parameters(&entry.node, options), ..entry.clone() });
            node.with_value(Value::Object(Arc::new(entries.collect())))
        }
        _ => node.clone(),
    }
}
