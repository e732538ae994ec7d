//! `$input`: the payload and the request's parameters.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use indexmap::IndexMap;

use super::json;
use super::json_path::JsonPath;
use crate::vtl::{Key, Object, Value};

/// The request's parameters, each kind a map of last values.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    /// Path parameters.
    pub path: Vec<(String, String)>,
    /// Query arguments.
    pub querystring: Vec<(String, String)>,
    /// Header fields.
    pub header: Vec<(String, String)>,
}

/// `$input` of one rendering. The payload is read as JSON at most once, and only if it is asked for.
pub(super) struct Input {
    body: Arc<str>,
    parameters: Parameters,
    parsed: OnceCell<Option<Value>>,
}

impl Input {
    pub(super) fn new(body: &str, parameters: Parameters) -> Self {
        // An empty payload reads as `{}` (recorded).
        let body = if body.is_empty() { "{}" } else { body };
        Self { body: body.into(), parameters, parsed: OnceCell::new() }
    }

    fn find(&self, path: &Value) -> Result<Option<Value>, String> {
        let path = JsonPath::parse(&path.to_text()).map_err(|error| error.to_string())?;
        let parsed = self.parsed.get_or_init(|| json::parse(&self.body));
        let Some(root) = parsed else { return Ok(None) };
        path.find(root).map_err(|error| error.to_string())
    }

    fn parameter(&self, name: &str) -> Value {
        let Parameters { path, querystring, header } = &self.parameters;
        let found = [path, querystring, header].into_iter().find_map(|list| list.iter().rev().find(|(known, _)| known == name));
        let found = found.or_else(|| header.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name)));
        Value::text(found.map_or("", |(_, value)| value))
    }

    fn all_parameters(&self) -> Value {
        let map = |list: &[(String, String)]| {
            Value::map(list.iter().map(|(name, value)| (Key::from(name.as_str()), Value::text(value))).collect())
        };
        let Parameters { path, querystring, header } = &self.parameters;
        let kinds = [("path", map(path)), ("querystring", map(querystring)), ("header", map(header))];
        Value::map(kinds.into_iter().map(|(name, map)| (Key::from(name), map)).collect::<IndexMap<_, _>>())
    }
}

impl Object for Input {
    fn get(&self, name: &str) -> Option<Value> {
        (name == "body").then(|| Value::String(Arc::clone(&self.body)))
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Result<Option<Value>, String> {
        match (name, arguments) {
            // What is not there is an empty JSON string.
            ("json", [path]) => Ok(Some(Value::text(&self.find(path)?.map_or_else(|| "\"\"".to_owned(), |value| value.to_json())))),
            ("path", [path]) => self.find(path),
            ("params", []) => Ok(Some(self.all_parameters())),
            ("params", [name]) => Ok(Some(self.parameter(&name.to_text()))),
            _ => Ok(None),
        }
    }

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }
}
