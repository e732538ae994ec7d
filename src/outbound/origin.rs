//! One endpoint's addresses: looked up beside the requests, kept while the name server is away, tried one after another.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use foldhash::HashMap;
use pingora::upstreams::peer::{HttpPeer, Peer as _};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::error::{Error, ErrorKind};
use crate::exchange::{Endpoint, Scheme};

/// An answer of the name server is asked for again after this time. The system's resolver keeps a record's own time; this is what is
/// added to it at most, below the 60 s that load balancers' records live.
const FRESH: Duration = Duration::from_secs(10);
/// A name that nobody asked for in this time is forgotten.
const UNUSED: Duration = Duration::from_secs(600);
/// A name that was not found is not asked for again at once, however many requests want it.
const NOT_FOUND: Duration = Duration::from_secs(1);
/// An address that took no connection is tried last for this time.
const REST: Duration = Duration::from_secs(10);
/// Names that are looked up at one time: each occupies a thread, which other work needs, too.
static LOOKUPS: Semaphore = Semaphore::const_new(32);
/// An endpoint whose host comes from requests must not fill the memory.
const ENDPOINTS: usize = 10_000;
/// Origins are given this long to accept a connection.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// Origins by the endpoint that they answer for.
#[derive(Debug, Default)]
pub(super) struct Known(RwLock<HashMap<Endpoint, Arc<Origin>>>);

impl Known {
    /// Who answers for an endpoint at a host.
    pub(super) fn origin(&self, endpoint: &Endpoint, host: &str, port: u16) -> Arc<Origin> {
        if let Some(origin) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(endpoint) {
            return Arc::clone(origin);
        }
        let origin = Arc::new(Origin::new(endpoint, host, port));
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ENDPOINTS {
            known.clear();
        }
        Arc::clone(known.entry(endpoint.clone()).or_insert(origin))
    }

    /// Asks for the names whose answers are old, and forgets those that nobody wants.
    pub(super) fn refresh(&self, now: Instant) {
        let all: Vec<Arc<Origin>> = self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let unwanted = all.iter().filter(|origin| origin.refresh(now)).count();
        if unwanted > 0 {
            self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|_, origin| !origin.is_unwanted(now));
        }
    }
}

/// One endpoint and the addresses that answer for it.
#[derive(Debug)]
pub(super) struct Origin {
    endpoint: Endpoint,
    host: Box<str>,
    port: u16,
    peers: ArcSwapOption<Vec<Arc<Peer>>>,
    next: AtomicUsize,
    used: AtomicBool,
    begin: Instant,
    names: Mutex<Names>,
}

/// An address with what a connection to it needs.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) is_tls: bool,
    /// The same for the connector that speaks TLS.
    pub(super) http: HttpPeer,
    /// Connections to peers with the same key can stand in for each other.
    pub(super) key: u64,
    /// It took no connection: milliseconds since the origin's beginning.
    rests_until: AtomicU64,
}

/// What the name server said, and when.
#[derive(Debug)]
struct Names {
    /// A look-up that is under way.
    asking: Option<watch::Receiver<()>>,
    asked: Instant,
    used: Instant,
    error: Option<(ErrorKind, Box<str>)>,
}

impl Origin {
    fn new(endpoint: &Endpoint, host: &str, port: u16) -> Self {
        let now = Instant::now();
        let origin = Self {
            endpoint: endpoint.clone(),
            host: host.into(),
            port,
            peers: ArcSwapOption::empty(),
            next: AtomicUsize::new(0),
            used: AtomicBool::new(true),
            begin: now,
            names: Mutex::new(Names { asking: None, asked: now, used: now, error: None }),
        };
        // An address that was written as such never changes.
        if let Ok(address) = host.parse::<IpAddr>() {
            origin.learn(Ok(vec![SocketAddr::new(address, port)]), now);
        }
        origin
    }

    fn is_address(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }

    /// The peer to call next and how many there are. Waits only for a name that was never found out.
    pub(super) async fn peer(self: &Arc<Self>) -> Result<(Arc<Peer>, usize), Error> {
        loop {
            if let Some(found) = self.choose(Instant::now) {
                return Ok(found);
            }
            let mut answered = {
                let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
                let is_final = self.is_address() || names.asked.elapsed() < NOT_FOUND;
                if let Some((kind, error)) = names.error.as_ref().filter(|_| is_final) {
                    return Err(Error::new(*kind, self.endpoint.authority(), &**error));
                }
                self.ask(names)
            };
            // The sender goes when the answer is there.
            while answered.changed().await.is_ok() {}
        }
    }

    /// In turn; those that took no connection lately come last.
    fn choose(&self, now: impl FnOnce() -> Instant) -> Option<(Arc<Peer>, usize)> {
        let peers = self.peers.load();
        let peers = peers.as_deref()?;
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        if let [only] = peers.as_slice() {
            return Some((Arc::clone(only), 1));
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let now = self.since(now());
        let in_turn = || (0..peers.len()).filter_map(|step| peers.get(turn.wrapping_add(step) % peers.len()));
        let chosen = in_turn().find(|peer| peer.rests_until.load(Ordering::Relaxed) <= now).or_else(|| in_turn().next());
        chosen.map(|peer| (Arc::clone(peer), peers.len()))
    }

    /// Keeps the name's answer fresh, whether or not somebody asks for it; the first one is fetched at once.
    pub(super) fn want(self: &Arc<Self>) {
        self.used.store(true, Ordering::Relaxed);
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if self.peers.load().is_none() && !self.is_address() && names.error.is_none() {
            drop(self.ask(names));
        }
    }

    /// An address took no connection: others come first for a while.
    pub(super) fn took_none(&self, refused: &Arc<Peer>, now: Instant) {
        let peers = self.peers.load();
        for peer in peers.iter().flat_map(|peers| peers.iter()).filter(|peer| Arc::ptr_eq(peer, refused)) {
            peer.rests_until.store(self.since(now + REST), Ordering::Relaxed);
        }
    }

    fn since(&self, now: Instant) -> u64 {
        u64::try_from(now.duration_since(self.begin).as_millis()).unwrap_or(u64::MAX)
    }

    /// Asks the name server, unless somebody does.
    fn ask(self: &Arc<Self>, mut names: std::sync::MutexGuard<'_, Names>) -> watch::Receiver<()> {
        if let Some(asking) = &names.asking {
            return asking.clone();
        }
        let (answer, asking) = watch::channel(());
        names.asking = Some(asking.clone());
        let origin = Arc::clone(self);
        tokio::spawn(async move {
            let found = {
                let _turn = LOOKUPS.acquire().await;
                tokio::net::lookup_host((&*origin.host, origin.port)).await
            };
            origin.learn(found.map(Iterator::collect).map_err(|cause| cause.to_string()), Instant::now());
            drop(answer);
        });
        asking
    }

    /// Takes over what the name server said. The last good answer is kept until there is a better one.
    fn learn(&self, found: Result<Vec<SocketAddr>, String>, now: Instant) {
        let unknown = |cause| (ErrorKind::Connect, format!("{} has no address: {cause}", self.host));
        let allowed = found.map_err(unknown).and_then(|found| self.allowed(found));
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.asking = None;
        names.asked = now;
        match allowed {
            Ok(addresses) => {
                names.error = None;
                let peers = self.peers.load();
                let same = peers
                    .as_deref()
                    .is_some_and(|peers| peers.len() == addresses.len() && peers.iter().all(|peer| addresses.contains(&peer.address)));
                if !same {
                    let new = addresses.into_iter().map(|address| Arc::new(peer(&self.endpoint, address)));
                    self.peers.store(Some(Arc::new(new.collect())));
                }
            }
            Err((kind, error)) => {
                if names.error.is_none() && self.peers.load().is_some() {
                    tracing::warn!(host = &*self.host, "the last addresses stay in use: {error}");
                }
                names.error = Some((kind, error.into()));
            }
        }
    }

    /// Addresses that may be called.
    fn allowed(&self, mut addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, (ErrorKind, String)> {
        let found = addresses.len();
        addresses.retain(|address| self.endpoint.allow_link_local || !is_link_local(address.ip()));
        match (found, addresses.is_empty()) {
            (0, _) => Err((ErrorKind::Connect, format!("{} has no address", self.host))),
            (_, true) => {
                let rule = "link-local addresses are called only where `x-headgate.allowLinkLocal` says so";
                Err((ErrorKind::Refused, rule.to_owned()))
            }
            _ => Ok(addresses),
        }
    }

    /// Asks again where the answer is old; true where nobody wants it any more.
    fn refresh(self: &Arc<Self>, now: Instant) -> bool {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if self.used.swap(false, Ordering::Relaxed) {
            names.used = now;
        }
        let unwanted = now.duration_since(names.used) > UNUSED;
        if !unwanted && !self.is_address() && now.duration_since(names.asked) >= FRESH {
            drop(self.ask(names));
        }
        unwanted
    }

    fn is_unwanted(&self, now: Instant) -> bool {
        now.duration_since(self.names.lock().unwrap_or_else(PoisonError::into_inner).used) > UNUSED && !self.used.load(Ordering::Relaxed)
    }
}

/// Addresses of this link alone, a cloud's metadata service among them (RFC 3927, RFC 4291).
fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn peer(endpoint: &Endpoint, address: SocketAddr) -> Peer {
    let is_tls = endpoint.scheme == Scheme::Https;
    let mut http = HttpPeer::new(address, is_tls, if is_tls { endpoint.host.to_string() } else { String::new() });
    http.options.connection_timeout = Some(CONNECT);
    http.options.total_connection_timeout = Some(CONNECT);
    http.options.verify_cert = !endpoint.insecure_skip_verification;
    http.options.verify_hostname = !endpoint.insecure_skip_verification;
    Peer { address, is_tls, key: http.reuse_hash(), http, rests_until: AtomicU64::new(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(host: &str) -> Arc<Origin> {
        let endpoint = Endpoint {
            scheme: Scheme::Http,
            host: host.into(),
            port: 80,
            vpc_link: None,
            insecure_skip_verification: false,
            allow_link_local: false,
        };
        Known::default().origin(&endpoint, host, 80)
    }

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 80))
    }

    fn chosen(origin: &Origin) -> SocketAddr {
        origin.choose(Instant::now).unwrap().0.address
    }

    #[test]
    fn link_local_addresses_are_known_in_every_spelling() {
        for text in ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1"] {
            assert!(is_link_local(text.parse().unwrap()), "{text}");
        }
        assert!(!is_link_local("10.0.0.1".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_link_local_address_is_refused() {
        let refused = origin("169.254.169.254").peer().await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Refused);
    }

    #[test]
    fn the_last_good_answer_stays_while_the_name_server_is_away() {
        let (origin, now) = (origin("a.example"), Instant::now());
        origin.learn(Ok(vec![address(1)]), now);
        origin.learn(Err("temporary failure".to_owned()), now);
        assert_eq!(chosen(&origin), address(1));
        origin.learn(Ok(vec![address(2)]), now);
        assert_eq!(chosen(&origin), address(2));
    }

    #[test]
    fn an_address_that_takes_no_connection_comes_last_for_a_while() {
        let (origin, now) = (origin("a.example"), Instant::now());
        let choose = |now: Instant| origin.choose(|| now).unwrap().0;
        origin.learn(Ok(vec![address(1), address(2)]), now);
        let dead = choose(now);
        origin.took_none(&dead, now);
        assert!((0..4).all(|_| !Arc::ptr_eq(&choose(now), &dead)));
        assert!((0..2).any(|_| Arc::ptr_eq(&choose(now + REST + Duration::from_millis(2)), &dead)));
    }

    #[test]
    fn the_same_answer_keeps_what_is_known_of_the_addresses() {
        let (origin, now) = (origin("a.example"), Instant::now());
        let choose = || origin.choose(|| now).unwrap().0;
        origin.learn(Ok(vec![address(1)]), now);
        let before = choose();
        origin.learn(Ok(vec![address(1)]), now);
        assert!(Arc::ptr_eq(&before, &choose()));
    }

    #[tokio::test]
    async fn a_name_that_was_not_found_is_not_asked_for_again_at_once() {
        let origin = origin("a.example");
        origin.learn(Err("no such host".to_owned()), Instant::now() + Duration::from_secs(3600));
        let error = origin.peer().await.unwrap_err();
        assert_eq!((error.kind, error.detail.as_str()), (ErrorKind::Connect, "a.example has no address: no such host"));
    }

    #[test]
    fn names_that_nobody_asks_for_are_forgotten() {
        let known = Known::default();
        let endpoint = origin("10.0.0.1").endpoint.clone();
        known.origin(&endpoint, "10.0.0.1", 80);
        let size = || known.0.read().unwrap().len();
        let later = Instant::now() + UNUSED;
        known.refresh(later);
        assert_eq!(size(), 1);
        known.refresh(later + UNUSED * 2);
        assert_eq!(size(), 0);
    }
}
