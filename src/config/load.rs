//! Loads a configuration: the only place that reads files and the environment for it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::process::{self, Process};
use super::state::State;
use super::{account, api_keys, aws, domain_names, environment, functions, iam_principals, parts_not_served, tracing, usage_plans};
use crate::apigateway::account::Account;
use crate::apigateway::tracing::TracingSettings;
use crate::document::{Fields, Limits, Node, Problems, Source, parse, source, text};
use crate::openapi;

/// A configuration as it was written, all of it read.
#[derive(Debug)]
pub struct Loaded {
    /// How the process runs.
    pub process: Process,
    /// What it serves.
    pub account: Account,
    /// The APIs that are written, each with its stages, whether or not their definitions can be read.
    pub written: Written,
    /// Where traces go; nothing: nowhere.
    pub tracing: Option<TracingSettings>,
    /// Every file that was read.
    pub files: Vec<PathBuf>,
    /// What was in them.
    pub texts: Texts,
}

/// APIs by id, each with its stages.
pub type Written = Vec<(String, Vec<String>)>;

/// What was in the files of a configuration, to read it again as it was. Key files are not among them.
pub type Texts = HashMap<PathBuf, Arc<[u8]>>;

/// The account that `$context.accountId` names where none is configured.
const DEFAULT_ACCOUNT: &str = "123456789012";

/// Reads `gateway.yaml` and everything that it names. The problems of all files are collected; with an error among them, what is
/// returned is not fit to be served.
#[must_use]
pub fn load(path: &Path) -> (Option<Loaded>, Problems) {
    load_with(path, Files::default())
}

/// Reads a configuration as it was, whatever has become of its files, with what operators have set since. It has no API keys.
#[must_use]
pub fn load_again(path: &Path, texts: Texts) -> (Option<Loaded>, Problems) {
    load_with(path, Files { again: Some(texts), ..Files::default() })
}

fn load_with(path: &Path, mut files: Files) -> (Option<Loaded>, Problems) {
    let mut problems = Problems::default();
    let loaded = files.read(path, true, None, &mut problems).and_then(|root| read(&root, &mut files, &mut problems));
    let loaded = loaded.map(|(process, account, tracing, written)| Loaded {
        process,
        account,
        tracing,
        written,
        files: files.read,
        texts: files.texts,
    });
    (loaded, problems)
}

type Everything = (Process, Account, Option<TracingSettings>, Written);

fn read(root: &Node, files: &mut Files, problems: &mut Problems) -> Option<Everything> {
    let mut fields = Fields::of(root, "a configuration", problems)?;
    let process = process::read(&mut fields, files, problems);
    let text = |key: &str| root.get("aws").and_then(|aws| aws.get(key)).and_then(Node::scalar).map(str::to_owned);
    let mut account = Account {
        account_id: text("accountId")
            .or_else(|| root.get("account")?.get("accountId")?.scalar().map(str::to_owned))
            .unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned()),
        region: text("region").or_else(|| variable("AWS_REGION")).unwrap_or_else(|| "us-east-1".to_owned()),
        aws_limits: fields.choice("limits", &[("none", false), ("aws", true)], problems).unwrap_or(false),
        ..Account::default()
    };
    account.aws = aws::aws(&mut fields, problems);
    parts_not_served::check(&mut fields, problems);
    account.vpc_links = domain_names::vpc_links(&mut fields, problems);
    account.throttle_settings = account::throttle_settings(&mut fields, problems);
    let known = account::Known::of(&mut fields, files, problems);
    account.apis = account::apis(&known, &account, &State::read(&process.state_directory, problems), files, problems);
    account.usage_plans = usage_plans::usage_plans(&mut fields, &known, problems);
    account.api_keys = if files.again.is_none() {
        api_keys::api_keys(&mut fields, &account.usage_plans, files, problems)
    } else {
        fields.ignore(&["apiKeys"]);
        Vec::new()
    };
    account.functions = functions::functions(&mut fields, &account.region, files, problems);
    account.iam_principals = iam_principals::iam_principals(&mut fields, problems);
    account.domain_names = domain_names::domain_names(&mut fields, &known, files, problems);
    let tracing = tracing::tracing(&mut fields, &variable, problems);
    fields.finish(problems);
    Some((process, account, tracing, known.names()))
}

#[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The files of one configuration.
#[derive(Debug, Default)]
pub(super) struct Files {
    read: Vec<PathBuf>,
    /// Files that references lead to: each is read once, however many references there are.
    referred: HashMap<PathBuf, Option<Node>>,
    /// Which file refers to which.
    references: HashSet<(String, PathBuf)>,
    texts: Texts,
    /// These, in the place of what is on the disk.
    again: Option<Texts>,
}

impl Files {
    /// A file that is not read here, and another configuration once it changes.
    pub(super) fn watch(&mut self, path: PathBuf) {
        self.read.push(path);
    }

    /// Every file that a definition refers to, in the order of their names.
    pub(super) fn referred_sources(&self, definition: &Node) -> Vec<Arc<Source>> {
        let mut found: BTreeMap<&str, Arc<Source>> = BTreeMap::new();
        let mut left = vec![definition.source.name.as_str()];
        while let Some(name) = left.pop() {
            for (_, path) in self.references.iter().filter(|(from, _)| from == name) {
                let Some(Some(node)) = self.referred.get(path) else { continue };
                let source = &node.source;
                if source.name != definition.source.name && found.insert(&source.name, Arc::clone(source)).is_none() {
                    left.push(&source.name);
                }
            }
        }
        found.into_values().collect()
    }

    /// A path as it is meant: relative to the file that names it.
    #[expect(clippy::unused_self, reason = "it will know the configuration's root")]
    pub(super) fn beside(&self, node: &Node, path: &str) -> PathBuf {
        Path::new(&node.source.name).parent().unwrap_or(Path::new("")).join(path)
    }

    /// The definition that a node names.
    pub(super) fn open(&mut self, node: &Node, problems: &mut Problems) -> Option<Node> {
        let path = self.beside(node, text(node, "a file", problems)?);
        self.read(&path, false, Some(node), problems)
    }

    /// One of our own files, in which variables are replaced.
    pub(super) fn open_own(&mut self, node: &Node, problems: &mut Problems) -> Option<Node> {
        let path = self.beside(node, text(node, "a file", problems)?);
        self.read(&path, true, Some(node), problems)
    }

    /// A file that is no document, such as comma-separated values.
    pub(super) fn text(&mut self, node: &Node, problems: &mut Problems) -> Option<Arc<Source>> {
        let path = self.beside(node, text(node, "a file", problems)?);
        let bytes = self.bytes(&path, Some(node), problems)?;
        // Secrets are not kept longer than they are needed.
        self.texts.remove(&path);
        source(&path.to_string_lossy(), &bytes, Limits::default(), problems)
    }

    fn read(&mut self, path: &Path, own: bool, named_at: Option<&Node>, problems: &mut Problems) -> Option<Node> {
        let bytes = self.bytes(path, named_at, problems)?;
        let node = parse(&path.to_string_lossy(), &bytes, Limits::default(), problems)?;
        Some(if own { environment::substitute(&node, &variable, problems) } else { node })
    }
}

impl Files {
    /// The content of a file that is as it is now and kept nowhere, such as a private key; watched from here on.
    pub(super) fn current(&mut self, path: &Path, named_at: &Node, problems: &mut Problems) -> Option<Vec<u8>> {
        if !self.read.iter().any(|known| known == path) {
            self.read.push(path.to_owned());
        }
        match bounded(path) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                problems.error(named_at, format!("{} cannot be read: {error}", path.display()));
                None
            }
        }
    }

    fn bytes(&mut self, path: &Path, named_at: Option<&Node>, problems: &mut Problems) -> Option<Arc<[u8]>> {
        // A file that is missing is watched too: it may come.
        if !self.read.iter().any(|known| known == path) {
            self.read.push(path.to_owned());
        }
        let read = match &self.again {
            Some(texts) => texts.get(path).cloned().ok_or_else(|| std::io::ErrorKind::NotFound.into()),
            None => bounded(path).map(Arc::from),
        };
        match read {
            Ok(bytes) => {
                self.texts.insert(path.to_owned(), Arc::clone(&bytes));
                Some(bytes)
            }
            Err(error) => {
                let message = format!("{} cannot be read: {error}", path.display());
                match named_at {
                    Some(node) => problems.error(node, message),
                    None => problems.general(message),
                };
                None
            }
        }
    }
}

/// A file's bytes, at most one more than a document may have: the reader refuses what is larger.
fn bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().take(Limits::default().bytes as u64 + 1).read_to_end(&mut bytes)?;
    } else {
        if !std::fs::metadata(path)?.is_file() {
            return Err(std::io::Error::other("it is no file"));
        }
        std::fs::File::open(path)?.take(Limits::default().bytes as u64 + 1).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

impl openapi::Files for Files {
    fn load(&mut self, from: &Node, path: &str, problems: &mut Problems) -> Option<Node> {
        if path.contains("://") {
            problems.error(from, "a reference leads to a file beside this one, not to the network");
            return None;
        }
        let path = self.beside(from, path);
        self.references.insert((from.source.name.clone(), path.clone()));
        if let Some(known) = self.referred.get(&path) {
            return known.clone();
        }
        let node = self.read(&path, false, Some(from), problems);
        self.referred.insert(path, node.clone());
        node
    }
}
