//! `Principal` and `NotPrincipal`: whom a resource policy means (the IAM guide, `reference_policies_elements_principal`).

use serde_json::Value;

use super::texts;

#[derive(Debug, Clone)]
pub(super) struct Principals {
    pub(super) negated: bool,
    names: Vec<Box<str>>,
}

impl Principals {
    /// Reads the element.
    ///
    /// # Errors
    /// With what is wrong: a name that would silently mean nobody is refused.
    pub(super) fn parse(value: &Value, negated: bool) -> Result<Self, String> {
        let names = match value {
            Value::String(text) if text == "*" => vec!["*".into()],
            Value::Object(kinds) => {
                let mut names = Vec::new();
                for (kind, value) in kinds {
                    for name in texts(value)? {
                        names.push(match kind.as_str() {
                            "AWS" => account_or_arn(name)?,
                            // Services and federated users never call this gateway under those names.
                            "Service" | "Federated" | "CanonicalUser" => format!("{kind}:{name}").into(),
                            other => return Err(format!("`{other}` is no kind of principal")),
                        });
                    }
                }
                names
            }
            _ => return Err("a principal is `*` or an object".to_owned()),
        };
        Ok(Self { negated, names })
    }

    /// A caller is meant by its ARN, by its account, or by `*`; an assumed role's session also by its role.
    pub(super) fn hold(&self, caller: Option<&str>) -> bool {
        self.names.iter().any(|name| means(name, caller)) != self.negated
    }
}

fn account_or_arn(name: String) -> Result<Box<str>, String> {
    let is_account = name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit());
    let is_arn = name.starts_with("arn:") && !name.contains(['*', '?']);
    if name == "*" || is_account || is_arn {
        return Ok(name.into());
    }
    Err(format!("`{name}` is no principal: an account, an ARN without wildcards, or `*`"))
}

fn means(name: &str, caller: Option<&str>) -> bool {
    if name == "*" {
        return true;
    }
    let Some(caller) = caller else { return false };
    let account = caller.split(':').nth(4).unwrap_or_default();
    let root = name.strip_prefix("arn:").and_then(|rest| rest.split_once(":iam::")).and_then(|(_, rest)| rest.strip_suffix(":root"));
    name == account || root == Some(account) || name == caller || role_of(caller).is_some_and(|role| role == name)
}

/// The role behind `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
pub(super) fn role_of(caller: &str) -> Option<String> {
    let (before, rest) = caller.split_once(":assumed-role/")?;
    let role = rest.split('/').next()?;
    Some(format!("{}:role/{role}", before.replace(":sts:", ":iam:")))
}
