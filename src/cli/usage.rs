//! `headgate usage`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::args::{Usage, UsageFormat};
use super::running::{self, ask, encoded};
use super::{DONE, REFUSED, clock, output};
use crate::config::Loaded;
use crate::control::{UsageQuery, grant, usage as told};
use crate::snapshot;
use crate::store::{Embedded, Quota, QuotaStore as _, date, day};

/// Asks the running gateway; where none answers, reads the state directory itself.
pub(super) fn usage(arguments: &Usage) -> u8 {
    let Some(loaded) = running::loaded(&arguments.config.config) else { return REFUSED };
    match answer(arguments, &loaded) {
        Ok(Some(value)) => {
            output::out(&rendered(&value, arguments.format));
            DONE
        }
        Ok(None) => DONE,
        Err(message) => {
            output::err(&format!("{message}\n"));
            REFUSED
        }
    }
}

fn answer(arguments: &Usage, loaded: &Loaded) -> Result<Option<Value>, String> {
    let plans = snapshot::usage_plans(&loaded.account);
    let (_, quota) =
        plans.iter().find(|(id, _)| **id == *arguments.plan).ok_or_else(|| format!("there is no usage plan `{}`", arguments.plan))?;
    if let Some(remaining) = arguments.remaining {
        let key = arguments.key.as_deref().ok_or("--remaining needs --key")?;
        return set(arguments, loaded, quota.as_ref(), key, remaining).map(|()| None);
    }
    let mut path = format!("/usageplans/{}/usage?", encoded(&arguments.plan));
    for (name, value) in [("keyId", &arguments.key), ("startDate", &arguments.from), ("endDate", &arguments.to)] {
        if let Some(value) = value {
            let _ = write!(path, "{name}={}&", encoded(value));
        }
    }
    match ask(loaded, "GET", path.trim_end_matches(['&', '?']), "")? {
        Some(answer) => serde_json::from_str(&answer).map(Some).map_err(|error| error.to_string()),
        None => {
            let query = UsageQuery { key: arguments.key.clone(), from: arguments.from.clone(), to: arguments.to.clone() };
            told(&open(loaded)?, &arguments.plan, quota.as_ref(), &query, now()).map(Some)
        }
    }
}

fn set(arguments: &Usage, loaded: &Loaded, quota: Option<&Quota>, key: &str, remaining: u64) -> Result<(), String> {
    let path = format!("/usageplans/{}/keys/{}/usage", encoded(&arguments.plan), encoded(key));
    let patch = json!({ "patchOperations": [{ "op": "replace", "path": "/remaining", "value": remaining.to_string() }] });
    if ask(loaded, "PATCH", &path, &patch.to_string())?.is_none() {
        let store = open(loaded)?;
        grant(&store.meter(&arguments.plan, key), quota, remaining, now())?;
        store.close();
    }
    Ok(())
}

fn open(loaded: &Loaded) -> Result<Embedded, String> {
    Embedded::open(&loaded.process.state_directory, now()).map_err(|error| error.to_string())
}

fn now() -> u64 {
    clock::now().duration_since(std::time::SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn rendered(value: &Value, format: UsageFormat) -> String {
    if format == UsageFormat::Json {
        return format!("{value:#}\n");
    }
    let mut text = if format == UsageFormat::Csv { "key,date,used,remaining\n" } else { "KEY  DATE  USED  REMAINING\n" }.to_owned();
    let first = value["startDate"].as_str().and_then(day).unwrap_or(0);
    for (key, days) in value["items"].as_object().into_iter().flatten() {
        for (offset, pair) in (0..).zip(days.as_array().into_iter().flatten()) {
            let (used, left) = (pair[0].as_u64().unwrap_or(0), &pair[1]);
            // People want the days on which something happened.
            if used == 0 && format == UsageFormat::Text {
                continue;
            }
            let left = left.as_u64().map(|left| left.to_string()).unwrap_or_default();
            let _ = match format {
                UsageFormat::Csv => writeln!(text, "{},{},{used},{left}", quoted(key), date(first + offset)),
                _ => writeln!(text, "{key}  {}  {used}  {}", date(first + offset), if left.is_empty() { "no quota" } else { &left }),
            };
        }
    }
    text
}

/// A field of a CSV file (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
