//! The operator's verbs as functions: each is called by a command and by the admin address alike.

pub mod deployments;
mod reload;
mod usage;

pub use reload::{Gateway, Reloaded, compile};
pub use usage::{UsageQuery, grant, usage};
