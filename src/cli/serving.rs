//! A gateway that runs, as the admin address and signals see it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::messages::Messages;
use super::run::{CREDENTIALS, apart};
use super::{clock, measure};
use crate::admin::{Access, Invoke, Operation, Operator, Reload};
use crate::control::{Gateway, Replaced};
use crate::document::Problems;
use crate::functions::{Answer, name_of};
use crate::outbound::aws::{InvocationType, Local};
use crate::server::{Edge, Listeners};

/// No function takes longer.
const LONGEST_CALL: Duration = Duration::from_secs(910);

/// A gateway that runs.
pub(super) struct Running {
    pub(super) gateway: Gateway,
    pub(super) edge: Arc<Edge>,
    pub(super) listeners: Mutex<Listeners>,
    pub(super) access: Arc<Access>,
    pub(super) drain_seconds: AtomicU64,
    pub(super) admin_socket: Arc<TcpListener>,
    pub(super) admin_task: OnceLock<JoinHandle<()>>,
    /// What a reload does not change: the admin address and the state directory …
    pub(super) fixed: (SocketAddr, PathBuf),
    /// … and where the built-in origin answers.
    pub(super) echo: Option<SocketAddr>,
    pub(super) ready: AtomicBool,
    /// One reader of metrics at a time.
    pub(super) measuring: std::sync::Mutex<()>,
}

#[async_trait]
impl Operator for Running {
    fn ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    fn details(&self) -> Vec<String> {
        let snapshot = self.gateway.current().load();
        let mut details = vec![
            format!("stages: {}", snapshot.stages.len()),
            format!("connections: {}", self.edge.connections.load(Ordering::Relaxed)),
            format!("requests under way: {}", self.edge.under_way.load(Ordering::Relaxed)),
        ];
        if let Some(failure) = self.gateway.state_failure() {
            details.push(format!("state: cannot be written, counts are kept in memory: {failure}"));
        }
        details
    }

    fn metrics(&self) -> String {
        // Thousands of methods take some milliseconds, which no request of this thread must wait for.
        tokio::task::block_in_place(|| {
            let _one_at_a_time = self.measuring.lock().unwrap_or_else(PoisonError::into_inner);
            measure::gather(self);
            self.edge.observer.metrics().render()
        })
    }

    async fn invoke(&self, invocation: Invoke<'_>) -> Option<Answer> {
        let aws = self.gateway.aws();
        if !aws.functions().has(name_of(invocation.function).0) {
            return None;
        }
        let local = Local {
            invocation_type: if invocation.is_event { InvocationType::Event } else { InvocationType::RequestResponse },
            tail: invocation.tail,
            client_context: invocation.client_context.map(Into::into),
            ..Local::new(invocation.function, Bytes::copy_from_slice(invocation.payload), LONGEST_CALL)
        };
        aws.invoke_here(local).await.ok().map(|answered| answered.answer)
    }

    async fn control(&self, operation: Operation<'_>) -> Option<(u16, serde_json::Value)> {
        // One after the other with reloads, which come from elsewhere as well.
        let serve = || {
            let _alone = self.listeners.blocking_lock();
            self.gateway.serve_what_was_set().map(drop).map_err(|problems| problems.to_lines().join("; "))
        };
        tokio::task::block_in_place(|| super::control::answer(&self.gateway, &serve, operation))
    }

    async fn reload(&self, what: Reload) -> Result<serde_json::Value, serde_json::Value> {
        let result = {
            let mut listeners = self.listeners.lock().await;
            // Reading and compiling take their time; other requests must not wait for them on this thread.
            match what {
                Reload::All => self.reload_all(&mut listeners).await,
                Reload::State => tokio::task::block_in_place(|| self.gateway.serve_what_was_set())
                    .map(|problems| (problems, None, Vec::new()))
                    .map_err(|problems| problems.to_lines()),
            }
        };
        self.count(result.is_ok());
        tokio::task::block_in_place(|| self.edge.observer.flush());
        match result {
            Ok((problems, replaced, needs_restart)) => {
                tracing::info!("configuration reloaded");
                if let Some(replaced) = replaced {
                    tokio::task::block_in_place(|| self.gateway.record(&replaced));
                }
                let stages = self.gateway.current().load().stages.len();
                let mut answer = json!({ "reloaded": true, "stages": stages, "problems": problems.to_json() });
                if let Some(answer) = answer.as_object_mut().filter(|_| !needs_restart.is_empty()) {
                    answer.insert("needsRestart".to_owned(), needs_restart.into());
                }
                Ok(answer)
            }
            Err(lines) => {
                let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
                Messages::start().say(format!("{text}reload refused, keeping the running configuration\n").into_bytes());
                Err(json!({ "reloaded": false, "problems": lines }))
            }
        }
    }
}

impl Running {
    /// Reads and serves everything anew: what was found, what was replaced, and what it takes a restart to change; or why not.
    async fn reload_all(&self, listeners: &mut Listeners) -> Result<(Problems, Option<Replaced>, Vec<&'static str>), Vec<String>> {
        let mut reloaded = tokio::task::block_in_place(|| apart(|| self.gateway.load())).map_err(|problems| problems.to_lines())?;
        if self.gateway.aws().roles().wants_any() {
            // Roles that are new are assumed before requests want them.
            let _ = tokio::time::timeout(CREDENTIALS, self.gateway.aws().load_credentials()).await;
        }
        let process = &reloaded.process;
        let access = Access::new(&process.admin).map_err(|message| vec![message])?;
        listeners.apply(&process.listeners, &reloaded.domain_names).map_err(|message| vec![message])?;
        self.access.take_over(access);
        self.drain_seconds.store(process.drain_seconds, Ordering::Relaxed);
        self.edge.aws_limits.store(reloaded.aws_limits, Ordering::Relaxed);
        self.edge.request_buffers.store(process.request_buffers, Ordering::Relaxed);
        self.edge.trusted_proxies.write().unwrap_or_else(PoisonError::into_inner).clone_from(&process.trusted_proxies);
        let changed = [
            ("admin.address", process.admin.address != self.fixed.0),
            ("stateDirectory", process.state_directory != self.fixed.1),
            ("echo", process.echo != self.echo),
        ];
        let needs_restart: Vec<&str> = changed.into_iter().filter_map(|(name, changed)| changed.then_some(name)).collect();
        for name in &needs_restart {
            tracing::warn!("`{name}` has changed: that needs a restart, and everything else is applied");
        }
        let replaced = self.gateway.apply(&mut reloaded);
        Ok((reloaded.problems, Some(replaced), needs_restart))
    }

    /// Counts a configuration that was applied or refused.
    pub(super) fn count(&self, applied: bool) {
        let metrics = self.edge.observer.metrics();
        metrics.last_reload_successful.set(i64::from(applied));
        if applied {
            metrics.reloads.inc();
            metrics.last_reload.set(now_seconds());
        } else {
            metrics.reload_failures.inc();
        }
    }
}

fn now_seconds() -> i64 {
    let since = clock::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
