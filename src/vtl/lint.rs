//! What parses but is probably not meant: the traps of templates that make JSON.

use std::collections::{HashMap, HashSet};

use super::ast::{Block, Expression, Node, NodeKind, Part, Reference, Slot, Template};
use super::error::{Error, ErrorKind};
use super::methods::METHODS;

/// References that exist without being set.
const GIVEN: [&str; 7] = ["input", "util", "context", "stageVariables", "foreach", "velocityCount", "velocityHasNext"];

/// What is known of a variable before anything is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Map,
    Payload,
    Other,
}

const UNESCAPED: &str =
    "this puts a text of the payload into JSON as it is: a quote in it breaks the JSON; `$util.escapeJavaScript(…)` escapes it";

/// Where a text holds `${name::name}`.
fn placeholder(text: &str) -> Option<usize> {
    text.match_indices("${")
        .map(|(at, _)| at)
        .find(|at| text.get(*at..).and_then(|rest| rest.split_once('}')).is_some_and(|(name, _)| name.contains("::")))
}

impl Template {
    /// Everything that looks like a trap, each with its place.
    #[must_use]
    pub fn lint(&self) -> Vec<Error> {
        let mut lint = Lint { template: self, set: HashMap::new(), loops: HashSet::new(), found: Vec::new(), unescaped: Vec::new() };
        lint.collect(&self.body);
        for definition in self.macros.values() {
            lint.set.extend(definition.parameters.iter().map(|slot| (*slot, Kind::Other)));
            lint.collect(&definition.body);
        }
        lint.block(&self.body);
        for definition in self.macros.values() {
            lint.block(&definition.body);
        }
        lint.found.sort_by_key(|error| (error.line, error.column));
        lint.found.dedup();
        // One warning for all places of a template: who mends one looks at the others, too.
        if let Some((first, more)) = lint.unescaped.split_first() {
            let places = if more.is_empty() { String::new() } else { format!(" (as do {} other places of this template)", more.len()) };
            let message = format!("{UNESCAPED}{places}");
            lint.found.push(Error::at(ErrorKind::Parse, &self.text, *first, message));
        }
        lint.found
    }
}

struct Lint<'t> {
    template: &'t Template,
    set: HashMap<Slot, Kind>,
    loops: HashSet<Slot>,
    found: Vec<Error>,
    /// Where texts of the payload are put into JSON as they are.
    unescaped: Vec<usize>,
}

impl Lint<'_> {
    fn warn(&mut self, at: usize, message: String) {
        self.found.push(Error::at(ErrorKind::Parse, &self.template.text, at, message));
    }

    fn name(&self, slot: Slot) -> String {
        self.template.names.name(slot).unwrap_or_default().to_owned()
    }

    /// First all that is set anywhere: order cannot be known across loops and macros.
    fn collect(&mut self, block: &Block) {
        for node in &block.0 {
            match &node.kind {
                NodeKind::Set(target, value) if target.parts.is_empty() => {
                    let kind = self.kind(value);
                    let known = self.set.entry(target.root).or_insert(kind);
                    if *known != kind {
                        *known = Kind::Other;
                    }
                }
                NodeKind::Foreach(slot, _, body) => {
                    self.set.insert(*slot, Kind::Other);
                    self.loops.insert(*slot);
                    self.collect(body);
                }
                NodeKind::Define(slot, body) => {
                    self.set.insert(*slot, Kind::Other);
                    self.collect(body);
                }
                NodeKind::If(branches, otherwise) => {
                    branches.iter().map(|(_, block)| block).chain(otherwise).for_each(|block| self.collect(block))
                }
                NodeKind::Call(call) => {
                    if let Some((slot, body)) = &call.body {
                        self.set.insert(*slot, Kind::Other);
                        self.collect(body);
                    }
                }
                _ => {}
            }
        }
    }

    fn kind(&self, expression: &Expression) -> Kind {
        match expression {
            Expression::Map(_) => Kind::Map,
            Expression::Reference(reference) if self.is_payload(reference) => Kind::Payload,
            _ => Kind::Other,
        }
    }

    /// `$input.path(…)`, or something read from what it gave.
    fn is_payload(&self, reference: &Reference) -> bool {
        let name = self.name(reference.root);
        match reference.parts.as_slice() {
            [Part::Method(method, _), rest @ ..] if &*name == "input" && &**method == "path" => {
                rest.iter().all(|part| !matches!(part, Part::Method(..)))
            }
            parts => self.set.get(&reference.root) == Some(&Kind::Payload) && parts.iter().all(|part| !matches!(part, Part::Method(..))),
        }
    }

    fn block(&mut self, block: &Block) {
        for (index, node) in block.0.iter().enumerate() {
            let neighbour = |at: Option<usize>| match at.and_then(|at| block.0.get(at)).map(|node| &node.kind) {
                Some(NodeKind::Text(text)) => &**text,
                _ => "",
            };
            let quoted = neighbour(index.checked_sub(1)).ends_with('"') && neighbour(Some(index + 1)).starts_with('"');
            self.node(node, quoted);
        }
    }

    fn node(&mut self, node: &Node, quoted: bool) {
        match &node.kind {
            NodeKind::Reference(reference) => self.printed(reference, quoted),
            NodeKind::Text(text) if placeholder(text).is_some() => {
                let written = self.template.text.get(node.at..).unwrap_or_default();
                let at = node.at + placeholder(written).unwrap_or_default();
                self.warn(at, "`${…::…}` is CloudFormation's, which nothing has replaced: it is printed as it stands".to_owned());
            }
            NodeKind::Set(target, value) => {
                if !target.parts.is_empty() {
                    self.reference(target);
                }
                self.expression(value);
            }
            NodeKind::If(branches, otherwise) => {
                for (condition, block) in branches {
                    self.expression(condition);
                    self.block(block);
                }
                if let Some(block) = otherwise {
                    self.block(block);
                }
            }
            NodeKind::Foreach(_, list, body) => {
                self.expression(list);
                self.block(body);
            }
            NodeKind::Define(_, body) => self.block(body),
            NodeKind::Call(call) => {
                call.arguments.iter().for_each(|argument| self.expression(argument));
                if let Some((_, body)) = &call.body {
                    self.block(body);
                }
            }
            _ => {}
        }
    }

    fn printed(&mut self, reference: &Reference, quoted: bool) {
        self.reference(reference);
        let name = self.name(reference.root);
        if reference.parts.is_empty() && self.set.get(&reference.root) == Some(&Kind::Map) {
            self.warn(reference.at, format!("`${name}` is a map, which prints as {{a=1}}, not as JSON"));
        } else if !quoted && self.is_whole_payload(reference) {
            self.warn(reference.at, "an object prints as {a=1} here; `$input.json('$')` gives JSON".to_owned());
        } else if quoted && self.is_payload(reference) {
            self.unescaped.push(reference.at);
        }
    }

    /// `$input.path('$')` itself.
    fn is_whole_payload(&self, reference: &Reference) -> bool {
        let [Part::Method(method, arguments)] = reference.parts.as_slice() else { return false };
        &*self.name(reference.root) == "input"
            && &**method == "path"
            && matches!(arguments.as_slice(), [Expression::String(path)] if &**path == "$")
    }

    fn reference(&mut self, reference: &Reference) {
        let name = self.name(reference.root);
        // `$null` and its like are written on purpose, to compare with nothing.
        if !GIVEN.contains(&&*name) && !self.set.contains_key(&reference.root) && !matches!(&*name, "null" | "none" | "empty") {
            self.warn(reference.at, format!("nothing sets `${name}`, so it is always empty"));
        }
        for part in &reference.parts {
            match part {
                Part::Method(method, arguments) => {
                    if METHODS.binary_search(&&**method).is_err() {
                        self.warn(reference.at, format!("there is no method `{method}`, so this is always empty"));
                    }
                    if let ("get" | "substring" | "charAt", [Expression::Integer(1..)]) = (&**method, arguments.as_slice()) {
                        self.warn(reference.at, format!("`{method}` ends the rendering where the value is shorter"));
                    }
                    arguments.iter().for_each(|argument| self.expression(argument));
                }
                Part::Index(Expression::Integer(1..)) => {
                    self.warn(reference.at, "this index ends the rendering where the list is shorter".to_owned())
                }
                Part::Index(index) => self.expression(index),
                Part::Property(_) => {}
            }
        }
    }

    fn expression(&mut self, expression: &Expression) {
        match expression {
            Expression::Reference(reference) => self.reference(reference),
            Expression::Interpolated(block, _) => block.0.iter().for_each(|node| {
                if let NodeKind::Reference(reference) = &node.kind {
                    // Its place is within the string; the string's own line is near enough to find it.
                    self.reference(reference);
                }
            }),
            Expression::List(items) => items.iter().for_each(|item| self.expression(item)),
            Expression::Map(entries) => entries.iter().for_each(|(_, value)| self.expression(value)),
            Expression::Not(inner) => self.expression(inner),
            Expression::Binary(_, sides) => {
                self.expression(&sides.0);
                self.expression(&sides.1);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lint(text: &str) -> Vec<String> {
        Template::parse(text).unwrap().lint().into_iter().map(|error| error.to_string()).collect()
    }

    #[test]
    fn traps_are_found_where_they_stand() {
        for (template, part) in [
            ("#set($m = {'a': 1})\n{\"m\": $m}", "line 2, column 7: `$m` is a map"),
            ("{\"all\": $input.path('$')}", "an object prints as {a=1}"),
            ("{\"n\": \"$input.path('$.name')\"}", "a quote in it breaks the JSON"),
            ("#set($r = $input.path('$'))\"$r.name\"", "a quote in it breaks the JSON"),
            ("{\"x\": \"$nmae\"}", "nothing sets `$nmae`"),
            ("$input.path('$.a').count()", "there is no method `count`"),
            ("#set($l = [1])$l[3] $l.get(2)", "this index ends the rendering"),
        ] {
            let found = lint(template);
            assert!(found.iter().any(|line| line.contains(part)), "{template}: {found:?}");
        }
    }

    #[test]
    fn sound_templates_are_left_alone() {
        for template in [
            "#set($r = $input.path('$'))\n{\"n\": \"$util.escapeJavaScript($r.name)\", \"items\": $input.json('$.items')}",
            "#foreach($i in $input.path('$.l'))$i.id#if($foreach.hasNext),#end#end",
            "#macro(f $x)[$x]#end#f('a')#if($input.path('$.a') == $null)none#end",
            "{\"stage\": \"$context.stage\", \"v\": \"$stageVariables.v\", \"p\": $input.params('id')}",
        ] {
            assert_eq!(lint(template), Vec::<String>::new(), "{template}");
        }
    }
}
