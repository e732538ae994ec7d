//! What is read and checked but not served by this build: said so, never silently left out.

use crate::document::{Fields, Node, Problems};

/// Notes that a part is read but has no effect yet.
pub(super) fn not_served(node: &Node, what: &str, problems: &mut Problems) {
    problems.note(node, format!("not enforced yet: {what}"));
}

/// Reads the parts of `gateway.yaml` that this build does not serve, so that their mistakes are found all the same.
pub(super) fn check(fields: &mut Fields<'_>, problems: &mut Problems) {
    for node in fields.list("functions", problems) {
        function(node, problems);
    }
    if let Some(node) = fields.take("fleet") {
        not_served(node, "fleet", problems);
    }
}

fn function(node: &Node, problems: &mut Problems) {
    let Some(mut fields) = Fields::of(node, "a function", problems) else { return };
    fields.required_string("functionName", problems);
    fields.number("timeout", 1..=900, problems);
    fields.ignore(&[
        "runtime",
        "handler",
        "codeUri",
        "environment",
        "memorySize",
        "reservedConcurrentExecutions",
        "versions",
        "aliases",
        "description",
    ]);
    fields.finish(problems);
    not_served(node, "functions that run here", problems);
}
