//! When a request was signed.

use crate::store::day;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `20240229T120000Z` as seconds since 1970.
pub(super) fn seconds(date: &str) -> Option<u64> {
    if date.len() != 16 || !date.is_ascii() || date.get(8..9) != Some("T") || date.get(15..) != Some("Z") {
        return None;
    }
    let number =
        |from: usize, to: usize| date.get(from..to).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse::<u64>().ok();
    let days = day(&format!("{:04}-{:02}-{:02}", number(0, 4)?, number(4, 6)?, number(6, 8)?))?;
    let (hours, minutes, seconds) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    (hours < 24 && minutes < 60 && seconds < 61).then(|| u64::from(days) * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

/// `Thu, 29 Feb 2024 12:00:00 GMT` (RFC 9110, section 5.6.7) in the other form.
pub(super) fn basic(date: &str) -> Option<String> {
    let (_, rest) = date.split_once(", ")?;
    let [day, month, year, time, "GMT"] = rest.split(' ').collect::<Vec<_>>()[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let text = format!("{year}{month:02}{day}T{}Z", time.replace(':', ""));
    seconds(&text).map(|_| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_mean_the_same_moment() {
        assert_eq!(basic("Sun, 30 Aug 2015 12:36:00 GMT").as_deref(), Some("20150830T123600Z"));
        for wrong in ["", "Sun, 30 Aug 2015 12:36:00", "Sun, 31 Feb 2015 12:36:00 GMT", "Sun, 3 Aug 2015 12:36:00 GMT", "20150830T123600Z"]
        {
            assert_eq!(basic(wrong), None, "{wrong}");
        }
        assert_eq!((seconds("20150830T123600Z"), seconds("20150230T000000Z"), seconds("2015")), (Some(1_440_938_160), None, None));
        assert_eq!((seconds("20150830T+23600Z"), seconds("20150830T246000Z")), (None, None));
    }
}
