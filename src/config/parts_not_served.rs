//! What is read and checked but not served by this build: said so, never silently left out.

use crate::document::{Fields, Node, Problems};

/// Notes that a part is read but has no effect yet.
pub(super) fn not_served(node: &Node, what: &str, problems: &mut Problems) {
    problems.note(node, format!("not enforced yet: {what}"));
}

/// Reads the parts of `gateway.yaml` that this build does not serve, so that their mistakes are found all the same.
pub(super) fn check(fields: &mut Fields<'_>, problems: &mut Problems) {
    if let Some(node) = fields.take("fleet") {
        not_served(node, "fleet", problems);
    }
}
