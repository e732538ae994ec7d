//! What requests count: token buckets and quotas. It outlives every snapshot, under names, so that a reload changes nothing that was counted.
//!
//! The traits are what a store for several gateways would implement; the implementations here are one process's own.

mod cache;
mod cache_key;
mod calendar;
mod circuit;
mod embedded;
mod handover;
mod quota;
mod rate;
mod usage_file;

pub use cache::{Cache, Caches, Computed, Found, Keep};
pub use cache_key::{Key, KeyBuilder};
pub use calendar::{Period, date, day, day_of};
pub use circuit::{Change, Circuit, CircuitSettings, Circuits, Pass};
pub use embedded::Embedded;
pub use handover::{Baseline, counted};
pub use quota::{Memory as MemoryQuotas, Meter, Quota, QuotaStore, Usage, Window};
pub use rate::{Bucket, Clock, Memory as MemoryRates, RateLimit, RateStore};
pub use usage_file::OpenError;
