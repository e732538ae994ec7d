//! A response that goes to the client as it comes.

use std::time::Duration;

use http::Method;
use pingora::protocols::http::ServerSession;
use tokio::time::Instant;

use super::connection::Connection;
use super::convert::{self, Framing};
use crate::exchange::{Pieces, Response};
use crate::pipeline::Exchange;

/// Who has begun a response may pause for this long (API Gateway's guide, for regional and private APIs).
const PAUSE: Duration = Duration::from_secs(300);

impl Connection {
    /// Sends a response whose content follows; whether the connection can take another request.
    pub(super) async fn pass_on(
        &self,
        session: &mut ServerSession,
        exchange: &mut Exchange,
        response: Response,
        mut rest: Pieces,
        deadline: Instant,
    ) -> bool {
        let bodiless = matches!(response.status, 100..=199 | 204 | 304);
        // HTTP/1.0 knows no chunks: there the end of the connection is the end of the content.
        let is_old = session.req_header().version == http::Version::HTTP_10;
        if is_old {
            session.set_keepalive(None);
        }
        let framing = if bodiless || is_old { Framing::None } else { Framing::Chunked };
        let Ok(head) = convert::response(&response, framing) else { return false };
        if session.write_response_header(Box::new(head)).await.is_err() {
            return false;
        }
        if bodiless || session.req_header().method == Method::HEAD {
            return true;
        }
        let mut sent = 0;
        let is_whole = loop {
            let until = deadline.min(Instant::now() + PAUSE);
            match tokio::time::timeout_at(until, rest.next()).await {
                Ok(Ok(Some(piece))) => {
                    sent += piece.len() as u64;
                    if session.write_response_body(piece, false).await.is_err() {
                        break false;
                    }
                }
                Ok(Ok(None)) => break session.finish_body().await.is_ok(),
                Ok(Err(broken)) => {
                    self.edge.pipeline.broke_off(exchange, broken.0.into_string());
                    break false;
                }
                Err(_) => {
                    self.edge.pipeline.broke_off(exchange, "the response paused or took for too long".to_owned());
                    break false;
                }
            }
        };
        exchange.context.response_length = sent;
        if !is_whole {
            // What was begun cannot be completed, and the client must see that: no last chunk.
            session.shutdown().await;
        }
        is_whole && !is_old
    }
}
