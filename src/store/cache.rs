//! Answers that are kept: bounded in bytes, each for its own time, and computed once however many ask for one at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache as Moka;

/// What is kept of one answer.
#[derive(Debug)]
pub struct Entry<V> {
    /// The answer.
    pub value: V,
    /// What it takes, in bytes.
    pub weight: u32,
    /// Until when it is served without asking again, in milliseconds since 1970.
    pub fresh_until_ms: u64,
    /// How long it is kept at all, a time in which it may stand in for a failure included.
    pub kept_for: Duration,
}

/// Answers by key.
pub struct Cache<V> {
    entries: Moka<Key, Arc<Entry<V>>>,
}

/// A key: bytes that cannot mean two things, since each part comes behind its length.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(Box<[u8]>);

/// Makes keys.
#[derive(Debug, Default)]
pub struct KeyBuilder(Vec<u8>);

impl KeyBuilder {
    /// Adds a part; nothing is another part than an empty one.
    pub fn part(&mut self, part: Option<&[u8]>) {
        let Some(part) = part else { return self.0.push(0) };
        self.0.push(1);
        self.0.extend_from_slice(&(part.len() as u64).to_le_bytes());
        self.0.extend_from_slice(part);
    }

    /// The key.
    #[must_use]
    pub fn build(self) -> Key {
        Key(self.0.into())
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

impl<V> std::fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cache")
    }
}

/// Each entry says itself how long it is kept.
struct Own;

impl<V> Expiry<Key, Arc<Entry<V>>> for Own {
    fn expire_after_create(&self, _key: &Key, entry: &Arc<Entry<V>>, _now: Instant) -> Option<Duration> {
        Some(entry.kept_for)
    }

    fn expire_after_update(&self, _key: &Key, entry: &Arc<Entry<V>>, _now: Instant, _left: Option<Duration>) -> Option<Duration> {
        Some(entry.kept_for)
    }
}

impl<V: Send + Sync + 'static> Cache<V> {
    /// An empty cache that holds so many bytes.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let weigh = |key: &Key, entry: &Arc<Entry<V>>| entry.weight.saturating_add(u32::try_from(key.0.len()).unwrap_or(u32::MAX));
        Self { entries: Moka::builder().max_capacity(capacity).weigher(weigh).expire_after(Own).build() }
    }

    /// The answer that is kept under a key, or else what `compute` gives: run once for all who ask at the same time. `Err(Ok)` is an answer that
    /// is not to be kept; an error is told to all who waited.
    ///
    /// # Errors
    /// What `compute` fails with, unless an older answer may stand in for it.
    pub async fn find<E: Clone + Send + Sync + 'static>(
        &self,
        key: Key,
        now_ms: u64,
        compute: impl Future<Output = Result<Entry<V>, E>>,
    ) -> Result<(Arc<Entry<V>>, Found), E> {
        let mut old = None;
        if let Some(entry) = self.entries.get(&key).await {
            if now_ms < entry.fresh_until_ms {
                return Ok((entry, Found::Hit));
            }
            // Taken out so that the next one computes; it comes back if that fails.
            self.entries.invalidate(&key).await;
            old = Some(entry);
        }
        match self.entries.try_get_with(key.clone(), async { compute.await.map(Arc::new) }).await {
            Ok(entry) => {
                if entry.kept_for.is_zero() {
                    self.entries.invalidate(&key).await;
                }
                Ok((entry, Found::Miss))
            }
            Err(error) => match old {
                Some(entry) => {
                    self.entries.insert(key, Arc::clone(&entry)).await;
                    Ok((entry, Found::Stale))
                }
                None => Err((*error).clone()),
            },
        }
    }

    /// Puts an answer in the place of what was kept.
    pub async fn replace(&self, key: Key, entry: Entry<V>) -> Arc<Entry<V>> {
        let entry = Arc::new(entry);
        if entry.kept_for.is_zero() {
            self.entries.invalidate(&key).await;
        } else {
            self.entries.insert(key, Arc::clone(&entry)).await;
        }
        entry
    }

    /// Forgets everything.
    pub fn flush(&self) {
        self.entries.invalidate_all();
    }
}

/// Caches by name, so that a reload keeps what was kept.
#[derive(Debug)]
pub struct Caches<V>(Mutex<HashMap<Box<str>, Known<V>>>);

/// A cache's capacity, and the cache.
type Known<V> = (u64, Weak<Cache<V>>);

impl<V> Default for Caches<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V: Send + Sync + 'static> Caches<V> {
    /// The cache of a name: with all that is in it if it had this capacity before, else empty.
    #[must_use]
    pub fn cache(&self, name: &str, capacity: u64) -> Arc<Cache<V>> {
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;

    fn key(parts: &[Option<&str>]) -> Key {
        let mut builder = KeyBuilder::default();
        parts.iter().for_each(|part| builder.part(part.map(str::as_bytes)));
        builder.build()
    }

    fn entry(value: usize, fresh_until_ms: u64) -> Entry<usize> {
        Entry { value, weight: 1, fresh_until_ms, kept_for: Duration::from_secs(60) }
    }

    #[tokio::test]
    async fn what_is_fresh_is_served_and_what_is_not_is_asked_for_again() {
        let cache = Cache::new(1 << 20);
        let find = async |now: u64, value: Result<usize, &'static str>| {
            let found = cache.find(key(&[Some("a")]), now, async { value.map(|value| entry(value, now + 100)) }).await;
            found.map(|(entry, found)| (entry.value, found))
        };
        assert_eq!(find(0, Ok(1)).await, Ok((1, Found::Miss)));
        assert_eq!(find(99, Ok(2)).await, Ok((1, Found::Hit)));
        assert_eq!(find(100, Ok(3)).await, Ok((3, Found::Miss)));
        assert_eq!(find(500, Err("away")).await, Ok((3, Found::Stale)));
        cache.flush();
        assert_eq!(find(501, Err("away")).await, Err("away"));
    }

    #[tokio::test]
    async fn many_who_ask_at_once_are_answered_by_one_call() {
        let (cache, calls) = (Arc::new(Cache::new(1 << 20)), Arc::new(AtomicUsize::new(0)));
        let asking: Vec<_> = (0..200)
            .map(|_| {
                let (cache, calls) = (Arc::clone(&cache), Arc::clone(&calls));
                tokio::spawn(async move {
                    let compute = async {
                        calls.fetch_add(1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        Ok::<_, &str>(entry(7, u64::MAX))
                    };
                    cache.find(key(&[]), 0, compute).await.map(|(entry, _)| entry.value)
                })
            })
            .collect();
        for one in asking {
            assert_eq!(one.await.unwrap(), Ok(7));
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    proptest! {
        #[test]
        fn different_parts_make_different_keys(
            a in prop::collection::vec(prop::option::of("[ab]{0,3}"), 0..4),
            b in prop::collection::vec(prop::option::of("[ab]{0,3}"), 0..4),
        ) {
            let of = |parts: &[Option<String>]| key(&parts.iter().map(Option::as_deref).collect::<Vec<_>>());
            prop_assert_eq!(of(&a) == of(&b), a == b);
        }
    }
}
