//! The process's own settings: where it listens, what it keeps where.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::certificates::{self, Tls};
use super::load::Files;
use crate::document::{Fields, Node, Problems, Spanned};

/// How this process runs.
#[derive(Debug)]
pub struct Process {
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// Metrics, health and control.
    pub admin: Admin,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// From SIGTERM until what is still open is cut.
    pub drain_seconds: u64,
    /// The content of all requests held at once, in bytes.
    pub request_buffers: u64,
    /// Where deployments and counters are kept.
    pub state_directory: PathBuf,
    /// Where a built-in echo origin answers, for trying things out; nothing: nowhere.
    pub echo: Option<SocketAddr>,
}

/// A client listener.
#[derive(Debug, Clone)]
pub struct Listener {
    /// The address bound.
    pub address: SocketAddr,
    /// Every connection begins with a PROXY header, which is believed.
    pub proxy_protocol: bool,
    /// TLS, if the listener speaks it.
    pub tls: Option<Tls>,
}

/// The admin listener.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The address bound.
    pub address: SocketAddr,
    /// The file whose content callers must send as a bearer token.
    pub token_file: Option<PathBuf>,
    /// TLS, if the address speaks it.
    pub tls: Option<Tls>,
}

/// A range of addresses in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: std::net::IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, or a single address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: std::net::IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(bits), |prefix| prefix.parse().ok())?;
        (prefix <= bits).then_some(Self { address, prefix })
    }

    /// Whether the range holds an address.
    #[must_use]
    pub fn contains(&self, address: std::net::IpAddr) -> bool {
        let same = |a: u128, b: u128, bits: u32| bits == 0 || (a ^ b) >> (128 - bits) == 0;
        match (self.address, address.to_canonical()) {
            (std::net::IpAddr::V4(a), std::net::IpAddr::V4(b)) => {
                same(u128::from(a.to_bits()) << 96, u128::from(b.to_bits()) << 96, self.prefix.into())
            }
            (std::net::IpAddr::V6(a), std::net::IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), self.prefix.into()),
            _ => false,
        }
    }
}

/// Reads the process's part of the file.
pub(super) fn read(fields: &mut Fields<'_>, files: &mut Files, problems: &mut Problems) -> Process {
    let listeners = listeners(fields, files, problems);
    let admin = admin(fields, files, problems);
    for listener in &listeners {
        if listener.value.address == admin.address {
            problems.spanned(
                crate::document::Severity::Error,
                listener,
                "the admin address is a client listener's: metrics and control are never served to clients",
            );
        }
    }
    Process {
        listeners: listeners.into_iter().map(|listener| listener.value).collect(),
        admin,
        trusted_proxies: trusted_proxies(fields, problems),
        drain_seconds: fields.number("drainSeconds", 0..=3600, problems).unwrap_or(30),
        request_buffers: memory(fields, problems).unwrap_or(512 << 20),
        state_directory: state_directory(fields, files, problems),
        echo: echo(fields, problems),
    }
}

/// `var` beside the configuration, unless written otherwise.
fn state_directory(fields: &mut Fields<'_>, files: &Files, problems: &mut Problems) -> PathBuf {
    let written = fields.scalar("stateDirectory", problems);
    let node = written.unwrap_or(fields.node());
    files.beside(node, written.and_then(Node::scalar).unwrap_or("var"))
}

fn listeners(fields: &mut Fields<'_>, files: &mut Files, problems: &mut Problems) -> Vec<Spanned<Listener>> {
    let Some(node) = fields.take("listeners") else {
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        return vec![Spanned::at(fields.node(), Listener { address, proxy_protocol: false, tls: None })];
    };
    let mut listeners: Vec<Spanned<Listener>> = Vec::new();
    for item in fields.list("listeners", problems) {
        let Some(mut listener) = Fields::of(item, "a listener", problems) else { continue };
        let address = address(&mut listener, problems);
        let tls = listener.take("tls").and_then(|node| certificates::tls(node, files, problems));
        let proxy_protocol = listener.boolean("proxyProtocol", problems).unwrap_or(false);
        listener.finish(problems);
        let Some(address) = address else { continue };
        if listeners.iter().any(|other| other.value.address == address) {
            problems.error(item, format!("two listeners have the address {address}"));
        }
        listeners.push(Spanned::at(item, Listener { address, proxy_protocol, tls }));
    }
    if listeners.is_empty() && node.items().is_empty() {
        problems.error(node, "there is no listener, so no client could connect");
    }
    listeners
}

fn address(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<SocketAddr> {
    let node = fields.required("address", problems)?;
    let address = node.scalar().and_then(|text| text.parse().ok());
    if address.is_none() {
        problems.error(
            node,
            format!("an address is written like 127.0.0.1:8080 or [::1]:8080, not `{}`", node.scalar().unwrap_or(node.kind())),
        );
    }
    address
}

fn admin(fields: &mut Fields<'_>, files: &mut Files, problems: &mut Problems) -> Admin {
    let mut admin = Admin { address: SocketAddr::from(([127, 0, 0, 1], 9901)), token_file: None, tls: None };
    let Some(node) = fields.take("admin") else { return admin };
    let Some(mut own) = Fields::of(node, "`admin`", problems) else { return admin };
    if own.node().get("address").is_some() {
        admin.address = address(&mut own, problems).unwrap_or(admin.address);
    }
    if let Some((node, path)) = own.take("tokenFile").and_then(|node| Some((node, files.beside(node, node.scalar()?)))) {
        token(node, &path, problems);
        admin.token_file = Some(path);
    }
    let tls = own.take("tls");
    admin.tls = tls.and_then(|node| certificates::tls(node, files, problems));
    // What is written and cannot be read is told already.
    let guarded = admin.token_file.is_some() || tls.is_some_and(|tls| tls.get("truststore").is_some());
    if !admin.address.ip().is_loopback() && !guarded {
        problems.error(
            node,
            format!("the admin address {} is not loopback, so it needs `tokenFile`, or `tls` with a truststore", admin.address),
        );
    }
    own.finish(problems);
    admin
}

/// A token that everybody on the machine can read guards nothing. Its group may read it: orchestrators mount secrets so.
fn token(node: &Node, path: &Path, problems: &mut Problems) {
    use std::os::unix::fs::PermissionsExt as _;
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o027 != 0 {
                problems.error(node, format!("{shown} has mode {mode:04o}: nobody but its owner may have a token, as with 0600"));
            }
        }
        _ => {
            problems.warning(node, format!("{shown} cannot be read here: without a token, metrics and control are for nobody"));
        }
    }
}

fn trusted_proxies(fields: &mut Fields<'_>, problems: &mut Problems) -> Vec<Network> {
    let mut networks = Vec::new();
    for item in fields.list("trustedProxies", problems) {
        match item.scalar().and_then(Network::parse) {
            Some(network) => networks.push(network),
            None => {
                problems.error(
                    item,
                    format!("a range of addresses is written like 10.0.0.0/8, not `{}`", item.scalar().unwrap_or(item.kind())),
                );
            }
        }
    }
    networks
}

fn memory(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<u64> {
    let mut own = Fields::of(fields.take("memory")?, "`memory`", problems)?;
    let node = own.take("requestBuffers");
    own.finish(problems);
    size(node?, problems)
}

/// A size in bytes, with or without a unit.
pub(super) fn size(node: &Node, problems: &mut Problems) -> Option<u64> {
    let size = node.scalar().and_then(bytes);
    if size.is_none() {
        problems.error(node, format!("a size is written like 512MiB, not `{}`", node.scalar().unwrap_or(node.kind())));
    }
    size
}

/// Bytes, or with one of the units B, KiB, MiB, GiB.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn echo(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<SocketAddr> {
    let mut own = Fields::of(fields.take("echo")?, "`echo`", problems)?;
    let address = address(&mut own, problems);
    own.finish(problems);
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_their_prefix_says() {
        let network = |text| Network::parse(text).unwrap();
        assert!(network("10.0.0.0/8").contains("10.200.0.1".parse().unwrap()));
        assert!(network("10.0.0.0/8").contains("::ffff:10.0.0.1".parse().unwrap()));
        assert!(!network("10.0.0.0/8").contains("11.0.0.1".parse().unwrap()));
        assert!(network("::/0").contains("2001:db8::1".parse().unwrap()));
        assert!(!network("::/0").contains("10.0.0.1".parse().unwrap()));
        assert!(Network::parse("10.0.0.0/33").is_none() && Network::parse("x").is_none());
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(
            (bytes("512MiB"), bytes("10"), bytes("1 KiB"), bytes("1MB"), bytes("99999999999999999999")),
            (Some(512 << 20), Some(10), Some(1024), None, None)
        );
    }
}
