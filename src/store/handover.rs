//! What one process goes on counting while another has taken over the file.
//!
//! Both know what the file held when it changed hands: the one wrote it last, the other read it. So whoever ends sends what it counts in
//! all, and whoever goes on adds what is more than it read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};

use super::embedded::Embedded;
use super::quota::{Usage, Window};

type Name = (Arc<str>, Arc<str>);

/// What the file held when it was taken over.
#[derive(Debug)]
pub struct Baseline(HashMap<Name, Usage>);

impl Baseline {
    /// Of a store whose meters have been asked for and have counted nothing yet.
    #[must_use]
    pub fn of(store: &Embedded) -> Self {
        let counters = store.counters().into_iter();
        Self(counters.map(|counter| ((Arc::clone(&counter.plan), Arc::clone(&counter.key)), counter.usage())).collect())
    }

    /// Adds what another process has counted beyond this. What cannot be understood is left out.
    pub fn add(&self, counted: &Value, store: &Embedded) {
        for (name, is_whole, usage) in counted.as_array().into_iter().flatten().filter_map(read) {
            let counter = store.counter(&name.0, &name.1);
            // A meter that nobody here has asked for yet has just been read.
            let known = if is_whole { self.0.get(&name).cloned().unwrap_or_else(|| counter.usage()) } else { Usage::default() };
            counter.add_beyond(&known, &usage);
        }
    }
}

/// Everything that a store has counted.
#[must_use]
pub fn counted(store: &Embedded) -> Value {
    let row = |counter: &super::quota::Counter| {
        let Usage { days, window } = counter.usage();
        let window = window.map(|window| json!([window.start, window.used, window.first]));
        // Without what the file holds, where a meter began after the file was closed.
        json!([&*counter.plan, &*counter.key, !counter.is_unread(), window, days.iter().collect::<Vec<_>>()])
    };
    store.counters().iter().map(|counter| row(counter)).collect()
}

fn read(row: &Value) -> Option<(Name, bool, Usage)> {
    let day = |value: &Value| value.as_u64().and_then(|day| u32::try_from(day).ok());
    let window = row.get(3)?.as_array().and_then(|parts| match parts.as_slice() {
        [start, used, first] => Some(Window { start: day(start)?, used: used.as_u64()?, granted: 0, first: day(first)? }),
        _ => None,
    });
    let days: BTreeMap<u32, u64> =
        row.get(4)?.as_array()?.iter().filter_map(|pair| Some((day(pair.get(0)?)?, pair.get(1)?.as_u64()?))).collect();
    Some(((row.get(0)?.as_str()?.into(), row.get(1)?.as_str()?.into()), row.get(2)?.as_bool()?, Usage { days, window }))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::store::{Period, Quota, QuotaStore as _};

    const QUOTA: Quota = Quota { limit: 100, offset: 0, period: Period::Month };
    const NOW: u64 = 86_400 * 40;

    fn clock() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn directory() -> std::path::PathBuf {
        std::env::temp_dir().join(format!("headgate-handover-{}-{:x}", std::process::id(), fastrand::u64(..)))
    }

    fn spend(store: &Embedded, key: &str, times: u64) {
        let meter = store.meter(&"gold".into(), &key.into());
        for _ in 0..times {
            assert!(meter.spend(Some(&QUOTA), NOW));
        }
    }

    fn used(store: &Embedded, key: &str) -> (u64, u64) {
        let meter = store.meter(&"gold".into(), &key.into());
        let usage = store.usage("gold", Some(key), 0..=u32::MAX).unwrap();
        (usage[key].days[&40], 100 - meter.remaining(&QUOTA, NOW))
    }

    #[test]
    fn what_two_processes_count_comes_together_exactly() {
        let directory = directory();
        let old = Embedded::open(&directory, clock).unwrap();
        spend(&old, "a", 5);
        old.close();
        spend(&old, "a", 1);
        let new = Embedded::open(&directory, clock).unwrap();
        spend(&new, "a", 0);
        let baseline = Baseline::of(&new);
        spend(&new, "a", 10);
        spend(&old, "a", 2);
        spend(&old, "b", 4);
        baseline.add(&counted(&old), &new);
        assert_eq!((used(&new, "a"), used(&new, "b")), ((18, 18), (4, 4)));
        drop(new);
        let again = Embedded::open(&directory, clock).unwrap();
        assert_eq!(used(&again, "a"), (18, 18));
        drop(again);
        drop(old);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_file_that_comes_back_is_written_again() {
        let directory = directory();
        let store = Embedded::open(&directory, clock).unwrap();
        store.close();
        spend(&store, "a", 3);
        store.reopen().unwrap();
        store.close();
        let again = Embedded::open(&directory, clock).unwrap();
        assert_eq!(used(&again, "a"), (3, 3));
        drop(again);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn nonsense_adds_nothing() {
        for row in [json!(null), json!([]), json!(["p"]), json!(["p", "k", true, [1, 2], 3]), json!([1, 2, true, null, []])] {
            assert!(read(&row).is_none(), "{row}");
        }
    }
}
