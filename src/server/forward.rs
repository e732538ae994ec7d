//! Content that passes as it arrives, both ways, with no more of it in memory than a piece.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::convert::{self, Framing};
use super::request::continue_if_expected;
use crate::backend::failure_of;
use crate::exchange::{EndpointRequest, EndpointResponse, Failure, FieldName, Forward, Response};
use crate::mapping::coding;
use crate::outbound::{Error, ErrorKind, Stream, repeatable};
use crate::pipeline::Exchange;

/// An origin that has begun its response may pause for this long.
const PAUSE: Duration = Duration::from_secs(300);

impl Connection {
    /// Passes a request on and its response back; whether the connection can take another, and the bytes received.
    pub(super) async fn forward(
        &self,
        session: &mut ServerSession,
        exchange: &mut Exchange,
        mut forward: Forward,
        shutdown: &ShutdownWatch,
    ) -> (bool, u64) {
        let upgrade = session.is_upgrade_req() && is_websocket(session);
        if upgrade {
            upgrade_fields(session, &mut forward.request);
        }
        let started = Instant::now();
        let mut received = 0;
        let opened = timeout_at(started + forward.request.timeout, self.ask(session, &forward, &mut received)).await;
        let (mut stream, head) = match opened.unwrap_or_else(|_| Err(failure_of(&timed_out(&forward.request)))) {
            Ok(opened) => opened,
            Err(failure) => {
                session.set_keepalive(None);
                let response = self.edge.pipeline.fail(exchange, failure);
                return (self.deliver(session, &response).await, received);
            }
        };
        exchange.context.integration.latency = Some(started.elapsed());
        let switched = head.status == 101;
        let framing = framing(&head, session.req_header().method == Method::HEAD);
        let upgraded_fields = switched.then(|| head.fields.clone());
        let mut response = self.edge.pipeline.forwarded(exchange, head);
        if let Some(fields) = upgraded_fields {
            switching(&mut response, &fields);
        }
        let Ok(header) = convert::response(&response, framing) else { return (false, received) };
        if session.write_response_header(Box::new(header)).await.is_err() {
            return (false, received);
        }
        if switched {
            stream.upgrade();
            tunnel(session, &mut stream, shutdown).await;
            return (false, received);
        }
        let sent = self.pass_back(session, &mut stream, forward.content_limit, &mut received).await;
        exchange.context.response_length = sent.unwrap_or(0);
        if sent.is_some() && session.is_body_done() {
            self.edge.client.release(stream).await;
            return (true, received);
        }
        // What was begun cannot be completed, and the client must see that: no last chunk, no whole length.
        session.shutdown().await;
        (false, received)
    }

    /// Sends the request, its content as it comes, until the response's head is there.
    async fn ask(&self, session: &mut ServerSession, forward: &Forward, received: &mut u64) -> Result<(Stream, EndpointResponse), Failure> {
        let client = &self.edge.client;
        let failed = |error: Error| failure_of(&error);
        let empty = session.is_upgrade_req() || session.is_body_empty();
        let length = if empty {
            Some(0)
        } else {
            session.req_header().headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok())
        };
        if forward.content_limit.zip(length).is_some_and(|(limit, length)| length > limit) {
            return Err(coding::too_large());
        }
        let mut stream = client.open(&forward.request, length).await.map_err(failed)?;
        if empty {
            if !session.is_upgrade_req() {
                stream.finish().await.map_err(failed)?;
            }
            return match stream.head().await {
                Ok(head) => Ok((stream, head)),
                // Sent once more only where that does no more than once (RFC 9110, section 9.2.2).
                Err((_, true)) if repeatable(&forward.request) => {
                    let mut stream = client.reopen(&forward.request, length).await.map_err(failed)?;
                    stream.finish().await.map_err(failed)?;
                    let head = stream.head().await.map_err(|(error, _)| failed(error))?;
                    Ok((stream, head))
                }
                Err((error, _)) => Err(failed(error)),
            };
        }
        continue_if_expected(session).await;
        loop {
            tokio::select! {
                biased;
                head = stream.head() => return head.map(|head| (stream, head)).map_err(|(error, _)| failed(error)),
                piece = session.read_request_body() => {
                    let piece = piece.map_err(|_| client_gone(&forward.request))?;
                    if !send_on(&mut stream, piece, forward.content_limit, received).await? {
                        let head = stream.head().await.map_err(|(error, _)| failed(error))?;
                        return Ok((stream, head));
                    }
                }
            }
        }
    }

    /// Passes the response's content, and what is left of the request's; the bytes sent, or nothing when it broke off.
    async fn pass_back(&self, session: &mut ServerSession, stream: &mut Stream, limit: Option<u64>, received: &mut u64) -> Option<u64> {
        let mut sent = 0;
        let mut sending = !session.is_body_done() && !session.is_upgrade_req();
        loop {
            if sending {
                tokio::select! {
                    biased;
                    piece = stream.next() => match piece.ok()? {
                        Some(piece) => sent += write(session, piece).await?,
                        None => break,
                    },
                    piece = session.read_request_body() => {
                        sending = send_on(stream, piece.ok()?, limit, received).await.ok()?;
                    }
                }
                continue;
            }
            match tokio::time::timeout(PAUSE, stream.next()).await.ok()?.ok()? {
                Some(piece) => sent += write(session, piece).await?,
                None => break,
            }
        }
        session.finish_body().await.ok()?;
        Some(sent)
    }
}

async fn write(session: &mut ServerSession, piece: Bytes) -> Option<u64> {
    let length = piece.len() as u64;
    session.write_response_body(piece, false).await.ok()?;
    Some(length)
}

/// Sends a piece of the request's content on; false at its end.
async fn send_on(stream: &mut Stream, piece: Option<Bytes>, limit: Option<u64>, received: &mut u64) -> Result<bool, Failure> {
    match piece {
        Some(piece) => {
            *received += piece.len() as u64;
            if limit.is_some_and(|limit| *received > limit) {
                return Err(coding::too_large());
            }
            stream.send(&piece).await.map_err(|error| failure_of(&error))?;
            Ok(true)
        }
        None => {
            stream.finish().await.map_err(|error| failure_of(&error))?;
            Ok(false)
        }
    }
}

fn framing(head: &EndpointResponse, is_head: bool) -> Framing {
    let length = head.fields.text("content-length").and_then(|text| text.parse().ok());
    match (head.status, length) {
        (100..=199 | 204 | 304, _) => Framing::None,
        (_, Some(length)) => Framing::Length(length),
        _ if is_head => Framing::None,
        _ => Framing::Chunked,
    }
}

fn is_websocket(session: &ServerSession) -> bool {
    session.req_header().headers.get("upgrade").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// An upgrade is end to end here: its fields, dropped with the hop-by-hop ones, go along.
fn upgrade_fields(session: &ServerSession, request: &mut EndpointRequest) {
    request.fields.append(FieldName::from_static("Connection"), HeaderValue::from_static("Upgrade"));
    if let Some(value) = session.req_header().headers.get("upgrade") {
        request.fields.append(FieldName::from_static("Upgrade"), value.clone());
    }
}

fn switching(response: &mut Response, fields: &crate::exchange::Fields) {
    response.fields.remove("x-amzn-Remapped-Connection");
    response.fields.append(FieldName::from_static("Connection"), HeaderValue::from_static("Upgrade"));
    if let Some(value) = fields.last("upgrade") {
        response.fields.append(FieldName::from_static("Upgrade"), value.clone());
    }
}

/// Bytes both ways until one side ends or the process does.
async fn tunnel(session: &mut ServerSession, stream: &mut Stream, shutdown: &ShutdownWatch) {
    let mut stopping = shutdown.clone();
    // The framework's limit for reading content does not fit a connection that may be silent for long.
    session.set_read_timeout(Some(Duration::from_secs(600)));
    loop {
        tokio::select! {
            piece = session.read_request_body() => match piece {
                Ok(Some(piece)) if stream.send(&piece).await.is_ok() => {}
                _ => return,
            },
            piece = stream.next() => match piece {
                Ok(Some(piece)) => if write(session, piece).await.is_none() { return },
                _ => return,
            },
            changed = stopping.changed() => if changed.is_err() { return },
        }
    }
}

fn client_gone(request: &EndpointRequest) -> Failure {
    let error = Error { kind: ErrorKind::Client, endpoint: request.endpoint.authority(), detail: "the client's content broke off".into() };
    let mut failure = Failure::new(crate::exchange::ResponseType::BadRequestBody, "Bad Request").with_detail(error.to_string());
    failure.status = Some(400);
    failure
}

fn timed_out(request: &EndpointRequest) -> Error {
    let detail = format!("no response within {} ms", request.timeout.as_millis());
    Error { kind: ErrorKind::Timeout, endpoint: request.endpoint.authority(), detail }
}
