//! `integrationSubtype` and its request parameters.

use crate::apigateway::service_action::{ServiceAction, Subtype};
use crate::document::{Fields, Node, Problems};
use crate::mapping::expression::Parameter;

/// Reads the action that an HTTP API's integration names.
pub(super) fn service_action(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<ServiceAction> {
    let node = fields.take("integrationSubtype")?;
    let name = node.scalar().unwrap_or_default();
    let Some(subtype) = Subtype::find(name) else {
        let known: Vec<&str> = Subtype::names().collect();
        problems.error(node, format!("`{name}` is no `integrationSubtype` that is served")).help(known.join(", "));
        return None;
    };
    let given = fields.node().get("requestParameters").map(Node::entries).unwrap_or_default();
    let mut action = ServiceAction { subtype, parameters: Vec::new(), region: None };
    for entry in given {
        let text = entry.node.scalar().unwrap_or_default();
        if entry.key == "Region" {
            action.region = Some(text.to_owned());
            continue;
        }
        match (subtype.members.iter().find(|member| member.parameter == entry.key), Parameter::parse(text)) {
            (Some(member), Some(parameter)) => action.parameters.push((member, parameter)),
            (Some(_), None) => drop(problems.error(&entry.node, format!("`{text}` is no mapping"))),
            (None, _) => {
                let known: Vec<&str> = subtype.members.iter().map(|member| member.parameter).collect();
                problems.error(&entry.node, format!("{name} has no parameter `{}`", entry.key)).help(known.join(", "));
            }
        }
    }
    for member in subtype.members.iter().filter(|member| member.required) {
        if !action.parameters.iter().any(|(given, _)| given.parameter == member.parameter) {
            problems.error(node, format!("{name} needs the parameter `{}`", member.parameter));
        }
    }
    Some(action)
}
