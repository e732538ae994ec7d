//! A function's process: what it is started as, what it may use, how it ends.
//!
//! It is kept apart as far as a plain user can: an environment without anything of the gateway's, a process group and a directory of its own, no
//! inherited descriptors (the standard library opens all of them close-on-exec), limits. It is no sandbox: it may read what the user may read.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::watch;

use super::environment::Start;
use super::function::Runtime;

const PYTHON: &str = include_str!("bootstrap/bootstrap.py");
const NODE: &str = include_str!("bootstrap/bootstrap.cjs");
/// Of a function's log, in bytes: what `X-Amz-Log-Result` holds.
const TAIL: usize = 4096;
/// Of one line of it, in bytes.
const LINE: usize = 8192;

/// A process and everything that it starts.
#[derive(Debug)]
pub(super) struct Process {
    group: Option<Pid>,
    directory: PathBuf,
    ended: watch::Receiver<Option<String>>,
    log: Arc<LogTail>,
}

/// The last of what a function wrote.
#[derive(Debug, Default)]
pub(super) struct LogTail(Mutex<(String, String)>);

impl LogTail {
    /// Lines from now on belong to this request.
    pub(super) fn begin(&self, request_id: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (request_id.to_owned(), String::new());
    }

    fn line(&self, function: &str, line: &str) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tracing::info!(function, request_id = log.0, "{line}");
        log.1.push_str(line);
        log.1.push('\n');
        if log.1.len() > TAIL {
            let mut cut = log.1.len() - TAIL;
            while !log.1.is_char_boundary(cut) {
                cut += 1;
            }
            log.1.drain(..cut);
        }
    }

    /// What there is.
    pub(super) fn text(log: &Self) -> String {
        log.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

impl Process {
    /// Starts a process.
    pub(super) fn start(start: &Start<'_>, api: SocketAddr) -> Result<Self, String> {
        let directory = start.directory.join(format!("{}-{:016x}", start.settings.function_name, fastrand::u64(..)));
        let made = std::fs::create_dir_all(directory.join("tmp"));
        made.map_err(|error| format!("{}: {error}", directory.display()))?;
        let code = start.code.canonicalize().map_err(|error| format!("{}: {error}", start.code.display()))?;
        let mut command = match start.settings.runtime {
            Runtime::Provided => Command::new(code.join("bootstrap")),
            Runtime::Python => interpreter(&start.settings.interpreter, "bootstrap.py", PYTHON, &directory)?,
            Runtime::Node => interpreter(&start.settings.interpreter, "bootstrap.cjs", NODE, &directory)?,
        };
        command
            .current_dir(&code)
            .env_clear()
            .envs(start.settings.environment.iter().map(|(name, value)| (name, value)))
            .envs(variables(start, api, &code, &directory))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child =
            command.spawn().map_err(|error| format!("the function {} cannot be started: {error}", start.settings.function_name))?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        limit(group);
        let log = Arc::new(LogTail::default());
        let name: Arc<str> = start.settings.function_name.as_str().into();
        follow(child.stdout.take(), Arc::clone(&name), Arc::clone(&log));
        follow(child.stderr.take(), name, Arc::clone(&log));
        let (tell, ended) = watch::channel(None);
        tokio::spawn(async move {
            let how = child.wait().await.map_or_else(|error| error.to_string(), describe);
            tell.send_replace(Some(how));
        });
        Ok(Self { group, directory, ended, log })
    }

    /// Waits for the process' end; how it ended, in Lambda's words.
    pub(super) async fn exited(&self) -> String {
        let mut ended = self.ended.clone();
        let how = ended.wait_for(Option::is_some).await;
        how.ok().and_then(|how| how.clone()).unwrap_or_else(|| "Runtime exited without providing a reason".to_owned())
    }

    pub(super) fn log(&self) -> &LogTail {
        &self.log
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The group is the process' own, so that whatever it started ends with it; one that ended leaves nobody to be told.
        if let Some(group) = self.group {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn interpreter(program: &std::path::Path, name: &str, text: &str, directory: &std::path::Path) -> Result<Command, String> {
    let file = directory.join(name);
    std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut command = Command::new(program);
    command.arg(file);
    Ok(command)
}

/// The variables that Lambda sets; a function's own cannot take their place.
fn variables(start: &Start<'_>, api: SocketAddr, code: &std::path::Path, directory: &std::path::Path) -> Vec<(&'static str, String)> {
    let name = &start.settings.function_name;
    let mut variables = vec![
        ("AWS_LAMBDA_RUNTIME_API", api.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", start.version.to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", start.settings.memory_size.to_string()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", format!("local/[{}]", start.version)),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
        ("LAMBDA_TASK_ROOT", code.display().to_string()),
        ("LAMBDA_RUNTIME_DIR", directory.display().to_string()),
        ("TMPDIR", directory.join("tmp").display().to_string()),
        ("HOME", directory.join("tmp").display().to_string()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("_HANDLER", start.settings.handler.clone()),
    ];
    match start.settings.runtime {
        Runtime::Python => variables.push(("AWS_EXECUTION_ENV", "AWS_Lambda_python3".to_owned())),
        Runtime::Node => variables.push(("AWS_EXECUTION_ENV", "AWS_Lambda_nodejs".to_owned())),
        Runtime::Provided => {}
    }
    variables
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

/// Reads a function's output line by line; a line without end is cut, and never kept whole.
fn follow(output: Option<impl AsyncRead + Send + Unpin + 'static>, function: Arc<str>, log: Arc<LogTail>) {
    let Some(output) = output else { return };
    tokio::spawn(async move {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        loop {
            let available = match reader.fill_buf().await {
                Ok(available) if !available.is_empty() => available,
                _ => break,
            };
            let end = available.iter().position(|&byte| byte == b'\n');
            let taken = end.map_or(available.len(), |end| end + 1);
            let room = LINE.saturating_sub(line.len());
            line.extend(available.iter().take(taken).filter(|&&byte| byte != b'\n').take(room));
            reader.consume(taken);
            if end.is_some() {
                log.line(&function, &String::from_utf8_lossy(&line));
                line.clear();
            }
        }
        if !line.is_empty() {
            log.line(&function, &String::from_utf8_lossy(&line));
        }
    });
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(9)) => "Runtime exited with error: signal: killed".to_owned(),
        (None, signal) => format!("Runtime exited with error: signal: {}", signal.unwrap_or(0)),
    }
}
