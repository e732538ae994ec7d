//! HTTP/1.1 over a plain socket: the path, the header names and their order go out as written.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// What came back.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// All values of a header field, joined as one.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> =
            self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends one request on a connection of its own.
pub fn send(port: u16, method: &str, target: &str, headers: &[(String, String)], body: &[u8]) -> std::io::Result<Response> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(40)))?;
    let named = |name: &str| headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if !named("host") {
        head += &format!("Host: 127.0.0.1:{port}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !named("content-length") && !named("transfer-encoding") && (!body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH")) {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    let mut writer = stream.try_clone()?;
    let content = body.to_vec();
    // A refusal may come before all is sent; what cannot be sent then is no failure.
    let sender =
        std::thread::spawn(move || drop(writer.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| writer.write_all(&content))));
    let response = read(&mut BufReader::new(&stream), method);
    let _ = stream.shutdown(std::net::Shutdown::Both);
    let _ = sender.join();
    response
}

/// The response to a request that was sent on this connection.
pub fn read(stream: &mut BufReader<&TcpStream>, method: &str) -> std::io::Result<Response> {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let status: u16 = line.split(' ').nth(1).and_then(|status| status.trim().parse().ok()).ok_or(std::io::ErrorKind::InvalidData)?;
        let headers = fields(stream)?;
        if (100..200).contains(&status) && status != 101 {
            continue;
        }
        let named = |name: &str| headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
        let mut body = Vec::new();
        if method == "HEAD" || matches!(status, 101 | 204 | 304) {
            // There is none by definition.
        } else if named("transfer-encoding").is_some() {
            body = chunked(stream)?;
        } else if let Some(length) = named("content-length") {
            body = vec![0; length.parse().map_err(|_| std::io::ErrorKind::InvalidData)?];
            stream.read_exact(&mut body)?;
        } else {
            stream.read_to_end(&mut body)?;
        }
        return Ok(Response { status, headers, body });
    }
}

/// Header fields up to the empty line.
pub fn fields<R: std::io::Read>(stream: &mut BufReader<R>) -> std::io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(headers);
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }
}

/// Content in chunks.
pub fn chunked<R: std::io::Read>(stream: &mut BufReader<R>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let size =
            usize::from_str_radix(line.trim().split(';').next().unwrap_or_default(), 16).map_err(|_| std::io::ErrorKind::InvalidData)?;
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}
