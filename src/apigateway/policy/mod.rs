//! IAM policy documents: what they say of an action, a resource and the one who asks.
//!
//! From the IAM guide's policy grammar and evaluation logic. What cannot be read is an error, never a statement that matches nothing:
//! a `Deny` that is passed over would be a hole.

mod condition;

use std::borrow::Cow;

use serde_json::Value;

pub use condition::Condition;

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

/// `Principal` or `NotPrincipal`.
#[derive(Debug, Clone)]
struct Principals {
    negated: bool,
    names: Vec<Box<str>>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone)]
struct Patterns {
    negated: bool,
    patterns: Vec<Box<str>>,
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
pub struct Access<'a> {
    /// Such as `execute-api:Invoke`.
    pub action: &'a str,
    /// The method's ARN.
    pub resource: &'a str,
    /// The caller's ARN; nothing: nobody in particular.
    pub principal: Option<&'a str>,
    /// The value of a condition key, given in lower case; nothing: there is none.
    pub key: &'a dyn Fn(&str) -> Option<Cow<'a, str>>,
}

impl Policy {
    /// Reads a document. `execute-api:/…` in a resource stands for `arn_prefix` (`arn:…:{apiId}/`) and what follows.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn parse(document: &Value, arn_prefix: &str) -> Result<Self, String> {
        let members = document.as_object().ok_or("a policy is an object")?;
        if let Some(version) = members.get("Version").filter(|version| !matches!(version.as_str(), Some("2012-10-17" | "2008-10-17"))) {
            return Err(format!("the policy version {version} is not known"));
        }
        let statements = members.get("Statement").ok_or("a policy has no `Statement`")?;
        let statements = one_or_many(statements).map(|statement| Statement::parse(statement, arn_prefix)).collect::<Result<_, _>>()?;
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
    fn parse(statement: &Value, arn_prefix: &str) -> Result<Self, String> {
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
        let patterns = |name: &str| -> Result<Patterns, String> {
            let (negated, value) = pair(name)?.ok_or_else(|| format!("a statement has no `{name}`"))?;
            Ok(Patterns { negated, patterns: texts(value)?.into_iter().map(|text| expanded(&text, arn_prefix).into()).collect() })
        };
        let principals = pair("Principal")?.map(|(negated, value)| Ok::<_, String>(Principals { negated, names: principals(value)? }));
        Ok(Self {
            allows,
            principals: principals.transpose()?,
            actions: patterns("Action")?,
            // A trust policy's statements have none; for a call of an API that means all of them.
            resources: if members.contains_key("Resource") || members.contains_key("NotResource") {
                patterns("Resource")?
            } else {
                Patterns { negated: false, patterns: vec!["*".into()] }
            },
            conditions: members.get("Condition").map_or_else(|| Ok(Vec::new()), condition::conditions)?,
        })
    }

    fn is_about(&self, access: &Access<'_>) -> bool {
        self.principals.as_ref().is_none_or(|principals| principals.hold(access.principal))
            && self.actions.hold(access.action, true)
            && self.resources.hold(access.resource, false)
            && self.conditions.iter().all(|condition| condition.holds(access.key))
    }
}

impl Patterns {
    fn hold(&self, text: &str, any_case: bool) -> bool {
        self.patterns.iter().any(|pattern| matches(pattern, text, any_case)) != self.negated
    }
}

impl Principals {
    /// A caller is meant by its ARN, by its account, or by `*`; an assumed role's session also by its role.
    fn hold(&self, caller: Option<&str>) -> bool {
        self.names.iter().any(|name| means(name, caller)) != self.negated
    }
}

fn means(name: &str, caller: Option<&str>) -> bool {
    if name == "*" {
        return true;
    }
    let Some(caller) = caller else { return false };
    let account = caller.split(':').nth(4).unwrap_or_default();
    let of_account = name == account || name.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_suffix(":root")) == Some(account);
    of_account || name == caller || role_of(caller).is_some_and(|role| role == name)
}

/// The role behind `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
fn role_of(caller: &str) -> Option<String> {
    let (before, rest) = caller.split_once(":assumed-role/")?;
    let role = rest.split('/').next()?;
    Some(format!("{}:role/{role}", before.replace(":sts:", ":iam:")))
}

fn principals(value: &Value) -> Result<Vec<Box<str>>, String> {
    match value {
        Value::String(text) if text == "*" => Ok(vec!["*".into()]),
        Value::Object(kinds) => {
            let mut names = Vec::new();
            for (kind, value) in kinds {
                match kind.as_str() {
                    "AWS" => names.extend(texts(value)?.into_iter().map(Into::into)),
                    // Services and federated users never call this gateway under those names.
                    "Service" | "Federated" | "CanonicalUser" => {
                        names.extend(texts(value)?.into_iter().map(|name| format!("{kind}:{name}").into()))
                    }
                    other => return Err(format!("`{other}` is no kind of principal")),
                }
            }
            Ok(names)
        }
        _ => Err("a principal is `*` or an object".to_owned()),
    }
}

fn expanded(text: &str, arn_prefix: &str) -> String {
    match text.strip_prefix("execute-api:/") {
        Some(rest) => format!("{arn_prefix}{rest}"),
        None => text.to_owned(),
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

/// `*` stands for any run of characters, `?` for one; in time that grows with the product of both lengths at worst.
fn matches(pattern: &str, text: &str, any_case: bool) -> bool {
    let equal = |a: u8, b: u8| a == b || (any_case && a.eq_ignore_ascii_case(&b));
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                t += 1;
            }
            Some(&wanted) if equal(wanted, byte) => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((place, from)) => {
                    *from += 1;
                    (p, t) = (*place + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:execute-api:eu-west-1:123456789012:api/prod/GET/pets/7";
    const PREFIX: &str = "arn:aws:execute-api:eu-west-1:123456789012:api/";

    fn effect(document: Value, principal: Option<&str>, keys: &[(&str, &'static str)]) -> Effect {
        let key = |name: &str| keys.iter().find(|(known, _)| *known == name).map(|(_, value)| Cow::Borrowed(*value));
        let policy = Policy::parse(&document, PREFIX).unwrap();
        policy.evaluate(&Access { action: "execute-api:Invoke", resource: ARN, principal, key: &key })
    }

    fn statement(effect: &str, more: Value) -> Value {
        let mut statement = json!({"Effect": effect, "Action": "execute-api:Invoke", "Resource": "*"});
        statement.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"Version": "2012-10-17", "Statement": [statement]})
    }

    #[test]
    fn an_explicit_denial_wins_in_any_order() {
        let allow = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
        let deny = json!({"Effect": "Deny", "Action": "execute-api:*", "Resource": "*/GET/pets/*"});
        for statements in [json!([allow, deny]), json!([deny, allow])] {
            assert_eq!(effect(json!({"Statement": statements}), None, &[]), Effect::Deny);
        }
        assert_eq!(effect(json!({"Statement": allow}), None, &[]), Effect::Allow);
        assert_eq!(effect(json!({"Statement": []}), None, &[]), Effect::Neither);
    }

    #[test]
    fn resources_match_with_wildcards_and_in_short() {
        for (resource, matches) in [
            ("execute-api:/*", true),
            ("execute-api:/prod/GET/pets/?", true),
            ("execute-api:/prod/POST/*", false),
            ("arn:aws:execute-api:*:*:*/*/GET/*", true),
            ("arn:aws:execute-api:eu-west-1:123456789012:other/*", false),
            ("execute-api:/prod/get/pets/7", false),
        ] {
            let found = effect(statement("Allow", json!({"Resource": resource})), None, &[]);
            assert_eq!(found == Effect::Allow, matches, "{resource}");
        }
        let document = json!({"Statement": {"Effect": "Allow", "NotAction": "s3:*", "NotResource": "execute-api:/prod/POST/*"}});
        assert_eq!(effect(document, None, &[]), Effect::Allow);
    }

    #[test]
    fn principals_are_meant_by_name_account_or_all() {
        let user = Some("arn:aws:iam::123456789012:user/ada");
        let session = Some("arn:aws:sts::123456789012:assumed-role/deploy/one");
        for (principal, caller, meant) in [
            (json!("*"), None, true),
            (json!({"AWS": "*"}), None, true),
            (json!({"AWS": "123456789012"}), user, true),
            (json!({"AWS": "123456789012"}), None, false),
            (json!({"AWS": ["arn:aws:iam::123456789012:root"]}), user, true),
            (json!({"AWS": "arn:aws:iam::123456789012:user/bob"}), user, false),
            (json!({"AWS": "arn:aws:iam::123456789012:role/deploy"}), session, true),
            (json!({"Service": "apigateway.amazonaws.com"}), user, false),
        ] {
            let found = effect(statement("Allow", json!({"Principal": principal})), caller, &[]);
            assert_eq!(found == Effect::Allow, meant, "{principal} {caller:?}");
        }
        let not = statement("Deny", json!({"NotPrincipal": {"AWS": "arn:aws:iam::123456789012:user/ada"}}));
        assert_eq!((effect(not.clone(), user, &[]), effect(not, None, &[])), (Effect::Neither, Effect::Deny));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for document in [
            json!("*"),
            json!({}),
            json!({"Version": "2020-01-01", "Statement": []}),
            json!({"Statement": {"Effect": "allow", "Action": "*", "Resource": "*"}}),
            json!({"Statement": {"Effect": "Deny", "Resource": "*"}}),
            json!({"Statement": {"Effect": "Deny", "Action": "*", "NotAction": "*", "Resource": "*"}}),
            statement("Deny", json!({"Condition": {"StringMatches": {"aws:Referer": "x"}}})),
            statement("Deny", json!({"Condition": {"IpAddress": {"aws:SourceIp": "300.0.0.1"}}})),
            statement("Deny", json!({"Conditions": {}})),
        ] {
            assert!(Policy::parse(&document, PREFIX).is_err(), "{document}");
        }
    }

    #[test]
    fn conditions_must_all_hold() {
        let office =
            json!({"Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "2001:db8::/32"]}, "Bool": {"aws:SecureTransport": "true"}}});
        let document = statement("Allow", office);
        let ask = |ip: &'static str, secure: &'static str| {
            effect(document.clone(), None, &[("aws:sourceip", ip), ("aws:securetransport", secure)])
        };
        assert_eq!((ask("10.1.2.3", "true"), ask("2001:db8::1", "true")), (Effect::Allow, Effect::Allow));
        assert_eq!((ask("10.1.2.3", "false"), ask("11.1.2.3", "true")), (Effect::Neither, Effect::Neither));
    }

    proptest::proptest! {
        #[test]
        fn wildcards_agree_with_a_regular_expression(pattern in "[ab*?]{0,8}", text in "[abc]{0,10}") {
            let expression = pattern.replace('*', ".*").replace('?', ".");
            let expected = regex::Regex::new(&format!("^{expression}$")).unwrap().is_match(&text);
            proptest::prop_assert_eq!(matches(&pattern, &text, false), expected);
        }
    }
}
