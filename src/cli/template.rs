//! `headgate template render`.

use std::path::Path;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use super::args::{Render, Template as Arguments, TemplateCommand};
use super::{DONE, REFUSED, output};
use crate::exchange::Overrides;
use crate::mapping::template::{Kind, Source, Template, Work as Rendering};
use crate::mapping::variables::to_value;
use crate::vtl::{Error, Evaluated, Limits, Text, Texts, Trace, Value, no_clock};

/// Renders a template, or a batch of them.
pub(super) fn template(arguments: &Arguments) -> u8 {
    let TemplateCommand::Render(render) = &arguments.command;
    let result = match &render.batch {
        Some(path) => batch(path),
        None => single(render),
    };
    match result {
        Ok(()) => DONE,
        Err(message) => {
            output::err(&format!("{message}\n"));
            REFUSED
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let read = if path == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    read.map_err(|error| format!("{}: {error}", path.display()))
}

fn object(path: Option<&Path>) -> Result<Map<String, Json>, String> {
    let Some(path) = path else { return Ok(Map::new()) };
    serde_json::from_str(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))
}

fn single(render: &Render) -> Result<(), String> {
    let file = render.file.as_deref().unwrap_or(Path::new("-"));
    let others = [&render.body, &render.params, &render.context, &render.stage_variables];
    if others.into_iter().filter_map(Option::as_deref).chain([file]).filter(|path| *path == Path::new("-")).count() > 1 {
        return Err("only one file can be `-`: standard input is read once".to_owned());
    }
    let work = Work {
        template: read(file)?,
        body: render.body.as_deref().map(read).transpose()?.unwrap_or_default(),
        params: object(render.params.as_deref())?,
        context: object(render.context.as_deref())?,
        stage_variables: object(render.stage_variables.as_deref())?,
    };
    let mut trace = Lines;
    let (text, _) = work.render(render.trace.then_some(&mut trace)).map_err(|error| format!("{}: {error}", file.display()))?;
    output::out(&text);
    Ok(())
}

/// A line of JSON for each line of JSON. A template that fails does not stop the others.
fn batch(path: &Path) -> Result<(), String> {
    for (index, line) in read(path)?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let vector: Json = match serde_json::from_str(line) {
            Ok(vector) => vector,
            Err(error) => {
                output::out(&format!("{}\n", json!({ "id": null, "error": format!("line {} of the batch: {error}", index + 1) })));
                continue;
            }
        };
        let id = vector.get("id").cloned().unwrap_or_default();
        let text = |key: &str| vector.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        let map = |key: &str| vector.get(key).and_then(Json::as_object).cloned().unwrap_or_default();
        let work = Work {
            template: text("template"),
            body: text("body"),
            params: map("params"),
            context: map("context"),
            stage_variables: map("stageVariables"),
        };
        let result = match work.render(None) {
            Ok((text, overrides)) => {
                let overrides = overrides_as_json(&overrides);
                if overrides.is_empty() {
                    json!({ "id": id, "output": text })
                } else {
                    json!({ "id": id, "output": text, "overrides": overrides })
                }
            }
            Err(error) => json!({ "id": id, "error": error.to_string() }),
        };
        output::out(&format!("{result}\n"));
    }
    Ok(())
}

struct Work {
    template: String,
    body: String,
    params: Map<String, Json>,
    context: Map<String, Json>,
    stage_variables: Map<String, Json>,
}

impl Work {
    fn render(&self, trace: Option<&mut dyn Trace>) -> Result<(String, Overrides), Error> {
        let template = Template::parse(&self.template)?;
        let pairs = |kind: Kind| {
            let members = self.params.get(kind.name()).and_then(Json::as_object);
            members.into_iter().flatten().map(|(name, value)| (name.clone(), as_text(value))).collect()
        };
        let stage_variables: IndexMap<String, String> =
            self.stage_variables.iter().map(|(name, value)| (name.clone(), as_text(value))).collect();
        let mut context = self.context.clone();
        let overrides = given_overrides(&mut context);
        let values = Values { parameters: Kind::ALL.map(|kind| (kind, pairs(kind))), context };
        let (source, evaluated, texts) = (&values, Evaluated::default(), Texts::default());
        let rendering = Rendering {
            body: &self.body,
            source: &source,
            stage_variables: &stage_variables,
            overrides: &overrides,
            evaluated: &evaluated,
            texts: &texts,
        };
        let (text, left) = rendering.render(&template, &Limits::default(), &no_clock, trace)?;
        Ok((text, left.unwrap_or(overrides)))
    }
}

/// Parameters and context as files give them.
struct Values {
    parameters: [(Kind, Vec<(String, String)>); 3],
    context: Map<String, Json>,
}

impl<'r> Source<'r> for &'r Values {
    fn parameters(&self, kind: Kind, each: &mut dyn FnMut(&'r str, Text<'r>)) {
        let found = self.parameters.iter().filter(|(known, _)| *known == kind).flat_map(|(_, pairs)| pairs);
        found.for_each(|(name, value)| each(name, value.as_str().into()));
    }

    fn context(&self, name: &str) -> Option<Value<'r>> {
        self.context.get(name).map(|value| to_value(value, true))
    }

    fn context_names(&self) -> Vec<&'r str> {
        self.context.keys().map(String::as_str).collect()
    }
}

fn as_text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The override maps that a context brings along.
fn given_overrides(context: &mut Map<String, Json>) -> Overrides {
    let mut overrides = Overrides::default();
    let members = |value: &Json| value.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Some(Json::Object(request)) = context.remove("requestOverride") {
        for (name, value) in request {
            match name.as_str() {
                "header" => overrides.request.header = members(&value),
                "path" => overrides.request.path = members(&value),
                "querystring" => overrides.request.querystring = members(&value),
                _ => drop(overrides.request.other.insert(name, value)),
            }
        }
    }
    if let Some(Json::Object(response)) = context.remove("responseOverride") {
        for (name, value) in response {
            match name.as_str() {
                "header" => overrides.response.header = members(&value),
                "status" => overrides.response.status = Some(value),
                _ => drop(overrides.response.other.insert(name, value)),
            }
        }
    }
    overrides
}

/// The override maps without their empty parts.
fn overrides_as_json(overrides: &Overrides) -> Map<String, Json> {
    let part = |members: &IndexMap<String, Json>| {
        (!members.is_empty()).then(|| Json::Object(members.iter().map(|(name, value)| (name.clone(), value.clone())).collect()))
    };
    let (request, response) = (&overrides.request, &overrides.response);
    let collect = |parts: Vec<(&str, Option<Json>)>, other: &IndexMap<String, Json>| -> Map<String, Json> {
        let named = parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        named.chain(other.iter().map(|(name, value)| (name.clone(), value.clone()))).collect()
    };
    let request = collect(
        vec![("header", part(&request.header)), ("path", part(&request.path)), ("querystring", part(&request.querystring))],
        &request.other,
    );
    let response = collect(vec![("header", part(&response.header)), ("status", response.status.clone())], &response.other);
    let whole = [("requestOverride", request), ("responseOverride", response)];
    whole.into_iter().filter(|(_, members)| !members.is_empty()).map(|(name, members)| (name.to_owned(), Json::Object(members))).collect()
}

/// Each step as a line on standard error.
struct Lines;

impl Trace for Lines {
    fn step(&mut self, line: usize, what: &str, value: &str) {
        output::err(&format!("{line}: {what} = {value:?}\n"));
    }
}
