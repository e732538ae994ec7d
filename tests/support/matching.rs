//! Expectations of cases: values, and matchers such as `{$regex: …}`. Differences come back as lines; none means that all is as expected.

use regex::Regex;
use serde_json::Value;

/// Compares; `subset` lets members be there that nobody expects.
pub fn differences(expected: &Value, actual: Option<&Value>, at: &str, subset: bool) -> Vec<String> {
    if let Some(matcher) = as_matcher(expected) {
        return matcher.iter().flat_map(|(name, wanted)| special(name, wanted, actual, at)).collect();
    }
    let Some(actual) = actual else { return vec![format!("{at}: expected {expected}, got nothing")] };
    match (expected, actual) {
        (Value::Object(expected), Value::Object(found)) => {
            let wanted = expected.iter().flat_map(|(key, value)| differences(value, found.get(key), &format!("{at}.{key}"), subset));
            let unexpected = found
                .iter()
                .filter(|(key, _)| !subset && !expected.contains_key(*key))
                .map(|(key, value)| format!("{at}.{key}: unexpected, got {value}"));
            wanted.chain(unexpected).collect()
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => expected
            .iter()
            .zip(found)
            .enumerate()
            .flat_map(|(index, (value, found))| differences(value, Some(found), &format!("{at}[{index}]"), subset))
            .collect(),
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => Vec::new(),
        _ if expected == actual => Vec::new(),
        _ => vec![format!("{at}: expected {expected}, got {actual}")],
    }
}

/// Whether a value is a matcher rather than what it seems to be.
pub fn as_matcher(value: &Value) -> Option<&serde_json::Map<String, Value>> {
    value.as_object().filter(|members| !members.is_empty() && members.keys().all(|key| key.starts_with('$')))
}

fn special(name: &str, wanted: &Value, actual: Option<&Value>, at: &str) -> Vec<String> {
    let fail = |what: &str| vec![format!("{at}: expected {what} {wanted}, got {}", actual.map_or("nothing".to_owned(), Value::to_string))];
    if name == "$absent" {
        return if actual.is_some() == wanted.as_bool().unwrap_or(true) { fail("absence") } else { Vec::new() };
    }
    let Some(found) = actual else { return fail(name) };
    let holds = match name {
        "$any" => true,
        "$regex" => {
            found.as_str().is_some_and(|text| Regex::new(wanted.as_str().unwrap_or_default()).is_ok_and(|pattern| pattern.is_match(text)))
        }
        "$type" => wanted.as_str() == Some(type_of(found)),
        "$contains" => list(wanted).iter().all(|part| contains(found, part)),
        "$anyOf" => list(wanted).iter().any(|one| differences(one, actual, at, false).is_empty()),
        "$not" => !differences(wanted, actual, at, false).is_empty(),
        "$subset" => return differences(wanted, actual, at, true),
        "$range" => found.as_f64().is_some_and(|number| {
            wanted[0].as_f64().is_some_and(|low| low <= number) && wanted[1].as_f64().is_some_and(|high| number <= high)
        }),
        _ => return vec![format!("{at}: unknown matcher {name}")],
    };
    if holds { Vec::new() } else { fail(name) }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

fn contains(found: &Value, part: &Value) -> bool {
    match (found, part) {
        (Value::String(text), Value::String(part)) => text.contains(part),
        (Value::Array(items), part) => items.contains(part),
        _ => false,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_found_and_matchers_understood() {
        let found = json!({"a": "text", "b": [1, 2.0], "c": null});
        let none = |expected: Value| differences(&expected, Some(&found), "$", false).is_empty();
        assert!(none(json!({"a": {"$regex": "^te"}, "b": [1, 2], "c": {"$type": "null"}, "d": {"$absent": true}})));
        assert!(!none(json!({"a": "text", "b": [1, 2]})));
        assert!(!none(json!({"a": {"$not": "text"}, "b": [1, 2], "c": null})));
        assert!(!none(json!({"a": "text", "b": [1, 3], "c": null})));
        assert!(!none(json!({"a": {"$anyOf": ["x", "y"]}, "b": {"$any": true}, "c": null})));
        assert!(none(json!({"$subset": {"b": {"$contains": [1]}}})));
    }
}
