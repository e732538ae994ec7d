//! A Lambda function that does whatever its event's `path` asks for, for the tests of those that run here. It has no library: the Lambda Runtime
//! API is plain HTTP.
#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::too_many_lines, missing_docs)]

use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const ROOT: &str = "/2018-06-01/runtime";

struct Runtime {
    address: String,
    reader: BufReader<TcpStream>,
}

/// What the API answered.
struct Answer {
    status: u16,
    fields: Vec<String>,
    content: Vec<u8>,
}

impl Runtime {
    fn connect() -> Result<Self> {
        let address = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(std::io::Error::other)?;
        let stream = TcpStream::connect(&address)?;
        Ok(Self { address, reader: BufReader::new(stream) })
    }

    fn call(&mut self, method: &str, path: &str, content: &[u8]) -> Result<Answer> {
        let head = format!("{method} {ROOT}/{path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n", self.address, content.len());
        self.write(&[head.as_bytes(), content].concat())?;
        self.read()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    fn read(&mut self) -> Result<Answer> {
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
        let status = fields.first().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
        let length = field(&fields, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut content = vec![0; length];
        self.reader.read_exact(&mut content)?;
        Ok(Answer { status, fields, content })
    }

    /// Begins to stream a response.
    fn stream(&mut self, id: &str, trailer: bool) -> Result<()> {
        let trailer = if trailer { "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n" } else { "" };
        let head = format!(
            "POST {ROOT}/invocation/{id}/response HTTP/1.1\r\nHost: {}\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n{trailer}\
             Transfer-Encoding: chunked\r\n\r\n",
            self.address
        );
        self.write(head.as_bytes())
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<()> {
        let head = format!("{:x}\r\n", bytes.len());
        self.write(&[head.as_bytes(), bytes, b"\r\n"].concat())
    }
}

fn field<'f>(fields: &'f [String], name: &str) -> Option<&'f str> {
    fields.iter().filter_map(|line| line.split_once(": ")).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn body(text: &str) -> String {
    format!("{{\"statusCode\":200,\"body\":\"{}\"}}", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// What an authorizer answers.
fn policy(effect: &str) -> String {
    let statement = format!("{{\"Action\":\"execute-api:Invoke\",\"Effect\":\"{effect}\",\"Resource\":\"*\"}}");
    format!("{{\"principalId\":\"me\",\"policyDocument\":{{\"Version\":\"2012-10-17\",\"Statement\":[{statement}]}}}}")
}

fn main() -> Result<()> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let mut runtime = Runtime::connect()?;
    match variable("INIT").as_str() {
        "exit" => std::process::exit(7),
        "error" => {
            runtime.call("POST", "init/error", br#"{"errorType":"Init","errorMessage":"on purpose"}"#)?;
            std::process::exit(1);
        }
        "silent" => std::thread::sleep(Duration::from_secs(60)),
        _ => {}
    }
    let mut calls = 0;
    let mut seen = String::new();
    loop {
        let next = runtime.call("GET", "invocation/next", b"")?;
        calls += 1;
        let id = field(&next.fields, "lambda-runtime-aws-request-id").unwrap_or_default().to_owned();
        let event = String::from_utf8_lossy(&next.content).into_owned();
        let asks = |what: &str| event.contains(&format!("/{what}\""));
        let authorizes = event.contains("\"methodArn\"");
        println!("call {calls} of {id}");
        if asks("stream") || asks("stream-break") || asks("stream-error") || asks("stream-headless") {
            stream(&mut runtime, &id, &event)?;
            continue;
        }
        let respond = format!("invocation/{id}/response");
        let answer = match () {
            () if authorizes && asks("allow") => policy("Allow"),
            () if authorizes && asks("deny") => policy("Deny"),
            () if asks("null") => "null".to_owned(),
            () if asks("garbage") => "this is no JSON".to_owned(),
            () if asks("silent") => {
                std::thread::sleep(Duration::from_secs(60));
                String::new()
            }
            () if asks("exit") => std::process::exit(3),
            () if asks("abort") => std::process::abort(),
            () if asks("answer-and-exit") => {
                runtime.call("POST", &respond, body(&std::process::id().to_string()).as_bytes())?;
                std::process::exit(0);
            }
            () if asks("fork") => child(Command::new("/bin/sleep").arg("300"))?,
            // In a session of its own it is in no group that could be ended.
            () if asks("escape") => child(Command::new("/usr/bin/setsid").args(["/bin/sleep", "300"]))?,
            () if asks("memory") => {
                // Every page is touched: memory that is only reserved is nobody's.
                let held: Vec<u8> = (0..400_usize << 20).map(|at| u8::try_from(at % 251).unwrap_or(1)).collect();
                std::thread::sleep(Duration::from_secs(60));
                body(&held.len().to_string())
            }
            () if asks("large") => format!("{{\"statusCode\":200,\"headers\":{{\"X-Large\":\"{}\"}}}}", "x".repeat(7 << 20)),
            () if asks("many-headers") => {
                let headers: Vec<String> = (0..2000).map(|n| format!("\"X-{n}\":\"{}\"", "x".repeat(50))).collect();
                format!("{{\"statusCode\":200,\"headers\":{{{}}}}}", headers.join(","))
            }
            () if asks("huge-head") => {
                let head = format!("POST {ROOT}/{respond} HTTP/1.1\r\nHost: x\r\n");
                let line = format!("X-Huge: {}\r\n", "x".repeat(1000));
                // The other side stops reading at some time.
                let _ = runtime.write(&[head.as_bytes(), line.repeat(10_000).as_bytes(), b"\r\n"].concat());
                runtime.read()?;
                continue;
            }
            () if asks("nonsense") => {
                let statuses = [
                    runtime.call("POST", "invocation/of-somebody-else/response", b"{\"statusCode\":500}")?.status,
                    runtime.call("POST", "nowhere/at/all", b"\x00\xff")?.status,
                    runtime.call("POST", "init/error", b"{}")?.status,
                    // Before the event that it has is answered.
                    runtime.call("GET", "invocation/next", b"")?.status,
                    // Another process of the same environment.
                    Runtime::connect()?.call("GET", "invocation/next", b"")?.status,
                ];
                let mut other = Runtime::connect()?;
                other.write(b"\x16\x03\x01 this is no HTTP at all\r\n\r\n")?;
                let _ = other.read();
                body(&format!("{statuses:?}"))
            }
            () if asks("twice") => {
                runtime.call("POST", &respond, body("once").as_bytes())?;
                seen = runtime.call("POST", &respond, body("twice").as_bytes())?.status.to_string();
                continue;
            }
            () if asks("seen") => body(&seen),
            () if asks("two-pollers") => {
                // A second poller waits before this event is answered, and takes the next one in the place of the first.
                runtime.call("POST", &respond, body("first").as_bytes())?;
                let mut other = Runtime::connect()?;
                std::mem::swap(&mut runtime, &mut other);
                drop(other);
                continue;
            }
            () if asks("error") => {
                runtime.call("POST", &format!("invocation/{id}/error"), br#"{"errorType":"Mine","errorMessage":"on purpose"}"#)?;
                continue;
            }
            () if asks("garbage-error") => {
                runtime.call("POST", &format!("invocation/{id}/error"), b"\xff\xfe")?;
                continue;
            }
            () if asks("environment") => {
                let mut names: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
                names.sort();
                body(&names.join("\n"))
            }
            () if asks("descriptors") => {
                let open = std::fs::read_dir("/proc/self/fd")?.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
                body(&open.map(|link| link.display().to_string()).collect::<Vec<_>>().join("\n"))
            }
            () if asks("limits") => body(&std::fs::read_to_string("/proc/self/limits")?),
            () if asks("log") => {
                println!("a line of the log");
                std::io::stderr().write_all(b"and one of the errors\n")?;
                body("logged")
            }
            () if asks("version") => {
                body(&format!("{} {}", variable("AWS_LAMBDA_FUNCTION_VERSION"), std::fs::read_to_string("data").unwrap_or_default()))
            }
            () if asks("context") => body(field(&next.fields, "lambda-runtime-client-context").unwrap_or_default()),
            () if asks("remaining") => {
                let deadline: u128 = field(&next.fields, "lambda-runtime-deadline-ms").and_then(|ms| ms.parse().ok()).unwrap_or(0);
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(std::io::Error::other)?.as_millis();
                let (file, made) = (format!("{}.remaining", variable("GO")), format!("{}.making", variable("GO")));
                std::fs::write(&made, deadline.saturating_sub(now).to_string())?;
                std::fs::rename(made, file)?;
                body("written")
            }
            () if asks("pid") => body(&std::process::id().to_string()),
            () => body(&calls.to_string()),
        };
        runtime.call("POST", &respond, answer.as_bytes())?;
    }
}

/// Starts a process that outlives the event, and answers with its id.
fn child(command: &mut Command) -> Result<String> {
    let mut child = command.spawn()?;
    let text = body(&child.id().to_string());
    let _ = child.try_wait();
    Ok(text)
}

/// Streams a response in two pieces; the second one waits for a file that whoever reads the first one makes.
fn stream(runtime: &mut Runtime, id: &str, event: &str) -> Result<()> {
    let asks = |what: &str| event.contains(&format!("/{what}\""));
    runtime.stream(id, asks("stream-error"))?;
    if asks("stream-headless") {
        runtime.chunk(&[b'x'; 20_000])?;
    } else {
        runtime.chunk(br#"{"statusCode":201,"headers":{"Content-Type":"text/plain"},"cookies":["a=1","b=2"]}"#)?;
        runtime.chunk(&[0; 8])?;
        runtime.chunk(b"first,")?;
        let go = std::env::var("GO").unwrap_or_default();
        if !go.is_empty() {
            std::fs::write(format!("{go}.begun"), "")?;
        }
        while !go.is_empty() && !std::path::Path::new(&go).exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    if asks("stream-break") {
        std::process::exit(4);
    }
    if asks("stream-error") {
        let report = "eyJlcnJvclR5cGUiOiJMYXRlIiwiZXJyb3JNZXNzYWdlIjoib24gcHVycG9zZSJ9";
        runtime.write(
            format!("0\r\nLambda-Runtime-Function-Error-Type: Late\r\nLambda-Runtime-Function-Error-Body: {report}\r\n\r\n").as_bytes(),
        )?;
    } else {
        runtime.chunk(b"second")?;
        runtime.write(b"0\r\n\r\n")?;
    }
    runtime.read().map(drop)
}
