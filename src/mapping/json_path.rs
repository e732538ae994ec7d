//! JSONPath on JSON values.

use serde_json::Value;

/// The value at a definite path such as `a.b[0]['c']`, with or without `$`.
#[must_use]
pub fn find(root: &Value, path: &str) -> Option<Value> {
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    let mut value = root;
    while !rest.is_empty() {
        let (step, after) = step(rest)?;
        value = match value {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
            other => other.get(step)?,
        };
        rest = after;
    }
    Some(value.clone())
}

fn step(text: &str) -> Option<(&str, &str)> {
    if let Some(inside) = text.strip_prefix('[') {
        let (step, after) = inside.split_once(']')?;
        return Some((step.trim_matches(['\'', '"']), after));
    }
    let text = text.strip_prefix('.').unwrap_or(text);
    let end = text.find(['.', '[']).unwrap_or(text.len());
    Some(text.split_at(end)).filter(|(step, _)| !step.is_empty())
}
