//! The admin address: health, metrics, control; and the client that commands use to reach it.

mod client;
mod server;

pub use client::{Answer, call};
pub use server::{Admin, Invoke, Operation, Operator};
