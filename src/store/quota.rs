//! Quotas: requests of a key under a plan in a calendar period, in UTC; and what each key used, day by day.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::calendar::{Period, day_of};

/// Days that usage is kept for: thirteen months.
pub(super) const KEPT_DAYS: u32 = 396;

/// So many requests in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests in each period.
    pub limit: u64,
    /// What the first period has less.
    pub offset: u64,
    /// When it begins anew.
    pub period: Period,
}

/// A period's count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// The day on which it began.
    pub start: u32,
    /// Requests in it.
    pub used: u64,
    /// What was granted beyond the limit, or taken from it.
    pub granted: i64,
    /// The day on which the key's very first window began.
    pub first: u32,
}

/// What a key used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests by day, counted from 1970-01-01.
    pub days: BTreeMap<u32, u64>,
    /// The current window, if one has begun.
    pub window: Option<Window>,
}

/// One key under one plan.
pub trait Meter: Send + Sync + std::fmt::Debug {
    /// Counts a request, if the quota lets it through. Without a quota every request is let through and counted.
    fn spend(&self, quota: Option<&Quota>, now_seconds: u64) -> bool;
    /// What is left of the current window.
    fn remaining(&self, quota: &Quota, now_seconds: u64) -> u64;
    /// Makes this what is left of the current window.
    fn grant(&self, quota: &Quota, remaining: u64, now_seconds: u64);
}

/// Where requests of keys are counted. What asks it on a request's way never waits.
pub trait QuotaStore: Send + Sync + std::fmt::Debug {
    /// The meter of a key under a plan.
    fn meter(&self, plan: &Arc<str>, key: &Arc<str>) -> Arc<dyn Meter>;
    /// What the keys of a plan used on these days, or one of its keys.
    ///
    /// # Errors
    /// When it cannot be read.
    fn usage(&self, plan: &str, key: Option<&str>, days: RangeInclusive<u32>) -> Result<BTreeMap<Box<str>, Usage>, String>;
}

/// The meters that have counted since they were asked for it last.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<Vec<Arc<Counter>>>);

impl Changes {
    /// What has changed since the last call.
    pub(super) fn take(&self) -> Vec<Arc<Counter>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A meter in memory. It knows its current window and the days that nobody has kept yet, so it does not grow with time.
#[derive(Debug)]
pub(super) struct Counter {
    pub(super) plan: Arc<str>,
    pub(super) key: Arc<str>,
    state: Mutex<State>,
    /// Whether it is in `changes`.
    changed: AtomicBool,
    changes: Option<Arc<Changes>>,
    own: Weak<Self>,
}

#[derive(Debug, Default)]
struct State {
    window: Option<Window>,
    /// The newest day, and all of its requests.
    day: u32,
    count: u64,
    /// Days before that are not kept yet.
    earlier: Vec<(u32, u64)>,
    /// Whether what was kept could not be read when it began: then it is added to what is counted.
    unread: bool,
}

impl Counter {
    /// A meter that begins with what was kept. `changes` is told when it counts.
    pub(super) fn new(plan: Arc<str>, key: Arc<str>, kept: Option<Usage>, changes: Option<Arc<Changes>>) -> Arc<Self> {
        let unread = kept.is_none();
        let Usage { days, window } = kept.unwrap_or_default();
        let (day, count) = days.last_key_value().map_or((0, 0), |(day, count)| (*day, *count));
        let state = Mutex::new(State { window, day, count, earlier: Vec::new(), unread });
        Arc::new_cyclic(|own| Self { plan, key, state, changed: AtomicBool::new(false), changes, own: Weak::clone(own) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that there is something to keep.
    pub(super) fn mark(&self) {
        let Some(changes) = &self.changes else { return };
        // Only the first request since the last writing takes the lock.
        if !self.changed.swap(true, Ordering::AcqRel)
            && let Some(own) = self.own.upgrade()
        {
            changes.0.lock().unwrap_or_else(PoisonError::into_inner).push(own);
        }
    }

    /// What is to be kept now. From here on the meter is unchanged.
    pub(super) fn take(&self) -> Usage {
        self.changed.store(false, Ordering::Release);
        self.usage()
    }

    /// The window, and the days that are in memory.
    pub(super) fn usage(&self) -> Usage {
        let state = self.state();
        let mut days: BTreeMap<u32, u64> = state.earlier.iter().copied().collect();
        if state.count > 0 {
            days.insert(state.day, state.count);
        }
        Usage { days, window: state.window }
    }

    /// Says that what was taken is kept: days that are over need not be remembered.
    pub(super) fn kept(&self, taken: &Usage) {
        let newest = taken.days.last_key_value().map_or(0, |(day, _)| *day);
        self.state().earlier.retain(|(day, _)| *day >= newest);
    }

    /// Whether what was kept before is still to be added.
    pub(super) fn is_unread(&self) -> bool {
        self.state().unread
    }

    /// Adds what was kept to what was counted since.
    pub(super) fn add(&self, kept: &Usage) {
        let mut state = self.state();
        if !std::mem::take(&mut state.unread) {
            return;
        }
        for (day, count) in &kept.days {
            if *day == state.day {
                state.count += count;
            }
            state.earlier.iter_mut().filter(|(known, _)| known == day).for_each(|(_, known)| *known += count);
        }
        state.window = match (state.window, kept.window) {
            (Some(own), Some(kept)) if own.start == kept.start => {
                Some(Window { used: own.used + kept.used, granted: own.granted + kept.granted, ..kept })
            }
            (Some(own), Some(kept)) if own.start > kept.start => Some(Window { first: kept.first, ..own }),
            (own, kept) => kept.or(own),
        };
    }
}

impl Counter {
    /// Adds what another process counted beyond `known`, which the file held when it was taken over.
    pub(super) fn add_beyond(&self, known: &Usage, counted: &Usage) {
        let mut state = self.state();
        for (day, count) in &counted.days {
            let before = known.days.get(day).copied().unwrap_or(0);
            let more = count.saturating_sub(before);
            let earlier = state.earlier.iter().position(|(other, _)| other == day);
            if more == 0 {
                continue;
            } else if *day > state.day {
                let ended = (state.day, state.count);
                state.earlier.extend(Some(ended).filter(|(_, count)| *count > 0));
                (state.day, state.count) = (*day, before + more);
            } else if *day == state.day {
                state.count += more;
            } else if let Some((_, known)) = earlier.and_then(|index| state.earlier.get_mut(index)) {
                *known += more;
            } else {
                state.earlier.push((*day, before + more));
            }
        }
        if let Some(window) = counted.window {
            let before = known.window.filter(|before| before.start == window.start).map_or(0, |before| before.used);
            let used = window.used.saturating_sub(before);
            match &mut state.window {
                Some(own) if own.start == window.start => own.used = own.used.saturating_add(used),
                Some(own) if own.start > window.start => {}
                own => *own = Some(Window { used, granted: 0, first: own.map_or(window.first, |own| own.first), ..window }),
            }
        }
        drop(state);
        self.mark();
    }
}

impl Meter for Counter {
    fn spend(&self, quota: Option<&Quota>, now_seconds: u64) -> bool {
        let today = day_of(now_seconds);
        let mut state = self.state();
        if let Some(quota) = quota {
            let window = state.window(quota.period, today);
            if window.used >= window.allowance(quota) {
                return false;
            }
            window.used += 1;
        }
        if today > state.day {
            if state.count > 0 {
                let ended = (state.day, state.count);
                state.earlier.push(ended);
                state.earlier.retain(|(day, _)| day.saturating_add(KEPT_DAYS) > today);
            }
            (state.day, state.count) = (today, 0);
        }
        // A clock that was set back counts for the newest day.
        state.count += 1;
        drop(state);
        self.mark();
        true
    }

    fn remaining(&self, quota: &Quota, now_seconds: u64) -> u64 {
        let mut state = self.state();
        let window = state.window(quota.period, day_of(now_seconds));
        window.allowance(quota).saturating_sub(window.used)
    }

    fn grant(&self, quota: &Quota, remaining: u64, now_seconds: u64) {
        let mut state = self.state();
        let window = state.window(quota.period, day_of(now_seconds));
        let plain = Window { granted: 0, ..*window }.allowance(quota);
        let wanted = window.used.saturating_add(remaining);
        window.granted = i64::try_from(wanted).unwrap_or(i64::MAX).saturating_sub(i64::try_from(plain).unwrap_or(i64::MAX));
        drop(state);
        self.mark();
    }
}

impl State {
    /// The window of today. A clock that was set back never opens an older one again.
    fn window(&mut self, period: Period, today: u32) -> &mut Window {
        let start = period.start(today);
        let known = self.window.get_or_insert(Window { start, first: start, ..Window::default() });
        if start > known.start {
            *known = Window { start, used: 0, granted: 0, first: known.first };
        }
        known
    }
}

impl Window {
    fn allowance(&self, quota: &Quota) -> u64 {
        let offset = if self.first == self.start { quota.offset } else { 0 };
        quota.limit.saturating_sub(offset).saturating_add_signed(self.granted)
    }
}

/// A plan and a key.
type Name = (Arc<str>, Arc<str>);

/// Meters by plan and key.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<HashMap<Name, Arc<Counter>>>);

impl Counters {
    fn known(&self) -> MutexGuard<'_, HashMap<Name, Arc<Counter>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The meter of a name; one that is new is made by `new`.
    pub(super) fn meter(&self, plan: &Arc<str>, key: &Arc<str>, new: impl FnOnce(Name) -> Arc<Counter>) -> Arc<Counter> {
        let mut known = self.known();
        let counter = known.entry((Arc::clone(plan), Arc::clone(key))).or_insert_with_key(|name| new(name.clone()));
        Arc::clone(counter)
    }

    /// All meters of a plan, or of one of its keys.
    pub(super) fn of(&self, plan: &str, key: Option<&str>) -> Vec<Arc<Counter>> {
        let known = self.known();
        let wanted = |counter: &&Arc<Counter>| *counter.plan == *plan && key.is_none_or(|key| *counter.key == *key);
        known.values().filter(wanted).cloned().collect()
    }

    /// Every meter.
    pub(super) fn all(&self) -> Vec<Arc<Counter>> {
        self.known().values().cloned().collect()
    }
}

/// Meters in memory alone: of commands that serve nothing.
#[derive(Debug, Default)]
pub struct Memory(Counters);

impl QuotaStore for Memory {
    fn meter(&self, plan: &Arc<str>, key: &Arc<str>) -> Arc<dyn Meter> {
        self.0.meter(plan, key, |(plan, key)| Counter::new(plan, key, Some(Usage::default()), None))
    }

    fn usage(&self, plan: &str, key: Option<&str>, days: RangeInclusive<u32>) -> Result<BTreeMap<Box<str>, Usage>, String> {
        let told = self.0.of(plan, key).into_iter().map(|counter| {
            let mut usage = counter.usage();
            usage.days.retain(|day, _| days.contains(day));
            (Box::<str>::from(&*counter.key), usage)
        });
        Ok(told.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn quota(limit: u64, offset: u64, period: Period) -> Quota {
        Quota { limit, offset, period }
    }

    fn counter(kept: Option<Usage>) -> Arc<Counter> {
        Counter::new("p".into(), "k".into(), kept, None)
    }

    #[test]
    fn a_quota_ends_with_its_limit_and_begins_anew_with_its_period() {
        let (meter, day) = (counter(None), quota(2, 1, Period::Day));
        let now = 20_000 * DAY + 5;
        assert!(meter.spend(Some(&day), now) && !meter.spend(Some(&day), now), "the first window has one less");
        assert!(meter.spend(Some(&day), now + DAY) && meter.spend(Some(&day), now + DAY) && !meter.spend(Some(&day), now + DAY));
        assert!(!meter.spend(Some(&day), now), "a clock that was set back opens nothing");
        assert_eq!(meter.usage().days.into_iter().collect::<Vec<_>>(), [(20_000, 1), (20_001, 2)]);
    }

    #[test]
    fn what_is_granted_counts_in_this_window_only() {
        let (meter, month) = (counter(None), quota(1, 0, Period::Month));
        let now = 19_782 * DAY;
        assert!(meter.spend(Some(&month), now) && !meter.spend(Some(&month), now));
        meter.grant(&month, 3, now);
        assert_eq!(meter.remaining(&month, now), 3);
        assert_eq!((0..9).filter(|_| meter.spend(Some(&month), now)).count(), 3);
        assert_eq!(meter.remaining(&month, now + DAY), 1, "the next month has begun");
    }

    #[test]
    fn changes_are_told_once_until_they_are_taken() {
        let changes = Arc::new(Changes::default());
        let meter = Counter::new("p".into(), "k".into(), None, Some(Arc::clone(&changes)));
        assert!(changes.take().is_empty());
        assert!((0..3).all(|_| meter.spend(Some(&quota(9, 0, Period::Day)), DAY)));
        let told = changes.take();
        assert_eq!((told.len(), changes.take().len()), (1, 0));
        let kept = told[0].take();
        assert!(meter.spend(None, DAY));
        assert_eq!(changes.take().len(), 1);
        assert_eq!(counter(Some(kept)).remaining(&quota(9, 0, Period::Day), DAY), 6);
    }

    #[test]
    fn days_that_are_kept_are_forgotten() {
        let meter = counter(None);
        assert!([1, 2, 2, 3].iter().all(|day| meter.spend(None, day * DAY)));
        let taken = meter.take();
        assert_eq!(taken.days.clone().into_iter().collect::<Vec<_>>(), [(1, 1), (2, 2), (3, 1)]);
        meter.kept(&taken);
        assert_eq!(meter.usage().days.into_iter().collect::<Vec<_>>(), [(3, 1)]);
    }

    #[test]
    fn what_could_not_be_read_is_added_later() {
        let week = quota(10, 0, Period::Week);
        let before = counter(Some(Usage::default()));
        assert!((0..4).all(|_| before.spend(Some(&week), 4 * DAY)));
        let meter = counter(None);
        assert!(meter.spend(Some(&week), 4 * DAY) && meter.is_unread());
        meter.add(&before.usage());
        meter.add(&before.usage());
        assert_eq!((meter.remaining(&week, 4 * DAY), meter.usage().days.get(&4)), (5, Some(&5)));
    }

    #[test]
    fn threads_spend_a_quota_exactly() {
        let (meter, day) = (counter(None), quota(1_000, 0, Period::Day));
        let admitted: usize = std::thread::scope(|scope| {
            let spend = || (0..500).filter(|_| meter.spend(Some(&day), DAY)).count();
            let workers: Vec<_> = (0..8).map(|_| scope.spawn(spend)).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!(admitted, 1_000);
    }

    #[test]
    fn no_limit_counts_all_the_same() {
        let meter = counter(None);
        assert!((0..5).all(|_| meter.spend(None, DAY)));
        assert_eq!(meter.usage().days.values().sum::<u64>(), 5);
    }
}
