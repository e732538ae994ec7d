//! Deployments and what stages serve: written atomically, never overwritten, never deleted.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use crate::apigateway::account::ApiWithStages;
use crate::apigateway::api::{Api, Authorization, Method, Resource};
use crate::apigateway::integration::{Integration, IntegrationResponse, Template};
use crate::config::state::{
    CanaryState, Change, StageState, Stages, StoredCanary, StoredDeployment, content_id, deployment, deployment_path, stage_key, stages,
};

/// Keeps the API as its files have it now; its id. The same content is the same deployment.
///
/// # Errors
/// When the state directory cannot be written.
pub fn create(directory: &Path, api: &ApiWithStages, description: &str, now_seconds: u64) -> io::Result<String> {
    let mut stored = StoredDeployment {
        id: String::new(),
        rest_api_id: api.id.value.clone(),
        created_date: now_seconds,
        description: description.to_owned(),
        definition: api.sources.first().map(|source| source.name.clone()).unwrap_or_default(),
        basepath: api.basepath.clone(),
        files: api.sources.iter().map(|source| (source.name.clone(), source.text.clone())).collect(),
    };
    stored.id = content_id(&stored);
    let path = deployment_path(directory, &stored.id);
    if !path.is_file() {
        write(&path, &serde_json::to_vec(&stored)?)?;
    }
    Ok(stored.id)
}

/// Writes a file whole or not at all: under another name first, then in the place of the old one, with everything on the disk.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let unfinished = directory.join(format!(".{:016x}.unfinished", fastrand::u64(..)));
    let written = File::create(&unfinished).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let placed = written.and_then(|()| std::fs::rename(&unfinished, path));
    if placed.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    placed?;
    File::open(directory)?.sync_all()
}

/// The deployments of an API, oldest first. One that is damaged is passed over with a message.
#[must_use]
pub fn list(directory: &Path, api: &str) -> Vec<StoredDeployment> {
    let entries = std::fs::read_dir(directory.join("deployments")).into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned()));
    let mut found: Vec<StoredDeployment> = ids
        .filter_map(|id| deployment(directory, &id).map_err(|error| tracing::warn!("{error}")).ok())
        .filter(|stored| stored.rest_api_id == api)
        .collect();
    found.sort_by(|a, b| (a.created_date, &a.id).cmp(&(b.created_date, &b.id)));
    found
}

/// Changes what a stage serves, and records that.
///
/// # Errors
/// When the state directory cannot be read or written.
pub fn change(
    directory: &Path,
    api: &str,
    stage: &str,
    now_seconds: u64,
    action: &str,
    how: impl FnOnce(&mut StageState) -> Result<(), String>,
) -> Result<(), String> {
    let Stages(mut all) = stages(directory)?;
    let state = all.entry(stage_key(api, stage)).or_default();
    how(state)?;
    state.history.push(Change { date: now_seconds, action: action.to_owned(), deployment_id: state.deployment_id.clone() });
    let path = directory.join("stages.json");
    let bytes = serde_json::to_vec_pretty(&Stages(all)).map_err(|error| error.to_string())?;
    write(&path, &bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// What a stage served before what it serves now.
///
/// # Errors
/// When it never served anything else.
pub fn previous(state: &StageState) -> Result<Option<String>, String> {
    let before = state.history.iter().rev().map(|change| &change.deployment_id).find(|id| **id != state.deployment_id);
    match before {
        Some(id) => Ok(id.clone()),
        // Before the first deployment the files were served.
        None if state.deployment_id.is_some() => Ok(None),
        None => Err("this stage never served another deployment".to_owned()),
    }
}

/// Starts a canary, or replaces the one that is there.
///
/// # Errors
/// When the share is none.
pub fn set_canary(state: &mut StageState, canary: StoredCanary) -> Result<(), String> {
    if !(0.0..=100.0).contains(&canary.percent_traffic) {
        return Err("percentTraffic is from 0 to 100".to_owned());
    }
    state.canary = CanaryState::ByOperator(canary);
    Ok(())
}

/// Makes the canary's deployment and variables the stage's own. The canary stays with no traffic, as at API Gateway.
///
/// # Errors
/// When there is none.
pub fn promote(state: &mut StageState, canary: StoredCanary) -> Result<(), String> {
    if let Some(id) = &canary.deployment_id {
        state.deployment_id = Some(id.clone());
    }
    state.variables.extend(canary.stage_variable_overrides.clone());
    set_canary(state, StoredCanary { percent_traffic: 0.0, ..canary })
}

/// What is different between two versions of an API, in API Gateway's terms.
#[must_use]
pub fn diff(old: &Api, new: &Api) -> Value {
    let mut changes = Vec::new();
    let (before, after) = (names(old), names(new));
    changes.extend(before.difference(&after).map(|name| json!({ "change": "method removed", "method": name })));
    changes.extend(after.difference(&before).map(|name| json!({ "change": "method added", "method": name })));
    for (resource, old_method) in old.resources.iter().flat_map(|resource| resource.methods.iter().map(move |method| (resource, method))) {
        let same = new
            .resources
            .iter()
            .find(|other| other.path == resource.path)
            .and_then(|other| other.methods.iter().find(|method| method.name() == old_method.name()));
        if let Some(new_method) = same {
            let name = format!("{} {}", old_method.name(), resource.path);
            changes.extend(
                method_changes(old_method, new_method)
                    .into_iter()
                    .map(|(change, from, to)| json!({ "change": change, "method": name, "from": from, "to": to })),
            );
        }
    }
    for (what, from, to) in [
        ("binary media types changed", json!(old.binary_media_types), json!(new.binary_media_types)),
        ("minimum compression size changed", json!(old.minimum_compression_size), json!(new.minimum_compression_size)),
        (
            "resource policy changed",
            json!(old.policy.as_ref().map(|policy| &policy.value)),
            json!(new.policy.as_ref().map(|policy| &policy.value)),
        ),
        ("models changed", models(old), models(new)),
    ] {
        if from != to {
            changes.push(json!({ "change": what, "from": from, "to": to }));
        }
    }
    Value::Array(changes)
}

fn models(api: &Api) -> Value {
    api.models.iter().map(|(name, schema)| (name.clone(), schema.value.clone())).collect()
}

fn names(api: &Api) -> BTreeSet<String> {
    let of = |resource: &Resource| resource.methods.iter().map(|method| format!("{} {}", method.name(), resource.path)).collect::<Vec<_>>();
    api.resources.iter().flat_map(of).collect()
}

/// Reads one part of an integration.
type Part = dyn Fn(&Integration) -> Value;

fn method_changes(old: &Method, new: &Method) -> Vec<(&'static str, Value, Value)> {
    let authorization = |method: &Method| match &method.authorization {
        Authorization::None => json!("NONE"),
        Authorization::AwsIam => json!("AWS_IAM"),
        Authorization::Authorizer { name, scopes } => json!({ "authorizer": name, "scopes": scopes }),
    };
    let of_integration =
        |method: &Method, part: &Part| method.integration.as_ref().map_or(Value::Null, |integration| part(&integration.value));
    let mut changes = Vec::new();
    let mut compare = |what: &'static str, from: Value, to: Value| {
        if from != to {
            changes.push((what, from, to));
        }
    };
    compare("authorization changed", authorization(old), authorization(new));
    let now = if new.api_key_required { "API key now required" } else { "API key no longer required" };
    compare(now, json!(old.api_key_required), json!(new.api_key_required));
    let validator = |method: &Method| json!({ "body": method.request_validator.body, "parameters": method.request_validator.parameters });
    compare("request validation changed", validator(old), validator(new));
    let parts: [(&'static str, &Part); 7] = [
        ("integration type changed", &|integration| json!(integration.integration_type.name())),
        ("integration URI changed", &|integration| json!(integration.uri.as_ref().map(|uri| &uri.value))),
        ("integration HTTP method changed", &|integration| json!(integration.http_method.as_ref().map(http::Method::as_str))),
        ("integration time-out changed", &|integration| json!(integration.timeout.as_millis())),
        ("request mapping changed", &|integration| json!(format!("{:?}", integration.request_parameters))),
        ("request templates changed", &|integration| templates(&integration.request_templates)),
        ("integration responses changed", &|integration| integration.responses.iter().map(response).collect()),
    ];
    for (what, part) in parts {
        compare(what, of_integration(old, part), of_integration(new, part));
    }
    changes
}

fn templates(templates: &[(Box<str>, Template)]) -> Value {
    templates.iter().map(|(media_type, template)| (media_type.to_string(), json!(template.text()))).collect()
}

fn response(response: &IntegrationResponse) -> Value {
    json!({
        "selectionPattern": response.selection_pattern.as_ref().map(regex::Regex::as_str),
        "statusCode": response.status_code,
        "responseParameters": response.response_parameters.iter().map(|(name, value)| format!("{}: {value}", name.as_str())).collect::<Vec<_>>(),
        "responseTemplates": templates(&response.response_templates),
        "contentHandling": response.content_handling.map(|handling| format!("{handling:?}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_goes_back_to_what_it_served_before() {
        let mut state = StageState::default();
        assert!(previous(&state).is_err());
        for id in ["a", "b", "b"] {
            state.deployment_id = Some(id.into());
            state.history.push(Change { date: 0, action: "deploy".into(), deployment_id: Some(id.into()) });
        }
        assert_eq!(previous(&state), Ok(Some("a".into())));
        state.history.clear();
        assert_eq!(previous(&state), Ok(None), "the files as they are");
    }

    #[test]
    fn promoting_moves_the_canary_to_the_stage() {
        let mut state = StageState::default();
        let canary = StoredCanary {
            percent_traffic: 10.0,
            deployment_id: Some("new".into()),
            stage_variable_overrides: [("a".to_owned(), "1".to_owned())].into(),
            use_stage_cache: false,
        };
        promote(&mut state, canary).unwrap();
        assert_eq!((state.deployment_id.as_deref(), state.variables.get("a").map(String::as_str)), (Some("new"), Some("1")));
        assert!(matches!(&state.canary, CanaryState::ByOperator(canary) if canary.percent_traffic == 0.0));
        assert!(set_canary(&mut state, StoredCanary { percent_traffic: 101.0, ..StoredCanary::default() }).is_err());
    }
}
