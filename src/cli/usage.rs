//! `headgate usage`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::args::{Usage, UsageFormat};
use super::running::{self, ask, encoded};
use super::{DONE, REFUSED, clock, output};
use crate::apigateway::usage_plan::ApiKey;
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
        let place = loaded.account.usage_plans.iter().position(|plan| plan.id.value == arguments.plan);
        let in_plan = |known: &ApiKey| known.id == key && known.usage_plans.iter().any(|plan| Some(*plan as usize) == place);
        if !loaded.account.api_keys.iter().any(in_plan) {
            return Err(format!("the usage plan `{}` has no key `{key}`", arguments.plan));
        }
        let store = open(loaded)?;
        grant(&*store.meter(&arguments.plan.as_str().into(), &key.into()), quota, remaining, now())?;
        store.close();
        if let Some(failure) = store.failure() {
            return Err(failure);
        }
    }
    Ok(())
}

fn open(loaded: &Loaded) -> Result<Embedded, String> {
    Embedded::open(&loaded.process.state_directory, clock::now).map_err(|error| error.to_string())
}

fn now() -> u64 {
    clock::now().duration_since(std::time::SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn rendered(value: &Value, format: UsageFormat) -> String {
    if format == UsageFormat::Json {
        return format!("{value:#}\n");
    }
    let first = value["startDate"].as_str().and_then(day).unwrap_or(0);
    let mut rows = Vec::new();
    for (key, days) in value["items"].as_object().into_iter().flatten() {
        for (offset, pair) in (0..).zip(days.as_array().into_iter().flatten()) {
            rows.push((key.as_str(), date(first + offset), pair[0].as_u64().unwrap_or(0), pair[1].as_u64()));
        }
    }
    if format == UsageFormat::Csv {
        let line = |(key, date, used, left): &(&str, String, u64, Option<u64>)| {
            format!("{},{date},{used},{}\n", quoted(key), left.map(|left| left.to_string()).unwrap_or_default())
        };
        return std::iter::once("key,date,used,remaining\n".to_owned()).chain(rows.iter().map(line)).collect();
    }
    // People want the days on which something happened.
    let happened = rows.iter().filter(|(_, _, used, _)| *used > 0).map(|(key, date, used, left)| {
        [(*key).to_owned(), date.clone(), used.to_string(), left.map_or_else(|| "no quota".to_owned(), |left| left.to_string())]
    });
    output::table(["KEY", "DATE", "USED", "REMAINING"], happened)
}

/// A field of a CSV file (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
