//! Walks a template's tree.

use super::ast::{Block, Expression, NodeKind, Part, Reference, Slot, Template};

impl Template {
    /// The template as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Tells every method call in the template: its name, and its argument if that is one text as it stands.
    pub fn each_call(&self, tell: &mut dyn FnMut(&str, Option<&str>)) {
        self.visit(&mut |found| {
            let Found::Reference(reference) = found else { return };
            for part in &reference.parts {
                if let Part::Method(name, arguments) = part {
                    let text = match arguments.as_slice() {
                        [Expression::String(text)] => Some(&**text),
                        _ => None,
                    };
                    tell(name, text);
                }
            }
        });
    }

    /// Tells everything in the template that a [`Found`] is for.
    pub(super) fn visit(&self, tell: &mut dyn FnMut(Found<'_>)) {
        block(&self.body, tell);
        for definition in self.macros.values() {
            definition.parameters.iter().for_each(|slot| tell(Found::Assigned(*slot)));
            block(&definition.body, tell);
        }
    }
}

/// What a walk through a template comes to.
pub(super) enum Found<'t> {
    /// Any reference, wherever it stands.
    Reference(&'t Reference),
    /// A variable that something gives a value.
    Assigned(Slot),
    /// A `#set` of a part of something.
    Stored(&'t Reference, &'t Expression),
    /// `#evaluate`, which can do anything.
    Evaluated,
}

type Visit<'v> = &'v mut dyn FnMut(Found<'_>);

fn block(nodes: &Block, visit: Visit<'_>) {
    for node in &nodes.0 {
        match &node.kind {
            NodeKind::Reference(found) | NodeKind::Discard(found) => reference(found, visit),
            NodeKind::Set(target, value) => {
                visit(if target.parts.is_empty() { Found::Assigned(target.root) } else { Found::Stored(target, value) });
                reference(target, visit);
                expression(value, visit);
            }
            NodeKind::If(branches, otherwise) => {
                for (condition, body) in branches {
                    expression(condition, visit);
                    block(body, visit);
                }
                if let Some(body) = otherwise {
                    block(body, visit);
                }
            }
            NodeKind::Foreach(slot, list, body) => {
                visit(Found::Assigned(*slot));
                expression(list, visit);
                block(body, visit);
            }
            NodeKind::Call(call) => {
                call.arguments.iter().for_each(|argument| expression(argument, visit));
                if let Some((slot, body)) = &call.body {
                    visit(Found::Assigned(*slot));
                    block(body, visit);
                }
            }
            NodeKind::Define(slot, body) => {
                visit(Found::Assigned(*slot));
                block(body, visit);
            }
            NodeKind::Evaluate(value) => {
                visit(Found::Evaluated);
                expression(value, visit);
            }
            NodeKind::Break(Some(value)) => expression(value, visit),
            NodeKind::Text(_) | NodeKind::Name(..) | NodeKind::Break(None) | NodeKind::Stop | NodeKind::Fails(..) => {}
        }
    }
}

fn reference(found: &Reference, visit: Visit<'_>) {
    visit(Found::Reference(found));
    for part in &found.parts {
        match part {
            Part::Method(_, arguments) => arguments.iter().for_each(|argument| expression(argument, visit)),
            Part::Index(index) => expression(index, visit),
            Part::Property(_) => {}
        }
    }
}

fn expression(found: &Expression, visit: Visit<'_>) {
    match found {
        Expression::Interpolated(nodes, _) => block(nodes, visit),
        Expression::Reference(found) => reference(found, visit),
        Expression::List(items) => items.iter().for_each(|item| expression(item, visit)),
        Expression::Range(first, last) => {
            expression(first, visit);
            expression(last, visit);
        }
        Expression::Map(entries) => {
            for (key, value) in entries {
                expression(key, visit);
                expression(value, visit);
            }
        }
        Expression::Not(inner) => expression(inner, visit),
        Expression::Binary(_, sides) => {
            expression(&sides.0, visit);
            expression(&sides.1, visit);
        }
        Expression::Nothing
        | Expression::Boolean(_)
        | Expression::Integer(_)
        | Expression::BigInteger(_)
        | Expression::Double(_)
        | Expression::String(_) => {}
    }
}
