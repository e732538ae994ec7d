//! What the admin address answers.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::Response;
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;

use super::access::Access;
use super::invoke::{self, Invoke};
use crate::functions::Answer;

/// What the admin address can ask for.
#[async_trait]
pub trait Operator: Send + Sync + 'static {
    /// Whether requests are served.
    fn ready(&self) -> bool;
    /// What a person may want to know beside that, one line each.
    fn details(&self) -> Vec<String>;
    /// All metrics in Prometheus' text format.
    fn metrics(&self) -> String;
    /// Reads the configuration anew, or only what operators set in the state directory.
    ///
    /// # Errors
    /// With the problems as JSON.
    async fn reload(&self, what: Reload) -> Result<serde_json::Value, serde_json::Value>;
    /// Lambda's `Invoke` of a function that runs here; nothing where none of the name does.
    async fn invoke(&self, invocation: Invoke<'_>) -> Option<Answer>;
    /// One of AWS's own operations at AWS's own path; nothing where there is none such.
    async fn control(&self, operation: Operation<'_>) -> Option<(u16, serde_json::Value)>;
}

/// What is read anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// Everything.
    All,
    /// What operators set at run time; the files stay as they were read.
    State,
}

/// A control operation as it came.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'o> {
    /// The HTTP method.
    pub method: &'o str,
    /// The path's segments, decoded.
    pub path: &'o [String],
    /// The query string.
    pub query: &'o str,
    /// The content.
    pub content: &'o [u8],
}

/// The admin address's application.
pub(super) struct Admin {
    operator: Arc<dyn Operator>,
    address: SocketAddr,
    access: Arc<Access>,
}

/// Of a control operation's content, in bytes.
const CONTENT: usize = 6 << 20;

impl Admin {
    pub(super) const fn new(operator: Arc<dyn Operator>, address: SocketAddr, access: Arc<Access>) -> Self {
        Self { operator, address, access }
    }

    /// A page in a browser must not reach this address under another name (DNS rebinding): the host is an address or `localhost`.
    fn is_own_host(&self, host: &str) -> bool {
        let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.parse::<u16>().is_ok() { name } else { host });
        let name = name.trim_matches(['[', ']']);
        name == "localhost"
            || name
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback() || address == self.address.ip() || self.address.ip().is_unspecified())
    }

    async fn is_allowed(&self, authorization: Option<&str>) -> bool {
        self.access.guard().allows(authorization).await
    }

    async fn respond(
        &self,
        method: &str,
        path: &str,
        query: Option<&str>,
        host: &str,
        authorization: Option<&str>,
        content: &[u8],
    ) -> (u16, &'static str, String) {
        const TEXT: &str = "text/plain; charset=utf-8";
        const JSON: &str = "application/json";
        if !self.is_own_host(host) {
            return (403, TEXT, "this address serves no other host\n".into());
        }
        let allowed = self.is_allowed(authorization).await;
        match (method, path) {
            ("GET", "/livez" | "/healthz") => (200, TEXT, "ok\n".into()),
            ("GET", "/readyz") => {
                let ready = self.operator.ready();
                let mut text = if ready { "ok\n" } else { "not ready\n" }.to_owned();
                if query.is_some_and(|query| query.contains("verbose")) {
                    text.extend(self.operator.details().iter().map(|line| format!("{line}\n")));
                }
                (if ready { 200 } else { 503 }, TEXT, text)
            }
            _ if !allowed => (401, JSON, r#"{"message":"Unauthorized"}"#.into()),
            ("GET", "/metrics") => (200, "text/plain; version=0.0.4; charset=utf-8", self.operator.metrics()),
            ("POST", "/reload") => match self.operator.reload(if query == Some("state") { Reload::State } else { Reload::All }).await {
                Ok(done) => (200, JSON, done.to_string()),
                Err(problems) => (422, JSON, problems.to_string()),
            },
            (_, "/livez" | "/healthz" | "/readyz" | "/metrics" | "/reload") => (405, JSON, r#"{"message":"Method Not Allowed"}"#.into()),
            _ => {
                let decoded = |segment: &str| percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned();
                let segments: Vec<String> = path.trim_start_matches('/').split('/').map(decoded).collect();
                let operation = Operation { method, path: &segments, query: query.unwrap_or_default(), content };
                match self.operator.control(operation).await {
                    Some((status, answer)) => (status, JSON, answer.to_string()),
                    None => (404, JSON, r#"{"message":"Not Found"}"#.into()),
                }
            }
        }
    }
}

/// The content of a control operation, as far as it is read at all.
async fn content(session: &mut ServerSession) -> Vec<u8> {
    let mut content = Vec::new();
    while let Ok(Some(piece)) = session.read_request_body().await {
        if content.len() + piece.len() > CONTENT {
            break;
        }
        content.extend_from_slice(&piece);
    }
    content
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        session.set_keepalive(None);
        let content = content(session).await;
        let head = session.req_header();
        let may_invoke = invoke::is_invoke(head) && {
            let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
            self.is_own_host(text("host").unwrap_or_default()) && self.is_allowed(text("authorization")).await
        };
        if may_invoke && let Some(response) = invoke::invoke(&*self.operator, head, &content).await {
            return response;
        }
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let (status, content_type, body) = self
            .respond(
                head.method.as_str(),
                head.uri.path(),
                head.uri.query(),
                text("host").unwrap_or_default(),
                text("authorization"),
                &content,
            )
            .await;
        let body = Bytes::from(body);
        let response = Response::builder()
            .status(status)
            .header("Content-Type", content_type)
            .header("Content-Length", body.len())
            .header("Cache-Control", "no-store")
            .body(body.to_vec());
        response.unwrap_or_else(|_| Response::new(Vec::new()))
    }
}
