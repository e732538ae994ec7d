//! API keys, written in `gateway.yaml` or in a file in API Gateway's own API key file format. Of their values nothing is kept but hashes.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::key_file::{self, Row};
use super::load::Files;
use crate::apigateway::usage_plan::{ApiKey, KeyHash, UsagePlan};
use crate::document::{Fields, Node, Problems, Severity, Source, Span, Spanned, text};

/// Reads `apiKeys`. No message shows a line of them.
pub(super) fn api_keys(fields: &mut Fields<'_>, plans: &[UsagePlan], files: &mut Files, problems: &mut Problems) -> Vec<ApiKey> {
    problems.secretly(|problems| read(fields, &Plans::of(plans), files, problems))
}

fn read(fields: &mut Fields<'_>, plans: &Plans<'_>, files: &mut Files, problems: &mut Problems) -> Vec<ApiKey> {
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
            key_file(node, file, plans, files, &mut keys, problems);
        } else if let Some(key) = api_key(node, plans, problems) {
            if !values.insert(key.value) {
                problems.error(node, format!("two API keys have the value of `{}`", key.id));
            }
            if !ids.insert(key.id.clone()) {
                problems.error(node, format!("two API keys have the id `{}`", key.id));
            }
            keys.push(key);
        }
    }
    keys
}

/// The usage plans that keys name.
struct Plans<'p> {
    plans: &'p [UsagePlan],
    places: HashMap<&'p str, u32>,
}

impl<'p> Plans<'p> {
    fn of(plans: &'p [UsagePlan]) -> Self {
        Self { plans, places: plans.iter().map(|plan| plan.id.value.as_str()).zip(0..).collect() }
    }

    /// The place of a plan; one that is not there is told.
    fn find(&self, id: &Spanned<&str>, severity: Severity, problems: &mut Problems) -> Option<u32> {
        let found = self.places.get(id.value).copied();
        if found.is_none() {
            let message = format!("Invalid Usage Plan ID specified: there is no usage plan `{}`", id.value);
            problems.at(severity, &id.source, id.span, message);
            if let Some(near) = crate::document::nearest(id.value, self.places.keys().copied()) {
                problems.help(format!("did you mean `{near}`?"));
            }
        }
        found
    }

    /// A key has one plan for a stage: the other is never asked.
    fn check(&self, key: &str, plans: &[u32], (source, span): (&Arc<Source>, Span), problems: &mut Problems) {
        if plans.len() < 2 {
            return;
        }
        let mut asked: HashMap<(&str, &str), &str> = HashMap::new();
        for plan in plans.iter().filter_map(|place| self.plans.get(*place as usize)) {
            for stage in &plan.api_stages {
                let (api, name) = (stage.api_id.value.as_str(), stage.stage.value.as_str());
                let other = *asked.entry((api, name)).or_insert(&plan.id.value);
                if other != plan.id.value {
                    let message =
                        format!("the usage plans `{other}` and `{}` of the API key `{key}` both hold {api}/{name}", plan.id.value);
                    problems.at(Severity::Warning, source, span, message);
                    problems.help(format!("a key has one plan for a stage: `{other}` is asked"));
                }
            }
        }
    }
}

fn api_key(node: &Node, plans: &Plans<'_>, problems: &mut Problems) -> Option<ApiKey> {
    let mut fields = Fields::of(node, "an API key", problems)?;
    let value = fields.required("value", problems);
    if let Some(value) = value {
        check_value(&Spanned::at(value, value.scalar().unwrap_or_default().to_owned()), problems);
    }
    let name = fields.string("name", problems);
    if name.as_ref().is_some_and(|name| name.chars().count() > 1024) {
        problems.error(node, "Invalid API Key name, can be at most 1024 characters.");
    }
    let id = fields.string("id", problems).or(name);
    if id.is_none() {
        problems.error(node, "`id` is missing");
    }
    // CreateApiKey makes a disabled key where it is told nothing.
    let enabled = fields.boolean("enabled", problems).unwrap_or(false);
    let listed = fields.list("usagePlanIds", problems);
    let mut usage_plans = Vec::new();
    for node in listed {
        let id = text(node, "a usage plan's id", problems).map(|id| Spanned::at(node, id));
        usage_plans.extend(id.and_then(|id| plans.find(&id, Severity::Error, problems)));
    }
    fields.ignore(&["description", "createdDate", "lastUpdatedDate", "stageKeys", "customerId", "tags"]);
    fields.finish(problems);
    let id = id?;
    plans.check(&id, &usage_plans, (&node.source, node.span), problems);
    Some(ApiKey { id, value: KeyHash::of(value?.scalar()?), enabled, usage_plans: usage_plans.into() })
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
fn key_file(node: &Node, file: &Node, plans: &Plans<'_>, files: &mut Files, keys: &mut Vec<ApiKey>, problems: &mut Problems) {
    if let Some(mut fields) = Fields::of(node, "a key file", problems) {
        fields.ignore(&["file"]);
        fields.finish(problems);
    }
    let Some(source) = files.text(file, problems) else { return };
    let mut places: HashMap<KeyHash, usize> = keys.iter().map(|key| key.value).zip(0..).collect();
    key_file::rows(&source, problems, &mut |row: Row, problems: &mut Problems| {
        check_value(&row.value, problems);
        // As at API Gateway, the key is imported though a plan of it is unknown.
        let named = row.usage_plan_ids.iter().map(|id| Spanned { value: id.as_str(), span: row.span, source: Arc::clone(&source) });
        let usage_plans: Box<[u32]> = named.filter_map(|id| plans.find(&id, Severity::Warning, problems)).collect();
        plans.check(&row.name, &usage_plans, (&source, row.span), problems);
        let key = ApiKey { id: row.name, value: KeyHash::of(&row.value.value), enabled: row.enabled, usage_plans };
        match places.entry(key.value) {
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
    });
    distinct_ids(keys);
}

/// A file knows names alone, which need not differ; what is counted for a key must not be counted for another.
fn distinct_ids(keys: &mut [ApiKey]) {
    let mut ids = HashSet::with_capacity(keys.len());
    let twice: Vec<usize> = keys.iter().enumerate().filter(|(_, key)| !ids.insert(key.id.as_str())).map(|(place, _)| place).collect();
    for place in twice {
        if let Some(key) = keys.get_mut(place) {
            // The hash tells nothing of the value, and stays the same wherever the row stands.
            key.id = format!("{}-{:.8}", key.id, key.value);
        }
    }
}
