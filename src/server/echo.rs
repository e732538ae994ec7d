//! A small origin that answers with what it was asked, so that samples need nothing else on the machine.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The largest content that is echoed, in bytes.
const CONTENT: usize = 1 << 20;
/// The longest head, in bytes.
const HEAD: u64 = 64 << 10;

/// Answers every request at `address` with a JSON description of it, until the process ends.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn echo(address: SocketAddr) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while matches!(answer(&mut stream).await, Ok(true)) {}
            });
        }
    });
    Ok(())
}

/// Answers one request; false at the connection's end.
async fn answer(stream: &mut BufReader<TcpStream>) -> std::io::Result<bool> {
    let mut lines = Vec::new();
    let mut head = (&mut *stream).take(HEAD);
    loop {
        let mut line = String::new();
        if head.read_line(&mut line).await? == 0 {
            return Ok(false);
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut fields = serde_json::Map::new();
    for (name, value) in lines.iter().skip(1).filter_map(|line| line.split_once(':')) {
        fields.insert(name.to_ascii_lowercase(), value.trim().into());
    }
    let text = |name: &str| fields.get(name).and_then(serde_json::Value::as_str);
    let length = text("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let content = if text("transfer-encoding").is_some() { chunked(stream).await? } else { sized(stream, length).await? };
    let mut start = lines.first().map_or("", String::as_str).split(' ');
    let (method, target) = (start.next().unwrap_or_default(), start.next().unwrap_or_default());
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let body =
        json!({"method": method, "path": path, "query": query, "headers": fields, "body": String::from_utf8_lossy(&content)}).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await?;
    stream.flush().await?;
    Ok(true)
}

async fn sized(stream: &mut BufReader<TcpStream>, length: usize) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    (&mut *stream).take(length as u64).read_to_end(&mut content).await?;
    content.truncate(CONTENT);
    Ok(content)
}

async fn chunked(stream: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let mut line = String::new();
        (&mut *stream).take(64).read_line(&mut line).await?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(|_| std::io::ErrorKind::InvalidData)?;
        let chunk = sized(stream, size + 2).await?;
        if size == 0 {
            return Ok(content);
        }
        content.extend(chunk.iter().take(size));
        content.truncate(CONTENT);
    }
}
