//! The real program with files of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::client;
use super::{Closed, free_ports};

/// Where a gateway's messages go: a pipe that nobody reads would stop it in the end.
const ERRORS: &str = "stderr.txt";

/// A directory that goes with the test.
#[derive(Debug)]
pub struct Files(pub PathBuf);

impl Files {
    /// An empty directory.
    pub fn new() -> Self {
        let unique = format!("headgate-test-{}-{:x}", std::process::id(), fastrand::u64(..));
        let path = std::env::temp_dir().join(unique);
        std::fs::create_dir_all(&path).expect("the temporary directory can be written");
        Self(path)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("the temporary directory can be written");
        path
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program, not started.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headgate"));
    command.stdin(Stdio::null()).env("HEADGATE_LOG", "warn");
    command
}

/// Runs a command to its end.
pub fn run(directory: &Path, arguments: &[&str]) -> Output {
    program().args(arguments).current_dir(directory).output().expect("the program starts")
}

/// A running gateway; it ends with the test.
#[derive(Debug)]
pub struct Gateway {
    pub port: u16,
    pub admin_port: u16,
    /// What `${CLOSED_PORT}` stands for.
    pub closed: Closed,
    pub files: Files,
    pub child: Child,
}

impl Gateway {
    /// Starts the gateway with these files, in which `${GATEWAY_PORT}` and its like are filled in.
    pub fn start(files: &[(String, String)], backend_port: u16, arguments: &[&str]) -> Result<Self, String> {
        Self::start_in(&[], files, backend_port, arguments)
    }

    /// The same with variables in its environment.
    pub fn start_in(
        environment: &[(&str, &str)],
        files: &[(String, String)],
        backend_port: u16,
        arguments: &[&str],
    ) -> Result<Self, String> {
        // Another process may take a port between its choice and its use.
        for _ in 0..4 {
            match Self::try_start(environment, files, backend_port, arguments) {
                Err(error) if error.contains("cannot be listened on") => {}
                started => return started,
            }
        }
        Self::try_start(environment, files, backend_port, arguments)
    }

    fn try_start(environment: &[(&str, &str)], files: &[(String, String)], backend_port: u16, arguments: &[&str]) -> Result<Self, String> {
        let [port, admin_port] = free_ports();
        let closed = Closed::new();
        let directory = Files::new();
        for (name, text) in files {
            directory.write(name, &filled(text, [port, admin_port, backend_port, closed.port()]));
        }
        let child = Self::spawn(&directory.0, arguments, environment)?;
        let mut gateway = Self { port, admin_port, closed, files: directory, child };
        gateway.wait_until_ready()?;
        Ok(gateway)
    }

    fn spawn(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Child, String> {
        program()
            .args(["run", "--config", "gateway.yaml"])
            .args(arguments)
            .envs(environment.iter().copied())
            .current_dir(directory)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(directory.join(ERRORS)).map_err(|error| error.to_string())?)
            .spawn()
            .map_err(|error| error.to_string())
    }

    /// Starts the gateway again after it has ended, with the same files and ports.
    pub fn restart(&mut self) {
        self.child = Self::spawn(&self.files.0, &[], &[]).unwrap();
        self.wait_until_ready().unwrap();
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            let is_ready = client::send(self.admin_port, "GET", "/readyz", &[], b"").is_ok_and(|response| response.status == 200);
            // The answer may be another test's gateway's, which has taken the port: then this one ends.
            if let Ok(Some(status)) = self.child.try_wait() {
                let text = std::fs::read_to_string(self.files.0.join(ERRORS)).unwrap_or_default();
                return Err(format!("the gateway ended with {status}: {text}"));
            }
            if is_ready {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("the gateway was not ready within 20 s".to_owned())
    }

    /// Whether none of its threads has anything to do: what is under way waits for something outside.
    pub fn is_idle(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the gateway runs");
        threads.flatten().all(|thread| {
            // The state follows the name, which is in parentheses.
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('S'))
        })
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.files.0.join(ERRORS)).unwrap_or_default()
    }

    /// Sends a signal to the gateway alone.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "the gateway could not be signalled");
    }

    /// A GET through the gateway.
    pub fn get(&self, target: &str) -> client::Response {
        client::send(self.port, "GET", target, &[], b"").expect("the gateway answers")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Asked first, so that it ends what it has started and leaves nothing behind.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let until = Instant::now() + Duration::from_secs(3);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Replaces the names of ports in a file.
pub fn filled(text: &str, [gateway, admin, backend, closed]: [u16; 4]) -> String {
    text.replace("${GATEWAY_PORT}", &gateway.to_string())
        .replace("${ADMIN_PORT}", &admin.to_string())
        .replace("${BACKEND_PORT}", &backend.to_string())
        .replace("${CLOSED_PORT}", &closed.to_string())
}
