//! A compiled Lambda function without any library: the Lambda Runtime API is plain HTTP.
//!
//! Built as `bootstrap` it is a function with the runtime `provided.al2023`. What it does is chosen by the event's `path`, so that tests can ask
//! for every kind of answer.
#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

struct Runtime {
    address: String,
    reader: BufReader<TcpStream>,
}

impl Runtime {
    fn connect() -> std::io::Result<Self> {
        let address = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(std::io::Error::other)?;
        let stream = TcpStream::connect(&address)?;
        Ok(Self { address, reader: BufReader::new(stream) })
    }

    /// One call: the answer's fields and content.
    fn call(&mut self, method: &str, path: &str, content: &[u8]) -> std::io::Result<(Vec<String>, Vec<u8>)> {
        let head =
            format!("{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n", self.address, content.len());
        self.reader.get_mut().write_all(&[head.as_bytes(), content].concat())?;
        let mut fields = Vec::new();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "" => break,
                line => fields.push(line.to_owned()),
            }
        }
        let length = field(&fields, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut content = vec![0; length];
        self.reader.read_exact(&mut content)?;
        Ok((fields, content))
    }
}

fn field<'f>(fields: &'f [String], name: &str) -> Option<&'f str> {
    fields.iter().filter_map(|line| line.split_once(": ")).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn main() -> std::io::Result<()> {
    let mut runtime = Runtime::connect()?;
    let mut calls = 0;
    loop {
        let (fields, event) = runtime.call("GET", "invocation/next", b"")?;
        calls += 1;
        let id = field(&fields, "lambda-runtime-aws-request-id").unwrap_or_default().to_owned();
        let event = String::from_utf8_lossy(&event).into_owned();
        let asks = |what: &str| event.contains(&format!("/{what}\""));
        println!("call {calls}");
        let answer = match () {
            () if asks("null") => "null".to_owned(),
            () if asks("garbage") => "this is no JSON".to_owned(),
            () if asks("silent") => {
                std::thread::sleep(Duration::from_secs(60));
                String::new()
            }
            () if asks("exit") => std::process::exit(3),
            () if asks("fork") => {
                let mut child = std::process::Command::new("/bin/sleep").arg("300").spawn()?;
                let text = format!("{{\"statusCode\":200,\"body\":\"{}\"}}", child.id());
                let _ = child.try_wait();
                text
            }
            () if asks("large") => format!("{{\"statusCode\":200,\"headers\":{{\"X-Large\":\"{}\"}}}}", "x".repeat(7 << 20)),
            () if asks("nonsense") => {
                runtime.call("POST", "invocation/of-somebody-else/response", b"{\"statusCode\":500}")?;
                runtime.call("POST", "nowhere/at/all", b"\x00\xff")?;
                "{\"statusCode\":200,\"body\":\"all the same\"}".to_owned()
            }
            () if asks("error") => {
                runtime.call("POST", &format!("invocation/{id}/error"), br#"{"errorType":"Mine","errorMessage":"on purpose"}"#)?;
                continue;
            }
            () => format!("{{\"statusCode\":200,\"body\":\"{calls}\"}}"),
        };
        runtime.call("POST", &format!("invocation/{id}/response"), answer.as_bytes())?;
    }
}
