//! JSON documents: RFC 8259 to the letter, with places.

use std::collections::HashSet;
use std::sync::Arc;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::node::{Entry, Node, Source, Span, Value};
use super::parse::{Limits, Refused, duplicate};

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
pub(super) fn read(source: &Arc<Source>, limits: Limits) -> Result<Node, Refused> {
    let parsed = parse_to_ast(&source.text, &CollectOptions::default(), &STRICT).map_err(|error| {
        let range = error.range();
        let span = Span { start: range.start, end: range.end.max(range.start + 1) };
        Refused::new(span, format!("this is no JSON: {}", error.kind()))
    })?;
    let mut reader = Reader { source, limits, nodes: 0 };
    let root = parsed.value.ok_or_else(|| Refused::new(Span::default(), "the document is empty"))?;
    reader.node(&root, 0)
}

struct Reader<'s> {
    source: &'s Arc<Source>,
    limits: Limits,
    nodes: usize,
}

impl Reader<'_> {
    fn node(&mut self, value: &ast::Value<'_>, depth: usize) -> Result<Node, Refused> {
        let range = value.range();
        let span = Span { start: range.start, end: range.end };
        self.nodes += 1;
        if depth > self.limits.depth || self.nodes > self.limits.nodes {
            return Err(Refused::new(
                span,
                format!("the document is too large: at most {} levels and {} values are read", self.limits.depth, self.limits.nodes),
            ));
        }
        let value = match value {
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
            ast::Value::NumberLit(literal) => Value::Number(literal.value.to_owned()),
            ast::Value::StringLit(literal) => Value::String(literal.value.clone().into_owned()),
            ast::Value::Array(array) => {
                Value::Array(Arc::new(array.elements.iter().map(|item| self.node(item, depth + 1)).collect::<Result<_, _>>()?))
            }
            ast::Value::Object(object) => Value::Object(Arc::new(self.entries(object, depth)?)),
        };
        Ok(Node { value, span, source: Arc::clone(self.source), block: false })
    }

    fn entries(&mut self, object: &ast::Object<'_>, depth: usize) -> Result<Vec<Entry>, Refused> {
        let mut keys = HashSet::new();
        let mut entries = Vec::with_capacity(object.properties.len());
        for property in &object.properties {
            let range = property.name.range();
            let key_span = Span { start: range.start, end: range.end };
            let key = property.name.as_str().to_owned();
            if !keys.insert(key.clone()) {
                return Err(duplicate(self.source, key_span, &key));
            }
            entries.push(Entry { key, key_span, node: self.node(&property.value, depth + 1)? });
        }
        Ok(entries)
    }
}
