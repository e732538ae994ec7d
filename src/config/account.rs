//! The APIs of a configuration with their definitions and stages.

use std::path::PathBuf;

use super::load::Files;
use super::stage;
use crate::apigateway::account::{Account, ApiWithStages};
use crate::apigateway::api::Api;
use crate::document::{Fields, Node, Problems, Severity, Spanned};
use crate::openapi::{self, BasePathMode, Options};

const BASE_PATH_MODES: [(&str, BasePathMode); 3] =
    [("ignore", BasePathMode::Ignore), ("prepend", BasePathMode::Prepend), ("split", BasePathMode::Split)];

/// Reads every API that `gateway.yaml` names.
pub(super) fn apis(fields: &mut Fields<'_>, account: &Account, files: &mut Files, problems: &mut Problems) -> Vec<ApiWithStages> {
    if fields.take("apis").is_none() {
        problems.error(fields.node(), "there is no API: `apis` is missing");
    }
    let mut apis: Vec<ApiWithStages> = Vec::new();
    for node in fields.list("apis", problems) {
        let Some(api) = api(node, account, files, problems) else { continue };
        if apis.iter().any(|other| other.id.value == api.id.value) {
            problems.spanned(Severity::Error, &api.id, format!("two APIs have the id `{}`", api.id.value));
        }
        apis.push(api);
    }
    apis
}

fn api(node: &Node, account: &Account, files: &mut Files, problems: &mut Problems) -> Option<ApiWithStages> {
    let mut fields = Fields::of(node, "an API", problems)?;
    let id = fields.required("id", problems);
    let definition = fields.required("definition", problems);
    let base_path = fields.choice("basepath", &BASE_PATH_MODES, problems).unwrap_or_default();
    let stages = stages(&mut fields, files, problems);
    fields.ignore(&["name", "description"]);
    fields.finish(problems);
    let id = id?;
    let text = id.scalar().unwrap_or_default();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        problems.error(id, format!("an API's id is the first label of its host: letters, digits and `-`, not `{text}`"));
    }
    let definition = definition?;
    let root = files.open(definition, problems)?;
    let options =
        Options { base_path, account_id: account.account_id.clone(), region: account.region.clone(), aws_limits: account.aws_limits };
    let api = openapi::read(&root, files, &options, problems)?;
    let stages: Vec<_> = stages
        .into_iter()
        .filter_map(|node| {
            method_settings_fit(&node, &api, problems);
            read_stage(&node, files, problems)
        })
        .collect();
    Some(ApiWithStages { id: Spanned::at(id, text.to_owned()), api, deployment_id: fingerprint(&root.source.text), stages })
}

/// Stages, inline or in files of their own.
fn stages(fields: &mut Fields<'_>, files: &mut Files, problems: &mut Problems) -> Vec<Node> {
    if fields.take("stages").is_none() {
        problems.error(fields.node(), "`stages` is missing: an API is served on its stages");
    }
    let mut stages = Vec::new();
    for node in fields.list("stages", problems) {
        match node.get("file") {
            Some(file) => stages.extend(files.open_own(file, problems)),
            None => stages.push(node.clone()),
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for node in &stages {
        let name = node.get("stageName").and_then(Node::scalar).unwrap_or_default();
        if !name.is_empty() && names.contains(&name) {
            problems.error(node, format!("two stages have the name `{name}`"));
        }
        names.push(name);
    }
    stages
}

fn read_stage(node: &Node, files: &Files, problems: &mut Problems) -> Option<crate::apigateway::stage::Stage> {
    let beside = |node: &Node, path: &str| -> PathBuf { files.beside(node, path) };
    stage::read(node, &beside, problems)
}

/// Settings for a method that the API does not have would silently do nothing.
fn method_settings_fit(stage: &Node, api: &Api, problems: &mut Problems) {
    for entry in stage.get("methodSettings").map(Node::entries).unwrap_or_default().iter().filter(|entry| entry.key != "*/*") {
        let key = entry.key.replace("~1", "/");
        let Some((path, method)) = key.rsplit_once('/') else { continue };
        let path = format!("/{}", path.trim_matches('/'));
        let known = api.resources.iter().any(|resource| {
            path == "/*"
                || (*resource.path == *path
                    && (method == "*" || resource.methods.iter().any(|known| matches!(known.name(), "ANY") || known.name() == method)))
        });
        if !known {
            problems.at(
                Severity::Error,
                &entry.node.source,
                entry.key_span,
                format!("the API has no method {method} {path} that these settings could be for"),
            );
        }
    }
}

/// Ten characters that follow from the text alone.
fn fingerprint(text: &str) -> String {
    let mut hash = text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    let mut digit = || {
        let digit = char::from_digit((hash % 36) as u32, 36).unwrap_or('0');
        hash /= 36;
        digit
    };
    (0..10).map(|_| digit()).collect()
}
