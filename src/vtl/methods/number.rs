//! `java.lang.Integer`, `Long`, `Double` and `Boolean`, with the static methods that Velocity finds on their objects.

use std::cmp::Ordering;

use super::Result;
use crate::vtl::arithmetic::{as_double, compare};
use crate::vtl::value::Value;

pub(super) fn call<'r>(number: &Value<'r>, name: &str, arguments: &[Value<'r>]) -> Result<'r> {
    let found = |value: Value<'r>| Ok(Some(value));
    match (name, arguments) {
        ("intValue", []) => found(Value::Integer(as_int(number).into())),
        ("shortValue", []) => found(Value::Integer(i64::from(truncated::<16>(as_int(number).into())))),
        ("byteValue", []) => found(Value::Integer(i64::from(truncated::<8>(as_int(number).into())))),
        ("longValue", []) => found(Value::Integer(as_long(number))),
        ("doubleValue", []) => found(Value::Double(as_double(number))),
        ("floatValue", []) => found(Value::Double((as_double(number) as f32).to_string().parse().unwrap_or(f64::NAN))),
        ("compareTo", [other]) if class(number) == class(other) => Ok(compare(number, other).map(sign)),
        ("compareTo", [_]) => Err("a number compares only to one of its own class".to_owned()),
        ("toString" | "valueOf", [other]) if fits(number, other) => {
            found(if name == "valueOf" { other.clone() } else { Value::text(other.to_text()) })
        }
        ("compare", [a, b]) if fits(number, a) && fits(number, b) => Ok(compare(a, b).map(sign)),
        ("max", [a, b]) if fits(number, a) && fits(number, b) => {
            Ok(compare(a, b).map(|order| as_class(number, if order == Ordering::Less { b } else { a })))
        }
        ("min", [a, b]) if fits(number, a) && fits(number, b) => {
            Ok(compare(a, b).map(|order| as_class(number, if order == Ordering::Greater { b } else { a })))
        }
        _ => match number {
            Value::Integer(_) => integer(number, name, arguments),
            Value::Double(value) => double(*value, name, arguments),
            _ => Ok(None),
        },
    }
}

/// 32 or 64 bits for whole numbers, 0 for what is none of them.
fn class(number: &Value<'_>) -> u8 {
    match number {
        Value::Integer(number) if i32::try_from(*number).is_ok() => 32,
        Value::Integer(_) => 64,
        Value::Double(_) => 1,
        Value::BigInteger(_) => 2,
        Value::Decimal(_) => 3,
        _ => 0,
    }
}

/// Whether a number is an argument of this one's class, or becomes one without loss.
fn fits(number: &Value<'_>, argument: &Value<'_>) -> bool {
    matches!((class(number), class(argument)), (32, 32) | (64 | 1, 32 | 64) | (1, 1))
}

fn as_class<'r>(number: &Value<'r>, value: &Value<'r>) -> Value<'r> {
    if matches!(number, Value::Double(_)) { Value::Double(as_double(value)) } else { value.clone() }
}

fn as_int(number: &Value<'_>) -> i32 {
    match number {
        Value::Integer(number) => *number as i32,
        Value::BigInteger(number) => low_bits(number) as u32 as i32,
        other => as_double(other) as i32,
    }
}

fn as_long(number: &Value<'_>) -> i64 {
    match number {
        Value::Integer(number) => *number,
        Value::BigInteger(number) => low_bits(number) as i64,
        other => as_double(other) as i64,
    }
}

/// The lowest 64 bits in two's complement.
fn low_bits(number: &num_bigint::BigInt) -> u64 {
    let magnitude = number.magnitude().iter_u64_digits().next().unwrap_or(0);
    if number.sign() == num_bigint::Sign::Minus { magnitude.wrapping_neg() } else { magnitude }
}

/// The lowest bits as a signed number.
fn truncated<const BITS: u32>(number: i64) -> i32 {
    let shift = 64 - BITS;
    i32::try_from((number << shift) >> shift).unwrap_or_default()
}

fn integer<'r>(number: &Value<'r>, name: &str, arguments: &[Value<'r>]) -> Result<'r> {
    use Value::{Integer, String};
    let found = |value: i64| Ok(Some(Integer(value)));
    let text = |text: std::string::String| Ok(Some(Value::text(text)));
    let bits = class(number);
    let parse = |digits: &str, radix: i64| {
        let radix = u32::try_from(radix).ok().filter(|radix| (2..=36).contains(radix)).ok_or("a radix is from 2 to 36")?;
        let value = i64::from_str_radix(digits, radix).ok().filter(|value| bits == 64 || i32::try_from(*value).is_ok());
        value.map(|value| Some(Integer(value))).ok_or_else(|| format!("`{digits}` is no number"))
    };
    let parses = match name {
        "parseInt" => bits == 32,
        "parseLong" => bits == 64,
        "valueOf" => true,
        _ => false,
    };
    match arguments {
        [String(digits)] if parses => return parse(digits, 10),
        [String(digits), Integer(radix)] if parses => return parse(digits, *radix),
        _ => {}
    }
    if !arguments.iter().all(|argument| fits(number, argument)) {
        return Ok(None);
    }
    // A narrower number's bits, without those that only its sign has put there.
    let unsigned = |value: i64| if bits == 32 { u64::from(value.cast_unsigned() as u32) } else { value.cast_unsigned() };
    match (name, arguments) {
        ("signum", [Integer(value)]) => found(value.signum()),
        ("sum", [Integer(a), Integer(b)]) => found(if bits == 32 { truncated::<32>(a + b).into() } else { a.wrapping_add(*b) }),
        ("toBinaryString", [Integer(value)]) => text(format!("{:b}", unsigned(*value))),
        ("toHexString", [Integer(value)]) => text(format!("{:x}", unsigned(*value))),
        ("toOctalString", [Integer(value)]) => text(format!("{:o}", unsigned(*value))),
        ("bitCount", [Integer(value)]) => found(unsigned(*value).count_ones().into()),
        ("toString", [Integer(value), Integer(radix)]) => text(in_radix(*value, *radix)),
        _ => Ok(None),
    }
}

/// A number's digits; a radix that there is not counts as ten.
fn in_radix(value: i64, radix: i64) -> String {
    let radix = u64::try_from(radix).ok().filter(|radix| (2..=36).contains(radix)).unwrap_or(10);
    let mut rest = value.unsigned_abs();
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(rest % radix).ok().and_then(|digit| char::from_digit(digit, 36));
        digits.extend(digit);
        rest /= radix;
        if rest == 0 {
            break;
        }
    }
    digits.extend((value < 0).then_some('-'));
    digits.iter().rev().collect()
}

fn double<'r>(number: f64, name: &str, arguments: &[Value<'r>]) -> Result<'r> {
    match (name, arguments) {
        ("isNaN", []) => Ok(Some(Value::boolean(number.is_nan()))),
        ("isInfinite", []) => Ok(Some(Value::boolean(number.is_infinite()))),
        ("isNaN", [other]) if other.is_number() => Ok(Some(Value::boolean(as_double(other).is_nan()))),
        ("isInfinite", [other]) if other.is_number() => Ok(Some(Value::boolean(as_double(other).is_infinite()))),
        ("isFinite", [other]) if other.is_number() => Ok(Some(Value::boolean(as_double(other).is_finite()))),
        ("sum", [a, b]) if a.is_number() && b.is_number() => Ok(Some(Value::Double(as_double(a) + as_double(b)))),
        ("parseDouble" | "valueOf", [Value::String(text)]) => {
            parse_double(text).map(|number| Some(Value::Double(number))).ok_or_else(|| format!("`{text}` is no number"))
        }
        _ => Ok(None),
    }
}

/// `Double.parseDouble`, hexadecimal notation aside.
fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c <= ' ');
    match text {
        "NaN" | "+NaN" | "-NaN" => return Some(f64::NAN),
        "Infinity" | "+Infinity" => return Some(f64::INFINITY),
        "-Infinity" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E')))
}

pub(super) fn boolean<'r>(value: bool, name: &str, arguments: &[Value<'r>]) -> Result<'r> {
    use Value::Boolean;
    Ok(match (name, arguments) {
        ("booleanValue", []) => Some(Value::boolean(value)),
        ("parseBoolean" | "valueOf", [Value::String(text)]) => Some(Value::boolean(text.eq_ignore_ascii_case("true"))),
        ("valueOf", [Boolean(other)]) => Some(Boolean(*other)),
        ("toString", [Boolean(other)]) => Some(Value::text(bool::from(*other).to_string())),
        ("compareTo", [Boolean(other)]) => Some(sign(value.cmp(&(*other).into()))),
        ("compareTo", [_]) => return Err("a boolean compares only to a boolean".to_owned()),
        ("compare", [Boolean(a), Boolean(b)]) => Some(sign(a.cmp(b))),
        ("logicalAnd", [Boolean(a), Boolean(b)]) => Some(Value::boolean(bool::from(*a) && bool::from(*b))),
        ("logicalOr", [Boolean(a), Boolean(b)]) => Some(Value::boolean(bool::from(*a) || bool::from(*b))),
        ("logicalXor", [Boolean(a), Boolean(b)]) => Some(Value::boolean(a != b)),
        _ => None,
    })
}

fn sign<'r>(order: Ordering) -> Value<'r> {
    Value::Integer(order as i64)
}
