//! API keys, written in `gateway.yaml` or in a file in API Gateway's own API key file format.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::key_file;
use super::load::Files;
use crate::apigateway::usage_plan::{ApiKey, Secret, UsagePlan};
use crate::document::{Fields, Node, Problems, Severity, Spanned, text};

/// Reads `apiKeys`. No message shows a line of them.
pub(super) fn api_keys(fields: &mut Fields<'_>, plans: &[UsagePlan], files: &mut Files, problems: &mut Problems) -> Vec<ApiKey> {
    problems.secretly(|problems| read(fields, plans, files, problems))
}

fn read(fields: &mut Fields<'_>, plans: &[UsagePlan], files: &mut Files, problems: &mut Problems) -> Vec<ApiKey> {
    let mut keys: Vec<ApiKey> = Vec::new();
    let mut values = HashSet::new();
    let mut ids = HashSet::new();
    // A key file stands for the list, or for some of its entries.
    let written = fields.take("apiKeys");
    let nodes = match written {
        Some(node) if node.get("file").is_some() => std::slice::from_ref(node),
        _ => fields.list("apiKeys", problems),
    };
    for node in nodes {
        if let Some(file) = node.get("file") {
            key_file(node, file, files, &mut keys, problems);
        } else if let Some(key) = api_key(node, problems) {
            if !values.insert(key.value.clone()) {
                problems.error(node, format!("two API keys have the value of `{}`", key.id));
            }
            if !ids.insert(key.id.clone()) {
                problems.error(node, format!("two API keys have the id `{}`", key.id));
            }
            keys.push(key);
        }
    }
    for plan in keys.iter().flat_map(|key| &key.usage_plan_ids) {
        unknown_plan(plan, plans, problems);
    }
    keys
}

fn unknown_plan(id: &Spanned<String>, plans: &[UsagePlan], problems: &mut Problems) {
    if plans.iter().any(|plan| plan.id.value == id.value) {
        return;
    }
    problems.spanned(Severity::Error, id, format!("Invalid Usage Plan ID specified: there is no usage plan `{}`", id.value));
    if let Some(near) = crate::document::nearest(&id.value, plans.iter().map(|plan| plan.id.value.as_str())) {
        problems.help(format!("did you mean `{near}`?"));
    }
}

fn api_key(node: &Node, problems: &mut Problems) -> Option<ApiKey> {
    let mut fields = Fields::of(node, "an API key", problems)?;
    let value = fields.required("value", problems);
    if let Some(value) = value {
        check_value(&Spanned::at(value, value.scalar().unwrap_or_default().to_owned()), problems);
    }
    let name = fields.string("name", problems);
    if name.as_ref().is_some_and(|name| name.chars().count() > 1024) {
        problems.error(node, "Invalid API Key name, can be at most 1024 characters.");
    }
    let id = fields.string("id", problems).or_else(|| name.clone());
    if id.is_none() {
        problems.error(node, "`id` is missing");
    }
    // CreateApiKey makes a disabled key where it is told nothing.
    let enabled = fields.boolean("enabled", problems).unwrap_or(false);
    let plans = fields.list("usagePlanIds", problems).iter();
    let usage_plan_ids = plans.filter_map(|node| Some(Spanned::at(node, text(node, "a usage plan's id", problems)?.to_owned()))).collect();
    fields.ignore(&["description", "createdDate", "lastUpdatedDate", "stageKeys", "customerId", "tags"]);
    fields.finish(problems);
    Some(ApiKey { id: id?, name, value: Secret::new(value?.scalar()?), enabled, usage_plan_ids })
}

/// A key's length; the value itself is never shown.
fn check_value(value: &Spanned<String>, problems: &mut Problems) {
    let message = match value.value.chars().count() {
        0..20 => "API Key value should be at least 20 characters",
        129.. => "API Key value exceeds maximum size of 128 characters",
        _ => return,
    };
    problems.spanned(Severity::Error, value, message);
}

/// Reads a key file. As at API Gateway, a later row with the same value stands for the earlier one.
fn key_file(node: &Node, file: &Node, files: &mut Files, keys: &mut Vec<ApiKey>, problems: &mut Problems) {
    if let Some(mut fields) = Fields::of(node, "a key file", problems) {
        fields.ignore(&["file"]);
        fields.finish(problems);
    }
    let Some(source) = files.text(file, problems) else { return };
    let mut places: HashMap<Secret, usize> = keys.iter().enumerate().map(|(place, key)| (key.value.clone(), place)).collect();
    for row in key_file::rows(&source, problems) {
        check_value(&row.value, problems);
        let key = ApiKey {
            id: row.name.clone(),
            name: Some(row.name),
            value: Secret::new(&row.value.value),
            enabled: row.enabled,
            usage_plan_ids: row
                .usage_plan_ids
                .into_iter()
                .map(|id| Spanned { value: id, span: row.span, source: Arc::clone(&source) })
                .collect(),
        };
        match places.entry(key.value.clone()) {
            Entry::Occupied(place) => {
                if let Some(earlier) = keys.get_mut(*place.get()) {
                    *earlier = key;
                }
            }
            Entry::Vacant(place) => {
                place.insert(keys.len());
                keys.push(key);
            }
        }
    }
}
