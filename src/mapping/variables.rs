//! `$context` and `$stageVariables` as templates see them.

use std::cell::RefCell;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::template::Source;
use crate::exchange::{Context, Overrides};
use crate::vtl::{Elements, Entries, Key, Meter, Value};

/// `$context`: members are made when they are asked for, the override maps can be written to.
pub(super) struct ContextObject<'r, 's> {
    source: &'s dyn Source<'r>,
    overrides: &'r Overrides,
    /// What a template may have changed: members that are maps or lists, and those that it set itself.
    made: RefCell<Vec<(Box<str>, Value<'r>)>>,
}

impl<'r, 's> ContextObject<'r, 's> {
    pub(super) const fn new(source: &'s dyn Source<'r>, overrides: &'r Overrides) -> Self {
        Self { source, overrides, made: RefCell::new(Vec::new()) }
    }

    pub(super) fn member(&self, name: &str) -> Option<Value<'r>> {
        if let Some((_, value)) = self.made.borrow().iter().find(|(known, _)| **known == *name) {
            return Some(value.clone());
        }
        let value = match name {
            "requestOverride" => request_override(self.overrides),
            "responseOverride" => response_override(self.overrides),
            _ => self.source.context(name)?,
        };
        if matches!(value, Value::Map(_) | Value::List(_)) {
            self.made.borrow_mut().push((name.into(), value.clone()));
        }
        Some(value)
    }

    pub(super) fn put(&self, name: &str, value: &Value<'r>) {
        let mut made = self.made.borrow_mut();
        made.retain(|(known, _)| **known != *name);
        made.push((name.into(), value.clone()));
    }

    /// All members as one map, for what asks for the names.
    fn map(&self) -> Value<'r> {
        let mut names = self.source.context_names();
        for name in ["requestOverride", "responseOverride"] {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Value::silent_map(names.into_iter().filter_map(|name| Some((Key::from(name), self.member(name)?))).collect())
    }

    /// `$context` is a map to templates.
    pub(super) fn call(&self, name: &str, arguments: &[Value<'r>], meter: &Meter<'_>) -> Result<Option<Value<'r>>, String> {
        match (name, arguments) {
            ("get", [key]) => Ok(self.member(&key.as_text())),
            ("containsKey", [key]) => Ok(Some(Value::boolean(self.member(&key.as_text()).is_some()))),
            ("put", [key, value]) => {
                self.put(&key.as_text(), value);
                Ok(None)
            }
            _ => match self.map() {
                Value::Map(map) => crate::vtl::call_map(&map, name, arguments, meter),
                _ => Ok(None),
            },
        }
    }

    /// What the template left in the override maps, if it touched them at all.
    pub(super) fn overrides(&self) -> Option<Overrides> {
        let made = self.made.borrow();
        let find = |name: &str| made.iter().find(|(known, _)| **known == *name).map(|(_, value)| value);
        if find("requestOverride").is_none() && find("responseOverride").is_none() {
            return None;
        }
        let mut overrides = Overrides::default();
        match find("requestOverride") {
            Some(Value::Map(map)) => {
                for (key, value) in map.entries.borrow().iter() {
                    match (key.text(), value) {
                        ("header", Value::Map(_)) => overrides.request.header = members(value),
                        ("path", Value::Map(_)) => overrides.request.path = members(value),
                        ("querystring", Value::Map(_)) => overrides.request.querystring = members(value),
                        (other, value) => drop(overrides.request.other.insert(other.to_owned(), to_json(value))),
                    }
                }
            }
            Some(_) => {}
            None => overrides.request = self.overrides.request.clone(),
        }
        match find("responseOverride") {
            Some(Value::Map(map)) => {
                for (key, value) in map.entries.borrow().iter() {
                    match (key.text(), value) {
                        ("header", Value::Map(_)) => overrides.response.header = members(value),
                        ("status", value) => overrides.response.status = Some(to_json(value)),
                        (other, value) => drop(overrides.response.other.insert(other.to_owned(), to_json(value))),
                    }
                }
            }
            Some(_) => {}
            None => overrides.response = self.overrides.response.clone(),
        }
        Some(overrides)
    }
}

fn request_override(overrides: &Overrides) -> Value<'_> {
    let request = &overrides.request;
    let kinds = [("path", &request.path), ("header", &request.header), ("querystring", &request.querystring)];
    let known = kinds.into_iter().map(|(name, members)| (Key::from(name), silent(members)));
    Value::silent_map(known.chain(others(&request.other)).collect())
}

fn response_override(overrides: &Overrides) -> Value<'_> {
    let response = &overrides.response;
    let status = response.status.as_ref().map(|status| (Key::from("status"), to_value(status, true)));
    let known = std::iter::once((Key::from("header"), silent(&response.header))).chain(status);
    Value::silent_map(known.chain(others(&response.other)).collect())
}

fn others(members: &IndexMap<String, Json>) -> impl Iterator<Item = (Key<'_>, Value<'_>)> {
    members.iter().map(|(name, value)| (Key::from(name.as_str()), to_value(value, true)))
}

fn silent(members: &IndexMap<String, Json>) -> Value<'_> {
    Value::silent_map(others(members).collect())
}

fn members(value: &Value<'_>) -> IndexMap<String, Json> {
    let Value::Map(map) = value else { return IndexMap::new() };
    map.entries.borrow().iter().map(|(key, value)| (key.text().to_owned(), to_json(value))).collect()
}

/// JSON as a template's value; `silent` maps print as nothing.
#[must_use]
pub fn to_value(json: &Json, silent: bool) -> Value<'_> {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::boolean(*value),
        Json::Number(number) => number.as_i64().map_or_else(|| Value::Double(number.as_f64().unwrap_or_default()), Value::Integer),
        Json::String(text) => Value::text(text.as_str()),
        Json::Array(items) => Value::json_list(items.iter().map(|item| to_value(item, silent)).collect()),
        Json::Object(members) => {
            let entries: Entries<'_> = members.iter().map(|(name, value)| (Key::from(name.as_str()), to_value(value, silent))).collect();
            if silent { Value::silent_map(entries) } else { Value::map(entries) }
        }
    }
}

/// An override as JSON: a list of texts at most, deeper structures are their own text.
fn to_json(value: &Value<'_>) -> Json {
    match value {
        Value::Null | Value::Block(_) => Json::Null,
        Value::Boolean(value) => Json::Bool((*value).into()),
        Value::Integer(number) => Json::from(*number),
        Value::Double(number) => Json::from(*number),
        Value::List(list) => Elements::of(list)
            .iter()
            .map(|item| if matches!(item, Value::List(_)) { Json::String(item.to_text()) } else { to_json(&item) })
            .collect(),
        other => Json::String(other.to_text()),
    }
}

/// Stage variables as a map that prints like one.
pub(super) fn stage_variables(variables: &IndexMap<String, String>) -> Value<'_> {
    let members = variables.iter().map(|(name, value)| (Key::from(name.as_str()), Value::text(value.as_str())));
    Value::map(Entries::distinct(members.collect()))
}

/// A member of `$context`.
pub(super) fn member<'r>(context: &'r Context, name: &str) -> Option<Value<'r>> {
    match name {
        "identity" => Some(identity(context)),
        "authorizer" => context.authorizer.as_ref().map(|authorizer| Value::silent_map(json_members(&authorizer.members))),
        "requestTimeEpoch" => i64::try_from(context.request_time_ms).ok().map(Value::Integer),
        _ => super::context::text(context, name).map(Value::text),
    }
}

fn json_members(members: &serde_json::Map<String, Json>) -> Entries<'_> {
    Entries::distinct(members.iter().map(|(name, value)| (Key::from(name.as_str()), to_value(value, true))).collect())
}

/// `$context.identity`, every member there, most of them null.
fn identity(context: &Context) -> Value<'_> {
    let identity = &context.identity;
    let known = super::context::IDENTITY.iter().map(|name| match *name {
        "sourceIp" => identity.source_ip.map(|address| Value::text(address.to_string())),
        "userAgent" => identity.user_agent.as_deref().map(Value::text),
        _ => None,
    });
    let members = super::context::IDENTITY.iter().zip(known).map(|(name, value)| (Key::from(*name), value.unwrap_or(Value::Null)));
    let mut entries = Entries::distinct(members.collect());
    for (name, value) in [("apiKey", &identity.api_key), ("apiKeyId", &identity.api_key_id)] {
        if let Some(value) = value.as_deref() {
            entries.insert(Key::from(name), Value::text(value));
        }
    }
    for (name, value) in &identity.other {
        entries.insert(Key::from(name.as_str()), to_value(value, true));
    }
    Value::silent_map(entries)
}

/// The names of all members of `$context`.
pub(super) fn names(context: &Context) -> Vec<&'static str> {
    let optional = [
        ("authorizer", context.authorizer.is_some()),
        ("isCanaryRequest", context.stage.as_ref().is_some_and(|stage| stage.is_canary_request.is_some())),
    ];
    let there = optional.into_iter().filter(|(_, there)| *there).map(|(name, _)| name);
    super::context::MEMBERS.iter().copied().chain(there).collect()
}
