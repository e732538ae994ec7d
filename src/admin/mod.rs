//! The admin address: health, metrics, control; and the client that commands use to reach it.

mod access;
mod client;
mod invoke;
mod listener;
mod pinned;
mod server;

pub use access::Access;
pub use client::{Answer, ask};
pub use invoke::Invoke;
pub use listener::start;
pub use server::{Operation, Operator, Reload};
