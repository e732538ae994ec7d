//! Asks a running gateway over its admin address.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::pinned;
use crate::config;

/// A gateway that is busy reloading answers within this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of an answer, in bytes.
const LARGEST: u64 = 256 << 20;

/// What a gateway answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The content.
    pub body: String,
}

/// Sends a request to the admin address of a configuration, with its token, and reads the answer.
///
/// # Errors
/// When nobody answers there.
pub async fn ask(own: &config::Admin, method: &str, path: &str, body: &str) -> io::Result<Answer> {
    tokio::time::timeout(PATIENCE, exchange(own, method, path, body)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn exchange(own: &config::Admin, method: &str, path: &str, body: &str) -> io::Result<Answer> {
    let token = own.token_file.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
    let authorization = token.map(|token| format!("Authorization: Bearer {}\r\n", token.trim())).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\n{authorization}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        own.address,
        body.len()
    );
    let stream = TcpStream::connect(own.address).await?;
    let bytes = match &own.tls {
        None => send(stream, &head).await?,
        Some(tls) => {
            let config = pinned::config(&tls.certificate).map_err(io::Error::other)?;
            let name = ServerName::IpAddress(own.address.ip().into());
            send(TlsConnector::from(Arc::new(config)).connect(name, stream).await?, &head).await?
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Answer { status, body: body.to_owned() })
}

async fn send(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut bytes = Vec::new();
    stream.take(LARGEST).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
