//! Quotas: requests of a key under a plan in a calendar period, in UTC; and what each key used, day by day.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Days that usage is kept for: thirteen months.
const KEPT_DAYS: u32 = 396;
const DAY_SECONDS: u64 = 86_400;

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

/// A calendar period in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Monday on.
    Week,
    /// From the first on.
    Month,
}

impl Period {
    /// The day, counted from 1970-01-01, on which the period of a day began.
    #[must_use]
    pub fn start(self, day: u32) -> u32 {
        match self {
            Self::Day => day,
            // 1970-01-01 was a Thursday.
            Self::Week => day.saturating_sub((day + 3) % 7),
            Self::Month => day - (day_of_month(day) - 1),
        }
    }
}

/// Year, month and day of a day counted from 1970-01-01 (the civil calendar, by eras of 400 years).
fn civil(day: u32) -> (u32, u32, u32) {
    let shifted = u64::from(day) + 719_468;
    let of_era = shifted % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year + shifted / 146_097 * 400 + u64::from(month <= 2);
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    (small(year), small(month), small(of_month))
}

fn day_of_month(day: u32) -> u32 {
    civil(day).2
}

/// A day as `2024-02-29`.
#[must_use]
pub fn date(day: u32) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The day that a text such as `2024-02-29` names, counted from 1970-01-01; nothing where there is none.
#[must_use]
pub fn day(text: &str) -> Option<u32> {
    let mut parts = text.splitn(3, '-').map(str::parse::<u64>);
    let (year, month, of_month) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&of_month) {
        return None;
    }
    let shifted_year = year - u64::from(month <= 2);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + of_month - 1;
    let of_era = shifted_year % 400 * 365 + shifted_year % 400 / 4 - shifted_year % 400 / 100 + of_year;
    let day = u32::try_from(shifted_year / 400 * 146_097 + of_era).ok()?.checked_sub(719_468)?;
    // The 31st of a short month names no day.
    (civil(day) == (u32::try_from(year).ok()?, u32::try_from(month).ok()?, u32::try_from(of_month).ok()?)).then_some(day)
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

/// One key under one plan.
#[derive(Debug, Default)]
pub struct Meter {
    state: Mutex<State>,
    changed: AtomicBool,
}

#[derive(Debug, Default, Clone)]
struct State {
    window: Option<Window>,
    days: BTreeMap<u32, u64>,
    /// Days before this one are written and cannot change any more.
    kept: u32,
}

/// What a key used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests by day, counted from 1970-01-01.
    pub days: BTreeMap<u32, u64>,
    /// The current window, if one has begun.
    pub window: Option<Window>,
}

impl Meter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, if the quota lets it through. Without a quota every request is let through and counted.
    pub fn spend(&self, quota: Option<&Quota>, now_seconds: u64) -> bool {
        let today = u32::try_from(now_seconds / DAY_SECONDS).unwrap_or(u32::MAX);
        let mut state = self.state();
        if let Some(quota) = quota {
            let window = state.window(quota.period, today);
            if window.used >= window.allowance(quota) {
                return false;
            }
            window.used += 1;
        }
        *state.days.entry(today).or_default() += 1;
        drop(state);
        self.changed.store(true, Ordering::Release);
        true
    }

    /// What is left of the current window.
    pub fn remaining(&self, quota: &Quota, now_seconds: u64) -> u64 {
        let today = u32::try_from(now_seconds / DAY_SECONDS).unwrap_or(u32::MAX);
        let mut state = self.state();
        let window = state.window(quota.period, today);
        window.allowance(quota).saturating_sub(window.used)
    }

    /// Makes this what is left of the current window.
    pub fn grant(&self, quota: &Quota, remaining: u64, now_seconds: u64) {
        let today = u32::try_from(now_seconds / DAY_SECONDS).unwrap_or(u32::MAX);
        let mut state = self.state();
        let window = state.window(quota.period, today);
        let plain = Window { granted: 0, ..*window }.allowance(quota);
        let wanted = window.used.saturating_add(remaining);
        window.granted = i64::try_from(wanted).unwrap_or(i64::MAX).saturating_sub(i64::try_from(plain).unwrap_or(i64::MAX));
        drop(state);
        self.changed.store(true, Ordering::Release);
    }

    /// What was used.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let state = self.state();
        Usage { days: state.days.clone(), window: state.window }
    }

    /// Puts back what was kept.
    pub fn restore(&self, usage: Usage) {
        let kept = usage.days.keys().next_back().copied().unwrap_or(0);
        *self.state() = State { window: usage.window, days: usage.days, kept };
    }

    /// What is to be kept, if it changed since it was taken last.
    pub(super) fn take_changes(&self) -> Option<Usage> {
        self.changed.swap(false, Ordering::AcqRel).then(|| {
            let mut state = self.state();
            let newest = state.days.keys().next_back().copied().unwrap_or(0);
            state.days.retain(|day, _| day.saturating_add(KEPT_DAYS) > newest);
            Usage { days: state.days.range(state.kept..).map(|(day, count)| (*day, *count)).collect(), window: state.window }
        })
    }

    /// Says that what was taken is kept.
    pub(super) fn kept(&self, usage: &Usage) {
        let mut state = self.state();
        state.kept = state.kept.max(usage.days.keys().next_back().copied().unwrap_or(0));
    }

    /// Says that what was taken could not be kept.
    pub(super) fn untaken(&self) {
        self.changed.store(true, Ordering::Release);
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

/// Where meters are.
pub trait QuotaStore: Send + Sync + std::fmt::Debug {
    /// The meter of a key under a plan.
    fn meter(&self, plan: &str, key: &str) -> Arc<Meter>;
    /// All meters of a plan, by key.
    fn meters(&self, plan: &str) -> Vec<(Box<str>, Arc<Meter>)>;
}

/// A plan and a key.
pub(super) type Name = (Box<str>, Box<str>);

/// Meters in memory alone: of commands that serve nothing, and what the durable store stands on.
#[derive(Debug, Default)]
pub struct Memory {
    meters: Mutex<HashMap<Name, Arc<Meter>>>,
}

impl Memory {
    pub(super) fn all(&self) -> Vec<(Name, Arc<Meter>)> {
        let meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        meters.iter().map(|(name, meter)| (name.clone(), Arc::clone(meter))).collect()
    }
}

impl QuotaStore for Memory {
    fn meter(&self, plan: &str, key: &str) -> Arc<Meter> {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(meters.entry((plan.into(), key.into())).or_default())
    }

    fn meters(&self, plan: &str) -> Vec<(Box<str>, Arc<Meter>)> {
        let mut found: Vec<_> = self.all().into_iter().filter(|((of, _), _)| **of == *plan).map(|((_, key), meter)| (key, meter)).collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = DAY_SECONDS;

    fn quota(limit: u64, offset: u64, period: Period) -> Quota {
        Quota { limit, offset, period }
    }

    #[test]
    fn periods_begin_on_their_days() {
        // 2024-02-29 was a Thursday, day 19782.
        assert_eq!((civil(19_782), date(19_782).as_str(), day("2024-02-29")), ((2024, 2, 29), "2024-02-29", Some(19_782)));
        assert_eq!((civil(0), civil(365), day("2023-02-29"), day("1969-12-31"), day("x")), ((1970, 1, 1), (1971, 1, 1), None, None, None));
        assert_eq!(Period::Month.start(19_782), 19_782 - 28);
        assert_eq!(Period::Week.start(19_782), 19_779);
        assert_eq!((day_of_month(0), Period::Month.start(30), Period::Month.start(31)), (1, 0, 31));
        assert_eq!((Period::Week.start(3), Period::Week.start(4), Period::Week.start(10)), (0, 4, 4));
    }

    #[test]
    fn a_quota_ends_with_its_limit_and_begins_anew_with_its_period() {
        let (meter, day) = (Meter::default(), quota(2, 1, Period::Day));
        let now = 20_000 * DAY + 5;
        assert!(meter.spend(Some(&day), now) && !meter.spend(Some(&day), now), "the first window has one less");
        assert!(meter.spend(Some(&day), now + DAY) && meter.spend(Some(&day), now + DAY) && !meter.spend(Some(&day), now + DAY));
        assert!(!meter.spend(Some(&day), now), "a clock that was set back opens nothing");
        assert_eq!(meter.usage().days.into_iter().collect::<Vec<_>>(), [(20_000, 1), (20_001, 2)]);
    }

    #[test]
    fn what_is_granted_counts_in_this_window_only() {
        let (meter, month) = (Meter::default(), quota(1, 0, Period::Month));
        let now = 19_782 * DAY;
        assert!(meter.spend(Some(&month), now) && !meter.spend(Some(&month), now));
        meter.grant(&month, 3, now);
        assert_eq!(meter.remaining(&month, now), 3);
        assert_eq!((0..9).filter(|_| meter.spend(Some(&month), now)).count(), 3);
        assert_eq!(meter.remaining(&month, now + DAY), 1, "the next month has begun");
    }

    #[test]
    fn changes_are_taken_once_and_come_back() {
        let meter = Meter::default();
        assert!(meter.take_changes().is_none());
        meter.spend(Some(&quota(9, 0, Period::Day)), DAY);
        let kept = meter.take_changes().unwrap();
        assert!(meter.take_changes().is_none());
        let other = Meter::default();
        other.restore(kept.clone());
        assert_eq!(other.usage(), kept);
        assert_eq!(other.remaining(&quota(9, 0, Period::Day), DAY), 8);
    }

    #[test]
    fn no_limit_counts_all_the_same() {
        let meter = Meter::default();
        assert!((0..5).all(|_| meter.spend(None, DAY)));
        assert_eq!(meter.usage().days.values().sum::<u64>(), 5);
    }
}
