//! A compiled Lambda function without any library: the Lambda Runtime API is plain HTTP.
//!
//! Built as `bootstrap` it is a function with the runtime `provided.al2023` that answers how often it was called, or, for measurements, with as
//! many bytes as its variable `ANSWER_BYTES` says.
#![allow(clippy::disallowed_methods, missing_docs)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

struct Runtime {
    address: String,
    reader: BufReader<TcpStream>,
}

impl Runtime {
    fn connect() -> std::io::Result<Self> {
        let address = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(std::io::Error::other)?;
        let stream = TcpStream::connect(&address)?;
        stream.set_nodelay(true)?;
        Ok(Self { address, reader: BufReader::new(stream) })
    }

    /// One call: the id of the event that came, if one did, and the content.
    fn call(&mut self, method: &str, path: &str, content: &[u8]) -> std::io::Result<(String, Vec<u8>)> {
        let head = format!(
            "{method} /2018-06-01/runtime/invocation/{path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            content.len()
        );
        self.reader.get_mut().write_all(&[head.as_bytes(), content].concat())?;
        let (mut id, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line.trim_end().is_empty() {
                    break;
                }
                continue;
            };
            match name {
                "lambda-runtime-aws-request-id" => value.clone_into(&mut id),
                "content-length" => length = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        let mut content = vec![0; length];
        self.reader.read_exact(&mut content)?;
        Ok((id, content))
    }
}

fn main() -> std::io::Result<()> {
    let mut runtime = Runtime::connect()?;
    let mut calls = 0_u64;
    let fixed = std::env::var("ANSWER_BYTES").ok().and_then(|size| size.parse().ok()).map(|size| "x".repeat(size));
    loop {
        let (id, _event) = runtime.call("GET", "next", b"")?;
        calls += 1;
        let body = fixed.clone().unwrap_or_else(|| format!("called {calls} times\\n"));
        let result = format!("{{\"statusCode\":200,\"headers\":{{\"Content-Type\":\"text/plain\"}},\"body\":\"{body}\"}}");
        runtime.call("POST", &format!("{id}/response"), result.as_bytes())?;
    }
}
