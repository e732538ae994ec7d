//! `headgate deployment`.

use serde_json::{Value, json};

use super::args::{Deployment, DeploymentCommand, Format, Place};
use super::running::{api, change, check_place, now, stage as stage_of};
use super::{DONE, REFUSED, output, running};
use crate::apigateway::api::Api;
use crate::config::Loaded;
use crate::config::state::{self, ApiFiles, Change, StageState, StoredDeployment, read_deployment, stage_key};
use crate::control::{deployments, diff as differences, diff_text};
use crate::openapi::Options;
use crate::store::{date, day_of};

/// What `--to` says for the files as they are.
const FILES: &str = "files";

/// Makes, shows and goes back to deployments.
pub(super) fn deployment(arguments: &Deployment) -> u8 {
    let Some(loaded) = running::loaded(&arguments.config.config) else { return REFUSED };
    let done = match &arguments.command {
        DeploymentCommand::Create { place, description } => create(&loaded, place, description),
        DeploymentCommand::List { place, format } => list(&loaded, place, *format),
        DeploymentCommand::Show { place, id } => show(&loaded, place, id.as_deref()),
        DeploymentCommand::Diff { place, from, to, format } => diff(&loaded, place, from.as_deref(), to.as_deref(), *format),
        DeploymentCommand::Rollback { api, stage, to } => rollback(&loaded, (api, stage), to.as_deref()),
    };
    match done {
        Ok(text) => {
            output::out(&text);
            DONE
        }
        Err(message) => {
            output::err(&format!("{message}\n"));
            REFUSED
        }
    }
}

fn create(loaded: &Loaded, place: &Place, description: &str) -> Result<String, String> {
    let api = api(loaded, &place.api)?;
    check_place(loaded, &place.api, place.stage.as_deref())?;
    let directory = &loaded.process.state_directory;
    let files = ApiFiles::of(api);
    let id = deployments::create(directory, &files, description, now()).map_err(|error| format!("{}: {error}", directory.display()))?;
    let Some((name, stage)) = place.stage.as_deref().and_then(|name| Some((name, stage_of(loaded, &place.api, name)?))) else {
        return Ok(format!("{id}\n"));
    };
    let is_canary = deployments::goes_to_canary(stage);
    let told = change(loaded, (&place.api, name), if is_canary { "create canary" } else { "create" }, |state| {
        deployments::deploy(state, stage, &id);
        Ok(())
    })?;
    let whose = if is_canary { format!("the canary of {name}") } else { name.to_owned() };
    output::err(&format!("{whose} serves {id}: {told}\n"));
    Ok(format!("{id}\n"))
}

fn rollback(loaded: &Loaded, (api, stage): (&str, &str), to: Option<&str>) -> Result<String, String> {
    if let Some(id) = to.filter(|id| *id != FILES) {
        of_api(loaded, api, id)?;
    }
    let mut target = None;
    let told = change(loaded, (api, stage), "rollback", |state| {
        match to {
            None => deployments::roll_back(state)?,
            Some(FILES) => deployments::serve_files(state),
            Some(id) => deployments::serve(state, id),
        }
        target.clone_from(&state.deployment_id);
        Ok(())
    })?;
    let target = target.map_or_else(|| "the files as they are".to_owned(), |id| format!("deployment {id}"));
    Ok(format!("{stage} serves {target}: {told}\n"))
}

/// A deployment of an API.
fn of_api(loaded: &Loaded, api: &str, id: &str) -> Result<StoredDeployment, String> {
    let stored = state::deployment(&loaded.process.state_directory, id)?;
    if stored.rest_api_id == api { Ok(stored) } else { Err(format!("the deployment {id} is one of the API `{}`", stored.rest_api_id)) }
}

/// What was set for the stages of an API, by their names.
fn states(loaded: &Loaded, api: &str) -> Result<Vec<(String, StageState)>, String> {
    let mut all = state::stages(&loaded.process.state_directory)?.0;
    let stages = loaded.written.iter().find(|(id, _)| id == api).map(|(_, stages)| stages.as_slice()).unwrap_or_default();
    Ok(stages.iter().map(|stage| (stage.clone(), all.remove(&stage_key(api, stage)).unwrap_or_default())).collect())
}

fn list(loaded: &Loaded, place: &Place, format: Format) -> Result<String, String> {
    check_place(loaded, &place.api, place.stage.as_deref())?;
    if let Some(stage) = &place.stage {
        return history(loaded, &place.api, stage, format);
    }
    let found = deployments::list(&loaded.process.state_directory, &place.api);
    let states = states(loaded, &place.api)?;
    let serving = |id: &str| -> Vec<&str> {
        states.iter().filter(|(_, state)| state.deployment_id.as_deref() == Some(id)).map(|(stage, _)| stage.as_str()).collect()
    };
    if format == Format::Json {
        let items = found.iter().map(|stored| {
            json!({ "id": stored.id, "createdDate": stored.created_date, "description": stored.description, "stages": serving(&stored.id) })
        });
        return Ok(format!("{:#}\n", Value::Array(items.collect())));
    }
    let rows = found
        .iter()
        .map(|stored| [stored.id.clone(), moment(stored.created_date), serving(&stored.id).join(","), stored.description.clone()]);
    Ok(output::table(["DEPLOYMENT", "CREATED", "STAGES", "DESCRIPTION"], rows))
}

/// Every change of what a stage serves, oldest first.
fn history(loaded: &Loaded, api: &str, stage: &str, format: Format) -> Result<String, String> {
    let states = states(loaded, api)?;
    let history: &[Change] = states.iter().find(|(known, _)| known == stage).map(|(_, state)| state.history.as_slice()).unwrap_or_default();
    if format == Format::Json {
        return Ok(format!("{:#}\n", json!(history)));
    }
    let rows = history
        .iter()
        .map(|change| [moment(change.date), change.action.clone(), change.deployment_id.clone().unwrap_or_else(|| FILES.to_owned())]);
    Ok(output::table(["DATE", "ACTION", "DEPLOYMENT"], rows))
}

/// A day and a time, in UTC.
fn moment(seconds: u64) -> String {
    let of_day = seconds % 86_400;
    format!("{}T{:02}:{:02}:{:02}Z", date(day_of(seconds)), of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// A deployment, or what a stage serves.
fn show(loaded: &Loaded, place: &Place, id: Option<&str>) -> Result<String, String> {
    check_place(loaded, &place.api, place.stage.as_deref())?;
    let stored = match (id, &place.stage) {
        (Some(id), _) => of_api(loaded, &place.api, id)?,
        (None, Some(stage)) => served(loaded, &place.api, stage)?,
        (None, None) => return Err("which one? A deployment's id, or --stage for what a stage serves".to_owned()),
    };
    let value = serde_json::to_value(&stored).map_err(|error| error.to_string())?;
    Ok(format!("{value:#}\n"))
}

/// What a stage serves; where that is its files, as they are now.
fn served(loaded: &Loaded, api_id: &str, name: &str) -> Result<StoredDeployment, String> {
    let pinned = stage_of(loaded, api_id, name).and_then(|stage| stage.deployment.as_ref()).map(|deployment| deployment.id.clone());
    match pinned {
        Some(id) => of_api(loaded, api_id, &id),
        None => Ok(StoredDeployment::of(&ApiFiles::of(api(loaded, api_id)?), "the files as they are", now())),
    }
}

fn diff(loaded: &Loaded, place: &Place, from: Option<&str>, to: Option<&str>, format: Format) -> Result<String, String> {
    check_place(loaded, &place.api, place.stage.as_deref())?;
    let read = |stored: &StoredDeployment| -> Result<Api, String> {
        let account = &loaded.account;
        let options = Options {
            base_path: Default::default(),
            account_id: account.account_id.clone(),
            region: account.region.clone(),
            aws_limits: account.aws_limits,
        };
        read_deployment(stored, &options).map(|deployment| deployment.api)
    };
    let old = match (from, &place.stage) {
        (Some(id), _) => of_api(loaded, &place.api, id)?,
        (None, Some(stage)) => served(loaded, &place.api, stage)?,
        (None, None) => return Err("from which one? --from with a deployment's id, or --stage for what a stage serves".to_owned()),
    };
    let old = read(&old)?;
    let changes = match to {
        Some(id) => differences(&old, &read(&of_api(loaded, &place.api, id)?)?),
        None => differences(&old, &api(loaded, &place.api)?.api),
    };
    if format == Format::Json {
        return Ok(format!("{changes:#}\n"));
    }
    let text = diff_text(&changes);
    Ok(if text.is_empty() { "no difference\n".to_owned() } else { text })
}
