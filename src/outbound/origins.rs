//! Who answers for an endpoint: addresses of its host, or the targets of its VPC link.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use pingora::upstreams::peer::HttpPeer;

use super::error::{Error, ErrorKind};
use crate::apigateway::account::{HealthCheck, VpcLink};
use crate::exchange::{Endpoint, Scheme};

/// How long a looked-up address is used before it is looked up again.
const FRESH: Duration = Duration::from_secs(30);
/// An endpoint whose host comes from requests must not fill the memory.
const ENDPOINTS: usize = 10_000;
/// Origins are given this long to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// An idle connection is given up after this time, below what most origins keep it for.
const IDLE: Duration = Duration::from_secs(50);

/// All origins that are known.
#[derive(Debug, Default)]
pub struct Origins {
    known: RwLock<HashMap<Endpoint, Arc<Origin>>>,
    links: RwLock<HashMap<Arc<str>, Arc<Link>>>,
}

/// A group of origins.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) targets: Vec<Target>,
    pub(super) health_check: Option<HealthCheck>,
    next: AtomicUsize,
}

/// One origin of a group.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) address: String,
    pub(super) healthy: AtomicBool,
}

/// An endpoint's peers, as last looked up.
#[derive(Debug)]
struct Origin {
    known: Mutex<Option<Peers>>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Peers {
    peers: Vec<Arc<HttpPeer>>,
    /// When to look again; nothing: never.
    until: Option<tokio::time::Instant>,
}

impl Origins {
    /// Takes the groups of a configuration over; a group that did not change keeps what is known of its health.
    pub fn set_vpc_links(&self, links: &[VpcLink]) {
        let mut known = self.links.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::take(&mut *known);
        for link in links {
            let same = old.get(link.id.as_str()).filter(|old| old.is(link)).cloned();
            known.insert(link.id.as_str().into(), same.unwrap_or_else(|| Arc::new(Link::new(link))));
        }
    }

    /// All groups, for whoever checks them.
    pub(super) fn links(&self) -> Vec<Arc<Link>> {
        self.links.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The peer to call next.
    pub(super) async fn peer(&self, endpoint: &Endpoint) -> Result<Arc<HttpPeer>, Error> {
        if let Some(link) = &endpoint.vpc_link {
            let addresses = self.target(link, endpoint).await?;
            let address = allowed(addresses, endpoint)?.into_iter().next();
            return address
                .map(|address| Arc::new(peer(endpoint, address)))
                .ok_or_else(|| error(endpoint, ErrorKind::Connect, "no address"));
        }
        let origin = self.origin(endpoint);
        if let Some(peer) = origin.fresh() {
            return Ok(peer);
        }
        let addresses = match lookup(&endpoint.host, endpoint.port, endpoint).await {
            Ok(addresses) => addresses,
            Err(cause) => return origin.stale().ok_or(cause),
        };
        let peers = allowed(addresses, endpoint)?.into_iter().map(|address| Arc::new(peer(endpoint, address))).collect();
        let until = endpoint.host.parse::<IpAddr>().is_err().then(|| tokio::time::Instant::now() + FRESH);
        origin.set(peers, until).ok_or_else(|| error(endpoint, ErrorKind::Connect, "the host has no address"))
    }

    fn origin(&self, endpoint: &Endpoint) -> Arc<Origin> {
        if let Some(origin) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(endpoint) {
            return Arc::clone(origin);
        }
        let origin = Arc::new(Origin { known: Mutex::new(None), next: AtomicUsize::new(0) });
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ENDPOINTS {
            known.clear();
        }
        Arc::clone(known.entry(endpoint.clone()).or_insert(origin))
    }

    async fn target(&self, link: &str, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Error> {
        let group = self.links.read().unwrap_or_else(PoisonError::into_inner).get(link).cloned();
        let group = group.ok_or_else(|| error(endpoint, ErrorKind::Refused, "there is no such VPC link"))?;
        let (host, port) = group
            .next()
            .and_then(|target| target.rsplit_once(':'))
            .ok_or_else(|| error(endpoint, ErrorKind::Connect, "the VPC link has no target"))?;
        lookup(host.trim_matches(['[', ']']), port.parse().unwrap_or(0), endpoint).await
    }
}

impl Link {
    fn new(link: &VpcLink) -> Self {
        let targets = link.targets.iter().map(|address| Target { address: address.clone(), healthy: AtomicBool::new(true) }).collect();
        Self { targets, health_check: link.health_check.clone(), next: AtomicUsize::new(0) }
    }

    fn is(&self, link: &VpcLink) -> bool {
        self.health_check == link.health_check && self.targets.iter().map(|target| &target.address).eq(&link.targets)
    }

    /// In turn, leaving out those that are not well; all of them if none is.
    fn next(&self) -> Option<&str> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.targets.len();
        let in_turn = || (0..count).filter_map(|step| self.targets.get((turn.wrapping_add(step)) % count));
        let target = in_turn().find(|target| target.healthy.load(Ordering::Relaxed)).or_else(|| in_turn().next());
        target.map(|target| target.address.as_str())
    }
}

impl Origin {
    /// A peer, unless it is time to look the host up again. An address that was written as such never changes.
    fn fresh(&self) -> Option<Arc<HttpPeer>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref().filter(|known| known.until.is_none_or(|until| tokio::time::Instant::now() < until))?;
        self.choose(&known.peers)
    }

    /// The peers that were known last, for when a name server is away.
    fn stale(&self) -> Option<Arc<HttpPeer>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().and_then(|known| self.choose(&known.peers))
    }

    fn set(&self, peers: Vec<Arc<HttpPeer>>, until: Option<tokio::time::Instant>) -> Option<Arc<HttpPeer>> {
        let chosen = self.choose(&peers);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Peers { peers, until });
        chosen
    }

    fn choose(&self, peers: &[Arc<HttpPeer>]) -> Option<Arc<HttpPeer>> {
        let turn = if peers.len() > 1 { self.next.fetch_add(1, Ordering::Relaxed) } else { 0 };
        peers.get(turn % peers.len().max(1)).cloned()
    }
}

/// Addresses that may be called.
fn allowed(addresses: Vec<SocketAddr>, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Error> {
    let allowed: Vec<SocketAddr> =
        addresses.into_iter().filter(|address| endpoint.allow_link_local || !is_link_local(address.ip())).collect();
    if allowed.is_empty() {
        return Err(error(endpoint, ErrorKind::Refused, "link-local addresses are called only where `x-headgate.allowLinkLocal` says so"));
    }
    Ok(allowed)
}

async fn lookup(host: &str, port: u16, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = tokio::net::lookup_host((host, port)).await;
    found.map(Iterator::collect).map_err(|cause| error(endpoint, ErrorKind::Connect, format!("{host} has no address: {cause}")))
}

/// Addresses of this link alone, a cloud's metadata service among them (RFC 3927, RFC 4291).
fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn peer(endpoint: &Endpoint, address: SocketAddr) -> HttpPeer {
    let tls = endpoint.scheme == Scheme::Https;
    let mut peer = HttpPeer::new(address, tls, if tls { endpoint.host.to_string() } else { String::new() });
    peer.options.connection_timeout = Some(CONNECT);
    peer.options.total_connection_timeout = Some(CONNECT);
    peer.options.idle_timeout = Some(IDLE);
    peer.options.verify_cert = !endpoint.insecure_skip_verification;
    peer.options.verify_hostname = !endpoint.insecure_skip_verification;
    peer
}

pub(super) fn error(endpoint: &Endpoint, kind: ErrorKind, detail: impl Into<String>) -> Error {
    Error { kind, endpoint: endpoint.authority(), detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_takes_turns_and_leaves_out_the_unwell() {
        let link = Link::new(&VpcLink { id: "l".into(), targets: vec!["a:1".into(), "b:2".into()], health_check: None });
        assert_eq!([link.next(), link.next(), link.next()], [Some("a:1"), Some("b:2"), Some("a:1")]);
        link.targets[0].healthy.store(false, Ordering::Relaxed);
        assert_eq!([link.next(), link.next()], [Some("b:2"), Some("b:2")]);
        link.targets[1].healthy.store(false, Ordering::Relaxed);
        assert!(link.next().is_some());
    }

    #[test]
    fn link_local_addresses_are_known_in_every_spelling() {
        for text in ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1"] {
            assert!(is_link_local(text.parse().unwrap()), "{text}");
        }
        assert!(!is_link_local("10.0.0.1".parse().unwrap()));
    }
}
