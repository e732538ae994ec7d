//! `${NAME}` and `${NAME:-default}` in the scalars of our own files; `$${` writes `${`.

use std::sync::Arc;

use crate::document::{Entry, Node, Problems, Value};

/// The tree with every variable replaced. A variable that is not set and has no default is an error.
pub(super) fn substitute(node: &Node, lookup: &dyn Fn(&str) -> Option<String>, problems: &mut Problems) -> Node {
    match &node.value {
        Value::String(text) if text.contains("${") => {
            let text = replaced(text, node, lookup, problems);
            node.with_value(Value::String(text))
        }
        Value::Array(items) => {
            node.with_value(Value::Array(Arc::new(items.iter().map(|item| substitute(item, lookup, problems)).collect())))
        }
        Value::Object(entries) => {
            let entries = entries.iter().map(|entry| Entry { node: substitute(&entry.node, lookup, problems), ..entry.clone() });
            node.with_value(Value::Object(Arc::new(entries.collect())))
        }
        _ => node.clone(),
    }
}

fn replaced(text: &str, node: &Node, lookup: &dyn Fn(&str) -> Option<String>, problems: &mut Problems) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            out.extend([before, "${"]);
            rest = after;
            continue;
        }
        out.push_str(before);
        let Some((inside, behind)) = after.split_once('}') else {
            problems.error(node, "`${` has no `}`").help("`$${` writes `${`");
            return out;
        };
        let (name, default) = inside.split_once(":-").map_or((inside, None), |(name, default)| (name, Some(default)));
        match lookup(name).or_else(|| default.map(str::to_owned)) {
            Some(value) => out.push_str(&value),
            None => {
                problems
                    .error(node, format!("the environment variable `{name}` is not set"))
                    .help(format!("set it, or give a default: `${{{name}:-default}}`"));
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Limits, parse};

    #[test]
    fn replaces_defaults_and_escapes() {
        let mut problems = Problems::default();
        let node = parse("f", b"a: \"${A}-${B:-b}-$${C}\"\nc: \"${MISSING}\"", Limits::default(), &mut problems).unwrap();
        let node = substitute(&node, &|name| (name == "A").then(|| "1".into()), &mut problems);
        assert_eq!(node.get("a").unwrap().as_str(), Some("1-b-${C}"));
        assert_eq!(problems.to_lines(), ["f:2:4: error: the environment variable `MISSING` is not set"]);
    }
}
