//! `Condition`: operators over keys (the IAM guide, `reference_policies_elements_condition_operators`).

use std::net::IpAddr;

use serde_json::Value;

use super::pattern::{Pattern, Syntax};
use super::{Key, texts};
use crate::store::day;

/// One operator on one key.
#[derive(Debug, Clone)]
pub struct Condition {
    /// In lower case.
    key: Box<str>,
    test: Test,
    /// Holds where no value does.
    negated: bool,
    /// What it comes to where the key is absent.
    absent: bool,
}

#[derive(Debug, Clone)]
enum Test {
    Text {
        wanted: Vec<Pattern>,
        any_case: bool,
    },
    Arn(Vec<Arn>),
    Number(Compare, Vec<f64>),
    Address(Vec<(IpAddr, u8)>),
    Boolean(Vec<bool>),
    /// `Null`: whether the key is absent.
    Absent(bool),
}

/// The six parts of an ARN, each compared by itself; anything else is compared as one text.
#[derive(Debug, Clone)]
struct Arn(Vec<Pattern>);

#[derive(Debug, Clone, Copy)]
enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Reads a number or a moment.
type Read = dyn Fn(&str) -> Option<f64>;

/// Reads `Condition`. `variables`: whether the document's version has them.
pub(super) fn conditions(value: &Value, variables: bool) -> Result<Vec<Condition>, String> {
    let mut conditions = Vec::new();
    for (operator, keys) in value.as_object().ok_or("`Condition` is an object")? {
        for (key, values) in keys.as_object().ok_or_else(|| format!("`{operator}` holds keys with values"))? {
            conditions.push(condition(operator, key, &texts(values)?, variables)?);
        }
    }
    Ok(conditions)
}

fn condition(operator: &str, key: &str, values: &[String], variables: bool) -> Result<Condition, String> {
    let unknown = || format!("`{operator}` is no condition operator that is known");
    // Every key here has one value at most, so that the set operators mean the same but for its absence.
    let (name, all, any) = match (operator.strip_prefix("ForAllValues:"), operator.strip_prefix("ForAnyValue:")) {
        (Some(name), _) => (name, true, false),
        (_, Some(name)) => (name, false, true),
        _ => (operator, false, false),
    };
    let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
    let text = |any_case, wildcards| -> Result<Test, String> {
        let wanted = values.iter().map(|value| Pattern::parse(value, Syntax { wildcards, variables }));
        Ok(Test::Text { wanted: wanted.collect::<Result<_, _>>()?, any_case })
    };
    let arn = || Ok::<_, String>(Test::Arn(values.iter().map(|value| Arn::parse(value, variables)).collect::<Result<_, _>>()?));
    let numbers = |compare: Compare, read: &Read| -> Result<Test, String> {
        let numbers = values.iter().map(|value| read(value).ok_or_else(|| format!("`{value}` is nothing that `{operator}` compares")));
        Ok(Test::Number(compare, numbers.collect::<Result<_, _>>()?))
    };
    let (test, negated) = match name {
        "StringEquals" | "BinaryEquals" => (text(false, false)?, false),
        "StringNotEquals" => (text(false, false)?, true),
        "StringEqualsIgnoreCase" => (text(true, false)?, false),
        "StringNotEqualsIgnoreCase" => (text(true, false)?, true),
        "StringLike" => (text(false, true)?, false),
        "StringNotLike" => (text(false, true)?, true),
        "ArnLike" | "ArnEquals" => (arn()?, false),
        "ArnNotLike" | "ArnNotEquals" => (arn()?, true),
        "Bool" => (Test::Boolean(values.iter().map(|value| boolean(value)).collect::<Result<_, _>>()?), false),
        "Null" if !if_exists => (Test::Absent(boolean(values.first().ok_or_else(unknown)?)?), false),
        "IpAddress" => (Test::Address(values.iter().map(|value| network(value)).collect::<Result<_, _>>()?), false),
        "NotIpAddress" => (Test::Address(values.iter().map(|value| network(value)).collect::<Result<_, _>>()?), true),
        _ => {
            let (compare, read): (_, &Read) = match (name.strip_prefix("Numeric"), name.strip_prefix("Date")) {
                (Some(compare), _) => (compare, &|text| text.parse().ok()),
                (_, Some(compare)) => (compare, &moment),
                _ => return Err(unknown()),
            };
            match compare {
                "Equals" => (numbers(Compare::Equal, read)?, false),
                "NotEquals" => (numbers(Compare::Equal, read)?, true),
                "LessThan" => (numbers(Compare::Less, read)?, false),
                "LessThanEquals" => (numbers(Compare::LessOrEqual, read)?, false),
                "GreaterThan" => (numbers(Compare::Greater, read)?, false),
                "GreaterThanEquals" => (numbers(Compare::GreaterOrEqual, read)?, false),
                _ => return Err(unknown()),
            }
        }
    };
    Ok(Condition { key: key.to_ascii_lowercase().into(), test, negated, absent: if_exists || all || (negated && !any) })
}

impl Condition {
    /// Whether it holds for the values that `key` gives.
    pub(super) fn holds(&self, key: Key<'_, '_>) -> bool {
        let found = key(&self.key);
        if let Test::Absent(wanted) = self.test {
            return found.is_none() == wanted;
        }
        let Some(found) = found else { return self.absent };
        self.test.holds(&found, key) != self.negated
    }
}

impl Test {
    /// A value that is not of the operator's kind fits nothing.
    fn holds(&self, found: &str, key: Key<'_, '_>) -> bool {
        match self {
            Self::Text { wanted, any_case } => wanted.iter().any(|wanted| wanted.matches(found, *any_case, key)),
            Self::Arn(wanted) => wanted.iter().any(|wanted| wanted.matches(found, key)),
            Self::Number(compare, wanted) => {
                let number = found.parse().ok().or_else(|| moment(found));
                number.is_some_and(|number: f64| {
                    wanted.iter().any(|wanted| match compare {
                        Compare::Equal => (number - wanted).abs() < f64::EPSILON,
                        Compare::Less => number < *wanted,
                        Compare::LessOrEqual => number <= *wanted,
                        Compare::Greater => number > *wanted,
                        Compare::GreaterOrEqual => number >= *wanted,
                    })
                })
            }
            Self::Address(networks) => {
                let address = found.parse::<IpAddr>().ok().map(|address| address.to_canonical());
                address.is_some_and(|address| networks.iter().any(|network| contains(*network, address)))
            }
            Self::Boolean(wanted) => boolean(found).is_ok_and(|found| wanted.contains(&found)),
            Self::Absent(_) => false,
        }
    }
}

impl Arn {
    fn parse(text: &str, variables: bool) -> Result<Self, String> {
        let parts = parts(text).unwrap_or_else(|| vec![text]);
        parts.into_iter().map(|part| Pattern::parse(part, Syntax { wildcards: true, variables })).collect::<Result<_, _>>().map(Self)
    }

    fn matches(&self, found: &str, key: Key<'_, '_>) -> bool {
        match self.0.as_slice() {
            [whole] => whole.matches(found, false, key),
            wanted => parts(found).is_some_and(|found| wanted.iter().zip(found).all(|(wanted, found)| wanted.matches(found, false, key))),
        }
    }
}

fn parts(arn: &str) -> Option<Vec<&str>> {
    // A colon of a variable, as in `${aws:username}`, can only stand in the last part.
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    (parts.len() == 6).then_some(parts)
}

fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

fn network(text: &str) -> Result<(IpAddr, u8), String> {
    let wrong = || format!("`{text}` is no address and no range of addresses");
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Ok(longest), |length| length.parse().map_err(|_| wrong()))?;
    match (length > longest, address.to_canonical()) {
        (true, _) => Err(wrong()),
        // ::ffff:192.0.2.0/120 is 192.0.2.0/24: callers are compared by their IPv4 address.
        (_, mapped @ IpAddr::V4(_)) if address.is_ipv6() && length >= 96 => Ok((mapped, length - 96)),
        _ => Ok((address, length)),
    }
}

fn contains((network, length): (IpAddr, u8), address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            (network.to_bits() & mask) == (address.to_bits() & mask)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            (network.to_bits() & mask) == (address.to_bits() & mask)
        }
        _ => false,
    }
}

/// `2024-02-29T12:00:00Z`, `2024-02-29`, or seconds since 1970, as seconds since 1970.
fn moment(text: &str) -> Option<f64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let (date, time) = text.split_once(['T', 't']).unwrap_or((text, "00:00:00Z"));
    let days = f64::from(day(date)?);
    let time = time.strip_suffix(['Z', 'z'])?;
    let mut parts = time.splitn(3, ':');
    let mut next = |limit: f64| parts.next().unwrap_or("0").parse().ok().filter(|part: &f64| (0.0..limit).contains(part));
    Some(days * 86_400.0 + next(24.0)? * 3600.0 + next(60.0)? * 60.0 + next(61.0)?)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde_json::json;

    use super::*;

    fn holds(operator: &str, values: Value, found: Option<&'static str>) -> bool {
        let conditions = conditions(&json!({ operator: { "aws:Key": values } }), true).unwrap();
        let key = |name: &str| (name == "aws:key").then_some(found).flatten().map(Cow::Borrowed);
        conditions.iter().all(|condition| condition.holds(&key))
    }

    #[test]
    fn operators_compare_what_they_say() {
        for (operator, values, found, expected) in [
            ("StringEquals", json!("a"), "a", true),
            ("StringEquals", json!("a"), "A", false),
            ("StringEqualsIgnoreCase", json!(["x", "a"]), "A", true),
            ("StringNotEquals", json!(["a", "b"]), "b", false),
            ("StringLike", json!("https://*.example.com/*"), "https://a.example.com/x", true),
            ("StringNotLike", json!("a*"), "b", true),
            ("NumericLessThan", json!("5"), "4.5", true),
            ("NumericNotEquals", json!(5), "5", false),
            ("DateGreaterThan", json!("2024-01-01T00:00:00Z"), "1704067201", true),
            ("DateLessThan", json!("2024-01-01"), "2024-01-01T00:00:00Z", false),
            ("Bool", json!("true"), "false", false),
            ("IpAddress", json!("0.0.0.0/0"), "::ffff:192.0.2.1", true),
            ("NotIpAddress", json!("192.0.2.0/24"), "192.0.2.9", false),
            ("ArnLike", json!("arn:aws:iam::*:user/a?a"), "arn:aws:iam::1:user/ada", true),
            ("ArnLike", json!("arn:aws:*:*:*:user/ada"), "arn:aws:s3:::x:user/ada", false),
            ("ArnEquals", json!("*"), "arn:aws:iam::1:user/ada", true),
            ("ArnNotEquals", json!("arn:aws:iam::2:*"), "arn:aws:iam::1:user/ada", true),
            ("IpAddress", json!("::ffff:192.0.2.0/120"), "192.0.2.9", true),
            ("IpAddress", json!("203.0.113.7/24"), "203.0.113.200", true),
            ("StringLike", json!("${aws:Key}"), "a", true),
        ] {
            assert_eq!(holds(operator, values.clone(), Some(found)), expected, "{operator} {values} {found}");
        }
    }

    #[test]
    fn an_absent_key_is_no_except_where_the_operator_says_otherwise() {
        assert!(!holds("StringEquals", json!("a"), None) && !holds("IpAddress", json!("0.0.0.0/0"), None));
        assert!(holds("StringNotEquals", json!("a"), None) && holds("NotIpAddress", json!("0.0.0.0/0"), None));
        assert!(holds("StringEqualsIfExists", json!("a"), None) && !holds("StringEqualsIfExists", json!("a"), Some("b")));
        assert!(holds("Null", json!("true"), None) && !holds("Null", json!("true"), Some("a")));
        assert!(holds("ForAllValues:StringEquals", json!("a"), None) && !holds("ForAnyValue:StringEquals", json!("a"), None));
        assert!(!holds("ForAnyValue:StringNotEquals", json!("a"), None) && holds("ForAnyValue:StringNotEqualsIfExists", json!("a"), None));
        assert!(conditions(&json!({"NullIfExists": {"aws:Key": "true"}}), true).is_err());
    }

    #[test]
    fn a_value_of_another_kind_fits_nothing() {
        assert!(!holds("IpAddress", json!("0.0.0.0/0"), Some("not an address")));
        assert!(!holds("NumericLessThan", json!("5"), Some("x")) && !holds("Bool", json!("true"), Some("yes")));
    }
}
