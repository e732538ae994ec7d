//! A response that Lambda streams, event by event.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::event_stream::{EVENT_STREAM, Event, Events};
use super::{Aws, Signer};
use crate::exchange::{EndpointRequest, EndpointResponse, PieceSender, Pieces};
use crate::outbound::{Client, Error, Stream};

impl Aws {
    /// Signs and sends a request, and waits until its response begins; says how long that took. A response that is no event stream is whole.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn stream(&self, request: EndpointRequest, signer: &Signer) -> Result<(EndpointResponse, Option<Pieces>, Duration), Error> {
        let mut request = request;
        self.sign(&mut request, signer)?;
        let started = Instant::now();
        let deadline = started + request.timeout;
        let (mut stream, head) = self.client.begin(&request).await?;
        let latency = started.elapsed();
        let is_stream = head.fields.text("content-type").is_some_and(|value| value.starts_with(EVENT_STREAM));
        if !is_stream {
            let content = self.client.rest(&request, &mut stream).await?;
            self.client.release(stream);
            return Ok((EndpointResponse { content, ..head }, None, latency));
        }
        let (sender, pieces) = Pieces::channel();
        tokio::spawn(pass_on(Arc::clone(&self.client), stream, sender, deadline));
        Ok((head, Some(pieces), latency))
    }
}

/// Passes the function's bytes on until it has written all of them, or nobody reads any more.
async fn pass_on(client: Arc<Client>, mut stream: Stream, sender: PieceSender, deadline: Instant) {
    let mut events = Events::default();
    let reason = loop {
        match events.next() {
            Ok(Some(Event::PayloadChunk(bytes))) => {
                if sender.send(bytes).await {
                    continue;
                }
                return;
            }
            Ok(Some(Event::InvokeComplete(None))) => {
                sender.end().await;
                if matches!(timeout_at(deadline, stream.next()).await, Ok(Ok(None))) {
                    client.release(stream);
                }
                return;
            }
            Ok(Some(Event::InvokeComplete(Some(failure)))) => break failure,
            Ok(None) => {}
            Err(reason) => break reason,
        }
        let next = tokio::select! {
            biased;
            next = timeout_at(deadline, stream.next()) => next,
            () = sender.closed() => return,
        };
        match next {
            Ok(Ok(Some(bytes))) => events.take(&bytes),
            Ok(Ok(None)) => break "the event stream has no end".to_owned(),
            Ok(Err(error)) => break error.to_string(),
            Err(_) => break "the integration's time is over".to_owned(),
        }
    };
    sender.break_off(reason).await;
}
