//! An authority of its own, and two clients that are not ours: `openssl` and `curl`.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::gateway::Files;

/// Issues certificates.
#[derive(Debug)]
pub struct Authority(pub Files);

impl Authority {
    pub fn new(name: &str) -> Self {
        let files = Files::new();
        files.write("req.cnf", "[req]\ndistinguished_name = dn\n[dn]\n");
        let authority = Self(files);
        let subject = format!("/C=DE/O=Example/CN={name}");
        authority.request("ca", &subject, &["-addext", "basicConstraints=critical,CA:TRUE"]);
        authority
    }

    /// `{name}.pem` and `{name}.key` for a server with these names.
    pub fn server(&self, name: &str, hosts: &[&str]) {
        let hosts: Vec<String> = hosts.iter().map(|host| format!("DNS:{host}")).collect();
        let names = format!("subjectAltName={}", hosts.join(","));
        self.issue(name, &format!("/CN={name}"), &["-addext", &names, "-addext", "extendedKeyUsage=serverAuth,clientAuth"]);
    }

    /// `{name}.pem` and `{name}.key` for a client, or for what else `usage` says.
    pub fn client(&self, name: &str, usage: &str) {
        let usage = format!("extendedKeyUsage={usage}");
        self.issue(name, &format!("/C=DE/O=Example/CN={name}"), &["-set_serial", "0xa1b2c3", "-addext", &usage]);
    }

    fn issue(&self, name: &str, subject: &str, more: &[&str]) {
        let issued = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"];
        self.request(name, subject, &[&issued, more].concat());
    }

    fn request(&self, name: &str, subject: &str, more: &[&str]) {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let new = ["req", "-x509", "-config", "req.cnf", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
        let files = ["-keyout", &key, "-out", &certificate, "-subj", subject];
        let output = run("openssl", &self.0.0, &[&new, &files[..], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A file's text.
    pub fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.0.join(file)).unwrap()
    }

    /// Files for a gateway.
    pub fn files(&self, names: &[&str]) -> Vec<(String, String)> {
        names.iter().map(|name| ((*name).to_owned(), self.text(name))).collect()
    }

    /// What `openssl s_client` says of a handshake.
    pub fn s_client(&self, port: u16, arguments: &[&str]) -> String {
        let address = format!("127.0.0.1:{port}");
        let output = run("openssl", &self.0.0, &[&["s_client", "-connect", &address, "-CAfile", "ca.pem"], arguments].concat());
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    /// What `curl` gets: the status (nothing where there was no answer) and the content.
    pub fn curl(&self, port: u16, url: &str, arguments: &[&str]) -> (Option<u16>, String) {
        let host = url.split("//").nth(1).and_then(|rest| rest.split('/').next()).unwrap();
        let (resolve, url) = (format!("{host}:{port}:127.0.0.1"), url.replacen(host, &format!("{host}:{port}"), 1));
        let fixed = ["-sS", "--max-time", "20", "--cacert", "ca.pem", "--resolve", &resolve, "-w", "\n%{http_code}", &url];
        let output = run("curl", &self.0.0, &[&fixed, arguments].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (content, status) = text.rsplit_once('\n').unwrap_or_default();
        (status.parse().ok().filter(|status| *status != 0 && output.status.success()), content.to_owned())
    }
}

fn run(program: &str, directory: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).current_dir(directory).stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"))
}
