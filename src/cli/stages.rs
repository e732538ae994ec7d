//! Stages and deployments of the running gateway, at AWS's own paths and in AWS's own words: what `aws apigateway --endpoint-url` asks for.

use serde_json::{Map, Value, json};

use super::canary::existing;
use super::running::{check_place, now, stage as stage_of};
use crate::config::state::{self, ApiFiles, CanaryState, StageState, StoredCanary, StoredDeployment, stage_key};
use crate::config::{self, Loaded};
use crate::control::Gateway;
use crate::control::deployments::{self, Place};

/// Lets what was set be served.
pub(super) type Serve<'s> = &'s (dyn Fn() -> Result<(), String> + Sync);

type Answer = (u16, Value);

/// Answers an operation; nothing where there is none such.
pub(super) fn answer(gateway: &Gateway, serve: Serve<'_>, method: &str, path: &[&str], content: &[u8]) -> Option<Answer> {
    let body = || serde_json::from_slice::<Value>(content).unwrap_or_default();
    let answered = match (method, path) {
        ("GET", ["restapis", api, "deployments"]) => with(gateway, |loaded| list(loaded, api)),
        ("POST", ["restapis", api, "deployments"]) => create(gateway, serve, api, &body()),
        ("GET", ["restapis", api, "deployments", id]) => {
            with(gateway, |loaded| of_api(loaded, api, id).map(|stored| (200, shown(&stored))))
        }
        ("GET", ["restapis", api, "stages", name]) => with(gateway, |loaded| stage(loaded, api, name)),
        ("PATCH", ["restapis", api, "stages", name]) => with(gateway, |loaded| update(loaded, serve, (api, name), &body())),
        _ => return None,
    };
    Some(answered.unwrap_or_else(|(status, message)| (status, json!({ "message": message }))))
}

type Refused = (u16, String);

fn bad(message: impl Into<String>) -> Refused {
    (400, message.into())
}

/// The configuration as it is served.
fn with<T>(gateway: &Gateway, answer: impl FnOnce(&Loaded) -> Result<T, Refused>) -> Result<T, Refused> {
    let loaded = gateway.loaded_again().ok_or_else(|| (503, "the configuration cannot be read".to_owned()))?;
    answer(&loaded)
}

fn known(loaded: &Loaded, api: &str, stage: Option<&str>) -> Result<(), Refused> {
    check_place(loaded, api, None).map_err(|_| (404, "Invalid API identifier specified".to_owned()))?;
    check_place(loaded, api, stage).map_err(|_| (404, "Invalid stage identifier specified".to_owned()))
}

fn shown(stored: &StoredDeployment) -> Value {
    json!({ "id": stored.id, "description": stored.description, "createdDate": stored.created_date })
}

fn list(loaded: &Loaded, api: &str) -> Result<Answer, Refused> {
    known(loaded, api, None)?;
    let found = deployments::list(&loaded.process.state_directory, api);
    Ok((200, json!({ "item": found.iter().map(shown).collect::<Vec<_>>() })))
}

fn of_api(loaded: &Loaded, api: &str, id: &str) -> Result<StoredDeployment, Refused> {
    known(loaded, api, None)?;
    let stored = state::deployment(&loaded.process.state_directory, id).ok().filter(|stored| stored.rest_api_id == api);
    stored.ok_or_else(|| (404, "Invalid Deployment identifier specified".to_owned()))
}

/// `CreateDeployment`: the definition as its files have it now; with a stage, served there, or by its canary.
fn create(gateway: &Gateway, serve: Serve<'_>, api: &str, body: &Value) -> Result<Answer, Refused> {
    let (loaded, problems) = config::load(gateway.path());
    let loaded = loaded.filter(|_| !problems.has_errors());
    let loaded = loaded.ok_or_else(|| bad(problems.to_lines().into_iter().next().unwrap_or_default()))?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (stage_name, canary) = (text("stageName"), body.get("canarySettings").filter(|canary| !canary.is_null()));
    let content = "Invalid deployment content specified.";
    if canary.is_some() && stage_name.is_none() {
        return Err(bad(format!(
            "{content}Non null and non empty stageName must be provided for canary deployment. Provided value is null"
        )));
    }
    known(&loaded, api, None)?;
    if let Some(name) = stage_name.filter(|name| check_place(&loaded, api, Some(name)).is_err()) {
        let message = format!("{content}Stage {name} must already be created before making a canary release deployment");
        return Err(if canary.is_some() { bad(message) } else { (404, "Invalid stage identifier specified".to_owned()) });
    }
    let source = loaded.account.apis.iter().find(|known| known.id.value == api).ok_or_else(|| bad("the definition cannot be read"))?;
    let (directory, description) = (&loaded.process.state_directory, text("description").unwrap_or_default());
    let failed = |error: &dyn std::fmt::Display| (500, format!("{}: {error}", directory.display()));
    let id = deployments::create(directory, &ApiFiles::of(source), description, now()).map_err(|error| failed(&error))?;
    let canary = canary.map(|canary| canary_settings(canary, &id)).transpose()?;
    if let Some((name, stage)) = stage_name.and_then(|name| Some((name, stage_of(&loaded, api, name)?))) {
        let place = Place { directory, api, stage: name, now_seconds: now() };
        let how = |state: &mut StageState| match &canary {
            Some(canary) => deployments::set_canary(state, canary.clone()),
            None => {
                deployments::deploy(state, stage, &id);
                Ok(())
            }
        };
        let action = if canary.is_some() || deployments::goes_to_canary(stage) { "create canary" } else { "create" };
        deployments::change(place, action, how, serve).map_err(bad)?;
    }
    let stored = state::deployment(directory, &id).map_err(|error| failed(&error))?;
    Ok((201, shown(&stored)))
}

/// `canarySettings` of `CreateDeployment`.
fn canary_settings(written: &Value, id: &str) -> Result<StoredCanary, Refused> {
    let overrides = written.get("stageVariableOverrides").and_then(Value::as_object).into_iter().flatten();
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| bad("a stage variable is a string"));
    Ok(StoredCanary {
        percent_traffic: written.get("percentTraffic").and_then(Value::as_f64).unwrap_or(0.0),
        deployment_id: Some(id.to_owned()),
        stage_variable_overrides: overrides.map(|(name, value)| Ok((name.clone(), text(value)?))).collect::<Result<_, Refused>>()?,
        use_stage_cache: written.get("useStageCache").and_then(Value::as_bool).unwrap_or(false),
        sticky_by: None,
    })
}

/// `GetStage`, as far as it can be changed while the gateway runs.
fn stage(loaded: &Loaded, api: &str, name: &str) -> Result<Answer, Refused> {
    known(loaded, api, Some(name))?;
    let source = loaded.account.apis.iter().find(|known| known.id.value == api);
    let found = source.zip(stage_of(loaded, api, name)).ok_or_else(|| bad("the definition cannot be read"))?;
    let (source, stage) = found;
    let deployment = stage.deployment.as_ref().map_or(source.deployment_id.as_str(), |deployment| deployment.id.as_str());
    let mut shown = json!({ "stageName": name, "deploymentId": deployment, "variables": stage.variables });
    if let (Some(canary), Some(shown)) = (&stage.canary, shown.as_object_mut()) {
        let canary_deployment = canary.deployment.as_ref().map_or(deployment, |deployment| deployment.id.as_str());
        let mut settings = Map::from_iter([
            ("percentTraffic".to_owned(), json!(canary.percent_traffic)),
            ("deploymentId".to_owned(), json!(canary_deployment)),
            ("useStageCache".to_owned(), json!(canary.use_stage_cache)),
        ]);
        if !canary.stage_variable_overrides.is_empty() {
            settings.insert("stageVariableOverrides".to_owned(), json!(canary.stage_variable_overrides));
        }
        shown.insert("canarySettings".to_owned(), settings.into());
    }
    Ok((200, shown))
}

/// `UpdateStage`: all operations, or none.
fn update(loaded: &Loaded, serve: Serve<'_>, (api, name): (&str, &str), body: &Value) -> Result<Answer, Refused> {
    known(loaded, api, Some(name))?;
    let operations = body.get("patchOperations").and_then(Value::as_array).filter(|operations| !operations.is_empty());
    let operations = operations.ok_or_else(|| bad("patchOperations is missing"))?;
    let mut canary = existing(loaded, (api, name)).map_err(bad)?;
    let had_canary = canary.is_some();
    let exists = |id: &str| of_api(loaded, api, id).map(|_| id.to_owned()).map_err(|_| "Deployment id does not exist".to_owned());
    let how = |state: &mut StageState| {
        operations.iter().try_for_each(|operation| patch(state, &mut canary, operation, &exists))?;
        match canary {
            Some(canary) => deployments::set_canary(state, canary)?,
            None if had_canary => state.canary = CanaryState::Deleted,
            None => {}
        }
        Ok(())
    };
    let place = Place { directory: &loaded.process.state_directory, api, stage: name, now_seconds: now() };
    deployments::change(place, "update", how, serve).map_err(bad)?;
    let state = state::stages(&loaded.process.state_directory).map_err(bad)?.0.remove(&stage_key(api, name)).unwrap_or_default();
    let canary = if let CanaryState::ByOperator(canary) = &state.canary { json!(canary) } else { Value::Null };
    Ok((200, json!({ "stageName": name, "deploymentId": state.deployment_id, "canarySettings": canary })))
}

const COPIES: &str = "Valid copy:path are [/deploymentId, /variables] and valid copy:from are [/canarySettings/deploymentId, \
                      /canarySettings/stageVariableOverrides]";

/// One patch operation.
fn patch(
    state: &mut StageState,
    canary: &mut Option<StoredCanary>,
    operation: &Value,
    exists: &dyn Fn(&str) -> Result<String, String>,
) -> Result<(), String> {
    let text = |name: &str| operation.get(name).and_then(Value::as_str).unwrap_or_default();
    let (op, path, from) = (text("op"), text("path"), text("from"));
    let value = match operation.get("value") {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let parts: Vec<String> = path.trim_start_matches('/').split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let invalid = || format!("Invalid value `{value}` for {path}");
    match (op, parts.as_slice()) {
        ("replace", ["deploymentId"]) => state.deployment_id = Some(exists(&value)?),
        ("replace" | "add", ["variables", name]) => drop(state.variables.insert((*name).to_owned(), value)),
        ("replace", ["canarySettings", setting]) => {
            let canary = canary.get_or_insert_default();
            match *setting {
                "percentTraffic" => canary.percent_traffic = value.parse().map_err(|_| invalid())?,
                "deploymentId" => canary.deployment_id = Some(exists(&value)?),
                "useStageCache" => canary.use_stage_cache = value.parse().map_err(|_| invalid())?,
                _ => return Err(format!("Invalid patch path: {path}")),
            }
        }
        ("replace", ["canarySettings", "stageVariableOverrides", name]) => {
            canary.get_or_insert_default().stage_variable_overrides.insert((*name).to_owned(), value);
        }
        ("remove", ["canarySettings"]) => *canary = None,
        ("remove", ["canarySettings", "stageVariableOverrides", name]) => {
            canary.get_or_insert_default().stage_variable_overrides.remove(*name);
        }
        ("copy", ["deploymentId" | "variables"]) => {
            let own = canary.as_ref().ok_or("Promotion not available. Canary does not exist.")?;
            match (path, from) {
                ("/deploymentId", "/canarySettings/deploymentId") => {
                    if let Some(id) = &own.deployment_id {
                        state.deployment_id = Some(id.clone());
                    }
                }
                ("/variables", "/canarySettings/stageVariableOverrides") => state.variables.extend(own.stage_variable_overrides.clone()),
                _ => return Err(format!("Invalid copy operation with path: {from} and from {path}. {COPIES}")),
            }
        }
        ("add" | "remove" | "copy", ["canarySettings", ..]) => return Err(format!("Invalid {op} operation with path: {path}")),
        _ => {
            return Err(format!("Invalid patch path: {path}. /deploymentId, /variables and /canarySettings change while the gateway runs"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(state: &mut StageState, canary: &mut Option<StoredCanary>, operation: &Value) -> Result<(), String> {
        let exists = |id: &str| if id == "d2" { Ok(id.to_owned()) } else { Err("Deployment id does not exist".to_owned()) };
        patch(state, canary, operation, &exists)
    }

    #[test]
    fn a_canary_is_made_changed_promoted_and_removed_by_patches() {
        let (mut state, mut canary) = (StageState::default(), None);
        let mut run = |operation: Value| patched(&mut state, &mut canary, &operation).map(|()| (state.clone(), canary.clone()));
        let replace = |path: &str, value: &str| json!({ "op": "replace", "path": path, "value": value });
        let copy = |path: &str, from: &str| json!({ "op": "copy", "path": path, "from": from });
        let promote = copy("/deploymentId", "/canarySettings/deploymentId");
        assert_eq!(run(promote.clone()).unwrap_err(), "Promotion not available. Canary does not exist.");
        run(replace("/canarySettings/percentTraffic", "12.5")).unwrap();
        run(replace("/canarySettings/deploymentId", "d2")).unwrap();
        let (_, made) = run(replace("/canarySettings/stageVariableOverrides/a", "1")).unwrap();
        let made = made.unwrap();
        assert_eq!((made.percent_traffic, made.deployment_id.as_deref(), made.use_stage_cache), (12.5, Some("d2"), false));
        run(promote).unwrap();
        let (state, _) = run(copy("/variables", "/canarySettings/stageVariableOverrides")).unwrap();
        assert_eq!((state.deployment_id.as_deref(), state.variables.get("a").map(String::as_str)), (Some("d2"), Some("1")));
        for (refused, message) in [
            (replace("/canarySettings/deploymentId", "d9"), "Deployment id does not exist"),
            (
                json!({ "op": "add", "path": "/canarySettings/deploymentId" }),
                "Invalid add operation with path: /canarySettings/deploymentId",
            ),
            (copy("/variables", "/canarySettings/deploymentId"), "Invalid copy operation with path"),
            (replace("/canarySettings/percentTraffic", "much"), "Invalid value `much`"),
            (replace("/tracingEnabled", "true"), "Invalid patch path: /tracingEnabled"),
        ] {
            let told = run(refused).unwrap_err();
            assert!(told.starts_with(message), "{told}");
        }
        assert!(run(json!({ "op": "remove", "path": "/canarySettings" })).unwrap().1.is_none());
    }
}
