//! IAM policy documents: what they say of an action, a resource and the one who asks.
//!
//! From the IAM guide's policy grammar and evaluation logic. What cannot be read is an error, never a statement that matches nothing:
//! a `Deny` that is passed over would be a hole.

mod condition;
mod pattern;
mod principal;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde_json::Value;

pub use condition::Condition;
use pattern::{Pattern, Syntax};
use principal::Principals;

/// Gives the value of a condition key, named in lower case; nothing: this request has none.
pub type Key<'k, 'v> = &'k dyn Fn(&str) -> Option<Cow<'v, str>>;

/// A policy document.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Debug, Clone)]
struct Statement {
    allows: bool,
    /// Nothing: the statement stands in a policy of the caller's own, so it means the caller.
    principals: Option<Principals>,
    actions: Patterns,
    resources: Patterns,
    conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone)]
struct Patterns {
    negated: bool,
    patterns: Vec<Pattern>,
}

/// What a policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A statement allows it, and none denies it.
    Allow,
    /// A statement denies it.
    Deny,
    /// No statement is about it.
    Neither,
}

/// Who asks for what.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// Such as `execute-api:Invoke`.
    pub action: &'a str,
    /// The method's ARN.
    pub resource: &'a str,
    /// The caller's ARN; nothing: nobody in particular.
    pub principal: Option<&'a str>,
    /// The request's condition keys.
    pub key: Key<'a, 'a>,
}

impl Policy {
    /// Reads a document. `execute-api:/…` in a resource stands for `arn_prefix` (`arn:…:{apiId}/`) and what follows; a policy that is no
    /// API's own has no such prefix.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn parse(document: &Value, arn_prefix: Option<&str>) -> Result<Self, String> {
        let members = document.as_object().ok_or("a policy is an object")?;
        if let Some(version) = members.get("Version").filter(|version| !matches!(version.as_str(), Some("2012-10-17" | "2008-10-17"))) {
            return Err(format!("the policy version {version} is not known"));
        }
        let variables = members.get("Version").and_then(Value::as_str) == Some("2012-10-17");
        let statements = members.get("Statement").ok_or("a policy has no `Statement`")?;
        let statements = one_or_many(statements).map(|statement| Statement::parse(statement, arn_prefix, variables));
        let statements = statements.collect::<Result<_, _>>()?;
        Ok(Self { statements })
    }

    /// What the policy says of an access: an explicit denial wins.
    #[must_use]
    pub fn evaluate(&self, access: &Access<'_>) -> Effect {
        let mut effect = Effect::Neither;
        for statement in &self.statements {
            if (statement.allows && effect == Effect::Allow) || !statement.is_about(access) {
                continue;
            }
            if !statement.allows {
                return Effect::Deny;
            }
            effect = Effect::Allow;
        }
        effect
    }
}

impl Statement {
    fn parse(statement: &Value, arn_prefix: Option<&str>, variables: bool) -> Result<Self, String> {
        let members = statement.as_object().ok_or("a statement is an object")?;
        const KNOWN: [&str; 9] =
            ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
        if let Some(name) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(format!("a statement has no `{name}`"));
        }
        let allows = match members.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err("`Effect` is Allow or Deny".to_owned()),
        };
        let pair = |name: &str| -> Result<Option<(bool, &Value)>, String> {
            match (members.get(name), members.get(&format!("Not{name}"))) {
                (Some(_), Some(_)) => Err(format!("a statement has `{name}` or `Not{name}`, not both")),
                (Some(value), None) => Ok(Some((false, value))),
                (None, other) => Ok(other.map(|value| (true, value))),
            }
        };
        let syntax = Syntax { wildcards: true, variables };
        let patterns = |name: &str| -> Result<Patterns, String> {
            let (negated, value) = pair(name)?.ok_or_else(|| format!("a statement has no `{name}`"))?;
            let texts = texts(value)?.into_iter().map(|text| Pattern::parse(&expanded(text, arn_prefix)?, syntax));
            Ok(Patterns { negated, patterns: texts.collect::<Result<_, _>>()? })
        };
        let principals = pair("Principal")?.map(|(negated, value)| Principals::parse(value, negated));
        Ok(Self {
            allows,
            principals: principals.transpose()?,
            actions: patterns("Action")?,
            resources: patterns("Resource")?,
            conditions: members.get("Condition").map_or_else(|| Ok(Vec::new()), |value| condition::conditions(value, variables))?,
        })
    }

    fn is_about(&self, access: &Access<'_>) -> bool {
        self.principals.as_ref().is_none_or(|principals| principals.hold(access.principal))
            && self.actions.hold(access.action, true, access.key)
            && self.resources.hold(access.resource, false, access.key)
            && self.conditions.iter().all(|condition| condition.holds(access.key))
    }
}

impl Patterns {
    fn hold(&self, text: &str, any_case: bool, key: Key<'_, '_>) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(text, any_case, key)) != self.negated
    }
}

fn expanded(text: String, arn_prefix: Option<&str>) -> Result<String, String> {
    match (text.strip_prefix("execute-api:/"), arn_prefix) {
        (Some(rest), Some(prefix)) => Ok(format!("{prefix}{rest}")),
        (Some(_), None) => Err(format!("`{text}` is short for an API's own resources: write the whole ARN here")),
        _ => Ok(text),
    }
}

fn one_or_many(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(items) => items.as_slice(),
        single => std::slice::from_ref(single),
    }
    .iter()
}

/// One text or several.
fn texts(value: &Value) -> Result<Vec<String>, String> {
    one_or_many(value)
        .map(|item| match item {
            Value::String(text) => Ok(text.clone()),
            Value::Number(_) | Value::Bool(_) => Ok(item.to_string()),
            _ => Err("a policy holds texts and lists of texts here".to_owned()),
        })
        .collect()
}
