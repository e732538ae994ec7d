//! The yardstick: what the framework costs when it does nothing but pass on, or answer.
//!
//! `LISTEN` and `UPSTREAM` are addresses, `THREADS` and `POOL` numbers, `MODE` is `proxy` or `mock`.

use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::ResponseHeader;
use pingora::prelude::*;
use pingora::server::configuration::ServerConf;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Raw {
    upstream: String,
    mock: bool,
}

#[async_trait]
impl ProxyHttp for Raw {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let address: std::net::SocketAddr = self.upstream.parse().expect("UPSTREAM is an address");
        Ok(Box::new(HttpPeer::new(address, false, String::new())))
    }

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
        if !self.mock {
            return Ok(false);
        }
        let body = Bytes::from_static(b"{\"message\":\"ok\"}");
        let mut head = ResponseHeader::build(200, Some(2))?;
        head.insert_header("Content-Type", "application/json")?;
        head.set_content_length(body.len())?;
        session.write_response_header(Box::new(head), false).await?;
        session.write_response_body(Some(body), true).await?;
        Ok(true)
    }
}

fn main() {
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let conf = ServerConf {
        threads: variable("THREADS", "1").parse().expect("THREADS is a number"),
        upstream_keepalive_pool_size: variable("POOL", "1024").parse().expect("POOL is a number"),
        upgrade_sock: variable("USOCK", "/dev/shm/pingora-raw.sock"),
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let raw = Raw { upstream: variable("UPSTREAM", "127.0.0.1:9000"), mock: variable("MODE", "proxy") == "mock" };
    let mut service = http_proxy_service(&server.configuration, raw);
    service.add_tcp(&variable("LISTEN", "127.0.0.1:8081"));
    server.add_service(service);
    server.run_forever();
}
