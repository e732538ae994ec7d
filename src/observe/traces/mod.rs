//! Traces: which requests are recorded, and a bounded queue of those that have ended. A request waits for nobody here.

mod export;
mod span;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::metrics::Shared;
use crate::apigateway::tracing::TracingSettings;
use crate::exchange::{Caller, Context, Request, Trace};
use crate::outbound::Client;

/// Requests that may wait to be sent.
const WAITING: usize = 2048;
/// Nobody waits longer for what is still to be sent.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request that has ended, and how long it took.
type Ended = (Box<Context>, Duration);

#[derive(Debug)]
enum Message {
    Ended(Ended),
    /// Everything before it is sent, then this is answered.
    Flush(oneshot::Sender<()>),
}

/// Decides what is recorded, and takes what has ended.
#[derive(Debug)]
pub struct Tracer {
    settings: TracingSettings,
    queue: mpsc::Sender<Message>,
    metrics: Shared,
    /// What sends, until it is told to begin.
    sender: Mutex<Option<(export::Exporter, mpsc::Receiver<Message>)>>,
}

impl Tracer {
    /// Sends nothing before [`Self::start`].
    #[must_use]
    pub fn new(settings: TracingSettings, client: Arc<Client>, metrics: Shared) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        let exporter = export::Exporter::new(settings.clone(), client, Arc::clone(&metrics));
        Self { settings, queue, metrics, sender: Mutex::new(Some((exporter, waiting))) }
    }

    /// Begins to send, once, on the runtime that it is called on; it ends with the last request that knows this.
    pub fn start(&self) {
        if let Some((exporter, waiting)) = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take() {
            tokio::spawn(exporter.run(waiting));
        }
    }

    /// Where it sends to.
    #[must_use]
    pub const fn settings(&self) -> &TracingSettings {
        &self.settings
    }

    /// A request's place in its trace. Who calls decides whether it is recorded; where nobody has, a share of them is, and with
    /// `active` false none.
    #[must_use]
    pub fn begin(&self, request: &Request, active: bool, (now_ms, random): (u64, u128), began: Duration) -> Trace {
        let caller = Caller::of(&request.fields);
        // The first 32 bits are the time, as X-Ray wants it.
        let new = || u128::from((now_ms / 1000) as u32) << 96 | random & ((1 << 96) - 1);
        let trace_id = caller.as_ref().map_or_else(new, |caller| caller.trace_id);
        let decided = caller.as_ref().and_then(|caller| caller.sampled);
        Trace {
            trace_id,
            parent: caller.as_ref().and_then(|caller| caller.span_id),
            span_id: ((random >> 64) as u64).max(1),
            call_span_id: (random as u64).rotate_left(17).wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1),
            sampled: decided.unwrap_or_else(|| active && self.is_in_share(trace_id)),
            state: caller.and_then(|caller| caller.state),
            secure: request.peer.secure,
            local_port: request.peer.local_port,
            began,
            call: std::sync::OnceLock::new(),
        }
    }

    /// By the last 56 bits, which are random at everybody's (W3C Trace Context, level 2): all of a trace is recorded, or nothing.
    fn is_in_share(&self, trace_id: u128) -> bool {
        const ALL: u64 = 1 << 56;
        ((trace_id as u64) % ALL) as f64 <= self.settings.sampling_rate * ALL as f64 && self.settings.sampling_rate > 0.0
    }

    /// Takes a request that has ended, or counts that the queue is full.
    pub(super) fn finish(&self, mut context: Context, latency: Duration) {
        shorten(&mut context);
        let spans = 1 + u64::from(context.trace.as_ref().is_some_and(|trace| trace.call.get().is_some()));
        if self.queue.try_send(Message::Ended((Box::new(context), latency))).is_err() {
            self.metrics.dropped_spans.inc_by(spans);
        }
    }

    /// Waits until everything is sent, but not for long.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        let flushed = async {
            if self.queue.send(Message::Flush(done)).await.is_ok() {
                let _ = wait.await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, flushed).await;
    }
}

/// What waits in the queue is bounded, whatever a client sends: no claims, no long texts.
fn shorten(context: &mut Context) {
    context.authorizer = None;
    context.identity.other = Default::default();
    let texts = [Some(&mut context.path), Some(&mut context.domain_name), context.identity.user_agent.as_mut()];
    for text in texts.into_iter().flatten().filter(|text| text.len() > span::VALUE) {
        *text = text.chars().take(span::VALUE).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded() {
        let mut context = Context { path: "/x".repeat(8 << 10).into(), ..Context::default() };
        context.identity.user_agent = Some("é".repeat(32 << 10).into());
        context.authorizer = Some(crate::exchange::Authorizer::default());
        shorten(&mut context);
        assert_eq!((context.path.len(), context.identity.user_agent.unwrap().chars().count()), (span::VALUE, span::VALUE));
        assert!(context.authorizer.is_none());
    }
}
