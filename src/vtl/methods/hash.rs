//! `hashCode()`, for what has one that does not depend on a machine.

use super::Result;
use crate::vtl::collection::{Collection, Elements};
use crate::vtl::limits::DEPTH;
use crate::vtl::render::Meter;
use crate::vtl::value::{ListKind, Value};
use crate::vtl::view::Shown;

/// Java's hash code; nothing for what has none here.
pub(super) fn code<'r>(value: &Value<'r>, meter: &Meter<'_>) -> Result<'r> {
    Ok(within(value, 0, meter)?.map(|hash| Value::Integer(hash.into())))
}

type Hash = std::result::Result<Option<i32>, String>;

fn within(value: &Value<'_>, depth: usize, meter: &Meter<'_>) -> Hash {
    let folded = |bits: u64| (bits ^ (bits >> 32)) as u32 as i32;
    Ok(match value {
        _ if depth > DEPTH => None,
        Value::Null => Some(0),
        Value::Entry(entry) => member(&entry.key.to_value(), &entry.value(), depth, meter)?,
        Value::String(text) => {
            meter.spend(text.len() / 64);
            Some(text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into())))
        }
        Value::Boolean(value) => Some(if (*value).into() { 1231 } else { 1237 }),
        Value::Integer(number) => Some(i32::try_from(*number).unwrap_or_else(|_| folded(number.cast_unsigned()))),
        Value::Double(number) => Some(folded(number.to_bits())),
        Value::List(list) if matches!(list.kind, ListKind::View(Shown::Values) | ListKind::Iterator) => None,
        Value::List(list) if matches!(list.kind, ListKind::View(_)) => of_set(&Elements::of(list), depth, meter)?,
        Value::List(_) | Value::Map(_) | Value::Branch(_) => match Collection::of(value) {
            Some(collection) => of_collection(&collection, depth, meter)?,
            None => None,
        },
        _ => None,
    })
}

fn of_collection(collection: &Collection<'_, '_>, depth: usize, meter: &Meter<'_>) -> Hash {
    // A collection that lies in another many times is looked at as often.
    meter.pay(1 + collection.len() / 16)?;
    match collection {
        Collection::List(elements) => {
            let mut hash = 1_i32;
            for item in elements.iter() {
                let Some(own) = within(&item, depth + 1, meter)? else { return Ok(None) };
                hash = hash.wrapping_mul(31).wrapping_add(own);
            }
            Ok(Some(hash))
        }
        Collection::Map(members) => {
            let mut hash = 0_i32;
            for (key, value) in (0..members.len()).filter_map(|index| members.at(index)) {
                let Some(own) = member(&key.to_value(), &value, depth, meter)? else { return Ok(None) };
                hash = hash.wrapping_add(own);
            }
            Ok(Some(hash))
        }
    }
}

fn of_set(elements: &Elements<'_, '_>, depth: usize, meter: &Meter<'_>) -> Hash {
    meter.pay(1 + elements.len() / 16)?;
    let mut hash = 0_i32;
    for item in elements.iter() {
        let Some(own) = within(&item, depth + 1, meter)? else { return Ok(None) };
        hash = hash.wrapping_add(own);
    }
    Ok(Some(hash))
}

fn member(key: &Value<'_>, value: &Value<'_>, depth: usize, meter: &Meter<'_>) -> Hash {
    let (key, value) = (within(key, depth + 1, meter)?, within(value, depth + 1, meter)?);
    Ok(key.zip(value).map(|(key, value)| key ^ value))
}
