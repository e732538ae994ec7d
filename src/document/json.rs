//! JSON documents: RFC 8259 to the letter, with places.

use std::collections::HashSet;
use std::sync::Arc;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::node::{Entry, Node, Source, Span, Value};
use super::parse::{Limits, Refused, duplicate};
use super::problem::Problems;

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads a JSON text.
pub(super) fn read(source: &Arc<Source>, limits: Limits, problems: &mut Problems) -> Result<Node, Refused> {
    measure(&source.text, limits)?;
    let parsed = parse_to_ast(&source.text, &CollectOptions::default(), &STRICT).map_err(|error| {
        let range = error.range();
        let span = Span { start: range.start, end: range.end.max(range.start + 1) };
        Refused::new(span, format!("this is no JSON: {}", error.kind()))
    })?;
    let mut reader = Reader { source, problems };
    let root = parsed.value.ok_or_else(|| Refused::new(Span::default(), "the document is empty"))?;
    Ok(reader.node(&root))
}

/// Refuses what is too deep or too large before a tree is made of it: the parser recurses, and would hold all of it twice.
fn measure(text: &str, limits: Limits) -> Result<(), Refused> {
    let (mut depth, mut nodes, mut in_string, mut escaped) = (0_usize, 1_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                nodes += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => nodes += 1,
            _ => {}
        }
        let span = Span { start: at, end: at + 1 };
        if depth > limits.depth {
            return Err(Refused::new(span, format!("the document is too deep: at most {} levels are read", limits.depth)));
        }
        if nodes > limits.nodes {
            return Err(Refused::new(span, format!("the document is too large: at most {} values are read", limits.nodes)));
        }
    }
    Ok(())
}

struct Reader<'s, 'p> {
    source: &'s Arc<Source>,
    problems: &'p mut Problems,
}

impl Reader<'_, '_> {
    /// As deep as the text, which was measured.
    fn node(&mut self, value: &ast::Value<'_>) -> Node {
        let range = value.range();
        let span = Span { start: range.start, end: range.end };
        let value = match value {
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
            ast::Value::NumberLit(literal) => Value::Number(literal.value.to_owned()),
            ast::Value::StringLit(literal) => Value::String(literal.value.clone().into_owned()),
            ast::Value::Array(array) => Value::Array(Arc::new(array.elements.iter().map(|item| self.node(item)).collect())),
            ast::Value::Object(object) => Value::Object(Arc::new(self.entries(object))),
        };
        Node { value, span, source: Arc::clone(self.source), block: false }
    }

    fn entries(&mut self, object: &ast::Object<'_>) -> Vec<Entry> {
        let mut keys = HashSet::new();
        let mut entries = Vec::with_capacity(object.properties.len());
        for property in &object.properties {
            let range = property.name.range();
            let key_span = Span { start: range.start, end: range.end };
            let key = property.name.as_str().to_owned();
            if keys.insert(key.clone()) {
                entries.push(Entry { key, key_span, node: self.node(&property.value) });
            } else {
                duplicate(self.source, key_span, &key, self.problems);
            }
        }
        entries
    }
}
