//! Circuits: an endpoint that fails too often is left alone, but for one call now and then that finds out whether it is back.
//!
//! Time is an argument, as everywhere in the store: the time since any one moment.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// Parts that the time of a circuit is counted in: a call is forgotten a tenth too early at most.
const PARTS: u32 = 10;

/// When a circuit opens, and how it closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitSettings {
    /// So many of a hundred calls fail …
    pub failure_percentage: u32,
    /// … of at least so many …
    pub minimum_requests: u32,
    /// … in this time.
    pub interval: Duration,
    /// While it is open, one call is let through in this time.
    pub probe_interval: Duration,
}

impl Default for CircuitSettings {
    fn default() -> Self {
        let [interval, probe_interval] = [10, 1].map(Duration::from_secs);
        Self { failure_percentage: 50, minimum_requests: 20, interval, probe_interval }
    }
}

/// A call that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Of a closed circuit.
    Call,
    /// Of an open one: it decides whether it closes.
    Probe,
}

/// What a call changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Too many failed.
    Opened {
        /// Failures …
        failures: u32,
        /// … of so many calls.
        calls: u32,
    },
    /// A probe was answered.
    Closed,
}

/// One method's circuit.
#[derive(Debug)]
pub struct Circuit {
    settings: CircuitSettings,
    state: Mutex<State>,
    opened: AtomicU64,
    rejected: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Calls and failures by part of the time.
    counts: [(u32, u32); PARTS as usize],
    /// The part that was counted in last.
    part: u64,
    /// Open, and when the last probe was let through.
    probed: Option<Duration>,
}

impl Circuit {
    /// A closed circuit.
    #[must_use]
    pub fn new(settings: CircuitSettings) -> Self {
        Self { settings, state: Mutex::default(), opened: AtomicU64::new(0), rejected: AtomicU64::new(0) }
    }

    /// Lets a call through, or not.
    ///
    /// # Errors
    /// With the time until the next probe.
    pub fn enter(&self, now: Duration) -> Result<Pass, Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(probed) = state.probed else { return Ok(Pass::Call) };
        let next = probed + self.settings.probe_interval;
        if now < next {
            self.rejected.fetch_add(1, Ordering::Relaxed);
            return Err(next - now);
        }
        state.probed = Some(now);
        Ok(Pass::Probe)
    }

    /// Takes note of how a call went. What began before the circuit opened says nothing of it any more.
    pub fn left(&self, pass: Pass, failed: bool, now: Duration) -> Option<Change> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match (state.probed, pass) {
            (Some(_), Pass::Probe) if !failed => {
                *state = State { part: state.part, ..State::default() };
                Some(Change::Closed)
            }
            (None, Pass::Call) => {
                let (calls, failures) = state.count(self.settings.interval, now, failed);
                let too_many = u64::from(failures) * 100 >= u64::from(calls) * u64::from(self.settings.failure_percentage);
                if calls < self.settings.minimum_requests || !too_many {
                    return None;
                }
                state.probed = Some(now);
                self.opened.fetch_add(1, Ordering::Relaxed);
                Some(Change::Opened { failures, calls })
            }
            _ => None,
        }
    }

    /// Its figures.
    #[must_use]
    pub const fn settings(&self) -> &CircuitSettings {
        &self.settings
    }

    /// Whether it is open, how often it opened, and how many calls it refused.
    #[must_use]
    pub fn report(&self) -> (bool, u64, u64) {
        let is_open = self.state.lock().unwrap_or_else(PoisonError::into_inner).probed.is_some();
        (is_open, self.opened.load(Ordering::Relaxed), self.rejected.load(Ordering::Relaxed))
    }
}

impl State {
    /// Counts a call; calls and failures of the whole time.
    fn count(&mut self, interval: Duration, now: Duration, failed: bool) -> (u32, u32) {
        let part = u64::try_from(now.as_nanos() / (interval / PARTS).as_nanos().max(1)).unwrap_or(u64::MAX);
        let passed = part.saturating_sub(self.part).min(u64::from(PARTS));
        let slot = |part: u64| (part % u64::from(PARTS)) as usize;
        for step in 0..passed {
            if let Some(count) = self.counts.get_mut(slot(part - step)) {
                *count = (0, 0);
            }
        }
        self.part = self.part.max(part);
        if let Some((calls, failures)) = self.counts.get_mut(slot(self.part)) {
            *calls = calls.saturating_add(1);
            *failures = failures.saturating_add(u32::from(failed));
        }
        self.counts.iter().fold((0, 0), |(calls, failures), count| (calls.saturating_add(count.0), failures.saturating_add(count.1)))
    }
}

/// All circuits by name: what a reload does not change stays as it is.
#[derive(Debug, Default)]
pub struct Circuits(Mutex<HashMap<Box<str>, Weak<Circuit>>>);

impl Circuits {
    /// The circuit of a name, with what it has counted if its figures are the same.
    pub fn circuit(&self, name: &str, settings: CircuitSettings) -> Arc<Circuit> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(circuit) = known.get(name).and_then(Weak::upgrade).filter(|circuit| circuit.settings == settings) {
            return circuit;
        }
        known.retain(|_, circuit| circuit.strong_count() > 0);
        let circuit = Arc::new(Circuit::new(settings));
        known.insert(name.into(), Arc::downgrade(&circuit));
        circuit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(3_600_000 + milliseconds)
    }

    /// Calls, one every ten milliseconds, of which each second one fails.
    fn half_of(circuit: &Circuit, calls: u64, from: u64) -> Vec<Option<Change>> {
        (0..calls).map(|call| circuit.left(circuit.enter(at(from + call * 10)).unwrap(), call % 2 == 0, at(from + call * 10))).collect()
    }

    #[test]
    fn half_of_twenty_calls_in_ten_seconds_open_it() {
        let circuit = Circuit::new(CircuitSettings::default());
        let changes = half_of(&circuit, 20, 0);
        assert!(changes[..19].iter().all(Option::is_none), "nineteen are too few to judge by");
        assert_eq!(changes[19], Some(Change::Opened { failures: 10, calls: 20 }));
        assert_eq!(circuit.enter(at(200)), Err(Duration::from_millis(990)));
        assert_eq!(circuit.report(), (true, 1, 1));
    }

    #[test]
    fn fewer_than_half_do_not() {
        let circuit = Circuit::new(CircuitSettings::default());
        let left = |call: u64| circuit.left(Pass::Call, call % 20 < 9, at(call));
        assert!((9..1000).all(|call| left(call).is_none()));
    }

    #[test]
    fn what_is_more_than_ten_seconds_ago_does_not_count() {
        let circuit = Circuit::new(CircuitSettings::default());
        assert!((0..19).all(|call| circuit.left(Pass::Call, true, at(call)).is_none()));
        assert_eq!(circuit.left(Pass::Call, true, at(11_000)), None);
        assert_eq!(circuit.left(Pass::Call, true, at(3_000_000)), None, "nor after a long silence");
    }

    #[test]
    fn an_open_one_tries_one_call_a_second_until_one_is_answered() {
        let circuit = Circuit::new(CircuitSettings::default());
        half_of(&circuit, 20, 0);
        assert!(circuit.enter(at(1100)).is_err());
        assert_eq!(circuit.enter(at(1190)), Ok(Pass::Probe));
        assert!(circuit.enter(at(1191)).is_err(), "one a second");
        assert_eq!(circuit.left(Pass::Probe, true, at(1300)), None);
        assert!(circuit.enter(at(2100)).is_err());
        assert_eq!(circuit.enter(at(2190)), Ok(Pass::Probe));
        assert_eq!(circuit.left(Pass::Call, false, at(2200)), None, "it began before the circuit opened");
        assert_eq!(circuit.left(Pass::Probe, false, at(2300)), Some(Change::Closed));
        assert_eq!(circuit.enter(at(2301)), Ok(Pass::Call));
        assert_eq!(circuit.left(Pass::Call, true, at(2302)), None, "old failures are forgotten");
    }

    #[test]
    fn a_reload_keeps_a_circuit_that_did_not_change() {
        let circuits = Circuits::default();
        let settings = CircuitSettings::default();
        let first = circuits.circuit("a", settings);
        assert!(Arc::ptr_eq(&first, &circuits.circuit("a", settings)));
        assert!(!Arc::ptr_eq(&first, &circuits.circuit("a", CircuitSettings { minimum_requests: 5, ..settings })));
    }
}
