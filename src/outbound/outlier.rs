//! Passive health: a target that fails too often is left out for a while. Time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::exchange::OutlierDetection;

/// What is remembered of a target's failures.
#[derive(Debug, Default)]
pub(super) struct Outlier {
    /// The last failures, as many as it takes.
    failures: VecDeque<Instant>,
    /// How often in a row it was left out.
    ejections: u32,
    /// Until when it is, or was, left out.
    until: Option<Instant>,
}

impl Outlier {
    /// Whether it is left out now.
    pub(super) fn is_ejected(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Takes note of a failure; whether that is one too many.
    pub(super) fn fails(&mut self, settings: &OutlierDetection, now: Instant) -> bool {
        if self.is_ejected(now) {
            return false;
        }
        self.failures.push_back(now);
        while self.failures.len() > settings.failures as usize {
            self.failures.pop_front();
        }
        let first = self.failures.front().filter(|_| self.failures.len() >= settings.failures as usize);
        first.is_some_and(|first| now.duration_since(*first) <= settings.interval)
    }

    /// Leaves it out: twice as long as the time before, until it has been well for the longest of these times.
    pub(super) fn eject(&mut self, settings: &OutlierDetection, now: Instant) -> Duration {
        if self.until.is_some_and(|until| now.duration_since(until) > settings.max_ejection) {
            self.ejections = 0;
        }
        let time = settings.base_ejection.saturating_mul(1 << self.ejections.min(20)).min(settings.max_ejection);
        self.ejections += 1;
        self.failures.clear();
        self.until = Some(now + time);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn settings() -> OutlierDetection {
        OutlierDetection::default()
    }

    #[test]
    fn five_failures_in_ten_seconds_are_one_too_many() {
        let (start, mut outlier) = (Instant::now(), Outlier::default());
        let fails = |outlier: &mut Outlier, at: u64| outlier.fails(&settings(), start + SECOND * u32::try_from(at).unwrap());
        assert_eq!([0, 3, 6, 9, 12].map(|at| fails(&mut outlier, at)), [false; 5], "the first is too long ago");
        assert!(fails(&mut outlier, 13), "3, 6, 9, 12 and 13 are within ten seconds");
    }

    #[test]
    fn each_time_is_twice_as_long_up_to_five_minutes() {
        let (mut now, mut outlier) = (Instant::now(), Outlier::default());
        let mut times = Vec::new();
        for _ in 0..7 {
            let time = outlier.eject(&settings(), now);
            assert!(outlier.is_ejected(now) && !outlier.is_ejected(now + time));
            times.push(time.as_secs());
            now += time;
        }
        assert_eq!(times, [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(outlier.eject(&settings(), now + SECOND * 301).as_secs(), 10, "it was well for long enough");
    }

    #[test]
    fn what_fails_while_it_is_left_out_does_not_count() {
        let (start, mut outlier) = (Instant::now(), Outlier::default());
        outlier.eject(&settings(), start);
        assert!((0..9).all(|_| !outlier.fails(&settings(), start + SECOND)));
        assert!((0..4).all(|_| !outlier.fails(&settings(), start + SECOND * 11)));
        assert!(outlier.fails(&settings(), start + SECOND * 11));
    }
}
