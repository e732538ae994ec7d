//! A command beside a gateway that may be running.

use std::path::Path;

use super::{clock, output};
use crate::admin;
use crate::apigateway::account::ApiWithStages;
use crate::apigateway::stage::Stage;
use crate::config::state::StageState;
use crate::config::{self, Loaded};
use crate::control::deployments::{self, Place};

/// Loads a configuration for a command that works on what it names; its problems are shown where it cannot.
pub(super) fn loaded(path: &Path) -> Option<Loaded> {
    let (loaded, problems) = config::load(path);
    if loaded.is_none() {
        output::err(&problems.to_text());
    }
    loaded
}

/// What the running gateway answers; nothing where none listens.
///
/// # Errors
/// When it refuses, or cannot be understood.
pub(super) fn ask(loaded: &Loaded, method: &str, path: &str, body: &str) -> Result<Option<String>, String> {
    let own = &loaded.process.admin;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    match runtime.block_on(admin::ask(own, method, path, body)) {
        Ok(answer) if answer.status == 200 => Ok(Some(answer.body)),
        Ok(answer) => Err(format!("the gateway at {} answered {}: {}", own.address, answer.status, answer.body)),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(None),
        Err(error) => Err(format!("the gateway at {}: {error}", own.address)),
    }
}

/// An API whose definition can be read.
///
/// # Errors
/// When there is none of this id.
pub(super) fn api<'l>(loaded: &'l Loaded, id: &str) -> Result<&'l ApiWithStages, String> {
    check_place(loaded, id, None)?;
    let found = loaded.account.apis.iter().find(|api| api.id.value == id);
    found.ok_or_else(|| format!("the definition of the API `{id}` cannot be read: `headgate check` says why"))
}

/// A stage of an API whose definition can be read.
pub(super) fn stage<'l>(loaded: &'l Loaded, api: &str, name: &str) -> Option<&'l Stage> {
    let api = loaded.account.apis.iter().find(|known| known.id.value == api)?;
    api.stages.iter().find(|stage| stage.stage_name.value == name)
}

/// Whether an API and a stage are written at all. Their definition need not be readable: going back has to be possible just then.
///
/// # Errors
/// When one of them is not.
pub(super) fn check_place(loaded: &Loaded, api: &str, stage: Option<&str>) -> Result<(), String> {
    let (_, stages) = loaded.written.iter().find(|(id, _)| id == api).ok_or_else(|| format!("there is no API with the id `{api}`"))?;
    match stage {
        Some(stage) if !stages.iter().any(|known| known == stage) => Err(format!("the API `{api}` has no stage `{stage}`")),
        _ => Ok(()),
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    clock::now().duration_since(std::time::SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Changes what a stage serves, in the state directory and at once in a running gateway; what happened, for people.
///
/// # Errors
/// When it cannot be written, or the gateway refuses it: then nothing has changed.
pub(super) fn change(
    loaded: &Loaded,
    (api, stage): (&str, &str),
    action: &str,
    how: impl FnOnce(&mut StageState) -> Result<(), String>,
) -> Result<&'static str, String> {
    check_place(loaded, api, Some(stage))?;
    let place = Place { directory: &loaded.process.state_directory, api, stage, now_seconds: now() };
    let runs = deployments::change(place, action, how, || ask(loaded, "POST", "/reload?state", ""))?.is_some();
    Ok(if runs { "the running gateway serves it now" } else { "no gateway is running: it is served from the next start on" })
}

/// A text as one segment of a path, or as one value of a query.
pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
