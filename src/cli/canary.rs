//! `headgate canary`.

use serde_json::Value;

use super::args::{Canary, CanaryCommand, CanaryOptions, Format};
use super::{DONE, REFUSED, output, running};
use crate::apigateway::stage::StickyBy;
use crate::config::Loaded;
use crate::config::state::{self, CanaryState, StoredCanary, stage_key};
use crate::control::deployments;

/// Starts, changes, shows, promotes and ends canaries.
pub(super) fn canary(arguments: &Canary) -> u8 {
    let Some(loaded) = running::loaded(&arguments.config.config) else { return REFUSED };
    match run(arguments, &loaded) {
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

fn run(arguments: &Canary, loaded: &Loaded) -> Result<String, String> {
    let place = (arguments.api.as_str(), arguments.stage.as_str());
    running::check_place(loaded, place.0, Some(place.1))?;
    let now = existing(loaded, place)?;
    let told = match &arguments.command {
        CanaryCommand::Status { format } => return status(arguments, loaded, now.as_ref(), *format),
        CanaryCommand::Start(options) => {
            let canary = with(options, StoredCanary::default(), loaded, place.0)?;
            running::change(loaded, place, "canary start", |state| deployments::set_canary(state, canary))?
        }
        CanaryCommand::Set(options) => {
            let canary = with(options, now.ok_or(NONE)?, loaded, place.0)?;
            running::change(loaded, place, "canary set", |state| deployments::set_canary(state, canary))?
        }
        CanaryCommand::Promote => {
            let canary = now.ok_or("Promotion not available. Canary does not exist.")?;
            running::change(loaded, place, "canary promote", |state| deployments::promote(state, canary))?
        }
        CanaryCommand::Delete => {
            now.ok_or(NONE)?;
            running::change(loaded, place, "canary delete", |state| {
                state.canary = CanaryState::Deleted;
                Ok(())
            })?
        }
    };
    Ok(format!("done: {told}\n"))
}

const NONE: &str = "the stage has no canary";

/// What the stage has now: what was set before, or else the file's.
pub(super) fn existing(loaded: &Loaded, (api, stage): (&str, &str)) -> Result<Option<StoredCanary>, String> {
    let set = state::stages(&loaded.process.state_directory)?.0.remove(&stage_key(api, stage)).map(|state| state.canary);
    Ok(match set {
        Some(CanaryState::ByOperator(canary)) => Some(canary),
        Some(CanaryState::Deleted) => None,
        Some(CanaryState::ByFile) | None => {
            running::stage(loaded, api, stage).and_then(|stage| stage.canary.as_ref()).map(deployments::stored)
        }
    })
}

fn with(options: &CanaryOptions, mut canary: StoredCanary, loaded: &Loaded, api: &str) -> Result<StoredCanary, String> {
    if let Some(percent) = options.percent {
        canary.percent_traffic = percent;
    }
    if let Some(id) = &options.deployment {
        let found = state::deployment(&loaded.process.state_directory, id);
        let stored = found.map_err(|error| format!("Deployment id does not exist: {error}"))?;
        if stored.rest_api_id != api {
            return Err(format!("Deployment id does not exist: {id} is one of the API `{}`", stored.rest_api_id));
        }
        canary.deployment_id = Some(id.clone());
    }
    for variable in &options.variables {
        let (name, value) = variable.split_once('=').ok_or_else(|| format!("a variable is written name=value, not `{variable}`"))?;
        let is_name = !name.is_empty() && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return Err(format!("a stage variable's name is 1 to 64 letters, digits and `_`, not `{name}`"));
        }
        canary.stage_variable_overrides.insert(name.to_owned(), value.to_owned());
    }
    for name in &options.remove_variables {
        canary.stage_variable_overrides.remove(name).ok_or_else(|| format!("the canary has no variable `{name}`"))?;
    }
    if let Some(use_stage_cache) = options.use_stage_cache {
        canary.use_stage_cache = use_stage_cache;
    }
    canary.sticky_by = match options.sticky_by.as_deref() {
        None => canary.sticky_by,
        Some("none") => None,
        Some(by) => {
            let read = StickyBy::parse(by).ok_or_else(|| format!("`{by}` keeps nobody on a side: header.NAME, apiKey or sourceIp"))?;
            Some(read.to_string())
        }
    };
    Ok(canary)
}

/// Both sides' counts side by side, as the running gateway has them.
fn status(arguments: &Canary, loaded: &Loaded, settings: Option<&StoredCanary>, format: Format) -> Result<String, String> {
    settings.ok_or(NONE)?;
    let path = format!("/restapis/{}/stages/{}/canary", running::encoded(&arguments.api), running::encoded(&arguments.stage));
    let answer = running::ask(loaded, "GET", &path, "")?.ok_or("no gateway is running, so nothing is counted")?;
    let counts: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
    if format == Format::Json {
        return Ok(format!("{counts:#}\n"));
    }
    let rows = ["base", "canary"].map(|side| {
        let value = |name: &str| counts.get(side).and_then(|side| side.get(name));
        let number = |name: &str| value(name).and_then(Value::as_f64).unwrap_or(0.0);
        let milliseconds = |name: &str| value(name).and_then(Value::as_f64).map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
        [
            side.to_owned(),
            value("deploymentId").and_then(Value::as_str).unwrap_or("-").to_owned(),
            number("requests").to_string(),
            format!("{:.2}%", number("clientErrorPercent")),
            format!("{:.2}%", number("serverErrorPercent")),
            milliseconds("meanLatencyMilliseconds"),
            milliseconds("p99LatencyMilliseconds"),
        ]
    });
    let percent = counts.get("percentTraffic").and_then(Value::as_f64).unwrap_or(0.0);
    let table = output::table(["SIDE", "DEPLOYMENT", "REQUESTS", "4XX", "5XX", "MEAN LATENCY", "P99 LATENCY"], rows);
    Ok(format!("{percent} percent of the traffic goes to the canary\n{table}"))
}
