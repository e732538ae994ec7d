//! `$ref`, within a file and between files.

use super::Reader;
use crate::document::{Node, Problems};

/// Where other files of a definition come from.
pub trait Files {
    /// Reads the file that `from` names as `path`, relative to itself.
    fn load(&mut self, from: &Node, path: &str, problems: &mut Problems) -> Option<Node>;
}

/// References that lead to references end here: a longer chain is a circle.
const CHAIN: usize = 32;

impl Reader<'_> {
    /// What a node stands for once its `$ref` is followed; itself where it has none.
    pub(super) fn resolve(&mut self, node: &Node, problems: &mut Problems) -> Option<Node> {
        let mut node = node.clone();
        for _ in 0..CHAIN {
            let Some(reference) = node.get("$ref") else { return Some(node) };
            let Some(text) = reference.as_str() else {
                problems.error(reference, format!("`$ref` is a string, not {}", reference.kind()));
                return None;
            };
            node = self.follow(reference, text, problems)?;
        }
        problems.error(&node, "this `$ref` leads in a circle");
        None
    }

    fn follow(&mut self, reference: &Node, text: &str, problems: &mut Problems) -> Option<Node> {
        let (file, pointer) = text.split_once('#').unwrap_or((text, ""));
        let document = if file.is_empty() { self.document(&reference.source.name) } else { self.loaded(reference, file, problems) }?;
        let found = pointer_in(&document, pointer).cloned();
        if found.is_none() {
            problems.error(reference, format!("`{text}` does not lead to anything"));
        }
        found
    }

    fn document(&self, name: &str) -> Option<Node> {
        self.documents.iter().find(|(known, _)| known == name).map(|(_, node)| node.clone())
    }

    fn loaded(&mut self, reference: &Node, file: &str, problems: &mut Problems) -> Option<Node> {
        let mut node = self.files.load(reference, file, problems)?;
        if node.source.text.contains("${AWS::") {
            node = super::with_pseudo_parameters(&node, self.options);
        }
        let name = node.source.name.clone();
        if self.document(&name).is_none() {
            self.documents.push((name, node.clone()));
        }
        Some(node)
    }
}

/// JSON Pointer (RFC 6901) as a URI fragment.
fn pointer_in<'n>(root: &'n Node, pointer: &str) -> Option<&'n Node> {
    pointer.split('/').skip(1).try_fold(root, |node, token| {
        let decoded = percent_encoding::percent_decode_str(token).decode_utf8_lossy().replace("~1", "/").replace("~0", "~");
        node.get(&decoded).or_else(|| node.items().get(decoded.parse::<usize>().ok()?))
    })
}
