//! Request bodies against models: JSON Schema draft 4, and the words in which the service's validator lists what is wrong.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;

/// At most so many messages are listed …
const LISTED: usize = 32;
/// … of at most so many mistakes.
const FOUND: usize = 256;

/// A pattern with look-around, which models have, may take so many steps; a body that needs more fails it.
const STEPS: usize = 100_000;
/// A compiled pattern may take this many bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// A compiled model.
#[derive(Debug)]
pub struct BodyValidator(Validator);

impl BodyValidator {
    /// Compiles a draft 4 schema; references stay within it.
    ///
    /// # Errors
    /// With the reason why the schema cannot be used.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        let options = jsonschema::options()
            .with_draft(Draft::Draft4)
            .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(STEPS).size_limit(PATTERN_SIZE));
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
        Err(format!("[{}]", messages(&value, self.0.iter_errors(&value).take(FOUND)).join(", ")))
    }
}

/// The messages in the service's order: an object's own before those of its members, members by name; all required properties that an
/// object lacks are one message.
fn messages<'e>(body: &Value, errors: impl Iterator<Item = ValidationError<'e>>) -> Vec<String> {
    let mut errors: Vec<ValidationError<'_>> = errors.collect();
    errors.sort_by(|a, b| place(a).cmp(place(b)).then_with(|| a.kind().keyword().cmp(b.kind().keyword())));
    let mut messages = Vec::new();
    for group in errors.chunk_by(|a, b| missing(a).is_some() && missing(b).is_some() && a.instance_path() == b.instance_path()) {
        let mut names: Vec<&str> = group.iter().filter_map(missing).collect();
        match (names.is_empty(), group.first()) {
            (true, Some(error)) => messages.push(message(body, error)),
            _ => {
                names.sort_unstable();
                messages.push(format!("object has missing required properties ({})", list(names)));
            }
        }
        if messages.len() == LISTED {
            break;
        }
    }
    messages
}

/// Where a message belongs in the order: positions in a list by number.
fn place<'e>(error: &'e ValidationError<'_>) -> impl Iterator<Item = (usize, &'e str)> {
    error.instance_path().as_str().split('/').skip(1).map(|part| (part.parse().unwrap_or(usize::MAX), part))
}

fn missing<'e>(error: &'e ValidationError<'_>) -> Option<&'e str> {
    match error.kind() {
        ValidationErrorKind::Required { property } => property.as_str(),
        _ => None,
    }
}

/// As the service writes a list of names: JSON without blanks.
fn list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| Value::from(name).to_string()).collect();
    format!("[{}]", quoted.join(","))
}

/// The words of the Java library that the service validates with.
fn message(body: &Value, error: &ValidationError<'_>) -> String {
    let instance = error.instance();
    let count = length(instance);
    match error.kind() {
        ValidationErrorKind::Type { kind } => {
            format!("instance type ({}) does not match any allowed primitive type (allowed: {})", type_of(instance), allowed(kind))
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => not_allowed(unexpected.iter().map(String::as_str).collect()),
        // `additionalProperties: false` alone: the object may have no property at all.
        ValidationErrorKind::FalseSchema => match body.pointer(error.instance_path().as_str()).and_then(Value::as_object) {
            Some(members) => not_allowed(members.keys().map(String::as_str).collect()),
            None => error.to_string(),
        },
        ValidationErrorKind::AdditionalItems { limit } => {
            format!("additional items are not allowed (allowed: {limit}, found: {count})")
        }
        ValidationErrorKind::Enum { options } => format!("instance value ({instance}) not found in enum (possible values: {options})"),
        ValidationErrorKind::MinLength { limit } => {
            format!("string {instance} is too short (length: {count}, required minimum: {limit})")
        }
        ValidationErrorKind::MaxLength { limit } => {
            format!("string {instance} is too long (length: {count}, maximum allowed: {limit})")
        }
        ValidationErrorKind::Pattern { pattern } => format!("ECMA 262 regex \"{pattern}\" does not match input string {instance}"),
        ValidationErrorKind::Minimum { limit } => {
            format!("numeric instance is lower than the required minimum (minimum: {limit}, found: {instance})")
        }
        ValidationErrorKind::Maximum { limit } => {
            format!("numeric instance is greater than the required maximum (maximum: {limit}, found: {instance})")
        }
        ValidationErrorKind::ExclusiveMinimum { limit } => {
            format!("numeric instance is not strictly greater than the required minimum {limit}")
        }
        ValidationErrorKind::ExclusiveMaximum { limit } => {
            format!("numeric instance is not strictly lower than the required maximum {limit}")
        }
        ValidationErrorKind::MultipleOf { multiple_of } => format!("remainder of division is not zero ({instance} / {multiple_of})"),
        ValidationErrorKind::MinItems { limit } => {
            format!("array is too short: must have at least {limit} elements but instance has {count} elements")
        }
        ValidationErrorKind::MaxItems { limit } => {
            format!("array is too long: must have at most {limit} elements but instance has {count} elements")
        }
        ValidationErrorKind::UniqueItems => "array must not contain duplicate elements".to_owned(),
        ValidationErrorKind::MinProperties { limit } => {
            format!("object has too few properties (found {count} but schema requires at least {limit})")
        }
        ValidationErrorKind::MaxProperties { limit } => {
            format!("object has too many properties (found {count} but schema requires at most {limit})")
        }
        ValidationErrorKind::AnyOf { context } => format!("instance failed to match at least one required schema among {}", context.len()),
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::OneOfMultipleValid { context } => {
            let matched = context.iter().filter(|errors| errors.is_empty()).count();
            format!("instance failed to match exactly one schema (matched {matched} out of {})", context.len())
        }
        ValidationErrorKind::Not { .. } => "instance matched a schema which it should not have".to_owned(),
        _ => error.to_string(),
    }
}

fn not_allowed(mut names: Vec<&str>) -> String {
    names.sort_unstable();
    format!("object instance has properties which are not allowed by the schema: {}", list(names))
}

/// The types that would do, by name; whole numbers are numbers.
fn allowed(kind: &TypeKind) -> String {
    let mut names: Vec<String> = match kind {
        TypeKind::Single(one) => vec![one.to_string()],
        TypeKind::Multiple(many) => many.iter().map(|one| one.to_string()).collect(),
    };
    if names.iter().any(|name| name == "number") {
        names.push("integer".to_owned());
    }
    names.sort();
    names.dedup();
    list(names.iter().map(String::as_str))
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
        let schema = json!({"required": ["b", "a"], "properties": {
            "z": {"type": "number"}, "l": {"items": {"minimum": 2}, "uniqueItems": true}, "o": {"required": ["y", "x"], "additionalProperties": false},
        }, "maxProperties": 1});
        assert_eq!(
            check(&schema, r#"{"z": "1", "l": [3, 3, 1], "o": {"d": 1, "c": 2}}"#).unwrap_err(),
            "[object has too many properties (found 3 but schema requires at most 1), \
             object has missing required properties ([\"a\",\"b\"]), \
             array must not contain duplicate elements, \
             numeric instance is lower than the required minimum (minimum: 2, found: 1), \
             object instance has properties which are not allowed by the schema: [\"c\",\"d\"], \
             object has missing required properties ([\"x\",\"y\"]), \
             instance type (string) does not match any allowed primitive type (allowed: [\"integer\",\"number\"])]"
        );
        let words = |schema: Value, body: &str| check(&schema, body).unwrap_err();
        assert_eq!(
            words(json!({"minimum": 1, "exclusiveMinimum": true}), "1"),
            "[numeric instance is not strictly greater than the required minimum 1]"
        );
        assert_eq!(
            words(json!({"oneOf": [{"minimum": 1}, {"maximum": 9}]}), "5"),
            "[instance failed to match exactly one schema (matched 2 out of 2)]"
        );
        assert_eq!(
            words(json!({"anyOf": [{"minimum": 6}, {"maximum": 2}]}), "5"),
            "[instance failed to match at least one required schema among 2]"
        );
        assert_eq!(words(json!({"enum": ["a", 1]}), "5"), "[instance value (5) not found in enum (possible values: [\"a\",1])]");
        assert_eq!(words(json!({"multipleOf": 2}), "5"), "[remainder of division is not zero (5 / 2)]");
        assert!(check(&schema, "{nope").is_err());
        assert!(check(&json!({"type": "array"}), "").is_err());
    }

    #[test]
    fn patterns_may_look_around_and_end_in_time() {
        let schema = json!({"properties": {"p": {"pattern": "^(?=.*[A-Z]).{4,}$"}, "slow": {"pattern": "^(?=(a+)+$)a"}}});
        assert!(check(&schema, r#"{"p": "passWord"}"#).is_ok());
        assert!(check(&schema, r#"{"p": "password"}"#).is_err());
        assert!(check(&schema, &format!(r#"{{"slow": "{}b"}}"#, "a".repeat(2000))).is_err());
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
