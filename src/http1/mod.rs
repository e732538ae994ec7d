//! HTTP/1.1 messages on a byte stream (RFC 9112), read strictly and written in as few writes as can be.
//!
//! Fields are slices of the bytes that were read; what has two readings is refused. This module knows nothing of the gateway, and
//! of sockets only that they can be read and written.

mod body;
mod chunked;
mod client;
mod head;
mod server;

pub use client::{Connection, Exchange, Step};
pub use head::{Refusal, RequestHead, read_request_head, write_request_head};
pub use server::{Framing, Session, Unread};

/// Why a message could not be read.
#[derive(Debug)]
pub enum Broken {
    /// The connection ended or failed.
    Io(std::io::Error),
    /// What came breaks HTTP's rules or a limit.
    Refused(&'static str),
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => f.write_str("the connection was closed too early"),
            Self::Io(error) => write!(f, "{error}"),
            Self::Refused(reason) => f.write_str(reason),
        }
    }
}
