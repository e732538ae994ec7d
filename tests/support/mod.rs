//! What the black-box tests share: the real program on free ports, an HTTP client that sends what it is told, an origin that records.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    missing_docs
)]

pub mod backend;
pub mod client;
pub mod gateway;
pub mod matching;
pub mod origin;
pub mod pki;

/// Ports that nothing listened on a moment ago.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports"));
    listeners.map(|listener| listener.local_addr().expect("a bound listener has an address").port())
}

/// A port where connections are refused for as long as this lives: it is taken, and nobody listens. One that is only free may be
/// another test's a moment later.
#[derive(Debug)]
pub struct Closed(tokio::net::TcpSocket);

impl Closed {
    pub fn new() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket can be made");
        socket.bind(std::net::SocketAddr::from(([127, 0, 0, 1], 0))).expect("loopback has free ports");
        Self(socket)
    }

    pub fn port(&self) -> u16 {
        self.0.local_addr().expect("a bound socket has an address").port()
    }
}

/// Waits until something holds; the bound only ends a test that has failed.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !holds() {
        assert!(std::time::Instant::now() < until, "{what} did not come about within 10 s");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
