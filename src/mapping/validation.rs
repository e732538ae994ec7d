//! Request bodies against models: JSON Schema draft 4, and the words in which the service's validator lists what is wrong.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

/// At most so many messages are listed.
const LISTED: usize = 32;

/// A compiled model.
#[derive(Debug)]
pub struct BodyValidator(Validator);

impl BodyValidator {
    /// Compiles a draft 4 schema; references stay within it.
    ///
    /// # Errors
    /// With the reason why the schema cannot be used.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        let options = jsonschema::options().with_draft(Draft::Draft4).with_pattern_options(PatternOptions::regex());
        options.build(schema).map(Self).map_err(|error| error.to_string())
    }

    /// Checks a body; an empty one is `{}` (recorded).
    ///
    /// # Errors
    /// With the list of messages, in brackets.
    pub fn validate(&self, body: &[u8]) -> Result<(), String> {
        let body = if body.is_empty() { b"{}" } else { body };
        let value: Value = serde_json::from_slice(body).map_err(|_| "[the body is no JSON]".to_owned())?;
        if self.0.is_valid(&value) {
            return Ok(());
        }
        let messages: Vec<String> = self.0.iter_errors(&value).take(LISTED).map(|error| message(&error)).collect();
        Err(format!("[{}]", messages.join(", ")))
    }
}

fn message(error: &jsonschema::ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Required { property } => format!("object has missing required properties ([{property}])"),
        ValidationErrorKind::Type { kind } => {
            let allowed: Vec<String> = match kind {
                TypeKind::Single(one) => vec![format!("\"{one}\"")],
                TypeKind::Multiple(many) => many.iter().map(|one| format!("\"{one}\"")).collect(),
            };
            format!(
                "instance type ({}) does not match any allowed primitive type (allowed: [{}])",
                type_of(error.instance()),
                allowed.join(",")
            )
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let names: Vec<String> = unexpected.iter().map(|name| format!("\"{name}\"")).collect();
            format!("object instance has properties which are not allowed by the schema: [{}]", names.join(","))
        }
        ValidationErrorKind::Enum { options } => {
            format!("instance value ({}) not found in enum (possible values: {options})", error.instance())
        }
        ValidationErrorKind::MinLength { limit } => {
            format!("string {} is too short (length: {}, required minimum: {limit})", error.instance(), length(error.instance()))
        }
        ValidationErrorKind::MaxLength { limit } => {
            format!("string {} is too long (length: {}, maximum allowed: {limit})", error.instance(), length(error.instance()))
        }
        ValidationErrorKind::Pattern { pattern } => {
            format!("ECMA 262 regex \"{pattern}\" does not match input string {}", error.instance())
        }
        ValidationErrorKind::Minimum { limit } => {
            format!("numeric instance is lower than the required minimum (minimum: {limit}, found: {})", error.instance())
        }
        ValidationErrorKind::Maximum { limit } => {
            format!("numeric instance is greater than the required maximum (maximum: {limit}, found: {})", error.instance())
        }
        ValidationErrorKind::MinItems { limit } => {
            format!("array is too short: must have at least {limit} elements but instance has {} elements", length(error.instance()))
        }
        ValidationErrorKind::MaxItems { limit } => {
            format!("array is too long: must have at most {limit} elements but instance has {} elements", length(error.instance()))
        }
        _ => error.to_string(),
    }
}

fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, body: &str) -> Result<(), String> {
        BodyValidator::compile(schema).unwrap().validate(body.as_bytes())
    }

    #[test]
    fn words_mistakes_as_the_service_does() {
        let schema = json!({"type": "object", "required": ["subject"], "properties": {"n": {"type": ["integer", "number"]}}});
        assert_eq!(check(&schema, "{}").unwrap_err(), r#"[object has missing required properties (["subject"])]"#);
        assert_eq!(check(&schema, "").unwrap_err(), r#"[object has missing required properties (["subject"])]"#);
        assert_eq!(
            check(&schema, r#"{"subject": 1, "n": "x"}"#).unwrap_err(),
            r#"[instance type (string) does not match any allowed primitive type (allowed: ["integer","number"])]"#
        );
        assert!(check(&schema, "{nope").is_err());
        assert!(check(&json!({"type": "array"}), "").is_err());
    }

    #[test]
    fn circular_models_work() {
        let schema = json!({
            "$ref": "#/definitions/Node",
            "definitions": {"Node": {"type": "object", "properties": {"next": {"oneOf": [{"type": "null"}, {"$ref": "#/definitions/Node"}]}}}}
        });
        assert!(check(&schema, r#"{"next": {"next": null}}"#).is_ok());
        assert!(check(&schema, r#"{"next": {"next": 1}}"#).is_err());
    }
}
