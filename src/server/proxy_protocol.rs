//! The PROXY protocol, versions 1 and 2: a load balancer says whose connection it passes on, before the first byte of the client's
//! (proxy-protocol.txt, sections 2.1 and 2.2). Nothing behind the header is read.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// What version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, its end included.
const LINE: usize = 107;
/// The longest header of version 2 behind its first 16 bytes; addresses need 36, the rest is for extensions.
const EXTENSIONS: usize = 2 << 10;

/// From where to where the passed-on connection goes.
pub(super) type Addresses = (SocketAddr, SocketAddr);

/// Reads the header; nothing: the balancer speaks for itself, as for a health check.
///
/// # Errors
/// Where there is none, or none that is sound.
pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Option<Addresses>> {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    if start == *SIGNATURE {
        return version2(stream).await;
    }
    if !start.starts_with(b"PROXY ") {
        return Err(unsound());
    }
    let mut line = start.to_vec();
    let mut ahead = [0; LINE];
    loop {
        let room = ahead.get_mut(..LINE - line.len()).filter(|room| !room.is_empty()).ok_or_else(unsound)?;
        let seen = stream.peek(room).await?;
        if seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let end = room.get(..seen).and_then(|seen| seen.iter().position(|&byte| byte == b'\n'));
        let taken = room.get_mut(..end.map_or(seen, |end| end + 1)).unwrap_or_default();
        stream.read_exact(taken).await?;
        line.extend_from_slice(taken);
        if end.is_some() {
            return version1(&line);
        }
    }
}

fn version1(line: &[u8]) -> io::Result<Option<Addresses>> {
    let line = std::str::from_utf8(line).ok().and_then(|line| line.strip_suffix("\r\n")).ok_or_else(unsound)?;
    let parts: Vec<&str> = line.split(' ').collect();
    match *parts.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", family @ ("TCP4" | "TCP6"), source, destination, source_port, destination_port] => {
            let address = |address: &str, port: &str| {
                let address: IpAddr = address.parse().ok().filter(|address: &IpAddr| address.is_ipv4() == (family == "TCP4"))?;
                let canonical = port == "0" || !port.starts_with(['0', '+']);
                Some(SocketAddr::new(address, port.parse().ok().filter(|_| canonical)?))
            };
            address(source, source_port).zip(address(destination, destination_port)).map(Some).ok_or_else(unsound)
        }
        _ => Err(unsound()),
    }
}

async fn version2(stream: &mut TcpStream) -> io::Result<Option<Addresses>> {
    let mut fixed = [0; 4];
    stream.read_exact(&mut fixed).await?;
    let [command, family, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > EXTENSIONS {
        return Err(unsound());
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    addresses(command, family, &rest)
}

fn addresses(command: u8, family: u8, rest: &[u8]) -> io::Result<Option<Addresses>> {
    match (command, family) {
        (0x20, _) => Ok(None),
        (0x21, 0x11) => pair::<4>(rest).map(Some),
        (0x21, 0x21) => pair::<16>(rest).map(Some),
        // A family without an address that we could use: unspecified, datagrams, local sockets.
        (0x21, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => Ok(None),
        _ => Err(unsound()),
    }
}

fn pair<const N: usize>(rest: &[u8]) -> io::Result<Addresses>
where
    [u8; N]: Into<IpAddr>,
{
    let read = || {
        let (source, rest) = rest.split_first_chunk::<N>()?;
        let (destination, rest) = rest.split_first_chunk::<N>()?;
        let (source_port, rest) = rest.split_first_chunk::<2>()?;
        let (destination_port, _) = rest.split_first_chunk::<2>()?;
        let address = |address: [u8; N], port: [u8; 2]| SocketAddr::new(address.into(), u16::from_be_bytes(port));
        Some((address(*source, *source_port), address(*destination, *destination_port)))
    };
    read().ok_or_else(unsound)
}

fn unsound() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the connection does not begin with a sound PROXY header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_version_1() {
        let read = |line: &str| version1(line.as_bytes()).ok();
        let known = Some(Some(("192.0.2.1:56324".parse().unwrap(), "192.0.2.9:443".parse().unwrap())));
        assert_eq!(read("PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n"), known);
        assert!(matches!(read("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"), Some(Some(_))));
        assert_eq!(read("PROXY UNKNOWN\r\n"), Some(None));
        assert_eq!(read("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), Some(None));
        for line in [
            "PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 56324\r\n",
            "PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 65536 443\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 +1 443\r\n",
            "PROXY TCP4  192.0.2.1 192.0.2.9 1 443\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.9 1 443\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 1 443 x\r\n",
        ] {
            assert_eq!(read(line), None, "{line:?}");
        }
    }

    #[test]
    fn headers_of_version_2() {
        let read = |command, family, rest: &[u8]| addresses(command, family, rest).ok();
        let v4 = [192, 0, 2, 1, 192, 0, 2, 9, 0xdc, 4, 1, 0xbb, 4, 0, 0];
        assert_eq!(read(0x21, 0x11, &v4), Some(Some(("192.0.2.1:56324".parse().unwrap(), "192.0.2.9:443".parse().unwrap()))));
        assert!(matches!(read(0x21, 0x21, &[1; 36]), Some(Some(_))));
        assert_eq!(read(0x20, 0x00, &[]), Some(None));
        assert_eq!(read(0x21, 0x31, &[0; 216]), Some(None));
        assert_eq!(read(0x21, 0x11, &v4[..11]), None);
        assert_eq!(read(0x22, 0x11, &v4), None);
        assert_eq!(read(0x11, 0x11, &v4), None);
    }
}
