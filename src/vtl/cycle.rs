//! Keeps collections out of themselves: one that contains itself would never be freed, nor printed to its end.

use std::rc::Rc;

use super::render::Meter;
use super::value::Value;

/// Collections that wait at one time to be searched.
const HELD: usize = 1 << 20;
/// Values that are looked at in the time of a step.
const LOOKED_AT: usize = 64;

/// Refuses to put values into a collection that is one of them, or somewhere within them.
///
/// # Errors
/// That the collection would contain itself, or that it takes too long to tell.
pub(super) fn refuse_cycle<'v, 'r: 'v>(
    values: impl IntoIterator<Item = &'v Value<'r>>,
    collection: *const (),
    meter: &Meter<'_>,
) -> Result<(), String> {
    let mut search = Search { waiting: Vec::new(), seen: 0, meter };
    search.add(values)?;
    while let Some(value) = search.waiting.pop() {
        match &value {
            Value::List(list) if std::ptr::eq(Rc::as_ptr(list).cast(), collection) => return Err(contains_itself()),
            Value::Map(map) if std::ptr::eq(Rc::as_ptr(map).cast(), collection) => return Err(contains_itself()),
            // A view owns no more than what it showed at first.
            Value::List(list) => search.add(list.items().borrow().iter())?,
            Value::Map(map) => search.add(map.entries.borrow().values())?,
            Value::Entry(entry) => search.add([&Value::Map(Rc::clone(&entry.map)), &entry.value])?,
            _ => {}
        }
    }
    Ok(())
}

fn contains_itself() -> String {
    "a collection cannot contain itself".to_owned()
}

struct Search<'m, 's, 'r> {
    waiting: Vec<Value<'r>>,
    seen: usize,
    meter: &'m Meter<'s>,
}

impl<'r> Search<'_, '_, 'r> {
    fn add<'v>(&mut self, values: impl IntoIterator<Item = &'v Value<'r>>) -> Result<(), String>
    where
        'r: 'v,
    {
        for value in values {
            self.seen += 1;
            if value.is_collection() {
                self.waiting.push(value.clone());
            }
        }
        self.meter.pay(self.seen / LOOKED_AT)?;
        self.seen %= LOOKED_AT;
        if self.waiting.len() > HELD { Err("the value is too large to be put into a collection".to_owned()) } else { Ok(()) }
    }
}
