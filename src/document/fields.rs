//! Takes the fields of a mapping by name; what is left over is unknown, and the nearest known name is suggested.

use std::collections::HashSet;
use std::str::FromStr;
use std::time::Duration;

use super::node::{Entry, Node, Span};
use super::problem::{Problems, Severity, nearest};

/// The members of a mapping. Nothing has none; what is no mapping is a problem, since somebody meant something by it.
pub fn entries<'n>(node: Option<&'n Node>, what: &str, problems: &mut Problems) -> &'n [Entry] {
    let Some(node) = node.filter(|node| !node.is_null()) else { return &[] };
    if !node.is_object() {
        problems.error(node, format!("{what} is a mapping, not {}", shown(node)));
    }
    node.entries()
}

/// The elements of a list, likewise.
pub fn items<'n>(node: Option<&'n Node>, what: &str, problems: &mut Problems) -> &'n [Node] {
    let Some(node) = node.filter(|node| !node.is_null()) else { return &[] };
    if !matches!(node.value, super::Value::Array(_)) {
        problems.error(node, format!("{what} is a list, not {}", shown(node)));
    }
    node.items()
}

/// The text of a scalar; a list or a mapping in its place is a problem.
pub fn text<'n>(node: &'n Node, what: &str, problems: &mut Problems) -> Option<&'n str> {
    if node.scalar().is_none() {
        problems.error(node, format!("{what} is a string, not {}", shown(node)));
    }
    node.scalar()
}

/// A boolean, as such or as text; nothing is false.
pub fn flag(node: Option<&Node>, what: &str, problems: &mut Problems) -> bool {
    let Some(node) = node.filter(|node| !node.is_null()) else { return false };
    let value = node.scalar().and_then(|text| bool::from_str(&text.to_ascii_lowercase()).ok());
    if value.is_none() {
        problems.error(node, format!("{what} is true or false, not {}", shown(node)));
    }
    value.unwrap_or(false)
}

/// The fields of one mapping.
pub struct Fields<'n> {
    node: &'n Node,
    known: HashSet<&'static str>,
}

impl<'n> Fields<'n> {
    /// The fields of `node`; anything but a mapping is a problem, nothing at all is an empty one.
    pub fn of(node: &'n Node, what: &str, problems: &mut Problems) -> Option<Self> {
        if !node.is_object() && !node.is_null() {
            problems.error(node, format!("{what} is a mapping, not {}", node.kind()));
            return None;
        }
        Some(Self { node, known: HashSet::new() })
    }

    /// The mapping itself, for problems that concern all of it.
    #[must_use]
    pub const fn node(&self) -> &'n Node {
        self.node
    }

    /// The field `name`, if it is there and not null.
    pub fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.known.insert(name);
        self.node.get(name).filter(|node| !node.is_null())
    }

    /// Accepts these without reading them: they describe AWS's side, or nothing that a gateway serves.
    pub fn ignore(&mut self, names: &[&'static str]) {
        self.known.extend(names);
    }

    /// The members of the field `name`, which is a mapping.
    pub fn entries(&mut self, name: &'static str, problems: &mut Problems) -> &'n [Entry] {
        entries(self.take(name), &format!("`{name}`"), problems)
    }

    /// The field `name`, if it is there and a scalar.
    pub fn scalar(&mut self, name: &'static str, problems: &mut Problems) -> Option<&'n Node> {
        self.take(name).filter(|node| text(node, &format!("`{name}`"), problems).is_some())
    }

    /// The field `name`, which must be there.
    pub fn required(&mut self, name: &'static str, problems: &mut Problems) -> Option<&'n Node> {
        let found = self.take(name);
        if found.is_none() {
            problems.error(self.node, format!("`{name}` is missing"));
        }
        found
    }

    /// Text; a number or a boolean is taken as written.
    pub fn string(&mut self, name: &'static str, problems: &mut Problems) -> Option<String> {
        self.take(name).and_then(|node| string(node, name, problems))
    }

    /// Text that must be there.
    pub fn required_string(&mut self, name: &'static str, problems: &mut Problems) -> Option<String> {
        self.required(name, problems).and_then(|node| string(node, name, problems))
    }

    /// A boolean, as such or as text.
    pub fn boolean(&mut self, name: &'static str, problems: &mut Problems) -> Option<bool> {
        let node = self.take(name)?;
        let value = node.scalar().and_then(|text| bool::from_str(&text.to_ascii_lowercase()).ok());
        if value.is_none() {
            problems.error(node, format!("`{name}` is true or false, not {}", shown(node)));
        }
        value
    }

    /// A number within bounds, as such or as text.
    pub fn number<T: FromStr + PartialOrd + std::fmt::Display>(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<T>,
        problems: &mut Problems,
    ) -> Option<T> {
        let node = self.take(name)?;
        number(node, name, &range, problems)
    }

    /// A whole number of seconds, from one to an hour.
    pub fn seconds(&mut self, name: &'static str, problems: &mut Problems) -> Option<Duration> {
        self.number(name, 1..=3600, problems).map(Duration::from_secs)
    }

    /// Something that is off unless it is written: `true`, or a mapping that says more. `false` is as good as nothing.
    pub fn switch(&mut self, name: &'static str, problems: &mut Problems) -> Option<Option<&'n Node>> {
        let node = self.take(name)?;
        if node.is_object() {
            return Some(Some(node));
        }
        let on = self.boolean(name, problems)?;
        on.then_some(None)
    }

    /// One of a few words, in any case.
    pub fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)], problems: &mut Problems) -> Option<T> {
        let node = self.take(name)?;
        let found = node.scalar().and_then(|text| choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)));
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            problems.error(node, format!("`{name}` is one of {}, not {}", words.join(", "), shown(node)));
        }
        found.map(|(_, value)| *value)
    }

    /// A list, or nothing; a single value stands for a list of one where `lenient`.
    pub fn list(&mut self, name: &'static str, problems: &mut Problems) -> &'n [Node] {
        let Some(node) = self.take(name) else { return &[] };
        if !matches!(node.value, super::Value::Array(_)) {
            problems.error(node, format!("`{name}` is a list, not {}", node.kind()));
        }
        node.items()
    }

    /// A list of text.
    pub fn strings(&mut self, name: &'static str, problems: &mut Problems) -> Vec<String> {
        self.list(name, problems).iter().filter_map(|item| string(item, name, problems)).collect()
    }

    /// Reports every field that nobody asked for.
    pub fn finish(self, problems: &mut Problems) {
        for entry in self.node.entries() {
            if self.known.contains(entry.key.as_str()) {
                continue;
            }
            problems.at(Severity::Error, &self.node.source, entry.key_span, format!("unknown property `{}`", entry.key));
            if problems.is_full() {
                continue;
            }
            problems.help(match nearest(&entry.key, self.known.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => {
                    let mut known: Vec<&str> = self.known.iter().copied().collect();
                    known.sort_unstable();
                    format!("known here: {}", known.join(", "))
                }
            });
        }
    }

    /// The span of a field's key, for problems about its being there.
    #[must_use]
    pub fn key_span(&self, name: &str) -> Option<Span> {
        self.node.entries().iter().find(|entry| entry.key == name).map(|entry| entry.key_span)
    }
}

fn string(node: &Node, name: &str, problems: &mut Problems) -> Option<String> {
    if node.scalar().is_none() {
        problems.error(node, format!("`{name}` is a string, not {}", node.kind()));
    }
    node.scalar().map(str::to_owned)
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    node: &Node,
    name: &str,
    range: &std::ops::RangeInclusive<T>,
    problems: &mut Problems,
) -> Option<T> {
    let value = node.scalar().and_then(|text| text.trim().parse::<T>().ok()).filter(|value| range.contains(value));
    if value.is_none() {
        problems.error(node, format!("`{name}` is a number from {} to {}, not {}", range.start(), range.end(), shown(node)));
    }
    value
}

fn shown(node: &Node) -> String {
    node.scalar().map_or_else(|| node.kind().to_owned(), |text| format!("`{text}`"))
}
