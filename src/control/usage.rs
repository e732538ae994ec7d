//! Who used how much of a usage plan: `GetUsage` and `UpdateUsage`.

use serde_json::{Map, Value, json};

use crate::store::{Meter, Quota, QuotaStore, Usage, date, day};

/// What is asked of a plan.
#[derive(Debug, Clone, Default)]
pub struct UsageQuery {
    /// Only this key.
    pub key: Option<String>,
    /// The first day, as `2024-02-29`; nothing: 30 days before the last.
    pub from: Option<String>,
    /// The last day; nothing: today.
    pub to: Option<String>,
}

/// Each key's requests day by day, as `get-usage` prints them: `[used, remaining]`; nothing remains of a plan without a quota.
///
/// # Errors
/// When a day is none.
pub fn usage(store: &dyn QuotaStore, plan: &str, quota: Option<&Quota>, query: &UsageQuery, now_seconds: u64) -> Result<Value, String> {
    let read = |text: &String| day(text).ok_or_else(|| format!("`{text}` is no day: written 2024-02-29"));
    let today = u32::try_from(now_seconds / 86_400).unwrap_or(u32::MAX);
    let to = query.to.as_ref().map(read).transpose()?.unwrap_or(today);
    let from = query.from.as_ref().map(read).transpose()?.unwrap_or(to.saturating_sub(30));
    if from > to || to - from > 400 {
        return Err(format!("{} to {}: usage is told for at most 400 days", date(from), date(to)));
    }
    let mut items = Map::new();
    for (key, meter) in store.meters(plan) {
        if query.key.as_deref().is_some_and(|wanted| *wanted != *key) {
            continue;
        }
        let usage = meter.usage();
        let days = (from..=to).map(|day| json!([usage.days.get(&day).copied().unwrap_or(0), remaining(&usage, quota, day)]));
        items.insert(key.into_string(), days.collect());
    }
    Ok(json!({ "usagePlanId": plan, "startDate": date(from), "endDate": date(to), "items": items }))
}

/// What was left of a day's window when the day ended.
fn remaining(usage: &Usage, quota: Option<&Quota>, day: u32) -> Option<u64> {
    let quota = quota?;
    let start = quota.period.start(day);
    let used: u64 = usage.days.range(start..=day).map(|(_, count)| count).sum();
    let window = usage.window.filter(|window| window.start == start);
    let offset = if usage.window.is_none_or(|window| window.first == start) { quota.offset } else { 0 };
    let granted = window.map_or(0, |window| window.granted);
    Some(quota.limit.saturating_sub(offset).saturating_add_signed(granted).saturating_sub(used))
}

/// Makes `remaining` what a key has left of its current window.
///
/// # Errors
/// When the plan has no quota.
pub fn grant(meter: &Meter, quota: Option<&Quota>, remaining: u64, now_seconds: u64) -> Result<(), String> {
    let quota = quota.ok_or("the usage plan has no quota")?;
    meter.grant(quota, remaining, now_seconds);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MemoryQuotas, Period};

    #[test]
    fn days_are_told_with_what_was_left() {
        let store = MemoryQuotas::default();
        let quota = Quota { limit: 10, offset: 0, period: Period::Week };
        // Days 4 to 10 after 1970-01-01 are one week, from Monday on.
        for (day, count) in [(4, 2), (6, 3)] {
            (0..count).for_each(|_| assert!(store.meter("p", "k").spend(Some(&quota), day * 86_400)));
        }
        let query = UsageQuery { from: Some("1970-01-05".into()), to: Some("1970-01-07".into()), ..UsageQuery::default() };
        let told = usage(&store, "p", Some(&quota), &query, 0).unwrap();
        assert_eq!(told["items"]["k"], json!([[2, 8], [0, 8], [3, 5]]));
        grant(&store.meter("p", "k"), Some(&quota), 1, 6 * 86_400).unwrap();
        assert_eq!(store.meter("p", "k").remaining(&quota, 6 * 86_400), 1);
        assert!(usage(&store, "p", None, &UsageQuery { from: Some("x".into()), ..query }, 0).is_err());
        assert!(grant(&store.meter("p", "k"), None, 1, 0).is_err());
    }
}
