//! Operators on values, by Java's and Velocity's rules.

use std::cmp::Ordering;
use std::rc::Rc;

use num_bigint::BigInt;

use super::ast::Operator;
use super::value::Value;

/// Digits that a big number may have.
const DIGITS: u64 = 1000;

/// The result of an arithmetic operator; nothing where there is none.
pub(super) fn calculate<'r>(operator: Operator, left: &Value<'r>, right: &Value<'r>) -> Option<Value<'r>> {
    match (left, right) {
        (Value::Integer(a), Value::Integer(b)) => integers(operator, *a, *b),
        _ if left.is_number() && right.is_number() => {
            if [left, right].iter().any(|side| matches!(side, Value::Double(_) | Value::Decimal(_))) {
                doubles(operator, as_double(left), as_double(right))
            } else {
                big(operator, &as_big(left)?, &as_big(right)?)
            }
        }
        _ => None,
    }
}

fn integers<'r>(operator: Operator, a: i64, b: i64) -> Option<Value<'r>> {
    let result = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide | Operator::Remainder if b == 0 => return None,
        Operator::Divide => a.checked_div(b),
        Operator::Remainder => Some(a.checked_rem(b).unwrap_or(0)),
        _ => return None,
    };
    result.map(Value::Integer).or_else(|| big(operator, &a.into(), &b.into()))
}

fn doubles<'r>(operator: Operator, a: f64, b: f64) -> Option<Value<'r>> {
    let result = match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide | Operator::Remainder if b == 0.0 => return None,
        Operator::Divide => a / b,
        Operator::Remainder => a % b,
        _ => return None,
    };
    Some(Value::Double(result))
}

fn big<'r>(operator: Operator, a: &BigInt, b: &BigInt) -> Option<Value<'r>> {
    // A decimal digit is a little more than three bits.
    if a.bits() + b.bits() > DIGITS * 4 {
        return None;
    }
    let zero = BigInt::ZERO;
    let result = match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide | Operator::Remainder if *b == zero => return None,
        Operator::Divide => a / b,
        Operator::Remainder => a % b,
        _ => return None,
    };
    Some(whole(result))
}

/// A whole number in its smallest form.
pub(super) fn whole<'r>(number: BigInt) -> Value<'r> {
    i64::try_from(&number).map_or_else(|_| Value::BigInteger(Rc::new(number)), Value::Integer)
}

pub(super) fn as_double(value: &Value<'_>) -> f64 {
    match value {
        Value::Integer(number) => *number as f64,
        Value::BigInteger(number) => number.to_string().parse().unwrap_or(f64::INFINITY),
        Value::Double(number) => *number,
        Value::Decimal(text) => text.parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}

fn as_big(value: &Value<'_>) -> Option<BigInt> {
    match value {
        Value::Integer(number) => Some((*number).into()),
        Value::BigInteger(number) => Some((**number).clone()),
        _ => None,
    }
}

/// How two numbers compare; nothing where they are no numbers.
pub(super) fn compare(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Integer(a), Value::Integer(b)) => Some(a.cmp(b)),
        _ if left.is_number() && right.is_number() => match (as_big(left), as_big(right)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => as_double(left).partial_cmp(&as_double(right)),
        },
        _ => None,
    }
}

/// `==`: numbers by value, equal kinds as Java's `equals`, different kinds by their texts.
pub(super) fn equal<'r>(left: &Value<'r>, right: &Value<'r>) -> bool {
    equal_within(left, right, &mut { COMPARED })
}

/// Values of two collections that are compared before they count as different.
const COMPARED: usize = 200_000;
/// What one comparison of two collections within each other costs of that, so that depth is bounded, too.
const NESTED: usize = 500;

fn equal_within<'r>(left: &Value<'r>, right: &Value<'r>, budget: &mut usize) -> bool {
    let cost = if left.kind() == 6 || left.kind() == 7 { NESTED } else { 1 };
    match budget.checked_sub(cost) {
        Some(rest) => *budget = rest,
        None => return false,
    }
    if let (Value::String(a), Value::String(b)) = (left, right) {
        return a == b;
    }
    if let Some(order) = compare(left, right) {
        return order == Ordering::Equal;
    }
    match (left, right) {
        (Value::Boolean(a), Value::Boolean(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            if Rc::ptr_eq(a, b) {
                return true;
            }
            let (a, b) = (a.items.borrow(), b.items.borrow());
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| equal_within(a, b, budget))
        }
        (Value::Map(a), Value::Map(b)) => {
            if Rc::ptr_eq(a, b) {
                return true;
            }
            let (a, b) = (a.entries.borrow(), b.entries.borrow());
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| equal_within(value, other, budget)))
        }
        _ if left.kind() == right.kind() => left.kind() == 0,
        _ => left.as_text() == right.as_text(),
    }
}
