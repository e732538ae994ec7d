//! The operator's verbs as functions: each is called by a command and by the admin address alike.

pub mod deployments;
mod diff;
mod reload;
mod usage;

pub use diff::{diff, text as diff_text};
pub use reload::{Gateway, Reloaded, Replaced, compile};
pub use usage::{UsageQuery, grant, usage};
