//! Texts of a policy that others are compared with: wildcards and variables (the IAM guide, `reference_policies_variables`).

use super::Key;

/// Any run of bytes, and any one byte, where a pattern is a list of bytes and these two.
const RUN: u16 = 0x100;
const ONE: u16 = 0x101;

/// A pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Glob(Box<[u16]>),
    /// `${key}` or `${key, 'default'}`.
    Variable {
        key: Box<str>,
        default: Option<Box<str>>,
    },
}

/// What has a meaning of its own in a pattern.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syntax {
    pub(super) wildcards: bool,
    /// Documents of version 2012-10-17 have them.
    pub(super) variables: bool,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When a variable in it is not closed.
    pub(super) fn parse(text: &str, syntax: Syntax) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut glob = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("${").filter(|_| syntax.variables) {
            let (before, opened) = rest.split_at(at);
            let (variable, after) = opened.split_once('}').ok_or_else(|| format!("the variable in `{text}` has no end"))?;
            push(&mut glob, before, syntax);
            match variable.trim_start_matches("${").trim() {
                literal @ ("*" | "?" | "$") => glob.extend(literal.bytes().map(u16::from)),
                variable => {
                    parts.push(Part::Glob(std::mem::take(&mut glob).into()));
                    let (key, default) = variable.split_once(',').map_or((variable, None), |(key, default)| (key, Some(default)));
                    let default = default.map(|default| default.trim().trim_matches('\'').into());
                    parts.push(Part::Variable { key: key.trim().to_ascii_lowercase().into(), default });
                }
            }
            rest = after;
        }
        push(&mut glob, rest, syntax);
        parts.push(Part::Glob(glob.into()));
        Ok(Self(parts))
    }

    /// Whether `text` is one that is meant. A variable that this request has no value for means nothing.
    pub(super) fn matches(&self, text: &str, any_case: bool, key: Key<'_, '_>) -> bool {
        if let [Part::Glob(only)] = self.0.as_slice() {
            return matches(only, text.as_bytes(), any_case);
        }
        let mut whole = Vec::new();
        for part in &self.0 {
            match part {
                Part::Glob(glob) => whole.extend_from_slice(glob),
                Part::Variable { key: name, default } => {
                    let value = key(name);
                    let Some(value) = value.as_deref().or(default.as_deref()) else { return false };
                    // What a variable stands for is never a wildcard.
                    whole.extend(value.bytes().map(u16::from));
                }
            }
        }
        matches(&whole, text.as_bytes(), any_case)
    }
}

fn push(glob: &mut Vec<u16>, text: &str, syntax: Syntax) {
    glob.extend(text.bytes().map(|byte| match byte {
        b'*' if syntax.wildcards => RUN,
        b'?' if syntax.wildcards => ONE,
        byte => byte.into(),
    }));
}

/// In time that grows with the product of both lengths at worst.
fn matches(pattern: &[u16], text: &[u8], any_case: bool) -> bool {
    let equal =
        |wanted: u16, byte: u8| u8::try_from(wanted).is_ok_and(|wanted| wanted == byte || (any_case && wanted.eq_ignore_ascii_case(&byte)));
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(&RUN) => {
                star = Some((p, t));
                p += 1;
            }
            Some(&ONE) => {
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
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|&byte| byte == RUN))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    const ALL: Syntax = Syntax { wildcards: true, variables: true };

    fn holds(pattern: &str, text: &str) -> bool {
        let key = |name: &str| match name {
            "aws:username" => Some(Cow::from("ada")),
            "aws:odd" => Some(Cow::from("a*")),
            _ => None,
        };
        Pattern::parse(pattern, ALL).unwrap().matches(text, false, &key)
    }

    #[test]
    fn variables_stand_for_what_the_request_says() {
        for (pattern, text, expected) in [
            ("home/${aws:username}/*", "home/ada/x", true),
            ("home/${AWS:UserName}/*", "home/bob/x", false),
            ("${aws:odd}", "a*", true),
            ("${aws:odd}", "ab", false),
            ("home/${aws:missing}", "home/", false),
            ("home/${aws:missing}", "home/${aws:missing}", false),
            ("home/${aws:missing, 'all'}", "home/all", true),
            ("${*}${?}${$}", "*?$", true),
            ("${*}", "x", false),
        ] {
            assert_eq!(holds(pattern, text), expected, "{pattern} {text}");
        }
        assert!(Pattern::parse("${aws:username", ALL).is_err());
        assert!(Pattern::parse("${aws:username", Syntax { variables: false, ..ALL }).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn wildcards_agree_with_a_regular_expression(pattern in "[ab*?]{0,8}", text in "[abc]{0,10}") {
            let expression = pattern.replace('*', ".*").replace('?', ".");
            let expected = regex::Regex::new(&format!("^{expression}$")).unwrap().is_match(&text);
            proptest::prop_assert_eq!(holds(&pattern, &text), expected);
        }
    }
}
