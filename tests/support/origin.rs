//! An origin that does what it is told to, byte by byte.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What an origin does with a request.
#[derive(Debug)]
pub struct Asked<'s> {
    /// The request's first line and fields.
    pub head: String,
    /// How many requests came before this one.
    pub before: usize,
    pub stream: &'s mut TcpStream,
}

impl Asked<'_> {
    /// The path's last segment.
    pub fn kind(&self) -> &str {
        let target = self.head.split(' ').nth(1).unwrap_or_default();
        target.rsplit('/').next().unwrap_or_default()
    }

    /// Sends bytes; one that is gone gets nothing.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Waits until the other side closes.
    pub fn until_closed(&mut self) {
        let mut rest = [0; 1024];
        while self.stream.read(&mut rest).is_ok_and(|count| count > 0) {}
    }
}

/// The origin.
#[derive(Debug)]
pub struct Origin {
    pub port: u16,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    /// Listens on a free port until the test process ends. `behave` answers; true: the connection stays open.
    pub fn start(behave: impl Fn(&mut Asked<'_>) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = Self { port: listener.local_addr().unwrap().port(), connections: Arc::default(), heads: Arc::default() };
        let (connections, heads, behave) = (Arc::clone(&origin.connections), Arc::clone(&origin.heads), Arc::new(behave));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (heads, behave) = (Arc::clone(&heads), Arc::clone(&behave));
                std::thread::spawn(move || {
                    while let Some(head) = read_head(&mut stream) {
                        let before = {
                            let mut heads = heads.lock().unwrap();
                            heads.push(head.clone());
                            heads.len() - 1
                        };
                        if !behave(&mut Asked { head, before, stream: &mut stream }) {
                            return;
                        }
                    }
                });
            }
        });
        origin
    }

    /// Connections that were made so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The heads that arrived so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}
