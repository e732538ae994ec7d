//! Models: the schemas that bodies are checked with, as draft 4 JSON Schema.

use serde_json::{Map, Value, json};

use super::Reader;
use crate::apigateway::api::Api;
use crate::document::{Node, Problems};

/// Where all models stand in the one document that a validator is compiled from.
const DEFINITIONS: &str = "#/definitions/";

impl Reader<'_> {
    /// Takes every named schema over.
    pub(super) fn models(&mut self, api: &mut Api, problems: &mut Problems) {
        let place = if self.swagger {
            self.root.get("definitions")
        } else {
            self.root.get("components").and_then(|components| components.get("schemas"))
        };
        for entry in place.map(Node::entries).unwrap_or_default() {
            let schema = self.schema(&entry.node, api, problems);
            api.models.insert(entry.key.clone(), schema);
        }
    }

    /// The name of the model for a schema: the one that it refers to, or a new one for a schema written in place.
    pub(super) fn model(&mut self, schema: &Node, name: &str, api: &mut Api, problems: &mut Problems) -> String {
        if let Some(name) = schema.get("$ref").and_then(Node::as_str).and_then(|text| text.rsplit('/').next())
            && api.models.contains_key(name)
        {
            return name.to_owned();
        }
        let schema = self.schema(schema, api, problems);
        api.models.insert(name.to_owned(), schema);
        name.to_owned()
    }

    /// A schema whose references lead to `#/definitions/…`; what they lead to in other files is taken over.
    fn schema(&mut self, node: &Node, api: &mut Api, problems: &mut Problems) -> Value {
        if let Some(reference) = node.get("$ref")
            && let Some(text) = reference.as_str()
        {
            let name = text.rsplit('/').next().unwrap_or_default().to_owned();
            let local = text.starts_with('#') && node.source.name == self.root.source.name;
            if !local && !text.starts_with("http") && !api.models.contains_key(&name) {
                api.models.insert(name.clone(), json!({}));
                if let Some(target) = self.resolve(node, problems) {
                    let schema = self.schema(&target, api, problems);
                    api.models.insert(name.clone(), schema);
                }
            }
            return json!({ "$ref": format!("{DEFINITIONS}{name}") });
        }
        if !node.is_object() {
            return if node.items().is_empty() {
                node.to_json()
            } else {
                node.items().iter().map(|item| self.schema(item, api, problems)).collect()
            };
        }
        let mut schema: Map<String, Value> =
            node.entries().iter().map(|entry| (entry.key.clone(), self.schema(&entry.node, api, problems))).collect();
        nullable(&mut schema);
        Value::Object(schema)
    }
}

/// OpenAPI 3.0's `nullable` is draft 4's second type.
fn nullable(schema: &mut Map<String, Value>) {
    if schema.get("nullable") == Some(&Value::Bool(true))
        && let Some(Value::String(name)) = schema.get("type").cloned()
    {
        schema.insert("type".into(), json!([name, "null"]));
    }
}

/// One document for a validator: the model, with all models as its definitions.
#[must_use]
pub(crate) fn document(api: &Api, name: &str) -> Value {
    let definitions: Map<String, Value> = api.models.iter().map(|(name, schema)| (name.clone(), schema.clone())).collect();
    json!({ "$schema": "http://json-schema.org/draft-04/schema#", "$ref": format!("{DEFINITIONS}{name}"), "definitions": definitions })
}
