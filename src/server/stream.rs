//! A response that goes to the client as it comes.

use std::time::Duration;

use http::Method;
use tokio::time::Instant;

use super::connection::Connection;
use super::session::Session;
use crate::exchange::{Pieces, Response};
use crate::http1::Framing;
use crate::pipeline::Exchange;

/// Who has begun a response may pause for this long (API Gateway's guide, for regional and private APIs).
const PAUSE: Duration = Duration::from_secs(300);

impl Connection {
    /// Sends a response whose content follows; whether the connection can take another request.
    pub(super) async fn pass_on(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        response: Response,
        mut rest: Pieces,
        deadline: Instant,
    ) -> bool {
        let bodiless = matches!(response.status, 100..=199 | 204 | 304);
        let framing = if bodiless { Framing::None } else { Framing::Chunked };
        if session.write_head(&response, framing).await.is_err() || session.flush().await.is_err() {
            return false;
        }
        if bodiless || exchange.context.http_method == Method::HEAD {
            return session.finish().await.is_ok();
        }
        let mut sent = 0;
        let is_whole = loop {
            let until = deadline.min(Instant::now() + PAUSE);
            let next = tokio::select! {
                biased;
                next = tokio::time::timeout_at(until, rest.next()) => next,
                () = session.gone(), if session.is_content_done() => break false,
            };
            match next {
                Ok(Ok(Some(piece))) => {
                    let length = piece.len() as u64;
                    if session.write_content(piece).await.is_err() || session.flush().await.is_err() {
                        break false;
                    }
                    sent += length;
                }
                Ok(Ok(None)) => break session.finish().await.is_ok(),
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
            session.abort().await;
        }
        is_whole
    }
}
