//! The edge: sockets, protocols, time limits. It translates between Pingora and the pipeline and decides nothing.

mod connection;
mod convert;
mod echo;
mod forward;
pub mod front_door;
mod listeners;
mod request;
mod session;
mod socket;
mod stream;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use crate::config::Network;
use crate::observe::Observer;
use crate::outbound::Client;
use crate::pipeline::Pipeline;

pub use echo::echo;
pub use listeners::Listeners;
pub use tls::Certificates;

/// What every connection shares.
#[derive(Debug)]
pub struct Edge {
    /// Decides what is answered.
    pub pipeline: Pipeline,
    /// Counts and logs what ends.
    pub observer: Observer,
    /// Calls endpoints whose content passes by.
    pub client: Arc<Client>,
    /// Whether API Gateway's ceilings hold: 10,240 bytes of target, and of header values.
    pub aws_limits: AtomicBool,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: std::sync::RwLock<Vec<Network>>,
    /// Content of requests that is held now, in bytes.
    pub held: AtomicU64,
    /// The most that may be held.
    pub request_buffers: u64,
    /// Requests under way.
    pub under_way: AtomicUsize,
    /// Connections open.
    pub connections: AtomicUsize,
}
