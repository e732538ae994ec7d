//! `$input`: the payload and the request's parameters.

use std::cell::OnceCell;

use super::json;
use super::json_path::{JsonPath, PathError};
use super::template::{Kind, Paths, Source};
use crate::vtl::{Entries, Key, Meter, Text, Texts, Value};

/// Values that a path visits in the time of a step.
const VISITED_A_STEP: usize = 16;

/// `$input` of one rendering. The payload is read as JSON at most once, and only if it is asked for.
pub(super) struct Input<'r, 's> {
    body: &'r str,
    source: &'s dyn Source<'r>,
    paths: &'s Paths,
    texts: &'r Texts,
    parsed: OnceCell<Option<Value<'r>>>,
}

impl<'r, 's> Input<'r, 's> {
    pub(super) const fn new(body: &'r str, source: &'s dyn Source<'r>, paths: &'s Paths, texts: &'r Texts) -> Self {
        // An empty payload reads as `{}` (recorded).
        let body = if body.is_empty() { "{}" } else { body };
        Self { body, source, paths, texts, parsed: OnceCell::new() }
    }

    /// The payload, in bytes.
    pub(super) const fn size(&self) -> usize {
        self.body.len()
    }

    pub(super) fn property(&self, name: &str) -> Option<Value<'r>> {
        (name == "body").then(|| Value::text(self.body))
    }

    pub(super) fn call(&self, name: &str, arguments: &[Value<'r>], meter: &Meter<'_>) -> Result<Option<Value<'r>>, String> {
        match (name, arguments) {
            ("json", [path]) => {
                let mut text = String::with_capacity(self.body.len());
                self.print_json(&path.as_text(), &mut text, meter)?;
                Ok(Some(Value::text(text)))
            }
            ("path", [path]) => self.find(&path.as_text(), meter),
            ("params", []) => Ok(Some(self.all_parameters())),
            ("params", [name]) => Ok(Some(Value::String(self.parameter(&name.as_text())))),
            _ => Ok(None),
        }
    }

    /// Prints what gives text; false for the rest.
    pub(super) fn print(&self, name: &str, arguments: &[Value<'r>], out: &mut String, meter: &Meter<'_>) -> Result<bool, String> {
        match (name, arguments) {
            ("json", [path]) => self.print_json(&path.as_text(), out, meter).map(|()| true),
            ("params", [name]) => {
                out.push_str(&self.parameter(&name.as_text()));
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn print_json(&self, path: &str, out: &mut String, meter: &Meter<'_>) -> Result<(), String> {
        if path == "$" && self.paths.whole_once && self.parsed.get().is_none() && json::compact(self.body, out) {
            return Ok(());
        }
        match self.find(path, meter)? {
            Some(value) => value.write_json(out, false),
            // What is not there is an empty JSON string.
            None => out.push_str("\"\""),
        }
        Ok(())
    }

    fn read(&self) -> Option<Value<'r>> {
        if self.paths.may_change { json::parse(self.body) } else { json::document(self.body, self.texts) }
    }

    fn find(&self, path: &str, meter: &Meter<'_>) -> Result<Option<Value<'r>>, String> {
        let find = |path: &JsonPath| {
            let Some(root) = self.parsed.get_or_init(|| self.read()) else { return Ok(None) };
            let (found, visited) = path.find_counted(root);
            meter.spend(visited / VISITED_A_STEP);
            found
        };
        let found = match self.paths.parsed(path) {
            Some(path) => find(path),
            None => JsonPath::parse(path).and_then(|path| find(&path)),
        };
        found.map_err(|error: PathError| error.to_string())
    }

    /// The first of path, query and header that has the name, each with its last value.
    fn parameter(&self, name: &str) -> Text<'r> {
        let mut found = None;
        let mut header = None;
        for kind in Kind::ALL {
            let mut last = None;
            self.source.parameters(kind, &mut |known, value| {
                if known == name {
                    last = Some(value);
                } else if kind == Kind::Header && known.eq_ignore_ascii_case(name) {
                    header = Some(value);
                }
            });
            found = last;
            if found.is_some() {
                break;
            }
        }
        found.or(header).unwrap_or(Text::Borrowed(""))
    }

    fn all_parameters(&self) -> Value<'r> {
        let map = |kind: Kind| {
            let mut entries = Entries::default();
            self.source.parameters(kind, &mut |name, value| drop(entries.insert(Key::from(name), Value::text(value))));
            (Key::from(kind.name()), Value::map(entries))
        };
        Value::map(Kind::ALL.into_iter().map(map).collect())
    }
}
