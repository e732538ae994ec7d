//! What happened, told: metrics and access logs.
use crate::pipeline::Exchange;
use std::time::Duration;
/// front door
pub fn refused(_status: u16) {}
/// record
pub fn record(_exchange: &mut Exchange, _latency: Duration, _received: u64) {}
/// text
pub fn metrics() -> String {
    String::new()
}
/// panics
pub fn count_panics() {}
/// reloaded
pub fn reloaded(_ok: bool) {}
/// flush
pub fn flush() {}
