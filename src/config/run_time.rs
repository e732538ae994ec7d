//! What operators set at run time wins over a stage's file, and `check` says so.

use super::state::{CanaryState, State, StoredCanary};
use crate::apigateway::stage::{CanarySettings, Stage, StickyBy};
use crate::document::{Node, Problems};
use crate::openapi::Options;

/// Puts what was set for a stage in the place of what its file says.
pub(super) fn apply(api: &str, stage: &mut Stage, node: &Node, state: &State, options: &Options, problems: &mut Problems) {
    let name = stage.stage_name.value.clone();
    let set = state.stage(api, &name);
    let mut find = |id: Option<&str>, by_operator: bool| {
        let id = id?;
        match state.deployment(api, id, options) {
            Ok(deployment) => Some(deployment),
            Err(error) if by_operator => {
                problems.error(node, format!("the deployment {id} that was set at run time cannot be served: {error}"));
                None
            }
            Err(_) => {
                problems
                    .note(node, format!("the deployment {id} is not in the state directory, so the definition that is there is served"));
                None
            }
        }
    };
    let written = |place: Option<&Node>| place.and_then(|node| node.get("deploymentId")).and_then(Node::scalar).map(str::to_owned);
    let of_operator = set.and_then(|set| set.deployment_id.as_deref());
    let by_operator = of_operator.is_some();
    stage.deployment = find(of_operator.map(str::to_owned).or_else(|| written(Some(node))).as_deref(), by_operator);
    match set.map(|set| &set.canary) {
        None | Some(CanaryState::ByFile) => {
            if let Some(canary) = &mut stage.canary {
                canary.deployment = find(written(node.get("canarySettings")).as_deref(), false);
            }
        }
        Some(CanaryState::Deleted) => stage.canary = None,
        Some(CanaryState::ByOperator(canary)) => {
            let deployment = find(canary.deployment_id.as_deref(), true);
            stage.canary = Some(CanarySettings { deployment, ..settings(canary) });
        }
    }
    if let Some(set) = set {
        stage.variables.extend(set.variables.clone());
        stage.set_at_run_time = told(&name, node, set);
        for told in &stage.set_at_run_time {
            problems.note(node, format!("set at run time: {told}"));
        }
    }
}

/// A canary as it was set, without its deployment.
fn settings(canary: &StoredCanary) -> CanarySettings {
    CanarySettings {
        percent_traffic: canary.percent_traffic,
        stage_variable_overrides: canary.stage_variable_overrides.clone().into_iter().collect(),
        use_stage_cache: canary.use_stage_cache,
        deployment: None,
        sticky_by: canary.sticky_by.as_deref().and_then(StickyBy::parse),
    }
}

/// What was set, one sentence each.
fn told(name: &str, node: &Node, set: &super::state::StageState) -> Vec<String> {
    let mut told = Vec::new();
    if let Some(id) = &set.deployment_id {
        told.push(format!("`{name}` serves the deployment {id}"));
    }
    match &set.canary {
        CanaryState::ByFile => {}
        CanaryState::Deleted if node.get("canarySettings").is_none_or(Node::is_null) => {}
        CanaryState::Deleted => told.push(format!("`{name}` has no canary, though its file has one")),
        CanaryState::ByOperator(canary) => {
            let deployment = canary.deployment_id.as_ref().map(|id| format!(", which sees the deployment {id}")).unwrap_or_default();
            told.push(format!("`{name}` has a canary with {} percent of its traffic{deployment}", canary.percent_traffic));
        }
    }
    if !set.variables.is_empty() {
        let names: Vec<&str> = set.variables.keys().map(String::as_str).collect();
        told.push(format!("variables of `{name}` that a promoted canary brought: {}", names.join(", ")));
    }
    told
}
