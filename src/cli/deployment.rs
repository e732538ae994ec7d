//! `headgate deployment`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::args::{Deployment, DeploymentCommand, Format, Place};
use super::{DONE, REFUSED, clock, output, running};
use crate::apigateway::account::ApiWithStages;
use crate::apigateway::api::Api;
use crate::config::Loaded;
use crate::config::state::{self, StoredDeployment, read_deployment, stage_key};
use crate::control::deployments;
use crate::openapi::Options;
use crate::store::date;

/// Makes, shows and goes back to deployments.
pub(super) fn deployment(arguments: &Deployment) -> u8 {
    let Some(loaded) = running::loaded(&arguments.config.config) else { return REFUSED };
    let done = match &arguments.command {
        DeploymentCommand::Create { place, stage, description } => create(&loaded, place, stage.as_deref(), description),
        DeploymentCommand::List { place, format } => list(&loaded, place, *format),
        DeploymentCommand::Show { place, id } => show(&loaded, place, id),
        DeploymentCommand::Diff { place, from, to, format } => diff(&loaded, place, from, to.as_deref(), *format),
        DeploymentCommand::Rollback { place, stage, to } => rollback(&loaded, place, stage, to.as_deref()),
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

pub(super) fn api<'l>(loaded: &'l Loaded, id: &str) -> Result<&'l ApiWithStages, String> {
    loaded.account.apis.iter().find(|api| api.id.value == id).ok_or_else(|| format!("there is no API with the id `{id}`"))
}

pub(super) fn check_stage(api: &ApiWithStages, stage: &str) -> Result<(), String> {
    let known = api.stages.iter().any(|known| known.stage_name.value == stage);
    if known { Ok(()) } else { Err(format!("the API `{}` has no stage `{stage}`", api.id.value)) }
}

fn now() -> u64 {
    clock::now().duration_since(std::time::SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A gateway that runs serves a change at once.
fn applied(loaded: &Loaded) -> Result<&'static str, String> {
    Ok(if running::apply(loaded)? {
        "the running gateway serves it now"
    } else {
        "no gateway is running: it is served from the next start on"
    })
}

fn create(loaded: &Loaded, place: &Place, stage: Option<&str>, description: &str) -> Result<String, String> {
    let api = api(loaded, &place.api)?;
    let directory = &loaded.process.state_directory;
    let id = deployments::create(directory, api, description, now()).map_err(|error| format!("{}: {error}", directory.display()))?;
    let Some(stage) = stage else { return Ok(format!("{id}\n")) };
    check_stage(api, stage)?;
    deployments::change(directory, &place.api, stage, now(), "create", |state| {
        state.deployment_id = Some(id.clone());
        Ok(())
    })?;
    let told = applied(loaded)?;
    output::err(&format!("{stage} serves {id}: {told}\n"));
    Ok(format!("{id}\n"))
}

fn rollback(loaded: &Loaded, place: &Place, stage: &str, to: Option<&str>) -> Result<String, String> {
    let api = api(loaded, &place.api)?;
    check_stage(api, stage)?;
    let directory = &loaded.process.state_directory;
    if let Some(id) = to {
        state::deployment(directory, id)?;
    }
    let mut target = None;
    deployments::change(directory, &place.api, stage, now(), "rollback", |state| {
        state.deployment_id = match to {
            Some(id) => Some(id.to_owned()),
            None => deployments::previous(state)?,
        };
        target.clone_from(&state.deployment_id);
        Ok(())
    })?;
    let told = applied(loaded)?;
    let target = target.map_or_else(|| "the files as they are".to_owned(), |id| format!("deployment {id}"));
    Ok(format!("{stage} serves {target}: {told}\n"))
}

fn list(loaded: &Loaded, place: &Place, format: Format) -> Result<String, String> {
    let api = api(loaded, &place.api)?;
    let directory = &loaded.process.state_directory;
    let found = deployments::list(directory, &place.api);
    let stages = state::stages(directory)?.0;
    let serving = |id: &str| -> Vec<&str> {
        let serves = |stage: &&str| stages.get(&stage_key(&place.api, stage)).and_then(|state| state.deployment_id.as_deref()) == Some(id);
        api.stages.iter().map(|stage| stage.stage_name.value.as_str()).filter(serves).collect()
    };
    if format == Format::Json {
        let items = found.iter().map(|stored| {
            json!({ "id": stored.id, "createdDate": stored.created_date, "description": stored.description, "stages": serving(&stored.id) })
        });
        return Ok(format!("{:#}\n", Value::Array(items.collect())));
    }
    let mut text = String::new();
    for stored in &found {
        let _ = writeln!(text, "{}  {}  {}  {}", stored.id, day(stored), serving(&stored.id).join(","), stored.description);
    }
    Ok(text)
}

fn day(stored: &StoredDeployment) -> String {
    date(u32::try_from(stored.created_date / 86_400).unwrap_or(0))
}

fn show(loaded: &Loaded, place: &Place, id: &str) -> Result<String, String> {
    let stored = state::deployment(&loaded.process.state_directory, id)?;
    if stored.rest_api_id != place.api {
        return Err(format!("the deployment {id} is one of the API `{}`", stored.rest_api_id));
    }
    let value = serde_json::to_value(&stored).map_err(|error| error.to_string())?;
    Ok(format!("{value:#}\n"))
}

fn diff(loaded: &Loaded, place: &Place, from: &str, to: Option<&str>, format: Format) -> Result<String, String> {
    let current = api(loaded, &place.api)?;
    let read = |id: &str| -> Result<Api, String> {
        let stored = state::deployment(&loaded.process.state_directory, id)?;
        let account = &loaded.account;
        let options = Options {
            base_path: Default::default(),
            account_id: account.account_id.clone(),
            region: account.region.clone(),
            aws_limits: account.aws_limits,
        };
        read_deployment(&stored, &options).map(|deployment| deployment.api)
    };
    let old = read(from)?;
    let new = to.map(read).transpose()?;
    let changes = deployments::diff(&old, new.as_ref().unwrap_or(&current.api));
    if format == Format::Json {
        return Ok(format!("{changes:#}\n"));
    }
    let mut text = String::new();
    for change in changes.as_array().into_iter().flatten() {
        let part = |name: &str| change.get(name).and_then(Value::as_str).unwrap_or_default();
        let _ = write!(text, "{}", part("change"));
        if !part("method").is_empty() {
            let _ = write!(text, ": {}", part("method"));
        }
        let short = |name: &str| {
            change.get(name).map(|value| value.to_string()).filter(|value| value.len() <= 80 && value != "true" && value != "false")
        };
        if let (Some(from), Some(to)) = (short("from"), short("to")) {
            let _ = write!(text, " ({from} to {to})");
        }
        text.push('\n');
    }
    if text.is_empty() {
        text.push_str("no difference\n");
    }
    Ok(text)
}
