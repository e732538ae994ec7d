//! The one HTTP client: pooled, timed, over TLS where asked.

pub mod aws;
mod client;
mod error;
mod health;
mod link;
mod origin;
mod origins;
mod outlier;
mod pool;
mod transport;

pub use crate::http1::Step;
pub use client::{Client, Stream};
pub(crate) use client::{repeatable, timed_out};
pub use error::{Error, ErrorKind};
pub use link::TargetState;
pub use origins::Origins;
