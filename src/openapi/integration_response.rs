//! The `responses` of an integration.

use regex::RegexBuilder;

use super::Reader;
use super::integration::{CONTENT_HANDLING, expression, templates};
use crate::apigateway::integration::IntegrationResponse;
use crate::document::{Entry, Fields, Node, Problems, Severity};
use crate::exchange::FieldName;
use crate::mapping::expression::{Expression, Scope};

/// A compiled pattern may take this many bytes.
const PATTERN_SIZE: usize = 1 << 20;

impl Reader<'_> {
    pub(super) fn integration_responses(&mut self, node: Option<&Node>, problems: &mut Problems) -> Vec<IntegrationResponse> {
        let Some(node) = node else { return Vec::new() };
        if !node.is_object() {
            problems.error(node, format!("`responses` is a mapping, not {}", node.kind()));
        }
        node.entries().iter().filter_map(|entry| integration_response(entry, problems)).collect()
    }
}

fn integration_response(entry: &Entry, problems: &mut Problems) -> Option<IntegrationResponse> {
    let mut fields = Fields::of(&entry.node, "an integration response", problems)?;
    // Read whole even without a usable status, so that all of its problems are told.
    let status_code = status_code(&mut fields, problems);
    let response = IntegrationResponse {
        selection_pattern: selection_pattern(entry, problems),
        status_code: status_code.unwrap_or(200),
        response_parameters: response_parameters(
            fields.entries("responseParameters", problems),
            "method.response.header.",
            Scope::Response,
            problems,
        ),
        response_templates: templates(fields.take("responseTemplates"), problems),
        content_handling: fields.choice("contentHandling", &CONTENT_HANDLING, problems),
    };
    fields.finish(problems);
    status_code.map(|_| response)
}

fn status_code(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<u16> {
    let node = fields.required("statusCode", problems)?;
    let code = node.scalar().and_then(|text| text.parse().ok()).filter(|code| (100..600).contains(code));
    if code.is_none() {
        problems.error(node, format!("a status code matches `[1-5]\\d\\d`, and `{}` does not", node.scalar().unwrap_or_default()));
    }
    code
}

/// The key is the pattern; `default` and nothing are the default response.
fn selection_pattern(entry: &Entry, problems: &mut Problems) -> Option<regex::Regex> {
    if entry.key == "default" || entry.key.is_empty() {
        return None;
    }
    let pattern = RegexBuilder::new(&format!("^(?:{})$", entry.key)).size_limit(PATTERN_SIZE).nest_limit(100).build();
    pattern
        .map_err(|error| {
            problems.at(
                Severity::Error,
                &entry.node.source,
                entry.key_span,
                format!("the selection pattern is no regular expression that can be run: {}", last_line(&error)),
            );
            problems.help("look-around and back-references are not supported, since their time has no bound");
        })
        .ok()
}

fn last_line(error: &regex::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Mappings to header fields: of method responses, and of gateway responses.
pub(super) fn response_parameters(entries: &[Entry], prefix: &str, scope: Scope, problems: &mut Problems) -> Vec<(FieldName, Expression)> {
    let mut parameters = Vec::new();
    for entry in entries {
        let Some(name) = entry.key.strip_prefix(prefix).and_then(|name| FieldName::parse(name.as_bytes())) else {
            problems.at(
                Severity::Error,
                &entry.node.source,
                entry.key_span,
                format!("Invalid mapping expression parameter specified: {}", entry.key),
            );
            problems.help(format!("a destination is written `{prefix}NAME`"));
            continue;
        };
        match entry.node.as_str() {
            Some(text) => parameters.extend(expression(text, scope, &entry.node, problems).map(|expression| (name, expression))),
            None => {
                problems.warning(
                    &entry.node,
                    format!("Invalid format for 'responseParameters'. Expected type string for property '{}'", entry.key),
                );
            }
        }
    }
    parameters
}
