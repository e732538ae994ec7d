//! A function's process: what it is started as, what it may use, how it ends.
//!
//! It is kept apart as far as a plain user can: an environment without anything of the gateway's, a process group and a directory of its own, no
//! inherited descriptors (the standard library opens all of them close-on-exec), limits. It is no sandbox: it may read what the user may read.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::process::Command;
use tokio::sync::watch;

use super::answer::Outcome;
use super::family;
use super::log::Log;
use super::settings::{FunctionSettings, Runtime};
use super::variables::variables;

const PYTHON: &str = include_str!("bootstrap/bootstrap.py");
const NODE: &str = include_str!("bootstrap/bootstrap.cjs");

/// How often the memory of a process at work is looked at.
const MEMORY: Duration = Duration::from_millis(100);

/// What a process is started with.
pub(super) struct Start<'a> {
    pub(super) settings: &'a FunctionSettings,
    pub(super) version: &'a str,
    pub(super) code: &'a Path,
    pub(super) directory: &'a Path,
}

/// A process and everything that it starts.
#[derive(Debug)]
pub(super) struct Process {
    pid: Option<Pid>,
    directory: PathBuf,
    ended: watch::Receiver<Option<String>>,
    log: Arc<Log>,
}

impl Process {
    /// Starts a process.
    pub(super) fn start(start: &Start<'_>, api: SocketAddr) -> Result<Self, Outcome> {
        let settings = start.settings;
        let cannot = |what: &Path, error: std::io::Error| Outcome::CannotStart(format!("{}: {error}", what.display()));
        let directory = start.directory.join(format!("{}-{:016x}", settings.function_name, fastrand::u64(..)));
        std::fs::create_dir_all(directory.join("tmp")).map_err(|error| cannot(&directory, error))?;
        let started = Self::start_in(start, api, &directory);
        if started.is_err() {
            let _ = std::fs::remove_dir_all(&directory);
        }
        started
    }

    fn start_in(start: &Start<'_>, api: SocketAddr, directory: &Path) -> Result<Self, Outcome> {
        let settings = start.settings;
        let cannot = |what: &Path, error: std::io::Error| Outcome::CannotStart(format!("{}: {error}", what.display()));
        let code = start.code.canonicalize().map_err(|error| cannot(start.code, error))?;
        let mut command = match settings.runtime {
            Runtime::Provided => Command::new(code.join("bootstrap")),
            Runtime::Python => interpreter(&settings.interpreter, "bootstrap.py", PYTHON, directory)?,
            Runtime::Node => interpreter(&settings.interpreter, "bootstrap.cjs", NODE, directory)?,
        };
        let (log, out, err) = Log::open(&settings.function_name).map_err(|error| cannot(directory, error))?;
        command
            .current_dir(&code)
            .env_clear()
            .envs(settings.environment.iter().map(|(name, value)| (name, value)))
            .envs(variables(start, api, &code, directory))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| {
            tracing::warn!("the function {} cannot be started: {error}", settings.function_name);
            match settings.runtime {
                // As Lambda's shell says of a program that it cannot run.
                Runtime::Provided => Outcome::Exited("Runtime exited with error: exit status 127".to_owned()),
                Runtime::Python | Runtime::Node => Outcome::CannotStart(format!("{}: {error}", settings.interpreter.display())),
            }
        })?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        limit(pid);
        let (tell, ended) = watch::channel(None);
        tokio::spawn(async move {
            let how = child.wait().await.map_or_else(|error| error.to_string(), describe);
            // At once: later the number may be another process' own.
            if let Some(pid) = pid {
                family::end_group(pid);
            }
            tell.send_replace(Some(how));
        });
        Ok(Self { pid, directory: directory.to_owned(), ended, log })
    }

    /// Waits for the process' end; how it ended, in Lambda's words.
    pub(super) async fn exited(&self) -> String {
        let mut ended = self.ended.clone();
        let how = ended.wait_for(Option::is_some).await;
        how.ok().and_then(|how| how.clone()).unwrap_or_else(|| "Runtime exited without providing a reason".to_owned())
    }

    pub(super) fn has_exited(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Waits until the process holds more memory than this, in bytes.
    pub(super) async fn outgrown(&self, most: u64) {
        loop {
            tokio::time::sleep(MEMORY).await;
            if self.memory() > most {
                return;
            }
        }
    }

    /// What it holds now, in bytes.
    pub(super) fn memory(&self) -> u64 {
        self.pid.map_or(0, family::memory)
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(pid) = self.pid.filter(|_| !self.has_exited()) {
            family::end(pid);
        }
        let directory = std::mem::take(&mut self.directory);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || std::fs::remove_dir_all(directory))),
            Err(_) => drop(std::fs::remove_dir_all(directory)),
        }
    }
}

fn interpreter(program: &Path, name: &str, text: &str, directory: &Path) -> Result<Command, Outcome> {
    let file = directory.join(name);
    std::fs::write(&file, text).map_err(|error| Outcome::CannotStart(format!("{}: {error}", file.display())))?;
    let mut command = Command::new(program);
    command.arg(file);
    Ok(command)
}

/// As many descriptors as Lambda gives, and no core files. A limit that cannot be set is no reason not to run.
fn limit(process: Option<Pid>) {
    for (resource, most) in [(Resource::Nofile, 1024), (Resource::Core, 0)] {
        let limits = Rlimit { current: Some(most), maximum: Some(most) };
        if let Err(error) = prlimit(process, resource, limits) {
            tracing::debug!("a function's limit cannot be set: {error}");
        }
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    let signal = match (status.code(), status.signal()) {
        (Some(0), _) => return "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => return format!("Runtime exited with error: exit status {code}"),
        (None, Some(6)) => "aborted",
        (None, Some(9)) => "killed",
        (None, Some(11)) => "segmentation fault",
        (None, Some(15)) => "terminated",
        (None, signal) => return format!("Runtime exited with error: signal: {}", signal.unwrap_or(0)),
    };
    format!("Runtime exited with error: signal: {signal}")
}
