//! Token buckets: capacity is the burst, `rate` tokens come back each second, a request takes one.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// How many requests, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Tokens that come back in a second; may be a fraction. 0 lets nothing through.
    pub rate: f64,
    /// Tokens that the bucket holds. 0 lets nothing through.
    pub burst: u32,
}

/// One limit, with a bucket of its own or one for each key.
pub trait Bucket: Send + Sync + std::fmt::Debug + std::fmt::Display {
    /// Takes a token of `key`'s bucket; a limit without keys has one bucket for all.
    ///
    /// # Errors
    /// With the time until there is a token again.
    fn take(&self, key: &Arc<str>) -> Result<(), Duration>;
}

/// Where buckets are.
pub trait RateStore: Send + Sync + std::fmt::Debug {
    /// The limit of a name: as full as it is if it was there with the same figures, else new and full.
    fn limit(&self, name: &str, limit: RateLimit, keyed: bool) -> Arc<dyn Bucket>;
}

/// A clock that never goes back: the time since any one moment.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Clock {
    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time since the clock's own beginning.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl GovernorClock for Clock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(u64::try_from((self.0)().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// A limit's figures, whether it has keys, and its buckets.
type Known = (RateLimit, bool, Weak<dyn Bucket>);

/// Buckets in this process's memory.
#[derive(Debug)]
pub struct Memory {
    clock: Clock,
    known: Mutex<Limits>,
}

#[derive(Debug, Default)]
struct Limits {
    by_name: HashMap<Box<str>, Known>,
    /// Limits that no configuration has any more are looked for once there are so many.
    forget_at: usize,
}

impl Memory {
    /// No buckets yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, known: Mutex::default() }
    }
}

impl RateStore for Memory {
    fn limit(&self, name: &str, limit: RateLimit, keyed: bool) -> Arc<dyn Bucket> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((old, was_keyed, bucket)) = known.by_name.get(name)
            && (*old, *was_keyed) == (limit, keyed)
            && let Some(bucket) = bucket.upgrade()
        {
            return bucket;
        }
        // Not for each new limit: thousands of routes have one each.
        if known.by_name.len() >= known.forget_at {
            known.by_name.retain(|_, (.., bucket)| bucket.strong_count() > 0);
            known.forget_at = (known.by_name.len() * 2).max(64);
        }
        let bucket: Arc<dyn Bucket> = match (quota(limit), keyed) {
            (None, _) => Arc::new(Nothing(limit)),
            (Some(quota), true) => Arc::new(Keyed::new(quota, limit, self.clock.clone())),
            (Some(quota), false) => {
                let limiter = RateLimiter::direct_with_clock(quota, self.clock.clone());
                Arc::new(Single { limiter, clock: self.clock.clone(), limit })
            }
        };
        known.by_name.insert(name.into(), (limit, keyed, Arc::downgrade(&bucket)));
        bucket
    }
}

/// The limiter's own figures; nothing where nothing is let through.
fn quota(limit: RateLimit) -> Option<Quota> {
    let burst = NonZeroU32::new(limit.burst)?;
    // A token every ten years is as good as none, and more than one a nanosecond as good as no limit.
    let period = (limit.rate > 0.0).then(|| Duration::from_secs_f64((1.0 / limit.rate).clamp(1e-9, 3.2e8)))?;
    Quota::with_period(period).map(|quota| quota.allow_burst(burst))
}

impl std::fmt::Display for RateLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/s, burst {}", self.rate, self.burst)
    }
}

#[derive(Debug)]
struct Nothing(RateLimit);

impl std::fmt::Display for Nothing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Bucket for Nothing {
    fn take(&self, _key: &Arc<str>) -> Result<(), Duration> {
        Err(Duration::from_secs(1))
    }
}

struct Single {
    limiter: RateLimiter<NotKeyed, InMemoryState, Clock, NoOpMiddleware<Nanos>>,
    clock: Clock,
    limit: RateLimit,
}

impl std::fmt::Debug for Single {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.limit, f)
    }
}

impl std::fmt::Display for Single {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.limit.fmt(f)
    }
}

impl Bucket for Single {
    fn take(&self, _key: &Arc<str>) -> Result<(), Duration> {
        self.limiter.check().map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

/// Buckets that have been refilled since are forgotten once so many have been used.
const FORGET_AFTER: u64 = 100_000;

struct Keyed {
    limiter: RateLimiter<Arc<str>, DashMapStateStore<Arc<str>>, Clock, NoOpMiddleware<Nanos>>,
    clock: Clock,
    taken: std::sync::atomic::AtomicU64,
    limit: RateLimit,
}

impl Keyed {
    fn new(quota: Quota, limit: RateLimit, clock: Clock) -> Self {
        Self { limiter: RateLimiter::dashmap_with_clock(quota, clock.clone()), clock, taken: 0.into(), limit }
    }
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.limit, f)
    }
}

impl std::fmt::Display for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.limit.fmt(f)
    }
}

impl Bucket for Keyed {
    fn take(&self, key: &Arc<str>) -> Result<(), Duration> {
        let taken = self.taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if taken % FORGET_AFTER == FORGET_AFTER - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(key).map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn clock() -> (Arc<AtomicU64>, Clock) {
        let millis = Arc::new(AtomicU64::new(1_000));
        let shared = Arc::clone(&millis);
        (millis, Clock::new(move || Duration::from_millis(shared.load(Ordering::SeqCst))))
    }

    fn admitted(bucket: &dyn Bucket, key: &Arc<str>, times: usize) -> usize {
        (0..times).filter(|_| bucket.take(key).is_ok()).count()
    }

    #[test]
    fn the_burst_and_then_the_rate_are_admitted_exactly() {
        let (millis, clock) = clock();
        let store = Memory::new(clock);
        let bucket = store.limit("a", RateLimit { rate: 2.5, burst: 5 }, false);
        let key: Arc<str> = "".into();
        assert_eq!(admitted(&*bucket, &key, 20), 5);
        millis.fetch_add(400, Ordering::SeqCst);
        assert_eq!(admitted(&*bucket, &key, 20), 1);
        millis.fetch_add(60_000, Ordering::SeqCst);
        assert_eq!(admitted(&*bucket, &key, 20), 5, "an idle bucket is full, never fuller");
        assert!(bucket.take(&key).unwrap_err() <= Duration::from_millis(400));
    }

    #[test]
    fn threads_get_no_more_than_the_bucket_holds() {
        let (_, clock) = clock();
        let bucket = Memory::new(clock).limit("a", RateLimit { rate: 0.1, burst: 1_000 }, true);
        let key: Arc<str> = "k".into();
        let total: usize = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..8).map(|_| scope.spawn(|| admitted(&*bucket, &key, 500))).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!(total, 1_000);
    }

    #[test]
    fn each_key_has_a_bucket_and_a_limit_of_zero_lets_nothing_through() {
        let (_, clock) = clock();
        let store = Memory::new(clock);
        let bucket = store.limit("a", RateLimit { rate: 1.0, burst: 1 }, true);
        assert!(bucket.take(&"x".into()).is_ok() && bucket.take(&"y".into()).is_ok() && bucket.take(&"x".into()).is_err());
        for limit in [RateLimit { rate: 0.0, burst: 5 }, RateLimit { rate: 5.0, burst: 0 }] {
            assert!(store.limit("zero", limit, false).take(&"x".into()).is_err());
        }
    }

    #[test]
    fn a_limit_that_did_not_change_keeps_its_bucket() {
        let (_, clock) = clock();
        let store = Memory::new(clock);
        let limit = RateLimit { rate: 0.1, burst: 1 };
        let first = store.limit("a", limit, false);
        assert!(first.take(&"".into()).is_ok());
        assert!(store.limit("a", limit, false).take(&"".into()).is_err());
        assert!(store.limit("a", RateLimit { burst: 2, ..limit }, false).take(&"".into()).is_ok());
    }

    #[test]
    fn limits_that_nobody_has_any_more_are_forgotten() {
        let (_, clock) = clock();
        let store = Memory::new(clock);
        for number in 0..1_000 {
            drop(store.limit(&number.to_string(), RateLimit { rate: 1.0, burst: 1 }, number % 2 == 0));
        }
        assert!(store.known.lock().unwrap().by_name.len() <= 64);
    }
}
