//! `headgate canary`.

use serde_json::Value;

use super::args::{Canary, CanaryCommand, CanaryOptions, Format};
use super::deployment::{api, check_stage};
use super::{DONE, REFUSED, clock, output, running};
use crate::apigateway::stage::CanarySettings;
use crate::config::Loaded;
use crate::config::state::{self, CanaryState, StageState, StoredCanary};
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
    let api = api(loaded, &arguments.api)?;
    check_stage(api, &arguments.stage)?;
    // What the stage has now: the file's, or what was set before.
    let now = api.stages.iter().find(|stage| stage.stage_name.value == arguments.stage).and_then(|stage| stage.canary.as_ref()).map(stored);
    match &arguments.command {
        CanaryCommand::Status { format } => return status(arguments, loaded, now.as_ref(), *format),
        CanaryCommand::Start(options) => {
            let canary = with(options, StoredCanary::default(), loaded)?;
            change(arguments, loaded, "canary start", |state| deployments::set_canary(state, canary))?;
        }
        CanaryCommand::Set(options) => {
            let canary = with(options, now.ok_or(NONE)?, loaded)?;
            change(arguments, loaded, "canary set", |state| deployments::set_canary(state, canary))?;
        }
        CanaryCommand::Promote => {
            let canary = now.ok_or(NONE)?;
            change(arguments, loaded, "canary promote", |state| deployments::promote(state, canary))?;
        }
        CanaryCommand::Delete => {
            now.ok_or(NONE)?;
            change(arguments, loaded, "canary delete", |state| {
                state.canary = CanaryState::Deleted;
                Ok(())
            })?;
        }
    }
    let running = running::apply(loaded)?;
    Ok(if running {
        "done: the running gateway serves it now\n"
    } else {
        "done: no gateway is running, it is served from the next start on\n"
    }
    .to_owned())
}

const NONE: &str = "Promotion not available. Canary does not exist.";

fn stored(settings: &CanarySettings) -> StoredCanary {
    StoredCanary {
        percent_traffic: settings.percent_traffic,
        deployment_id: settings.deployment.as_ref().map(|deployment| deployment.id.clone()),
        stage_variable_overrides: settings.stage_variable_overrides.clone().into_iter().collect(),
        use_stage_cache: settings.use_stage_cache,
    }
}

fn with(options: &CanaryOptions, mut canary: StoredCanary, loaded: &Loaded) -> Result<StoredCanary, String> {
    if let Some(percent) = options.percent {
        canary.percent_traffic = percent;
    }
    if let Some(id) = &options.deployment {
        state::deployment(&loaded.process.state_directory, id).map_err(|error| format!("Deployment id does not exist: {error}"))?;
        canary.deployment_id = Some(id.clone());
    }
    for variable in &options.variables {
        let (name, value) = variable.split_once('=').ok_or_else(|| format!("a variable is written name=value, not `{variable}`"))?;
        canary.stage_variable_overrides.insert(name.to_owned(), value.to_owned());
    }
    canary.use_stage_cache |= options.use_stage_cache;
    Ok(canary)
}

fn change(
    arguments: &Canary,
    loaded: &Loaded,
    action: &str,
    how: impl FnOnce(&mut StageState) -> Result<(), String>,
) -> Result<(), String> {
    let now = clock::now().duration_since(std::time::SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    deployments::change(&loaded.process.state_directory, &arguments.api, &arguments.stage, now, action, how)
}

/// Both sides' counts side by side, as the running gateway has them.
fn status(arguments: &Canary, loaded: &Loaded, settings: Option<&StoredCanary>, format: Format) -> Result<String, String> {
    let settings = settings.ok_or("the stage has no canary")?;
    let path = format!("/restapis/{}/stages/{}/canary", running::encoded(&arguments.api), running::encoded(&arguments.stage));
    let answer = running::ask(loaded, "GET", &path, "")?.ok_or("no gateway is running, so nothing is counted")?;
    let counts: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
    if format == Format::Json {
        return Ok(format!("{counts:#}\n"));
    }
    let mut text = format!("{} percent of the traffic\nSIDE    REQUESTS  5XX     MEAN LATENCY\n", settings.percent_traffic);
    for side in ["base", "canary"] {
        let number = |name: &str| counts.get(side).and_then(|side| side.get(name)).and_then(Value::as_f64).unwrap_or(0.0);
        text.push_str(&format!(
            "{side:<7} {:<9} {:<6.2}% {:.1} ms\n",
            number("requests"),
            number("serverErrorPercent"),
            number("meanLatencyMilliseconds")
        ));
    }
    Ok(text)
}
