//! What requests count: token buckets and quotas. It outlives every snapshot, under names, so that a reload changes nothing that was counted.
//!
//! The traits are what a store for several gateways would implement; the implementations here are one process's own.

mod cache;
mod circuit;
mod embedded;
mod quota;
mod rate;

pub use cache::{Cache, Caches, Entry, Found, Key, KeyBuilder};
pub use circuit::{Change, Circuit, CircuitSettings, Circuits, Pass};
pub use embedded::{Embedded, OpenError};
pub use quota::{Memory as MemoryQuotas, Meter, Period, Quota, QuotaStore, Usage, Window, date, day};
pub use rate::{Bucket, Clock, Memory as MemoryRates, RateLimit, RateStore};
