//! What the service manager is told: `sd_notify(3)`'s protocol, for a unit of `Type=notify`.

use std::borrow::Cow;
use std::ffi::OsStr;
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// A change of state that the service manager waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Every listener is open.
    Ready,
    /// The end has begun.
    Stopping,
    /// Another process serves from now on.
    Replaced(i32),
}

impl State {
    fn message(self) -> Cow<'static, [u8]> {
        match self {
            Self::Ready => b"READY=1".into(),
            Self::Stopping => b"STOPPING=1".into(),
            Self::Replaced(process) => format!("MAINPID={process}").into_bytes().into(),
        }
    }
}

/// Tells the service manager, if there is one. A message that is lost costs the manager a time-out, never a request.
pub(super) fn notify(state: State) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&socket, state) {
        tracing::warn!("the service manager cannot be told of {state:?}: {error}");
    }
}

fn send(socket: &OsStr, state: State) -> std::io::Result<()> {
    UnixDatagram::unbound()?.send_to_addr(&state.message(), &address(socket)?).map(drop)
}

/// A name that begins with `@` is in Linux's abstract namespace.
#[cfg(target_os = "linux")]
fn address(socket: &OsStr) -> std::io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;

    socket.as_bytes().strip_prefix(b"@").map_or_else(|| SocketAddr::from_pathname(socket), SocketAddr::from_abstract_name)
}

#[cfg(not(target_os = "linux"))]
fn address(socket: &OsStr) -> std::io::Result<SocketAddr> {
    SocketAddr::from_pathname(socket)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_address_are_told() {
        let name = format!("headgate-notify-{}", std::process::id());
        let abstract_name = format!("@{name}");
        let abstract_socket = UnixDatagram::bind_addr(&address(OsStr::new(&abstract_name)).unwrap()).unwrap();
        send(OsStr::new(&abstract_name), State::Ready).unwrap();
        let mut received = [0; 32];
        let length = abstract_socket.recv(&mut received).unwrap();
        assert_eq!(received.get(..length), Some(&b"READY=1"[..]));

        let path = std::env::temp_dir().join(&name);
        let named_socket = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), State::Stopping).unwrap();
        let length = named_socket.recv(&mut received).unwrap();
        assert_eq!(received.get(..length), Some(&b"STOPPING=1"[..]));
        std::fs::remove_file(path).unwrap();
        assert!(send(OsStr::new("/nowhere/at/all"), State::Ready).is_err());
    }
}
