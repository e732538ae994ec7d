//! Models: the schemas that bodies are checked with, as draft 4 JSON Schema.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::Reader;
use crate::apigateway::api::Api;
use crate::document::{Node, Problems, Spanned, entries, nearest};

/// What stays as it is in a pointer's token.
const TOKEN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where all models stand in the one document that a validator is compiled from.
const DEFINITIONS: &str = "#/definitions/";

/// What stands for a root's schemas in references of this and of other definitions.
const PLACES: [&str; 2] = ["#/components/schemas/", "#/definitions/"];

impl Reader<'_> {
    /// Takes every named schema over.
    pub(super) fn models(&mut self, api: &mut Api, problems: &mut Problems) {
        let place = if self.swagger {
            self.root.get("definitions")
        } else {
            self.root.get("components").and_then(|components| components.get("schemas"))
        };
        let named = entries(place, "schemas", problems);
        self.schema_names = named.iter().map(|entry| entry.key.clone()).collect();
        for entry in named {
            let schema = self.schema(&entry.node, api, problems);
            keep(api, &entry.key, &entry.node, schema);
        }
    }

    /// The name of the model for a schema: the one that it refers to, or a new one for a schema written in place.
    pub(super) fn model(&mut self, schema: &Node, name: &str, api: &mut Api, problems: &mut Problems) -> String {
        if let Some(name) = schema.get("$ref").and_then(Node::as_str).and_then(named)
            && schema.source.name == self.root.source.name
            && self.schema_names.contains(&name)
        {
            return name;
        }
        let value = self.schema(schema, api, problems);
        keep(api, name, schema, value);
        name.to_owned()
    }

    /// A schema whose references lead to `#/definitions/…`; what they lead to elsewhere is taken over.
    fn schema(&mut self, node: &Node, api: &mut Api, problems: &mut Problems) -> Value {
        if let Some(reference) = node.get("$ref")
            && let Some(text) = reference.as_str()
        {
            return self.reference(node, reference, text, api, problems);
        }
        if !node.is_object() {
            return if node.items().is_empty() {
                node.to_json()
            } else {
                node.items().iter().map(|item| self.schema(item, api, problems)).collect()
            };
        }
        let mut schema = Map::new();
        for entry in node.entries() {
            let value = match entry.key.as_str() {
                "properties" | "patternProperties" | "definitions" | "dependencies" if entry.node.is_object() => {
                    let members = entry.node.entries().iter();
                    members.map(|member| (member.key.clone(), self.schema(&member.node, api, problems))).collect()
                }
                "enum" | "const" | "default" | "example" | "examples" => entry.node.to_json(),
                _ => self.schema(&entry.node, api, problems),
            };
            schema.insert(entry.key.clone(), value);
        }
        into_draft4(&mut schema);
        Value::Object(schema)
    }

    fn reference(&mut self, node: &Node, reference: &Node, text: &str, api: &mut Api, problems: &mut Problems) -> Value {
        let local = node.source.name == self.root.source.name;
        if let Some(name) = named(text).filter(|_| local || text.starts_with("http")) {
            if !self.schema_names.contains(&name) {
                problems.error(reference, format!("Invalid model identifier specified: {name}"));
                if let Some(near) = nearest(&name, self.schema_names.iter().map(String::as_str)) {
                    problems.help(format!("did you mean `{near}`?"));
                }
                return json!({});
            }
            return json!({ "$ref": reference_to(&name) });
        }
        // A part of this document, or one of another: a model under the name of its place. It is there before it is read, so that a circle ends.
        let name = format!("{} {text}", node.source.name);
        if !api.models.contains_key(&name) {
            keep(api, &name, reference, json!({}));
            if let Some(target) = self.resolve(node, problems) {
                let schema = self.schema(&target, api, problems);
                keep(api, &name, &target, schema);
            }
        }
        json!({ "$ref": reference_to(&name) })
    }
}

fn keep(api: &mut Api, name: &str, place: &Node, schema: Value) {
    api.models.insert(name.to_owned(), Spanned::at(place, schema));
}

/// The root's schema that a reference names: `#/components/schemas/X`, `#/definitions/X`, or a model by its address at API Gateway.
fn named(text: &str) -> Option<String> {
    let token = match text.strip_prefix("http") {
        Some(address) => address.rsplit_once("/models/")?.1,
        None => PLACES.iter().find_map(|place| text.strip_prefix(place))?,
    };
    if token.contains('/') {
        return None;
    }
    Some(percent_decode_str(token).decode_utf8_lossy().replace("~1", "/").replace("~0", "~"))
}

/// The reference to a model within a validator's document (RFC 6901 as a URI fragment).
fn reference_to(name: &str) -> String {
    let token = name.replace('~', "~0").replace('/', "~1");
    format!("{DEFINITIONS}{}", utf8_percent_encode(&token, TOKEN))
}

/// What OpenAPI's dialects say in other words than draft 4: 3.0's `nullable`, 3.1's `const` and bounds that are exclusive by a number.
fn into_draft4(schema: &mut Map<String, Value>) {
    if schema.get("nullable") == Some(&Value::Bool(true)) {
        if let Some(Value::String(name)) = schema.get("type").cloned() {
            schema.insert("type".into(), json!([name, "null"]));
        }
        if let Some(Value::Array(values)) =
            schema.get_mut("enum").filter(|values| !values.as_array().is_some_and(|v| v.contains(&Value::Null)))
        {
            values.push(Value::Null);
        }
    }
    if let Some(value) = schema.remove("const") {
        schema.entry("enum").or_insert_with(|| json!([value]));
    }
    for (exclusive, bound, is_lower) in [("exclusiveMinimum", "minimum", true), ("exclusiveMaximum", "maximum", false)] {
        let Some(limit) = schema.get(exclusive).filter(|limit| limit.is_number()).cloned() else { continue };
        let other = schema.get(bound).and_then(Value::as_f64);
        let number = limit.as_f64().unwrap_or_default();
        // Of two bounds the tighter one counts.
        let is_tighter = other.is_none_or(|other| if is_lower { number >= other } else { number <= other });
        if is_tighter {
            schema.insert(bound.to_owned(), limit);
        }
        schema.insert(exclusive.to_owned(), is_tighter.into());
    }
}

/// One document for a validator: the model, with the models that it leads to as its definitions.
#[must_use]
pub(crate) fn document(api: &Api, name: &str) -> Value {
    let mut definitions = Map::new();
    let mut waiting = vec![name.to_owned()];
    while let Some(name) = waiting.pop() {
        if definitions.contains_key(&name) {
            continue;
        }
        if let Some(schema) = api.models.get(&name) {
            references(&schema.value, &mut waiting);
            definitions.insert(name, schema.value.clone());
        }
    }
    json!({ "$schema": "http://json-schema.org/draft-04/schema#", "$ref": reference_to(name), "definitions": definitions })
}

/// The models that a schema refers to.
fn references(schema: &Value, out: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            if let Some(name) = members.get("$ref").and_then(Value::as_str).and_then(named) {
                out.push(name);
            }
            members.values().for_each(|member| references(member, out));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, out)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_dialects_become_draft_4() {
        let converted = |mut schema: Value| {
            into_draft4(schema.as_object_mut().unwrap());
            schema
        };
        assert_eq!(converted(json!({"nullable": true, "type": "string", "enum": ["a"]}))["enum"], json!(["a", null]));
        assert_eq!(converted(json!({"const": 1})), json!({"enum": [1]}));
        assert_eq!(converted(json!({"exclusiveMinimum": 3})), json!({"minimum": 3, "exclusiveMinimum": true}));
        assert_eq!(converted(json!({"maximum": 3, "exclusiveMaximum": 5})), json!({"maximum": 3, "exclusiveMaximum": false}));
        assert_eq!(converted(json!({"minimum": 3, "exclusiveMinimum": true})), json!({"minimum": 3, "exclusiveMinimum": true}));
    }

    #[test]
    fn names_are_read_from_every_form_of_reference() {
        assert_eq!(named("#/components/schemas/Pet").as_deref(), Some("Pet"));
        assert_eq!(named("#/definitions/a~1b%20c").as_deref(), Some("a/b c"));
        assert_eq!(named("https://apigateway.amazonaws.com/restapis/abc/models/Pet").as_deref(), Some("Pet"));
        assert_eq!((named("#/components/schemas/Pet/properties/id"), named("other.yaml#/Pet"), named("Pet")), (None, None, None));
        assert_eq!(named(&reference_to("GET /a/{b} text/~x")).as_deref(), Some("GET /a/{b} text/~x"));
    }
}
