//! Answers that are kept: bounded in bytes, each for its own time, and computed once however many ask for one at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache as Moka;

use super::cache_key::Key;

/// An answer that was just computed, and what becomes of it.
#[derive(Debug)]
pub struct Computed<V> {
    /// The answer.
    pub value: V,
    /// What it takes, in bytes.
    pub weight: u32,
    /// Whether it is kept.
    pub keep: Keep,
}

/// Whether an answer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It is served for so many milliseconds, and for so many more it may stand in for a failure.
    For {
        /// In milliseconds.
        fresh: u64,
        /// In milliseconds.
        stale: u64,
    },
    /// It is told to those who wait for it, and what was kept before is out of date.
    Not,
    /// It is a failure: told to those who wait for it, unless what was kept before may stand in for it.
    Failed,
}

/// Answers by key. Times are milliseconds of one clock that never goes back, which whoever asks reads.
pub struct Cache<V, E> {
    entries: Moka<Key, Arc<Entry<V, E>>>,
    /// Rises when everything is forgotten, so that what was asked for before is not kept after.
    generation: AtomicU64,
}

/// What is known under a key. A failure is here no longer than it takes to tell it.
struct Entry<V, E> {
    outcome: Result<Arc<V>, E>,
    weight: u32,
    fresh_until: u64,
    kept_until: u64,
    /// How long it is kept from now on.
    lifetime: Duration,
    is_stale: bool,
}

impl<V, E: Clone> Entry<V, E> {
    fn passing(outcome: Result<Arc<V>, E>, weight: u32) -> Self {
        Self { outcome, weight, fresh_until: 0, kept_until: 0, lifetime: Duration::ZERO, is_stale: false }
    }

    fn of(computed: Computed<V>, now: u64) -> Self {
        let Computed { value, weight, keep } = computed;
        let Keep::For { fresh, stale } = keep else { return Self::passing(Ok(Arc::new(value)), weight) };
        let fresh_until = now.saturating_add(fresh);
        let lifetime = Duration::from_millis(fresh.saturating_add(stale));
        Self { fresh_until, kept_until: fresh_until.saturating_add(stale), lifetime, ..Self::passing(Ok(Arc::new(value)), weight) }
    }

    /// The same in the place of a failure.
    fn standing_in(&self, now: u64) -> Option<Self> {
        let left = self.kept_until.checked_sub(now).filter(|left| *left > 0)?;
        let Self { weight, fresh_until, kept_until, .. } = *self;
        let outcome = Ok(Arc::clone(self.outcome.as_ref().ok()?));
        Some(Self { outcome, weight, fresh_until, kept_until, lifetime: Duration::from_millis(left), is_stale: true })
    }
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It was kept.
    Hit,
    /// It was computed for this or another request that asked at the same time.
    Miss,
    /// It was kept beyond its time, and stands in for a failure.
    Stale,
}

impl<V, E> std::fmt::Debug for Cache<V, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cache")
    }
}

/// Each entry says itself how long it is kept.
struct Own;

impl<V, E> Expiry<Key, Arc<Entry<V, E>>> for Own {
    fn expire_after_create(&self, _key: &Key, entry: &Arc<Entry<V, E>>, _now: Instant) -> Option<Duration> {
        Some(entry.lifetime)
    }

    fn expire_after_update(&self, _key: &Key, entry: &Arc<Entry<V, E>>, _now: Instant, _left: Option<Duration>) -> Option<Duration> {
        Some(entry.lifetime)
    }
}

impl<V: Send + Sync + 'static, E: Clone + Send + Sync + 'static> Cache<V, E> {
    /// An empty cache that holds so many bytes.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let weigh = |key: &Key, entry: &Arc<Entry<V, E>>| entry.weight.saturating_add(u32::try_from(key.len()).unwrap_or(u32::MAX));
        Self { entries: Moka::builder().max_capacity(capacity).weigher(weigh).expire_after(Own).build(), generation: AtomicU64::new(0) }
    }

    /// The answer that is kept under a key, or else what `compute` gives: run once for all who ask at the same time, and told to all of them.
    ///
    /// # Errors
    /// What `compute` fails with, unless an older answer may stand in for it.
    pub async fn find(
        &self,
        key: Key,
        now: u64,
        compute: impl Future<Output = Result<Computed<V>, E>> + Send,
    ) -> Result<(Arc<V>, Found), E> {
        if let Some(entry) = self.entries.get(&key).await
            && now < entry.fresh_until
            && let Ok(value) = &entry.outcome
        {
            return Ok((Arc::clone(value), Found::Hit));
        }
        let lead = async {
            let generation = self.generation.load(Ordering::Acquire);
            let computed = compute.await;
            let failed = !matches!(&computed, Ok(Computed { keep: Keep::For { .. } | Keep::Not, .. }));
            let stands_in = if failed { self.entries.get(&key).await.and_then(|old| old.standing_in(now)) } else { None };
            let entry = match (stands_in, computed) {
                (Some(old), _) => old,
                (None, Ok(computed)) if generation == self.generation.load(Ordering::Acquire) => Entry::of(computed, now),
                (None, Ok(computed)) => Entry::passing(Ok(Arc::new(computed.value)), computed.weight),
                (None, Err(error)) => Entry::passing(Err(error), 0),
            };
            Arc::new(entry)
        };
        let found = self.entries.entry_by_ref(&key).or_insert_with_if(lead, |entry| now >= entry.fresh_until).await;
        let was_computed_here = found.is_fresh();
        let entry = found.into_value();
        if was_computed_here && entry.lifetime.is_zero() {
            self.entries.invalidate(&key).await;
        }
        let value = Arc::clone(entry.outcome.as_ref().map_err(E::clone)?);
        Ok((value, if entry.is_stale { Found::Stale } else { Found::Miss }))
    }

    /// Puts what `compute` gives in the place of what was kept.
    ///
    /// # Errors
    /// What `compute` fails with; what was kept stays then.
    pub async fn refresh(&self, key: Key, now: u64, compute: impl Future<Output = Result<Computed<V>, E>>) -> Result<Arc<V>, E> {
        let generation = self.generation.load(Ordering::Acquire);
        let computed = compute.await?;
        if computed.keep == Keep::Failed {
            return Ok(Arc::new(computed.value));
        }
        let entry = Arc::new(Entry::<V, E>::of(computed, now));
        if entry.lifetime.is_zero() || generation != self.generation.load(Ordering::Acquire) {
            self.entries.invalidate(&key).await;
        } else {
            // A copy takes no more room than it needs.
            self.entries.insert(key.clone(), Arc::clone(&entry)).await;
        }
        entry.outcome.as_ref().map(Arc::clone).map_err(E::clone)
    }

    /// Forgets everything, what is being asked for now included.
    pub fn flush(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.entries.invalidate_all();
    }
}

/// Caches by name, so that a reload keeps what was kept.
#[derive(Debug)]
pub struct Caches<V, E>(Mutex<HashMap<Box<str>, Known<V, E>>>);

/// A cache's capacity, and the cache.
type Known<V, E> = (u64, Weak<Cache<V, E>>);

impl<V, E> Default for Caches<V, E> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V: Send + Sync + 'static, E: Clone + Send + Sync + 'static> Caches<V, E> {
    /// The cache of a name: with all that is in it if it had this capacity before, else empty.
    #[must_use]
    pub fn cache(&self, name: &str, capacity: u64) -> Arc<Cache<V, E>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((old, cache)) = known.get(name)
            && *old == capacity
            && let Some(cache) = cache.upgrade()
        {
            return cache;
        }
        known.retain(|_, (_, cache)| cache.strong_count() > 0);
        let cache = Arc::new(Cache::new(capacity));
        known.insert(name.into(), (capacity, Arc::downgrade(&cache)));
        cache
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::super::cache_key::KeyBuilder;
    use super::*;

    type Numbers = Cache<usize, &'static str>;

    fn key(parts: &[Option<&[u8]>]) -> Key {
        let mut builder = KeyBuilder::default();
        parts.iter().for_each(|part| builder.part(*part));
        builder.build()
    }

    fn kept(value: usize) -> Result<Computed<usize>, &'static str> {
        Ok(Computed { value, weight: 1, keep: Keep::For { fresh: 100, stale: 500 } })
    }

    async fn find(cache: &Numbers, now: u64, computed: Result<Computed<usize>, &'static str>) -> Result<(usize, Found), &'static str> {
        cache.find(key(&[Some(b"a")]), now, async { computed }).await.map(|(value, found)| (*value, found))
    }

    #[tokio::test]
    async fn what_is_fresh_is_served_and_what_is_not_is_asked_for_again() {
        let cache = Numbers::new(1 << 20);
        assert_eq!(find(&cache, 0, kept(1)).await, Ok((1, Found::Miss)));
        assert_eq!(find(&cache, 99, kept(2)).await, Ok((1, Found::Hit)));
        assert_eq!(find(&cache, 100, kept(3)).await, Ok((3, Found::Miss)));
        cache.flush();
        assert_eq!(find(&cache, 101, kept(4)).await, Ok((4, Found::Miss)));
    }

    #[tokio::test]
    async fn an_older_answer_stands_in_for_a_failure_until_its_time_is_over() {
        let failed = |value| Ok(Computed { value, weight: 1, keep: Keep::Failed });
        let cache = Numbers::new(1 << 20);
        assert_eq!(find(&cache, 0, failed(500)).await, Ok((500, Found::Miss)));
        assert_eq!(find(&cache, 0, Err("away")).await, Err("away"), "a failure is not kept");
        assert_eq!(find(&cache, 0, kept(1)).await, Ok((1, Found::Miss)));
        assert_eq!(find(&cache, 200, Err("away")).await, Ok((1, Found::Stale)));
        assert_eq!(find(&cache, 599, failed(500)).await, Ok((1, Found::Stale)), "also for an answer that is one");
        assert_eq!(find(&cache, 600, Err("away")).await, Err("away"));
        assert_eq!(find(&cache, 600, kept(2)).await, Ok((2, Found::Miss)));
    }

    #[tokio::test]
    async fn an_answer_that_is_not_kept_puts_the_older_one_out_of_date() {
        let cache = Numbers::new(1 << 20);
        assert_eq!(find(&cache, 0, kept(1)).await, Ok((1, Found::Miss)));
        assert_eq!(find(&cache, 150, Ok(Computed { value: 2, weight: 1, keep: Keep::Not })).await, Ok((2, Found::Miss)));
        assert_eq!(find(&cache, 150, Err("away")).await, Err("away"));
    }

    #[tokio::test]
    async fn refreshing_replaces_and_a_failure_leaves_what_was_there() {
        let cache = Numbers::new(1 << 20);
        let refresh = async |computed| cache.refresh(key(&[Some(b"a")]), 0, async { computed }).await.map(|value| *value);
        assert_eq!(refresh(kept(1)).await, Ok(1));
        assert_eq!(refresh(Err("away")).await, Err("away"));
        assert_eq!(refresh(Ok(Computed { value: 500, weight: 1, keep: Keep::Failed })).await, Ok(500));
        assert_eq!(find(&cache, 0, kept(2)).await, Ok((1, Found::Hit)));
        assert_eq!(refresh(Ok(Computed { value: 3, weight: 1, keep: Keep::Not })).await, Ok(3));
        assert_eq!(find(&cache, 0, kept(4)).await, Ok((4, Found::Miss)));
    }

    #[tokio::test]
    async fn what_was_asked_for_before_everything_was_forgotten_is_not_kept() {
        let cache = Numbers::new(1 << 20);
        let compute = async {
            cache.flush();
            kept(1)
        };
        assert_eq!(cache.find(key(&[Some(b"a")]), 0, compute).await.map(|(value, _)| *value), Ok(1));
        assert_eq!(find(&cache, 0, kept(2)).await, Ok((2, Found::Miss)));
    }

    /// Asks with so many at once; how many computed, and what each was told.
    async fn at_once(
        cache: &Arc<Numbers>,
        now: u64,
        computed: fn() -> Result<Computed<usize>, &'static str>,
    ) -> (usize, Vec<Result<usize, &'static str>>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let asking: Vec<_> = (0..200)
            .map(|_| {
                let (cache, calls) = (Arc::clone(cache), Arc::clone(&calls));
                tokio::spawn(async move {
                    let compute = async {
                        calls.fetch_add(1, Ordering::SeqCst);
                        // All others come to wait meanwhile: there is one thread.
                        for _ in 0..4 {
                            tokio::task::yield_now().await;
                        }
                        computed()
                    };
                    cache.find(key(&[]), now, compute).await.map(|(value, _)| *value)
                })
            })
            .collect();
        let mut told = Vec::new();
        for one in asking {
            told.push(one.await.unwrap());
        }
        (calls.load(Ordering::SeqCst), told)
    }

    #[tokio::test]
    async fn many_who_ask_at_once_are_answered_by_one_call() {
        let cache = Arc::new(Numbers::new(1 << 20));
        assert_eq!(at_once(&cache, 0, || kept(7)).await, (1, vec![Ok(7); 200]));
        assert_eq!(at_once(&cache, 99, || kept(8)).await, (0, vec![Ok(7); 200]));
        assert_eq!(at_once(&cache, 150, || Err("away")).await, (1, vec![Ok(7); 200]), "the older answer is told to all who wait");
    }

    #[tokio::test]
    async fn a_failure_wakes_all_and_nothing_of_it_is_kept() {
        let cache = Arc::new(Numbers::new(1 << 20));
        assert_eq!(at_once(&cache, 0, || Err("away")).await, (1, vec![Err("away"); 200]));
        assert_eq!(at_once(&cache, 0, || kept(7)).await, (1, vec![Ok(7); 200]));
    }

    #[tokio::test]
    async fn no_more_is_kept_than_fits() {
        let cache = Numbers::new(1_000);
        for number in 0..100_usize {
            let computed = Ok::<_, &str>(Computed { value: number, weight: 90, keep: Keep::For { fresh: 100, stale: 0 } });
            cache.find(key(&[Some(&number.to_le_bytes())]), 0, async { computed }).await.unwrap();
        }
        cache.entries.run_pending_tasks().await;
        assert!(
            (1..=10).contains(&cache.entries.entry_count()) && cache.entries.weighted_size() <= 1_000,
            "{}",
            cache.entries.weighted_size()
        );
    }

    #[tokio::test]
    async fn one_who_leaves_lets_the_next_one_ask() {
        let cache = Numbers::new(1 << 20);
        {
            let leaving = cache.find(key(&[]), 0, std::future::pending());
            assert!(tokio::time::timeout(Duration::ZERO, leaving).await.is_err());
        }
        assert_eq!(cache.find(key(&[]), 0, async { kept(1) }).await.map(|(value, _)| *value), Ok(1));
    }
}
