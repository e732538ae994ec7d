//! The admin address: health, metrics, control; and the client that commands use to reach it.

mod client;
mod invoke;
mod server;

pub use client::{Answer, call};
pub use invoke::Invoke;
pub use server::{Admin, Operation, Operator, Reload};
