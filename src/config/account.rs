//! The APIs of a configuration with their definitions and stages.

use std::collections::HashSet;
use std::sync::Arc;

use super::load::Files;
use super::state::{State, files_id};
use super::{run_time, stage, usage_plans};
use crate::apigateway::account::{Account, ApiWithStages};
use crate::apigateway::usage_plan::ThrottleSettings;
use crate::document::{Fields, Node, Problems, Severity, Spanned, nearest};
use crate::openapi::{self, BasePathMode, Options};

const BASE_PATH_MODES: [(&str, BasePathMode); 3] =
    [("ignore", BasePathMode::Ignore), ("prepend", BasePathMode::Prepend), ("split", BasePathMode::Split)];

/// The APIs and stages that are written, whether or not they could be read: what else names them is checked against these, so that one
/// mistake is not told twice.
#[derive(Default)]
pub(super) struct Known {
    apis: Vec<(Node, Vec<Node>)>,
}

impl Known {
    /// Finds every API and stage of `gateway.yaml`.
    pub(super) fn of(fields: &mut Fields<'_>, files: &mut Files, problems: &mut Problems) -> Self {
        if fields.take("apis").is_none() {
            problems.error(fields.node(), "there is no API: `apis` is missing");
        }
        let apis = fields.list("apis", problems).iter().map(|node| (node.clone(), stages(node, files, problems)));
        Self { apis: apis.collect() }
    }

    /// The ids and names that are written.
    pub(super) fn names(&self) -> Vec<(String, Vec<String>)> {
        let names = |stages: &[Node]| stages.iter().filter_map(|node| name(node, "stageName").map(str::to_owned)).collect();
        self.apis.iter().filter_map(|(node, stages)| Some((name(node, "id")?.to_owned(), names(stages)))).collect()
    }

    /// The node to blame, and why, if it names no API, or no stage of it.
    pub(super) fn missing<'n>(&self, api: &'n Node, stage: Option<&'n Node>) -> Option<(&'n Node, String)> {
        let id = api.scalar().unwrap_or_default();
        let ids = self.apis.iter().filter_map(|(node, _)| name(node, "id"));
        let Some((_, stages)) = self.apis.iter().find(|(node, _)| name(node, "id") == Some(id)) else {
            return Some((api, format!("there is no API with the id `{id}`{}", meant(id, ids))));
        };
        let stage = stage?;
        let wanted = stage.scalar().unwrap_or_default();
        let names = stages.iter().filter_map(|node| name(node, "stageName"));
        let known = names.clone().any(|name| name == wanted);
        (!known).then(|| (stage, format!("the API `{id}` has no stage `{wanted}`{}", meant(wanted, names))))
    }
}

fn name<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    node.get(key).and_then(Node::scalar)
}

fn meant<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> String {
    nearest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// The stages of an API, inline or in files of their own.
fn stages(api: &Node, files: &mut Files, problems: &mut Problems) -> Vec<Node> {
    let written = api.get("stages").map(Node::items).unwrap_or_default();
    let read = written.iter().filter_map(|node| match node.get("file") {
        Some(file) => {
            if let Some(mut fields) = Fields::of(node, "a stage", problems) {
                fields.ignore(&["file"]);
                fields.finish(problems);
            }
            files.open_own(file, problems)
        }
        None => Some(node.clone()),
    });
    read.collect()
}

/// Reads every API that `gateway.yaml` names.
pub(super) fn apis(known: &Known, account: &Account, state: &State, files: &mut Files, problems: &mut Problems) -> Vec<ApiWithStages> {
    let mut apis: Vec<ApiWithStages> = Vec::new();
    let mut ids = HashSet::new();
    for (node, stages) in &known.apis {
        if let Some((id, text)) = node.get("id").and_then(|id| Some((id, id.scalar()?)))
            && !ids.insert(text)
        {
            problems.error(id, format!("two APIs have the id `{text}`"));
        }
        let Some(api) = api(node, stages, account, state, files, problems) else { continue };
        apis.push(api);
    }
    apis
}

fn api(
    node: &Node,
    stages: &[Node],
    account: &Account,
    state: &State,
    files: &mut Files,
    problems: &mut Problems,
) -> Option<ApiWithStages> {
    let mut fields = Fields::of(node, "an API", problems)?;
    let id = fields.required("id", problems);
    let definition = fields.required("definition", problems);
    let basepath = node.get("basepath").and_then(Node::scalar).unwrap_or_default().to_owned();
    let base_path = fields.choice("basepath", &BASE_PATH_MODES, problems).unwrap_or_default();
    if fields.list("stages", problems).is_empty() {
        problems.error(node, "`stages` is missing or empty: an API is served on its stages");
    }
    fields.ignore(&["name", "description"]);
    fields.finish(problems);
    let text = id.and_then(Node::scalar).unwrap_or_default();
    if let Some(id) = id
        && (text.is_empty() || text.len() > 63 || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
    {
        problems.error(id, format!("an API's id is the first label of its host: at most 63 letters, digits and `-`, not `{text}`"));
    }
    let root = definition.and_then(|definition| files.open(definition, problems));
    let options =
        Options { base_path, account_id: account.account_id.clone(), region: account.region.clone(), aws_limits: account.aws_limits };
    let api = root.as_ref().and_then(|root| openapi::read(root, files, &options, problems));
    let mut read: Vec<_> =
        stages.iter().filter_map(|node| stage::read(node, api.as_ref(), &|node, path| files.beside(node, path), problems)).collect();
    let mut names = HashSet::new();
    for stage in &read {
        if !names.insert(stage.stage_name.value.as_str()) {
            problems.spanned(Severity::Error, &stage.stage_name, format!("two stages have the name `{}`", stage.stage_name.value));
        }
    }
    for (stage, node) in read.iter_mut().zip(stages) {
        run_time::apply(text, stage, node, state, &options, problems);
    }
    let root = root?;
    let mut sources = vec![Arc::clone(&root.source)];
    sources.extend(files.referred_sources(&root));
    let deployment_id = files_id(text, &basepath, &sources);
    Some(ApiWithStages { id: Spanned::at(id?, text.to_owned()), api: api?, deployment_id, sources, basepath, stages: read })
}

/// How a base path is read that is written so.
pub(super) fn base_path_mode(text: &str) -> BasePathMode {
    BASE_PATH_MODES.iter().find(|(name, _)| *name == text).map(|(_, mode)| *mode).unwrap_or_default()
}

/// Reads `account`: the limit over all APIs.
pub(super) fn throttle_settings(fields: &mut Fields<'_>, problems: &mut Problems) -> ThrottleSettings {
    let read = fields.take("account").and_then(|node| {
        let mut own = Fields::of(node, "`account`", problems)?;
        let settings = own.take("throttleSettings");
        own.ignore(&["accountId", "cloudwatchRoleArn", "features", "apiKeyVersion"]);
        own.finish(problems);
        let settings = settings?;
        usage_plans::throttle(settings, problems)
    });
    read.unwrap_or_default()
}
