//! Who answers for an endpoint: addresses of its host, or the targets of its VPC link.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::time::Instant;

use super::error::{Error, ErrorKind};
use super::link::{Attempt, Link, TargetState};
use super::origin::{Known, Origin, Peer};
use crate::exchange::{Endpoint, VpcLink};

/// All origins that are known.
#[derive(Debug, Default)]
pub struct Origins {
    known: Known,
    links: RwLock<HashMap<Arc<str>, Arc<Link>>>,
    /// Whom the configuration names, whether or not somebody asks for it.
    configured: RwLock<Vec<Arc<Endpoint>>>,
}

/// Whom a request goes to.
pub(super) struct Chosen {
    pub(super) peer: Arc<Peer>,
    /// How many addresses there are.
    pub(super) addresses: usize,
    /// The target of a group, which is told how the call went.
    pub(super) attempt: Option<Attempt>,
    origin: Arc<Origin>,
}

impl Chosen {
    pub(super) fn address(&self) -> SocketAddr {
        self.peer.address
    }

    /// The connection was not made.
    pub(super) fn took_none(mut self) {
        self.origin.took_none(&self.peer, Instant::now());
        if let Some(attempt) = &mut self.attempt {
            attempt.ended(false);
        }
    }
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

    /// Takes over whom a configuration calls: their names are looked up before a request needs them.
    pub fn set_endpoints(&self, endpoints: Vec<Arc<Endpoint>>) {
        *self.configured.write().unwrap_or_else(PoisonError::into_inner) = endpoints;
    }

    /// How the targets of all groups are, for whoever reports it.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetState> {
        let mut states: Vec<TargetState> = self.links().iter().flat_map(|link| link.states(Instant::now()).collect::<Vec<_>>()).collect();
        states.sort_by(|a, b| (&a.vpc_link, &a.target).cmp(&(&b.vpc_link, &b.target)));
        states
    }

    /// All groups, for whoever checks them.
    pub(super) fn links(&self) -> Vec<Arc<Link>> {
        self.links.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Asks the name server anew for what is in use, beside the requests.
    pub(super) fn refresh(&self, now: Instant) {
        for endpoint in self.configured.read().unwrap_or_else(PoisonError::into_inner).iter() {
            match endpoint.vpc_link.as_ref() {
                None => self.known.origin(endpoint, &endpoint.host, endpoint.port).want(),
                Some(id) => {
                    let link = self.links.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
                    for target in link.iter().flat_map(|link| &link.targets) {
                        target.origins.origin(endpoint, &target.host, target.port).want();
                    }
                }
            }
        }
        self.known.refresh(now);
        for link in self.links() {
            link.targets.iter().for_each(|target| target.origins.refresh(now));
        }
    }

    /// Whom to call next.
    pub(super) async fn choose(&self, endpoint: &Endpoint, deadline: Instant) -> Result<Chosen, Error> {
        let Some(id) = &endpoint.vpc_link else {
            let origin = self.known.origin(endpoint, &endpoint.host, endpoint.port);
            let (peer, addresses) = origin.peer().await?;
            return Ok(Chosen { peer, addresses, attempt: None, origin });
        };
        let failed = |kind, detail| Error::new(kind, endpoint.authority(), detail);
        let link = self.links.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        let link = link.ok_or_else(|| failed(ErrorKind::Refused, "there is no such VPC link"))?;
        let next = link.next(Instant::now).and_then(|index| link.targets.get(index).map(|target| (index, target)));
        let (index, target) = next.ok_or_else(|| failed(ErrorKind::Connect, "the VPC link has no target"))?;
        let origin = target.origins.origin(endpoint, &target.host, target.port);
        let mut attempt = Attempt::new(Arc::clone(&link), index, deadline);
        let found = origin.peer().await;
        if found.is_err() {
            attempt.ended(false);
        }
        let (peer, addresses) = found?;
        Ok(Chosen { peer, addresses: addresses.max(link.targets.len()), attempt: Some(attempt), origin })
    }
}
