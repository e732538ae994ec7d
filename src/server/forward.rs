//! Content that passes as it arrives, both ways, with no more of it in memory than a piece.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use pingora::server::ShutdownWatch;
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::pace::Pace;
use super::request::Wishes;
use super::session::Session;
use crate::backend::failure_of;
use crate::exchange::{EndpointRequest, EndpointResponse, Failure, FieldName, Forward, Response, ResponseType};
use crate::http1::Framing;
use crate::mapping::coding;
use crate::outbound::{Error, ErrorKind, Step, Stream, repeatable, timed_out};
use crate::pipeline::{Exchange, response_too_large};

const CONNECTION: FieldName = FieldName::from_static("Connection");
const UPGRADE: FieldName = FieldName::from_static("Upgrade");
/// An origin that answers already takes what still comes of the request within this time.
const TAKEN: Duration = Duration::from_secs(30);
/// An origin that has begun its response may pause for this long.
const PAUSE: Duration = Duration::from_secs(300);

/// How far a request has come. The endpoint's time is what the endpoint takes: to accept a piece, and to answer once it has all of them.
/// How fast the client sends is not its affair.
struct Progress {
    /// Since when the endpoint is waited for …
    asked: Instant,
    /// … and until when.
    deadline: Instant,
    /// Content of the client's, in bytes.
    received: u64,
    /// Who is to answer, once there is a connection.
    origin: Option<SocketAddr>,
}

impl Progress {
    fn new(timeout: Duration) -> Self {
        let asked = Instant::now();
        Self { asked, deadline: asked + timeout, received: 0, origin: None }
    }

    /// From here on the endpoint is waited for anew.
    fn restart(&mut self, timeout: Duration) {
        self.asked = Instant::now();
        self.deadline = self.asked + timeout;
    }

    /// A step of the endpoint's, within its time.
    async fn within<T>(&self, request: &EndpointRequest, step: impl Future<Output = Result<T, Unanswered>>) -> Result<T, Unanswered> {
        let missing = if self.origin.is_some() { "response" } else { "connection" };
        let late = |_| Err(Unanswered::Endpoint(timed_out(request, missing).at(self.origin)));
        timeout_at(self.deadline, step).await.unwrap_or_else(late)
    }
}

/// A response that has begun.
type Opened = (Stream, EndpointResponse);

/// Why there is no response.
enum Unanswered {
    Endpoint(Error),
    /// What the endpoint answered is not passed on.
    Refused(Failure),
    /// The client went away, or sent too much.
    Client(Failure),
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        Self::Endpoint(error)
    }
}

impl Connection {
    /// Passes a request on and its response back; whether the connection can take another, and the bytes received.
    pub(super) async fn forward(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        mut forward: Forward,
        wishes: &Wishes,
        shutdown: &ShutdownWatch,
    ) -> (bool, u64) {
        if let Some(upgrade) = wishes.upgrade.as_ref().filter(|_| !session.is_http2()) {
            // An upgrade is end to end here: its fields, dropped with the hop-by-hop ones, go along.
            forward.request.fields.append(CONNECTION, HeaderValue::from_static("Upgrade"));
            forward.request.fields.append(UPGRADE, upgrade.clone());
        }
        let mut pace = Pace::new();
        let mut progress = Progress::new(forward.request.timeout);
        // What answers HEAD tells a length and has none.
        let limit = forward.content_limit.filter(|_| forward.request.http_method != Method::HEAD);
        let opened = self.ask(session, &forward, wishes, &mut progress, &mut pace).await.and_then(|opened| fitting(opened, limit));
        let Progress { asked, mut received, .. } = progress;
        let begun = match opened {
            Ok(opened) => begun(opened).await,
            Err(unanswered) => Err(unanswered),
        };
        let ((stream, head), first) = match begun {
            Ok(begun) => begun,
            Err(unanswered) => {
                session.close();
                let response = match unanswered {
                    Unanswered::Endpoint(error) => self.edge.pipeline.not_forwarded(exchange, failure_of(&error.after(asked.elapsed()))),
                    Unanswered::Refused(failure) => self.edge.pipeline.not_forwarded(exchange, failure),
                    Unanswered::Client(failure) => self.edge.pipeline.fail(exchange, failure),
                };
                return (self.deliver(session, exchange, &response, wishes).await, received);
            }
        };
        exchange.context.integration.latency = Some(asked.elapsed());
        let switched = head.status == 101;
        let framing = framing(&head, &exchange.context.http_method, &forward.request.http_method);
        let upgraded_fields = switched.then(|| head.fields.clone());
        let mut response = self.edge.pipeline.forwarded(exchange, head);
        if let Some(fields) = upgraded_fields {
            switching(&mut response, &fields);
        }
        if session.write_head(&response, framing).await.is_err() {
            return (false, received);
        }
        if switched {
            if session.flush().await.is_ok()
                && let Some(client) = session.detach()
            {
                super::tunnel::tunnel(client, stream.into_tunnel(), shutdown).await;
            }
            return (false, received);
        }
        // What streams may take its time, and no more than that.
        let streams = exchange.operation().is_some_and(|operation| operation.integration.streams_response);
        let ends = streams.then(|| asked + forward.request.timeout);
        let mut passing = Passing { sent: 0, received, limit: forward.content_limit, ends };
        let passed = self.pass_back(session, stream, first, &mut passing, &mut pace).await;
        received = passing.received;
        exchange.context.response_length = passing.sent;
        match passed {
            Ok(()) if session.is_content_done() => return (true, received),
            Err(Unanswered::Endpoint(error)) => self.edge.pipeline.broke_off(exchange, error.after(asked.elapsed()).to_string()),
            Err(Unanswered::Refused(failure)) => self.edge.pipeline.broke_off(exchange, failure.detail.into_owned()),
            _ => {}
        }
        // What was begun cannot be completed, and the client must see that: no last chunk, no whole length.
        session.abort().await;
        (false, received)
    }

    /// Sends the request, its content as it comes, until the response's head is there.
    async fn ask(
        &self,
        session: &mut Session,
        forward: &Forward,
        wishes: &Wishes,
        progress: &mut Progress,
        pace: &mut Pace,
    ) -> Result<Opened, Unanswered> {
        let request = &forward.request;
        let client = &self.edge.client;
        let length = session.content_length();
        if forward.content_limit.zip(length).is_some_and(|(limit, length)| length > limit) {
            return Err(Unanswered::Client(coding::too_large()));
        }
        let mut first = None;
        if length != Some(0) {
            session.continue_if(wishes.expects_continue).await;
            if length.is_none() && !session.is_http2() {
                // Where its end shows only as it comes, an endpoint hears of it once it has begun well.
                first = Some(pace.next(session).await.map_err(Unanswered::Client)?);
                progress.restart(request.timeout);
            }
        }
        let mut stream = progress.within(request, async { Ok(client.open(request, length, progress.deadline).await?) }).await?;
        progress.origin = Some(stream.address());
        stream = stream.with_upgrade(wishes.upgrade.is_some());
        if length == Some(0) {
            let answered = async {
                stream.finish().await?;
                Ok(stream.head().await)
            };
            return match progress.within(request, answered).await? {
                Ok(head) => Ok((stream, head)),
                // Sent once more only where that does no more than once (RFC 9110, section 9.2.2).
                Err((_, true)) if repeatable(request) => {
                    let mut stream =
                        progress.within(request, async { Ok(client.reopen(request, length, progress.deadline).await?) }).await?;
                    progress.origin = Some(stream.address());
                    stream = stream.with_upgrade(wishes.upgrade.is_some());
                    let answered = async {
                        stream.finish().await?;
                        Ok::<_, Unanswered>(stream.head().await.map_err(|(error, _)| error)?)
                    };
                    let head = progress.within(request, answered).await?;
                    Ok((stream, head))
                }
                Err((error, _)) => Err(error.into()),
            };
        }
        loop {
            let piece = match first.take() {
                Some(piece) => piece,
                None => tokio::select! {
                    biased;
                    head = stream.head() => return head.map(|head| (stream, head)).map_err(|(error, _)| error.into()),
                    piece = pace.next(session) => piece.map_err(Unanswered::Client)?,
                },
            };
            progress.restart(request.timeout);
            let mut received = progress.received;
            let goes_on = progress.within(request, send_on(&mut stream, piece, forward.content_limit, &mut received)).await;
            progress.received = received;
            if !goes_on? {
                let head = progress.within(request, async { stream.head().await.map_err(|(error, _)| error.into()) }).await?;
                return Ok((stream, head));
            }
        }
    }

    /// Passes the response's content, and what is left of the request's.
    async fn pass_back(
        &self,
        session: &mut Session,
        mut stream: Stream,
        first: Option<Bytes>,
        passing: &mut Passing,
        pace: &mut Pace,
    ) -> Result<(), Unanswered> {
        if let Some(piece) = first {
            passing.pass(session, &stream, piece).await?;
        } else if !stream.has_more_at_hand() {
            // Nobody knows when content comes; the client need not wait for it to see the head.
            session.flush().await.map_err(|_| not_read())?;
        }
        let mut sending = !session.is_content_done();
        // Until when the origin is to take what was sent on.
        let mut taken: Option<Instant> = None;
        loop {
            let until = taken.unwrap_or_else(|| Instant::now() + PAUSE);
            let until = passing.ends.map_or(until, |ends| ends.min(until));
            tokio::select! {
                biased;
                step = timeout_at(until, stream.step()) => match step {
                    Ok(step) => match step? {
                        Step::Piece(Some(piece)) => passing.pass(session, &stream, piece).await?,
                        Step::Piece(None) => break,
                        Step::Sent => taken = None,
                    },
                    Err(_) => return Err(stream.refuse_as(ErrorKind::Timeout, &late(taken, passing.ends)).into()),
                },
                piece = from_client(session, pace, sending), if taken.is_none() || !sending => {
                    let piece = piece?;
                    sending = count(piece.as_ref(), passing.limit, &mut passing.received)?;
                    stream.queue(piece)?;
                    // An end may need no bytes, and what is given up has none.
                    taken = (!stream.is_sent()).then(|| Instant::now() + TAKEN);
                }
            }
        }
        // The origin is free for others before the client has what is left of its answer.
        if session.is_content_done() {
            self.edge.client.release(stream);
        }
        session.finish().await.map_err(|_| not_read())
    }
}

/// Refuses what says that it will be larger than may pass.
fn fitting(opened: Opened, limit: Option<u64>) -> Result<Opened, Unanswered> {
    let length = opened.1.fields.text("content-length").and_then(|text| text.parse().ok());
    match limit.zip(length).filter(|(limit, length)| length > limit) {
        Some((limit, length)) => Err(Unanswered::Refused(response_too_large(length, limit))),
        None => Ok(opened),
    }
}

/// What has passed once the response had begun.
struct Passing {
    /// Content of the response, in bytes …
    sent: u64,
    /// … and of the request.
    received: u64,
    /// What either may have.
    limit: Option<u64>,
    /// When it is over, whatever has passed.
    ends: Option<Instant>,
}

impl Passing {
    /// Writes a piece of the response, unless that is then larger than may pass.
    async fn pass(&mut self, session: &mut Session, stream: &Stream, piece: Bytes) -> Result<(), Unanswered> {
        let length = self.sent + piece.len() as u64;
        if let Some(limit) = self.limit.filter(|limit| length > *limit) {
            return Err(Unanswered::Refused(response_too_large(length, limit)));
        }
        write(session, stream, piece).await.map_err(|_| not_read())?;
        self.sent = length;
        Ok(())
    }
}

/// The next piece of a request's content that is still coming; a client that leaves is noticed then as well as later.
async fn from_client(session: &mut Session, pace: &mut Pace, sending: bool) -> Result<Option<Bytes>, Unanswered> {
    if sending {
        return pace.next(session).await.map_err(Unanswered::Client);
    }
    session.gone().await;
    Err(not_read())
}

/// A client that is gone is told nothing.
fn not_read() -> Unanswered {
    Unanswered::Client(Failure::new(ResponseType::BadRequestBody, "Bad Request"))
}

/// The first piece of a response's content if it is there already: where it breaks HTTP's rules nothing has been sent, and the failure can
/// still be told.
async fn begun((mut stream, head): Opened) -> Result<(Opened, Option<Bytes>), Unanswered> {
    if head.status == 101 {
        return Ok(((stream, head), None));
    }
    tokio::select! {
        biased;
        first = stream.next() => {
            let first = first?;
            Ok(((stream, head), first))
        }
        () = std::future::ready(()) => Ok(((stream, head), None)),
    }
}

/// Writes a piece, which goes out at once unless more is at hand.
async fn write(session: &mut Session, stream: &Stream, piece: Bytes) -> io::Result<()> {
    session.write_content(piece).await?;
    if stream.has_more_at_hand() { Ok(()) } else { session.flush().await }
}

/// Sends a piece of the request's content on; false at its end.
async fn send_on(stream: &mut Stream, piece: Option<Bytes>, limit: Option<u64>, received: &mut u64) -> Result<bool, Unanswered> {
    let goes_on = count(piece.as_ref(), limit, received)?;
    match piece {
        Some(piece) => stream.send(piece).await?,
        None => stream.finish().await?,
    }
    Ok(goes_on)
}

/// Counts a piece of the request's content, unless that is then larger than may pass; false at its end.
fn count(piece: Option<&Bytes>, limit: Option<u64>, received: &mut u64) -> Result<bool, Unanswered> {
    *received += piece.map_or(0, |piece| piece.len() as u64);
    if limit.is_some_and(|limit| *received > limit) {
        return Err(Unanswered::Client(coding::too_large()));
    }
    Ok(piece.is_some())
}

/// What an origin was too slow with.
fn late(taken: Option<Instant>, ends: Option<Instant>) -> String {
    if ends.is_some_and(|ends| ends <= Instant::now()) {
        "the response was not complete within timeoutInMillis".to_owned()
    } else if taken.is_some() {
        format!("nothing of the content was taken for {} s", TAKEN.as_secs())
    } else {
        format!("nothing came for {} s", PAUSE.as_secs())
    }
}

/// `http_method` is the client's, `asked` the endpoint's: what answers HEAD has no content, whatever its length says.
fn framing(head: &EndpointResponse, http_method: &Method, asked: &Method) -> Framing {
    let (is_head, asked_for_head) = (http_method == Method::HEAD, asked == Method::HEAD);
    let length = head.fields.text("content-length").and_then(|text| text.parse().ok());
    match (head.status, length) {
        (100..=199 | 204 | 304, _) => Framing::None,
        _ if asked_for_head && !is_head => Framing::Length(0),
        (_, Some(length)) => Framing::Length(length),
        _ if is_head => Framing::None,
        _ => Framing::Chunked,
    }
}

fn switching(response: &mut Response, fields: &crate::exchange::Fields) {
    response.fields.remove("x-amzn-Remapped-Connection");
    response.fields.append(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Some(value) = fields.last("upgrade") {
        response.fields.append(UPGRADE, value.clone());
    }
}
