//! The JSONPaths that stand in a template's text.

use crate::mapping::json_path::JsonPath;
use crate::vtl::Template;

/// Paths that are parsed when the template is.
#[derive(Debug, Default)]
pub(in crate::mapping) struct Paths {
    known: Vec<(Box<str>, JsonPath)>,
    /// Whether the payload is read in one place only, and there as a whole by `$input.json('$')`: then no values of it are needed.
    pub(in crate::mapping) whole_once: bool,
    /// Whether the payload's collections may be changed, so that they must be the template's own.
    pub(in crate::mapping) may_change: bool,
}

impl Paths {
    pub(super) fn of(template: &Template) -> Self {
        let mut paths = Self { may_change: template.may_change_collections(), ..Self::default() };
        let mut places = 0;
        let mut whole = false;
        template.each_call(&mut |name, argument| {
            if !matches!(name, "json" | "path") {
                return;
            }
            places += 1;
            whole = name == "json" && argument == Some("$");
            if let Some(text) = argument
                && paths.parsed(text).is_none()
                && let Ok(path) = JsonPath::parse(text)
            {
                paths.known.push((text.into(), path));
            }
        });
        paths.whole_once = places == 1 && whole;
        paths
    }

    pub(in crate::mapping) fn parsed(&self, text: &str) -> Option<&JsonPath> {
        self.known.iter().find(|(known, _)| **known == *text).map(|(_, path)| path)
    }
}
