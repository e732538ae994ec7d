//! The one HTTP client: pooled, timed, over TLS where asked.

pub mod aws;
mod client;
mod error;
mod health;
mod origins;

pub(crate) use client::repeatable;
pub use client::{Client, Stream};
pub use error::{Error, ErrorKind};
pub use origins::Origins;
