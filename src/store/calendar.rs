//! Days and calendar periods, in UTC. A day is counted from 1970-01-01.

/// Seconds of a day.
const DAY_SECONDS: u64 = 86_400;

/// The day of a moment, in seconds since 1970.
#[must_use]
pub fn day_of(seconds: u64) -> u32 {
    u32::try_from(seconds / DAY_SECONDS).unwrap_or(u32::MAX)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_on_their_days() {
        // 2024-02-29 was a Thursday, day 19782.
        assert_eq!((civil(19_782), date(19_782).as_str(), day("2024-02-29")), ((2024, 2, 29), "2024-02-29", Some(19_782)));
        assert_eq!((civil(0), civil(365), day("2023-02-29"), day("1969-12-31"), day("x")), ((1970, 1, 1), (1971, 1, 1), None, None, None));
        assert_eq!(Period::Month.start(19_782), 19_782 - 28);
        assert_eq!(Period::Week.start(19_782), 19_779);
        assert_eq!((day_of_month(0), Period::Month.start(30), Period::Month.start(31)), (1, 0, 31));
        assert_eq!((Period::Week.start(3), Period::Week.start(4), Period::Week.start(10)), (0, 4, 4));
        assert_eq!((day_of(86_399), day_of(86_400)), (0, 1));
    }
}
