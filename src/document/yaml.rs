//! YAML documents: version 1.2's core schema, CloudFormation's short tags as the functions that they stand for.
//!
//! The parser's events are folded with a stack of our own, so that depth costs no call stack; aliases share what they repeat and are
//! counted as if they did not, so that ten lines cannot stand for a billion.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::node::{Entry, Node, Source, Span, Value};
use super::parse::{Limits, Refused, duplicate};
use super::problem::Problems;

/// Reads the first document of a YAML stream; more than one is refused.
pub(super) fn read(source: &Arc<Source>, limits: Limits, problems: &mut Problems) -> Result<Node, Refused> {
    let mut reader =
        Reader { source, limits, problems, stack: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None, cursor: Cursor::default() };
    for event in Parser::new_from_str(&source.text) {
        let (event, span) = event.map_err(|error| {
            let start = reader.offset(*error.marker());
            Refused::new(Span { start, end: start + 1 }, format!("this is no YAML: {}", error.info()))
        })?;
        let span = Span { start: reader.offset(span.start), end: reader.offset(span.end) };
        reader.event(event, span)?;
    }
    reader.root.map(|(node, _)| node).ok_or_else(|| Refused::new(Span::default(), "the document is empty"))
}

/// A collection that is not closed yet.
struct Open {
    span: Span,
    anchor: usize,
    tag: Option<String>,
    nodes_before: usize,
    content: Content,
}

enum Content {
    Items(Vec<Node>),
    Entries { entries: Vec<Entry>, keys: HashSet<String>, key: Option<(String, Span)>, merges: Vec<Node> },
}

struct Reader<'s, 'p> {
    source: &'s Arc<Source>,
    limits: Limits,
    problems: &'p mut Problems,
    stack: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<(Node, usize)>,
    cursor: Cursor,
}

/// The last place that was looked up. The next one is close by, so that a document of one endless line is not read again for each.
#[derive(Default)]
struct Cursor {
    line: usize,
    column: usize,
    byte: usize,
}

impl Cursor {
    /// The byte of a line (from 1) and a column (from 0).
    fn find(&mut self, source: &Source, line: usize, column: usize) -> usize {
        if self.line != line {
            *self = Self { line, column: 0, byte: source.line_start(line) };
        }
        if let Some(forward) = column.checked_sub(self.column) {
            let rest = source.text.get(self.byte..).unwrap_or_default();
            for c in rest.chars().take(forward).take_while(|&c| c != '\n') {
                self.byte += c.len_utf8();
                self.column += 1;
            }
        } else {
            let before = source.text.get(..self.byte).unwrap_or_default();
            self.byte -= before.chars().rev().take(self.column - column).map(char::len_utf8).sum::<usize>();
            self.column = column;
        }
        self.byte
    }
}

impl Reader<'_, '_> {
    fn offset(&mut self, marker: Marker) -> usize {
        self.cursor.find(self.source, marker.line(), marker.col())
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Refused> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = short_tag(tag);
                let value = scalar(text, style, tag.as_deref());
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let node = function(tag, Node { value, span, source: Arc::clone(self.source), block });
                self.anchored(anchor, node, 1, span)
            }
            Event::SequenceStart(anchor, tag) => self.open(span, anchor, tag, Content::Items(Vec::new())),
            Event::MappingStart(anchor, tag) => {
                let content = Content::Entries { entries: Vec::new(), keys: HashSet::new(), key: None, merges: Vec::new() };
                self.open(span, anchor, tag, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => {
                let (node, size) = self
                    .anchors
                    .get(&anchor)
                    .cloned()
                    .ok_or_else(|| Refused::new(span, "this alias has no anchor, or stands inside of it"))?;
                self.count(size, span)?;
                self.put(node, span, size)
            }
            Event::DocumentStart(_) if self.root.is_some() => Err(Refused::new(span, "a file holds one document")),
            _ => Ok(()),
        }
    }

    fn open(&mut self, span: Span, anchor: usize, tag: Option<Cow<'_, Tag>>, content: Content) -> Result<(), Refused> {
        if self.stack.len() >= self.limits.depth {
            return Err(Refused::new(span, format!("the document is too deep: at most {} levels are read", self.limits.depth)));
        }
        self.stack.push(Open { span, anchor, tag: short_tag(tag), nodes_before: self.nodes, content });
        Ok(())
    }

    fn close(&mut self, end: Span) -> Result<(), Refused> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let value = match open.content {
            Content::Items(items) => Value::Array(Arc::new(items)),
            Content::Entries { entries, keys, merges, .. } => Value::Object(Arc::new(merged(entries, keys, &merges))),
        };
        let span = Span { start: open.span.start, end: end.end.max(open.span.start) };
        let node = function(open.tag, Node { value, span, source: Arc::clone(self.source), block: false });
        self.anchored(open.anchor, node, self.nodes - open.nodes_before + 1, span)
    }

    fn anchored(&mut self, anchor: usize, node: Node, size: usize, span: Span) -> Result<(), Refused> {
        self.count(1, span)?;
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        self.put(node, span, size)
    }

    fn count(&mut self, size: usize, span: Span) -> Result<(), Refused> {
        self.nodes = self.nodes.saturating_add(size);
        if self.nodes > self.limits.nodes {
            return Err(Refused::new(
                span,
                format!("the document is too large: at most {} values are read, aliases counted", self.limits.nodes),
            ));
        }
        Ok(())
    }

    fn put(&mut self, node: Node, span: Span, size: usize) -> Result<(), Refused> {
        let Some(open) = self.stack.last_mut() else {
            self.root = Some((node, size));
            return Ok(());
        };
        match &mut open.content {
            Content::Items(items) => items.push(node),
            Content::Entries { key: place @ None, .. } => {
                let text = node.scalar().map(str::to_owned).or_else(|| node.is_null().then(|| "null".to_owned()));
                *place = Some((text.ok_or_else(|| Refused::new(span, format!("a key is a scalar, not {}", node.kind())))?, span));
            }
            Content::Entries { entries, keys, key, merges } => {
                let Some((key, key_span)) = key.take() else { return Ok(()) };
                if key == "<<" {
                    merges.push(node);
                } else if keys.insert(key.clone()) {
                    entries.push(Entry { key, key_span, node });
                } else {
                    duplicate(self.source, key_span, &key, self.problems);
                }
            }
        }
        Ok(())
    }
}

/// YAML 1.1's merge keys, which API definitions use: what is written beside wins over what is merged in.
fn merged(mut entries: Vec<Entry>, mut keys: HashSet<String>, merges: &[Node]) -> Vec<Entry> {
    for merge in merges {
        let sources = if merge.is_object() { std::slice::from_ref(merge) } else { merge.items() };
        for entry in sources.iter().flat_map(Node::entries) {
            if keys.insert(entry.key.clone()) {
                entries.push(entry.clone());
            }
        }
    }
    entries
}

/// The tag's name if it is a local one such as `!Sub`, or `!!str` for a core one that changes what a scalar is. `!` alone says text.
fn short_tag(tag: Option<Cow<'_, Tag>>) -> Option<String> {
    let tag = tag?;
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        (_, suffix) if tag.is_yaml_core_schema() => Some(format!("!!{suffix}")),
        ("" | "!", "" | "!") => Some("!!str".to_owned()),
        (_, suffix) => Some(suffix.to_owned()),
    }
}

/// CloudFormation's `!GetAtt a.b` is `{"Fn::GetAtt": "a.b"}`; one form is enough for whoever reports it.
fn function(tag: Option<String>, node: Node) -> Node {
    let Some(tag) = tag.filter(|tag| !tag.starts_with("!!")) else { return node };
    let key = if matches!(tag.as_str(), "Ref" | "Condition") { tag } else { format!("Fn::{tag}") };
    let (span, source) = (node.span, Arc::clone(&node.source));
    Node { value: Value::Object(Arc::new(vec![Entry { key, key_span: span, node }])), span, source, block: false }
}

/// The core schema's reading of a plain scalar; quoted ones are text.
fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&str>) -> Value {
    if style != ScalarStyle::Plain || tag == Some("!!str") {
        return Value::String(text.into_owned());
    }
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        number if is_number(number) => Value::Number(text.into_owned()),
        _ => Value::String(text.into_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit()) && serde_json::from_str::<f64>(digits).is_ok()
}
