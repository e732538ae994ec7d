//! `$context` and `$stageVariables` as templates see them.

use std::cell::RefCell;
use std::rc::Rc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::exchange::{Context, Overrides};
use crate::vtl::{Key, Object, Value};

/// Where `$context`'s members come from.
pub trait ContextSource {
    /// A member's value; nothing where there is none.
    fn member(&self, name: &str) -> Option<Json>;
    /// The names of all members.
    fn names(&self) -> Vec<String>;
}

/// `$context`: members are made when they are asked for, the override maps can be written to.
pub(super) struct ContextObject {
    source: Rc<dyn ContextSource>,
    made: RefCell<IndexMap<String, Value>>,
}

impl ContextObject {
    pub(super) fn new(source: Rc<dyn ContextSource>, overrides: &Overrides) -> Self {
        let made = RefCell::new(IndexMap::new());
        made.borrow_mut().insert("requestOverride".to_owned(), request_override(overrides));
        made.borrow_mut().insert("responseOverride".to_owned(), response_override(overrides));
        Self { source, made }
    }

    fn member(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.made.borrow().get(name) {
            return Some(value.clone());
        }
        let value = self.source.member(name).map(|json| to_value(&json, true))?;
        self.made.borrow_mut().insert(name.to_owned(), value.clone());
        Some(value)
    }

    fn put(&self, name: &str, value: &Value) {
        self.made.borrow_mut().insert(name.to_owned(), value.clone());
    }

    /// All members as one map, for what asks for the names.
    fn map(&self) -> Value {
        let mut names = self.source.names();
        for name in ["requestOverride", "responseOverride"] {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        Value::silent_map(names.iter().filter_map(|name| Some((Key::from(name.as_str()), self.member(name)?))).collect())
    }

    /// What the template left in the override maps.
    pub(super) fn overrides(&self) -> Overrides {
        let made = self.made.borrow();
        let mut overrides = Overrides::default();
        if let Some(Value::Map(map)) = made.get("requestOverride") {
            for (key, value) in map.entries.borrow().iter() {
                match (key.to_value().to_text().as_str(), value) {
                    ("header", Value::Map(_)) => overrides.request.header = members(value),
                    ("path", Value::Map(_)) => overrides.request.path = members(value),
                    ("querystring", Value::Map(_)) => overrides.request.querystring = members(value),
                    (other, value) => drop(overrides.request.other.insert(other.to_owned(), to_json(value))),
                }
            }
        }
        if let Some(Value::Map(map)) = made.get("responseOverride") {
            for (key, value) in map.entries.borrow().iter() {
                match (key.to_value().to_text().as_str(), value) {
                    ("header", Value::Map(_)) => overrides.response.header = members(value),
                    ("status", value) => overrides.response.status = Some(to_json(value)),
                    (other, value) => drop(overrides.response.other.insert(other.to_owned(), to_json(value))),
                }
            }
        }
        overrides
    }
}

fn request_override(overrides: &Overrides) -> Value {
    let request = &overrides.request;
    let mut map: IndexMap<Key, Value> = [("path", &request.path), ("header", &request.header), ("querystring", &request.querystring)]
        .into_iter()
        .map(|(name, members)| (Key::from(name), silent(members)))
        .collect();
    map.extend(request.other.iter().map(|(name, value)| (Key::from(name.as_str()), to_value(value, true))));
    Value::silent_map(map)
}

fn response_override(overrides: &Overrides) -> Value {
    let response = &overrides.response;
    let mut map = IndexMap::from([(Key::from("header"), silent(&response.header))]);
    if let Some(status) = &response.status {
        map.insert(Key::from("status"), to_value(status, true));
    }
    map.extend(response.other.iter().map(|(name, value)| (Key::from(name.as_str()), to_value(value, true))));
    Value::silent_map(map)
}

fn silent(members: &IndexMap<String, Json>) -> Value {
    Value::silent_map(members.iter().map(|(name, value)| (Key::from(name.as_str()), to_value(value, true))).collect())
}

fn members(value: &Value) -> IndexMap<String, Json> {
    let Value::Map(map) = value else { return IndexMap::new() };
    map.entries.borrow().iter().map(|(key, value)| (key.to_value().to_text(), to_json(value))).collect()
}

/// JSON as a template's value; `silent` maps print as nothing.
#[must_use]
pub fn to_value(json: &Json, silent: bool) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => number.as_i64().map_or_else(|| Value::Double(number.as_f64().unwrap_or_default()), Value::Integer),
        Json::String(text) => Value::text(text),
        Json::Array(items) => Value::json_list(items.iter().map(|item| to_value(item, silent)).collect()),
        Json::Object(members) => {
            let entries = members.iter().map(|(name, value)| (Key::from(name.as_str()), to_value(value, silent))).collect();
            if silent { Value::silent_map(entries) } else { Value::map(entries) }
        }
    }
}

/// An override as JSON: a list of texts at most, deeper structures are their own text.
fn to_json(value: &Value) -> Json {
    match value {
        Value::Null | Value::Block(_) => Json::Null,
        Value::Boolean(value) => Json::Bool(*value),
        Value::Integer(number) => Json::from(*number),
        Value::Double(number) => Json::from(*number),
        Value::List(list) => list
            .items
            .borrow()
            .iter()
            .map(|item| if matches!(item, Value::List(_)) { Json::String(item.to_text()) } else { to_json(item) })
            .collect(),
        other => Json::String(other.to_text()),
    }
}

/// Stage variables as a map that prints like one.
pub(super) fn stage_variables(variables: &IndexMap<String, String>) -> Value {
    Value::map(variables.iter().map(|(name, value)| (Key::from(name.as_str()), Value::text(value))).collect())
}

impl Object for ContextObject {
    fn get(&self, name: &str) -> Option<Value> {
        self.member(name)
    }

    fn set(&self, name: &str, value: &Value) -> bool {
        self.put(name, value);
        true
    }

    /// `$context` is a map to templates.
    fn call(&self, name: &str, arguments: &[Value]) -> Result<Option<Value>, String> {
        match (name, arguments) {
            ("get", [key]) => Ok(self.member(&key.to_text())),
            ("containsKey", [key]) => Ok(Some(Value::Boolean(self.member(&key.to_text()).is_some()))),
            ("put", [key, value]) => {
                self.put(&key.to_text(), value);
                Ok(None)
            }
            _ => match self.map() {
                Value::Map(map) => crate::vtl::call_map(&map, name, arguments),
                _ => Ok(None),
            },
        }
    }
}

impl ContextSource for Context {
    fn member(&self, name: &str) -> Option<Json> {
        super::context::member(self, name)
    }

    fn names(&self) -> Vec<String> {
        let optional = [
            ("authorizer", self.authorizer.is_some()),
            ("isCanaryRequest", self.stage.as_ref().is_some_and(|stage| stage.is_canary_request.is_some())),
        ];
        super::context::MEMBERS
            .iter()
            .copied()
            .chain(optional.into_iter().filter(|(_, there)| *there).map(|(name, _)| name))
            .map(str::to_owned)
            .collect()
    }
}

/// `$context` as JSON gives it, for rendering offline.
impl ContextSource for serde_json::Map<String, Json> {
    fn member(&self, name: &str) -> Option<Json> {
        self.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}
