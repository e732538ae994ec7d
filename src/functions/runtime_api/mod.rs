//! The Lambda Runtime API (2018-06-01), host side: one address for each process, so that none can speak for another.
//!
//! What is asked out of order is refused in the words of the interface's own emulator.

mod server;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

use super::answer::Outcome;
use crate::exchange::{PieceSender, Pieces};

/// An event on its way to the process.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) request_id: Arc<str>,
    pub(super) deadline_ms: u64,
    pub(super) invoked_arn: Box<str>,
    pub(super) trace_id: Option<Box<str>>,
    pub(super) client_context: Option<Box<str>>,
    pub(super) payload: Bytes,
}

/// What the process made of an event.
#[derive(Debug)]
pub(super) enum Posted {
    /// All of it.
    Whole(Outcome),
    /// A response that it is still writing, and what tells that it has written it.
    Streams(Pieces, oneshot::Receiver<Written>),
}

/// A response that is written. Its reader does not know yet: first the process is free for the next event.
#[derive(Debug)]
pub(super) struct Written {
    sender: PieceSender,
    failure: Option<Box<str>>,
}

impl Written {
    /// Tells the reader.
    pub(super) async fn tell(self) {
        match self.failure {
            Some(reason) => self.sender.break_off(reason).await,
            None => self.sender.end().await,
        }
    }
}

/// What one process asks and tells.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    address: SocketAddr,
    state: Mutex<State>,
    given: Notify,
    asked: Notify,
    server: Mutex<Option<tokio::task::AbortHandle>>,
}

#[derive(Debug, Default)]
struct State {
    /// An event that nobody has taken yet.
    waiting: Option<Invocation>,
    current: Option<Current>,
    has_asked: bool,
    init_error: Option<Bytes>,
}

/// The event that is under way.
#[derive(Debug)]
struct Current {
    request_id: Arc<str>,
    is_taken: bool,
    /// Nothing once a response has begun.
    answer: Option<oneshot::Sender<Posted>>,
}

/// A call that is not possible now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// The process is in another state.
    State,
    /// No such event is under way.
    RequestId,
}

impl State {
    /// Who waits for the answer to the event that is under way.
    fn answer(&mut self, request_id: &str) -> Result<oneshot::Sender<Posted>, Refused> {
        let current = self.current.as_mut().filter(|current| current.is_taken && *current.request_id == *request_id);
        current.and_then(|current| current.answer.take()).ok_or(Refused::RequestId)
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        if let Some(server) = self.server.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            server.abort();
        }
    }
}

impl RuntimeApi {
    /// Serves on a free port of the loopback address until it is dropped.
    pub(super) async fn listen() -> std::io::Result<Arc<Self>> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let api = Arc::new(Self {
            address: listener.local_addr()?,
            state: Mutex::default(),
            given: Notify::new(),
            asked: Notify::new(),
            server: Mutex::default(),
        });
        let server = tokio::spawn(server::serve(listener, Arc::downgrade(&api)));
        *api.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server.abort_handle());
        Ok(api)
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the process asks for its first event, or tells why it never will.
    pub(super) async fn ready(&self) -> Result<(), Bytes> {
        loop {
            let asked = self.asked.notified();
            {
                let state = self.state();
                if let Some(report) = &state.init_error {
                    return Err(report.clone());
                }
                if state.has_asked {
                    return Ok(());
                }
            }
            asked.await;
        }
    }

    pub(super) fn init_error(&self) -> Option<Bytes> {
        self.state().init_error.clone()
    }

    /// Gives the process an event; its answer goes to `answer`.
    pub(super) fn give(&self, invocation: Invocation, answer: oneshot::Sender<Posted>) {
        let mut state = self.state();
        let request_id = Arc::clone(&invocation.request_id);
        state.current = Some(Current { request_id, is_taken: false, answer: Some(answer) });
        state.waiting = Some(invocation);
        drop(state);
        self.given.notify_one();
    }

    /// Whether the event that was given still waits for the process to ask.
    pub(super) fn waits(&self) -> bool {
        self.state().waiting.is_some()
    }

    /// The next event, once there is one.
    async fn next(&self) -> Result<Invocation, Refused> {
        {
            let mut state = self.state();
            // Nobody asks for an event before the one that was taken is answered.
            if state.current.as_ref().is_some_and(|current| current.is_taken) || state.init_error.is_some() {
                return Err(Refused::State);
            }
            state.has_asked = true;
        }
        self.asked.notify_waiters();
        loop {
            let given = self.given.notified();
            {
                let mut state = self.state();
                if let Some(invocation) = state.waiting.take() {
                    if let Some(current) = &mut state.current {
                        current.is_taken = true;
                    }
                    return Ok(invocation);
                }
            }
            given.await;
        }
    }

    /// An answer counts for the event that is under way, and once.
    fn answered(&self, request_id: &str, outcome: Outcome) -> Result<(), Refused> {
        let mut state = self.state();
        let answer = state.answer(request_id)?;
        // Before the answer is known: whoever waits for it may give the next event at once.
        state.current = None;
        let _ = answer.send(Posted::Whole(outcome));
        Ok(())
    }

    /// A response has begun; no other event is given before [`Self::done`].
    fn begin(&self, request_id: &str, posted: Posted) -> Result<(), Refused> {
        let answer = self.state().answer(request_id)?;
        let _ = answer.send(posted);
        Ok(())
    }

    fn done(&self) {
        self.state().current = None;
    }

    /// The process cannot begin; after its first event it may not say so any more.
    fn fail_to_begin(&self, report: Bytes) -> Result<(), Refused> {
        let mut state = self.state();
        if state.has_asked {
            return Err(Refused::State);
        }
        state.init_error = Some(report);
        drop(state);
        self.asked.notify_waiters();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(id: &str) -> Invocation {
        Invocation {
            request_id: id.into(),
            deadline_ms: 0,
            invoked_arn: "arn".into(),
            trace_id: None,
            client_context: None,
            payload: Bytes::new(),
        }
    }

    #[tokio::test]
    async fn what_is_said_out_of_order_counts_for_nothing() {
        let api = RuntimeApi::listen().await.unwrap();
        let returned = || Outcome::Returned(Bytes::from_static(b"1"));
        assert_eq!(api.answered("a", returned()), Err(Refused::RequestId), "nothing was given");
        let (answer, mut answered) = oneshot::channel();
        api.give(invocation("a"), answer);
        assert_eq!(api.answered("a", returned()), Err(Refused::RequestId), "nobody has taken it");
        assert!(api.waits());
        assert_eq!(&*api.next().await.unwrap().request_id, "a");
        assert_eq!(api.next().await.unwrap_err(), Refused::State, "it is not answered yet");
        assert_eq!(api.fail_to_begin(Bytes::new()), Err(Refused::State), "it has begun");
        assert_eq!(api.answered("b", returned()), Err(Refused::RequestId));
        assert_eq!(api.answered("a", returned()), Ok(()));
        assert!(matches!(answered.try_recv(), Ok(Posted::Whole(Outcome::Returned(_)))));
        assert_eq!(api.answered("a", returned()), Err(Refused::RequestId), "once");
    }

    #[tokio::test]
    async fn a_process_that_cannot_begin_says_why() {
        let api = RuntimeApi::listen().await.unwrap();
        api.fail_to_begin(Bytes::from_static(b"why")).unwrap();
        assert_eq!(api.ready().await, Err(Bytes::from_static(b"why")));
        assert_eq!(api.next().await.unwrap_err(), Refused::State);
    }
}
