//! Operators on values, by Java's and Velocity's rules.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::rc::Rc;

use num_bigint::BigInt;

use super::ast::Operator;
use super::collection::{Collection, Elements};
use super::decimal::Decimal;
use super::render::Meter;
use super::value::{ListKind, Value};
use super::view::Shown;

/// Digits that a big number may have.
const DIGITS: u64 = 1000;

/// The result of an arithmetic operator; nothing where there is none.
///
/// # Errors
/// Where Java throws.
pub(super) fn calculate<'r>(operator: Operator, left: &Value<'r>, right: &Value<'r>) -> Result<Option<Value<'r>>, String> {
    Ok(match (left, right) {
        (Value::Integer(a), Value::Integer(b)) => integers(operator, *a, *b),
        _ if !left.is_number() || !right.is_number() => None,
        _ => match base(left, right) {
            Base::Whole => match (as_big(left), as_big(right)) {
                (Some(a), Some(b)) => big(operator, &a, &b)?,
                _ => None,
            },
            Base::Double => doubles(operator, as_double(left), as_double(right)),
            Base::Decimal => match (as_decimal(left), as_decimal(right)) {
                (Some(_), Some(b)) if matches!(operator, Operator::Divide | Operator::Remainder) && b.is_zero() => None,
                (Some(_), Some(_)) if operator == Operator::Remainder => return Err("decimals have no remainder".to_owned()),
                (Some(a), Some(b)) => Decimal::calculate(operator, &a, &b).map(|result| Value::Decimal(result.to_string().into())),
                _ => None,
            },
        },
    })
}

/// What two numbers are calculated as.
enum Base {
    Whole,
    Double,
    Decimal,
}

fn base(left: &Value<'_>, right: &Value<'_>) -> Base {
    let any = |fits: fn(&Value<'_>) -> bool| fits(left) || fits(right);
    let fraction = any(|side| matches!(side, Value::Double(_)));
    if any(|side| matches!(side, Value::Decimal(_))) || fraction && any(|side| matches!(side, Value::BigInteger(_))) {
        Base::Decimal
    } else if fraction {
        Base::Double
    } else {
        Base::Whole
    }
}

fn integers<'r>(operator: Operator, a: i64, b: i64) -> Option<Value<'r>> {
    let result = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply if b == -1 => Some(a.wrapping_neg()),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide | Operator::Remainder if b == 0 => return None,
        // Java sees no overflow in these two.
        Operator::Divide => Some(a.wrapping_div(b)),
        Operator::Remainder => Some(a.checked_rem(b).unwrap_or(0)),
        _ => return None,
    };
    result.map(Value::Integer).or_else(|| big(operator, &a.into(), &b.into()).ok().flatten())
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

fn big<'r>(operator: Operator, a: &BigInt, b: &BigInt) -> Result<Option<Value<'r>>, String> {
    // A decimal digit is a little more than three bits.
    if a.bits() + b.bits() > DIGITS * 4 {
        return Ok(None);
    }
    let zero = BigInt::ZERO;
    let result = match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide | Operator::Remainder if *b == zero => return Ok(None),
        Operator::Divide => a / b,
        Operator::Remainder if *b < zero => return Err("the remainder of a negative number is asked for".to_owned()),
        Operator::Remainder => ((a % b) + b) % b,
        _ => return Ok(None),
    };
    Ok(Some(whole(result)))
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

fn as_decimal(value: &Value<'_>) -> Option<Decimal> {
    match value {
        Value::Double(number) => Decimal::exact(*number),
        Value::Decimal(text) => Decimal::parse(text),
        // `BigDecimal(double)`, also for whole numbers that a double does not hold.
        Value::Integer(number) => Decimal::exact(*number as f64),
        Value::BigInteger(number) => Some((&**number).into()),
        _ => None,
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
        _ if left.is_number() && right.is_number() => match base(left, right) {
            Base::Whole => Some(as_big(left)?.cmp(&as_big(right)?)),
            Base::Double => as_double(left).partial_cmp(&as_double(right)),
            Base::Decimal => as_decimal(left)?.compare(&as_decimal(right)?),
        },
        _ => None,
    }
}

/// `==`: numbers by value, equal kinds as Java's `equals`, different kinds by their texts.
pub(super) fn equal<'r>(left: &Value<'r>, right: &Value<'r>, meter: &Meter<'_>) -> bool {
    if let (Value::String(a), Value::String(b)) = (left, right) {
        meter.spend(a.len().min(b.len()) / 1024);
        return a == b;
    }
    if let Some(order) = compare(left, right) {
        return order == Ordering::Equal;
    }
    if left.kind() == right.kind() {
        return same(left, right, meter);
    }
    let (left, right) = (left.as_text(), right.as_text());
    meter.spend((left.len() + right.len()) / 64);
    left == right
}

/// Java's `equals`: the kinds must agree, too, also within collections.
pub(super) fn same<'r>(left: &Value<'r>, right: &Value<'r>, meter: &Meter<'_>) -> bool {
    // Most of what is compared is text.
    if let (Value::String(left), Value::String(right)) = (left, right) {
        return left == right;
    }
    let mut budget = COMPARED;
    let is_same = same_within(left, right, &mut budget);
    meter.spend((COMPARED - budget) / COMPARED_A_STEP);
    is_same
}

/// Values of two collections that are compared before they count as different.
const COMPARED: usize = 200_000;
/// Of these, how many are compared in the time of a step.
const COMPARED_A_STEP: usize = 512;
/// What one comparison of two collections within each other costs of that, so that depth is bounded, too.
const NESTED: usize = 500;

fn same_within<'r>(left: &Value<'r>, right: &Value<'r>, budget: &mut usize) -> bool {
    let (left_holds, right_holds) = (Collection::of(left), Collection::of(right));
    match budget.checked_sub(if left_holds.is_some() { NESTED } else { 1 }) {
        Some(rest) => *budget = rest,
        None => return false,
    }
    let walked = match (left_holds, right_holds) {
        _ if is_one(left, right) => return true,
        // A map's values are a collection that equals nothing but itself.
        (Some(Collection::List(Elements::View(_, Shown::Values))), _) => return false,
        (Some(Collection::List(a)), Some(Collection::List(b))) if shown(left) != shown(right) || a.len() != b.len() => return false,
        (Some(Collection::List(a)), Some(Collection::List(b))) if matches!(shown(left), Some(Shown::Keys | Shown::Entries)) => {
            // Sets have no order, but mostly stand in the same.
            a.walk(|index, item| {
                let mut alike = |other: Option<Value<'r>>| other.is_some_and(|other| same_within(item, &other, budget));
                go_on_if(alike(b.get(index)) || (0..b.len()).any(|index| alike(b.get(index))))
            })
        }
        (Some(Collection::List(a)), Some(Collection::List(b))) => {
            a.walk(|index, item| go_on_if(b.get(index).is_some_and(|other| same_within(item, &other, budget))))
        }
        (Some(Collection::Map(a)), Some(Collection::Map(b))) if a.len() == b.len() => {
            a.walk(|_, key, value| go_on_if(b.get(key).is_some_and(|other| same_within(value, &other, budget))))
        }
        (None, None) => return same_leaves(left, right, budget),
        _ => return false,
    };
    walked.is_continue()
}

const fn go_on_if(alike: bool) -> ControlFlow<()> {
    if alike { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

/// Whether two values are one collection.
fn is_one<'r>(left: &Value<'r>, right: &Value<'r>) -> bool {
    match (left, right) {
        (Value::List(a), Value::List(b)) => {
            Rc::ptr_eq(a, b) || a.shown().zip(b.shown()).is_some_and(|(a, b)| Rc::ptr_eq(&a.0, &b.0) && a.1 == b.1)
        }
        (Value::Map(a), Value::Map(b)) => Rc::ptr_eq(a, b),
        (Value::Branch(a), Value::Branch(b)) => a.is(b),
        _ => false,
    }
}

/// What of a map a value shows.
fn shown(value: &Value<'_>) -> Option<Shown> {
    match value {
        Value::List(list) if let ListKind::View(shown) = list.kind => Some(shown),
        _ => None,
    }
}

fn same_leaves<'r>(left: &Value<'r>, right: &Value<'r>, budget: &mut usize) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Boolean(a), Value::Boolean(b)) => a == b,
        (Value::Integer(a), Value::Integer(b)) => a == b,
        (Value::BigInteger(a), Value::BigInteger(b)) => a == b,
        (Value::Double(a), Value::Double(b)) => a == b,
        // Also the number of digits counts.
        (Value::Decimal(a), Value::Decimal(b)) => a == b,
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Entry(a), Value::Entry(b)) => a.key == b.key && same_within(&a.value(), &b.value(), budget),
        _ => false,
    }
}
