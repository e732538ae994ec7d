//! The edge: sockets, protocols, time limits. It translates between Pingora and the pipeline and decides nothing.

mod client_certificate;
mod connection;
mod convert;
mod descriptors;
mod echo;
mod forward;
mod frames;
pub mod front_door;
mod gate;
mod listeners;
mod pace;
mod proxy_protocol;
mod request;
mod secure;
mod session;
mod socket;
mod stream;
mod tls;
mod tunnel;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use crate::config::Network;
use crate::observe::Observer;
use crate::outbound::Client;
use crate::pipeline::Pipeline;

pub use descriptors::raise_limit;
pub use echo::echo;
pub(crate) use gate::Gate;
pub use listeners::Listeners;
pub(crate) use secure::Secure;
pub(crate) use socket::Socket;
pub(crate) use tls::ServerNames;

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
    pub request_buffers: AtomicU64,
    /// Requests under way.
    pub under_way: AtomicUsize,
    /// Connections open.
    pub connections: AtomicUsize,
}
