//! One process takes the listening sockets over from another, and no connection is refused between them.
//!
//! The successor (`run --upgrade`) waits at a socket of the state directory. The predecessor, told by SIGQUIT, closes the file that only one
//! of them may have open, passes its sockets on, and goes on serving until the successor is ready. Then it accepts no more, lets what is
//! open end, and sends what it counted meanwhile.

use std::collections::HashMap;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

/// Below the state directory.
const SOCKET: &str = "upgrade.sock";
/// The successor waits so long for a predecessor that is told.
const TOLD: Duration = Duration::from_secs(60);
/// The predecessor looks so long for a successor …
const FOUND: Duration = Duration::from_secs(10);
/// … and gives it this time to be ready.
const READY: Duration = Duration::from_secs(60);
/// Both look this often.
const PAUSE: Duration = Duration::from_millis(50);
/// What the kernel passes on at once.
const MOST_SOCKETS: usize = 250;
/// Of a message, in bytes.
const MOST: u64 = 256 << 20;
const IS_READY: u8 = b'+';

/// What a successor is given.
pub(super) struct Inheritance {
    /// Listening sockets by their addresses, the admin's among them.
    pub(super) sockets: HashMap<SocketAddr, TcpListener>,
    predecessor: UnixStream,
}

/// Where a predecessor sends what it counts.
pub(super) struct Successor(UnixStream);

/// Waits for a predecessor that hands over.
///
/// # Errors
/// When none does in time.
#[expect(clippy::disallowed_methods, reason = "a command line has a clock, and this thread nothing else to do")]
pub(super) fn inherit(state_directory: &Path) -> io::Result<Inheritance> {
    std::fs::create_dir_all(state_directory)?;
    let path = state_directory.join(SOCKET);
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    let _removed = Removed(path.clone());
    // Whoever can connect takes part in serving.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    let deadline = Instant::now() + TOLD;
    let mut predecessor = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Err(_) if Instant::now() > deadline => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no running gateway was sent SIGQUIT"));
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    };
    predecessor.set_nonblocking(false)?;
    predecessor.set_read_timeout(Some(READY))?;
    let sockets = receive(&mut predecessor)?;
    Ok(Inheritance { sockets, predecessor })
}

impl Inheritance {
    /// Says that this process serves now.
    ///
    /// # Errors
    /// When the predecessor is gone.
    pub(super) fn ready(&mut self) -> io::Result<()> {
        self.predecessor.write_all(&[IS_READY])
    }

    /// Waits for what the predecessor counted until its end.
    ///
    /// # Errors
    /// When it ends without a word.
    pub(super) fn counted(mut self) -> io::Result<serde_json::Value> {
        self.predecessor.set_read_timeout(None)?;
        let mut text = Vec::new();
        (&mut self.predecessor).take(MOST).read_to_end(&mut text)?;
        serde_json::from_slice(&text).map_err(io::Error::other)
    }
}

/// Finds the process that waits to take over.
///
/// # Errors
/// When there is none.
#[expect(clippy::disallowed_methods, reason = "a command line has a clock, and this thread nothing else to do")]
pub(super) fn find(state_directory: &Path) -> io::Result<Successor> {
    let path = state_directory.join(SOCKET);
    let deadline = Instant::now() + FOUND;
    loop {
        match UnixStream::connect(&path) {
            Ok(stream) => {
                stream.set_read_timeout(Some(READY))?;
                stream.set_write_timeout(Some(READY))?;
                return Ok(Successor(stream));
            }
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

impl Successor {
    /// The successor's process, for the service manager.
    pub(super) fn process(&self) -> Option<i32> {
        rustix::net::sockopt::socket_peercred(&self.0).ok().map(|peer| peer.pid.as_raw_nonzero().get())
    }

    /// Passes sockets on and waits until the successor serves.
    ///
    /// # Errors
    /// When it does not come to that.
    pub(super) fn hand_over(&mut self, sockets: &[(SocketAddr, impl AsFd)]) -> io::Result<()> {
        send(&mut self.0, sockets)?;
        let mut answer = [0];
        self.0.read_exact(&mut answer)?;
        if answer == [IS_READY] { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// Sends what was counted; the last word.
    ///
    /// # Errors
    /// When the successor is gone.
    pub(super) fn tell(mut self, counted: &serde_json::Value) -> io::Result<()> {
        self.0.write_all(counted.to_string().as_bytes())?;
        self.0.shutdown(std::net::Shutdown::Write)
    }
}

/// Addresses as JSON behind their length; the sockets travel with the length.
fn send(stream: &mut UnixStream, sockets: &[(SocketAddr, impl AsFd)]) -> io::Result<()> {
    if sockets.len() > MOST_SOCKETS {
        return Err(io::Error::other(format!("{} listeners are more than can be handed over at once", sockets.len())));
    }
    let addresses: Vec<String> = sockets.iter().map(|(address, _)| address.to_string()).collect();
    let text = serde_json::Value::from(addresses).to_string();
    let length = u32::try_from(text.len()).map_err(io::Error::other)?.to_be_bytes();
    let descriptors: Vec<_> = sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("the sockets have no room in a message"));
    }
    rustix::net::sendmsg(&*stream, &[IoSlice::new(&length)], &mut control, SendFlags::empty())?;
    stream.write_all(text.as_bytes())
}

fn receive(stream: &mut UnixStream) -> io::Result<HashMap<SocketAddr, TcpListener>> {
    let mut length = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(&*stream, &mut [IoSliceMut::new(&mut length)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let descriptors: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| if let RecvAncillaryMessage::ScmRights(descriptors) = message { Some(descriptors) } else { None })
        .flatten()
        .collect();
    if received.bytes != length.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut text = Vec::new();
    stream.take(u32::from_be_bytes(length).into()).read_to_end(&mut text)?;
    let addresses: Vec<String> = serde_json::from_slice(&text).map_err(io::Error::other)?;
    if addresses.len() != descriptors.len() {
        return Err(io::Error::other("fewer sockets came than were announced"));
    }
    let named = addresses.into_iter().zip(descriptors).map(|(address, descriptor)| {
        let address = address.parse().map_err(io::Error::other)?;
        let listener = TcpListener::from(descriptor);
        listener.set_nonblocking(true)?;
        Ok((address, listener))
    });
    named.collect()
}

/// A path that goes when nobody is to find it any more.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_travel_with_their_addresses() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let listeners: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let named: Vec<_> = listeners.iter().map(|listener| (listener.local_addr().unwrap(), listener)).collect();
        send(&mut here, &named).unwrap();
        let received = receive(&mut there).unwrap();
        assert_eq!(received.len(), 3);
        for (address, listener) in received {
            assert_eq!(listener.local_addr().unwrap(), address);
        }
    }

    #[test]
    fn a_predecessor_that_goes_silently_is_an_error() {
        let (here, mut there) = UnixStream::pair().unwrap();
        drop(here);
        assert!(receive(&mut there).is_err());
    }
}
