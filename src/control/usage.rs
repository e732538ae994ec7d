//! Who used how much of a usage plan: `GetUsage` and `UpdateUsage`.

use serde_json::{Map, Value, json};

use crate::store::{Meter, Quota, QuotaStore, Usage, date, day, day_of};

/// Usage is told for so many days at once: thirteen months are kept.
const LONGEST: u32 = 400;

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

/// Each key's requests day by day, as `get-usage` prints them: `[used, remaining]`; nothing remains of a plan without a quota. A key that used
/// nothing on these days is told only where it is asked for.
///
/// # Errors
/// When a day is none, or what was counted cannot be read.
pub fn usage(store: &dyn QuotaStore, plan: &str, quota: Option<&Quota>, query: &UsageQuery, now_seconds: u64) -> Result<Value, String> {
    let read = |text: &String| day(text).ok_or_else(|| format!("`{text}` is no day: written 2024-02-29"));
    let to = query.to.as_ref().map(read).transpose()?.unwrap_or_else(|| day_of(now_seconds));
    let from = query.from.as_ref().map(read).transpose()?.unwrap_or(to.saturating_sub(30));
    if from > to || to - from > LONGEST {
        return Err(format!("{} to {}: usage is told for at most {LONGEST} days", date(from), date(to)));
    }
    // What was left on the first day follows from the days of its period before it.
    let first = quota.map_or(from, |quota| quota.period.start(from));
    let mut items = Map::new();
    for (key, usage) in store.usage(plan, query.key.as_deref(), first..=to)? {
        if query.key.is_some() || usage.days.range(from..=to).next().is_some() {
            let days = (from..=to).map(|day| json!([usage.days.get(&day).copied().unwrap_or(0), remaining(&usage, quota, day)]));
            items.insert(key.into_string(), days.collect());
        }
    }
    Ok(json!({ "usagePlanId": plan, "startDate": date(from), "endDate": date(to), "items": items }))
}

/// What was left of a day's window when the day ended, or now.
fn remaining(usage: &Usage, quota: Option<&Quota>, day: u32) -> Option<u64> {
    let quota = quota?;
    let start = quota.period.start(day);
    let window = usage.window.filter(|window| window.start == start);
    let is_newest = usage.days.range(day.saturating_add(1)..).next().is_none();
    let used = match window {
        Some(window) if is_newest => window.used,
        _ => usage.days.range(start..=day).map(|(_, count)| count).sum(),
    };
    let offset = if usage.window.is_none_or(|window| window.first == start) { quota.offset } else { 0 };
    let granted = window.map_or(0, |window| window.granted);
    Some(quota.limit.saturating_sub(offset).saturating_add_signed(granted).saturating_sub(used))
}

/// Makes `remaining` what a key has left of its current window.
///
/// # Errors
/// When the plan has no quota.
pub fn grant(meter: &dyn Meter, quota: Option<&Quota>, remaining: u64, now_seconds: u64) -> Result<(), String> {
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
        let meter = store.meter(&"p".into(), &"k".into());
        let idle = store.meter(&"p".into(), &"idle".into());
        // Days 4 to 10 after 1970-01-01 are one week, from Monday on.
        for (day, count) in [(4, 2), (6, 3)] {
            (0..count).for_each(|_| assert!(meter.spend(Some(&quota), day * 86_400)));
        }
        let query = |from: &str, to: &str| UsageQuery { from: Some(from.into()), to: Some(to.into()), key: None };
        let told = usage(&store, "p", Some(&quota), &query("1970-01-05", "1970-01-07"), 0).unwrap();
        assert_eq!(told["items"], json!({ "k": [[2, 8], [0, 8], [3, 5]] }));
        let later = usage(&store, "p", Some(&quota), &query("1970-01-07", "1970-01-07"), 0).unwrap();
        assert_eq!(later["items"]["k"], json!([[3, 5]]), "the days before count though they are not told");
        grant(&*meter, Some(&quota), 1, 6 * 86_400).unwrap();
        assert_eq!(meter.remaining(&quota, 6 * 86_400), 1);
        assert!(usage(&store, "p", None, &query("x", "1970-01-07"), 0).is_err());
        assert!(grant(&*idle, None, 1, 0).is_err());
        let asked = UsageQuery { key: Some("idle".into()), ..query("1970-01-05", "1970-01-05") };
        assert_eq!(usage(&store, "p", None, &asked, 0).unwrap()["items"], json!({ "idle": [[0, null]] }));
    }
}
