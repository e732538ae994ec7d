//! The yardstick: what the framework costs when it does nothing but pass on, or answer.
//!
//! `LISTEN` and `UPSTREAM` are addresses, `THREADS` and `POOL` numbers, `MODE` is `proxy`, `mock` or `cache`. With `TLS_LISTEN`, `CERT` and
//! `KEY` there is a second listener with TLS and HTTP/2.

use std::net::SocketAddr;
use std::sync::LazyLock;

use async_trait::async_trait;
use bytes::Bytes;
use pingora::cache::cache_control::CacheControl;
use pingora::cache::filters::resp_cacheable;
use pingora::cache::{CacheKey, CacheMetaDefaults, MemCache, RespCacheable};
use pingora::http::ResponseHeader;
use pingora::listeners::tls::TlsSettings;
use pingora::prelude::*;
use pingora::server::configuration::ServerConf;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

static CACHE: LazyLock<MemCache> = LazyLock::new(MemCache::new);
/// Only what the origin's `Cache-Control` allows is kept.
const DEFAULTS: CacheMetaDefaults = CacheMetaDefaults::new(|_| None, 0, 0);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Proxy,
    Mock,
    Cache,
}

struct Raw {
    upstream: SocketAddr,
    mode: Mode,
}

#[async_trait]
impl ProxyHttp for Raw {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
        if self.mode != Mode::Mock {
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

    fn request_cache_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<()> {
        if self.mode == Mode::Cache {
            session.cache.enable(&*CACHE, None, None, None, None);
        }
        Ok(())
    }

    fn cache_key_callback(&self, session: &Session, _ctx: &mut ()) -> Result<CacheKey> {
        Ok(CacheKey::new(session.req_header().raw_path(), ""))
    }

    fn response_cache_filter(&self, _session: &Session, response: &ResponseHeader, _ctx: &mut ()) -> Result<RespCacheable> {
        let control = CacheControl::from_resp_headers(response);
        Ok(resp_cacheable(control.as_ref(), response.clone(), false, &DEFAULTS))
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
    let mode = match &*variable("MODE", "proxy") {
        "proxy" => Mode::Proxy,
        "mock" => Mode::Mock,
        "cache" => Mode::Cache,
        other => panic!("MODE {other} is not one of proxy, mock, cache"),
    };
    let upstream = variable("UPSTREAM", "127.0.0.1:9000").parse().expect("UPSTREAM is an address");
    let mut service = http_proxy_service(&server.configuration, Raw { upstream, mode });
    service.add_tcp(&variable("LISTEN", "127.0.0.1:8081"));
    if let Ok(address) = std::env::var("TLS_LISTEN") {
        let mut tls = TlsSettings::intermediate(&variable("CERT", ""), &variable("KEY", "")).expect("CERT and KEY are files");
        tls.enable_h2();
        service.add_tls_with_settings(&address, None, tls);
    }
    server.add_service(service);
    server.run_forever();
}
