//! The groups of origins that VPC links stand for: turns, health, and what was left out.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::origin::Known;
use super::outlier::Outlier;
use crate::exchange::{HealthCheck, OutlierDetection, VpcLink};

/// A group of origins.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: Box<str>,
    pub(super) targets: Vec<Target>,
    pub(super) health_check: Option<HealthCheck>,
    outlier_detection: Option<OutlierDetection>,
    /// One for each target; behind one lock, so that two that fail at once cannot both be taken for the one that is left.
    outliers: Mutex<Vec<Outlier>>,
    next: AtomicUsize,
    /// What `Target::ejected_until` counts from.
    begin: Instant,
}

/// One origin of a group.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) address: String,
    pub(super) host: Box<str>,
    pub(super) port: u16,
    pub(super) healthy: AtomicBool,
    /// Who answers there, for each endpoint that comes through the link.
    pub(super) origins: Known,
    /// Milliseconds since the link's beginning.
    ejected_until: AtomicU64,
    ejections: AtomicU64,
}

/// How one target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetState {
    /// The VPC link.
    pub vpc_link: String,
    /// `host:port`.
    pub target: String,
    /// What the last health check said.
    pub healthy: bool,
    /// Whether it is left out for its failures.
    pub ejected: bool,
    /// How often it was.
    pub ejections: u64,
}

impl Link {
    pub(super) fn new(link: &VpcLink) -> Self {
        Self {
            id: link.id.as_str().into(),
            targets: link.targets.iter().map(|address| Target::new(address)).collect(),
            health_check: link.health_check.clone(),
            outlier_detection: link.outlier_detection,
            outliers: Mutex::new(link.targets.iter().map(|_| Outlier::default()).collect()),
            next: AtomicUsize::new(0),
            begin: Instant::now(),
        }
    }

    pub(super) fn is(&self, link: &VpcLink) -> bool {
        self.health_check == link.health_check
            && self.outlier_detection == link.outlier_detection
            && self.targets.iter().map(|target| &target.address).eq(&link.targets)
    }

    /// In turn, leaving out those that are not well or failed too often; where that leaves nobody, those that are well; else all.
    pub(super) fn next(&self, now: impl FnOnce() -> Instant) -> Option<usize> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.targets.len();
        let in_turn = || (0..count).map(|step| turn.wrapping_add(step) % count);
        let healthy = |index: &usize| self.targets.get(*index).is_some_and(|target| target.healthy.load(Ordering::Relaxed));
        let now = self.outlier_detection.as_ref().map(|_| self.since(now()));
        let available =
            |index: &usize| healthy(index) && now.is_none_or(|now| self.targets.get(*index).is_some_and(|target| !target.is_ejected(now)));
        in_turn().find(available).or_else(|| in_turn().find(healthy)).or_else(|| in_turn().next())
    }

    /// Takes note of a target's failure, and leaves it out where that was one too many and another is there.
    pub(super) fn failed(&self, index: usize, now: Instant) {
        let Some((settings, target)) = self.outlier_detection.as_ref().zip(self.targets.get(index)) else { return };
        let mut outliers = self.outliers.lock().unwrap_or_else(PoisonError::into_inner);
        if !outliers.get_mut(index).is_some_and(|outlier| outlier.fails(settings, now)) {
            return;
        }
        let others = self.targets.iter().zip(&*outliers).enumerate().filter(|(other, _)| *other != index);
        let is_last = !others.into_iter().any(|(_, (other, outlier))| other.healthy.load(Ordering::Relaxed) && !outlier.is_ejected(now));
        if is_last {
            return;
        }
        let Some(time) = outliers.get_mut(index).map(|outlier| outlier.eject(settings, now)) else { return };
        target.ejected_until.store(self.since(now + time), Ordering::Relaxed);
        target.ejections.fetch_add(1, Ordering::Relaxed);
        drop(outliers);
        let (failures, seconds) = (settings.failures, settings.interval.as_secs());
        tracing::warn!(
            vpc_link = &*self.id,
            target = target.address,
            "left out for {} s: {failures} failures within {seconds} s (outlierDetection)",
            time.as_secs()
        );
    }

    /// How the targets are.
    pub(super) fn states(&self, now: Instant) -> impl Iterator<Item = TargetState> {
        let now = self.since(now);
        self.targets.iter().map(move |target| TargetState {
            vpc_link: self.id.to_string(),
            target: target.address.clone(),
            healthy: target.healthy.load(Ordering::Relaxed),
            ejected: target.is_ejected(now),
            ejections: target.ejections.load(Ordering::Relaxed),
        })
    }

    fn since(&self, now: Instant) -> u64 {
        u64::try_from(now.duration_since(self.begin).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Target {
    fn new(address: &str) -> Self {
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        Self {
            address: address.to_owned(),
            host: host.trim_matches(['[', ']']).into(),
            port: port.parse().unwrap_or(0),
            healthy: AtomicBool::new(true),
            origins: Known::default(),
            ejected_until: AtomicU64::new(0),
            ejections: AtomicU64::new(0),
        }
    }

    fn is_ejected(&self, now: u64) -> bool {
        now < self.ejected_until.load(Ordering::Relaxed)
    }
}

/// A call of a group's target, until it is known how it went. One that is given up after its time was too slow.
#[derive(Debug)]
pub(super) struct Attempt {
    link: Arc<Link>,
    target: usize,
    deadline: Option<Instant>,
}

impl Attempt {
    /// A call that is given up at `deadline`.
    pub(super) const fn new(link: Arc<Link>, target: usize, deadline: Instant) -> Self {
        Self { link, target, deadline: Some(deadline) }
    }

    /// The target has answered, or has not; 5xx counts as a failure, too.
    pub(super) fn ended(&mut self, well: bool) {
        self.deadline = None;
        if !well {
            self.link.failed(self.target, Instant::now());
        }
    }

    /// It says nothing of the target: a connection that was idle for too long, or a client that went away.
    pub(super) fn forget(&mut self) {
        self.deadline = None;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.ended(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn link(targets: &[&str], detects: bool) -> Link {
        Link::new(&VpcLink {
            id: "l".into(),
            targets: targets.iter().map(|&target| target.to_owned()).collect(),
            health_check: None,
            outlier_detection: detects.then(OutlierDetection::default),
        })
    }

    fn turns<const N: usize>(link: &Link, now: Instant) -> [Option<usize>; N] {
        [(); N].map(|()| link.next(|| now))
    }

    fn fails(link: &Link, index: usize, times: usize, now: Instant) {
        (0..times).for_each(|_| link.failed(index, now));
    }

    #[test]
    fn a_group_takes_turns_and_leaves_out_the_unwell() {
        let (link, now) = (link(&["a:1", "b:2"], false), Instant::now());
        assert_eq!(turns(&link, now), [Some(0), Some(1), Some(0)]);
        link.targets[0].healthy.store(false, Ordering::Relaxed);
        assert_eq!(turns(&link, now), [Some(1), Some(1)]);
        link.targets[1].healthy.store(false, Ordering::Relaxed);
        assert!(link.next(|| now).is_some());
    }

    #[test]
    fn a_target_that_fails_five_times_is_left_out_for_ten_seconds() {
        let (link, now) = (link(&["a:1", "b:2", "c:3"], true), Instant::now());
        fails(&link, 1, 4, now);
        assert_eq!(turns(&link, now), [Some(0), Some(1), Some(2)]);
        fails(&link, 1, 1, now);
        let before_its_end = now + Duration::from_millis(9999);
        assert!(!turns::<6>(&link, before_its_end).contains(&Some(1)));
        let states = link.states(now).map(|state| (state.ejected, state.ejections));
        assert_eq!(states.collect::<Vec<_>>(), [(false, 0), (true, 1), (false, 0)]);
        assert!(turns::<3>(&link, now + Duration::from_millis(10_001)).contains(&Some(1)));
    }

    #[test]
    fn the_last_one_is_never_left_out() {
        let (link, now) = (link(&["a:1", "b:2"], true), Instant::now());
        fails(&link, 0, 5, now);
        fails(&link, 1, 50, now);
        assert_eq!(turns(&link, now), [Some(1); 4], "b is all that is left");
        link.targets[1].healthy.store(false, Ordering::Relaxed);
        assert_eq!(link.next(|| now), Some(0), "one that is left out is better than one that is known to be unwell");
    }

    #[test]
    fn nothing_is_left_out_unless_it_is_set() {
        let (link, now) = (link(&["a:1", "b:2"], false), Instant::now());
        fails(&link, 0, 50, now);
        assert_eq!(turns(&link, now), [Some(0), Some(1)]);
    }

    #[test]
    fn a_call_that_ran_out_of_time_is_a_failure_and_one_that_was_given_up_is_none() {
        let link = Arc::new(link(&["a:1", "b:2"], true));
        let calls = |time: Duration| (0..5).for_each(|_| drop(Attempt::new(Arc::clone(&link), 0, Instant::now() + time)));
        let ejected = || link.states(Instant::now()).any(|state| state.ejected);
        calls(Duration::from_secs(60));
        assert!(!ejected());
        calls(Duration::ZERO);
        assert!(ejected());
    }
}
