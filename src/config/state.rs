//! What operators did at run time, as the state directory keeps it: deployments, and which of them stages serve.
//!
//! It wins over the files. Here it is read; `control` writes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::apigateway::account::ApiWithStages;
use crate::apigateway::deployment::Deployment;
use crate::document::{Limits, Node, Problems, Source, parse};
use crate::openapi::{self, Options};

/// A deployment as it is kept: a definition with everything that it refers to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredDeployment {
    /// The beginning of the hash of its content.
    pub id: String,
    /// The API that it is one of.
    pub rest_api_id: String,
    /// Seconds since 1970.
    pub created_date: u64,
    /// Why it was made.
    #[serde(default)]
    pub description: String,
    /// The definition's name among the files.
    pub definition: String,
    /// `basepath`, as `gateway.yaml` had it.
    #[serde(default)]
    pub basepath: String,
    /// Texts by name.
    pub files: BTreeMap<String, String>,
}

/// What stages serve.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Stages(pub BTreeMap<String, StageState>);

/// What one stage serves.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageState {
    /// The deployment; nothing: what the file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<String>,
    /// The canary that was set at run time.
    #[serde(default)]
    pub canary: CanaryState,
    /// Variables that a promoted canary brought.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Every change, oldest first.
    #[serde(default)]
    pub history: Vec<Change>,
}

/// Whether somebody set a canary at run time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "set", content = "settings")]
pub enum CanaryState {
    /// The file's own.
    #[default]
    ByFile,
    /// None, whatever the file says.
    Deleted,
    /// This one.
    ByOperator(StoredCanary),
}

/// A canary that was set at run time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredCanary {
    /// How many of a hundred requests.
    pub percent_traffic: f64,
    /// Nothing: the stage's own deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<String>,
    /// Variables of its own.
    #[serde(default)]
    pub stage_variable_overrides: BTreeMap<String, String>,
    /// Whether it shares the stage's cache.
    #[serde(default)]
    pub use_stage_cache: bool,
    /// What keeps a caller on one side, as `x-headgate.stickyBy` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky_by: Option<String>,
}

/// One change of what a stage serves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Seconds since 1970.
    pub date: u64,
    /// What was done.
    pub action: String,
    /// The deployment that is served from then on; nothing: the files as they are.
    #[serde(default)]
    pub deployment_id: Option<String>,
    /// The variables that promoted canaries have brought until then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
}

/// The state directory, as far as it has been read.
#[derive(Debug, Default)]
pub struct State {
    directory: PathBuf,
    stages: Stages,
}

/// How a stage is named in it.
#[must_use]
pub fn stage_key(api: &str, stage: &str) -> String {
    format!("{api}/{stage}")
}

/// Reads what stages serve; nothing was set where there is no file.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn stages(directory: &Path) -> Result<Stages, String> {
    let path = directory.join("stages.json");
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display())),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => Ok(Stages::default()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Where a deployment is kept.
#[must_use]
pub fn deployment_path(directory: &Path, id: &str) -> PathBuf {
    directory.join("deployments").join(format!("{id}.json"))
}

/// Reads a deployment, and checks that it is what its name says.
///
/// # Errors
/// When it is not there, or damaged.
pub fn deployment(directory: &Path, id: &str) -> Result<StoredDeployment, String> {
    let path = deployment_path(directory, id);
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(format!("`{id}` is no deployment's id"));
    }
    let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let stored: StoredDeployment = serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    if stored.id != id || stored.content_id() != id {
        return Err(format!("{}: its content is not what its name says", path.display()));
    }
    Ok(stored)
}

/// The id that a deployment's content has.
fn content_id<'t>(api: &str, definition: &str, basepath: &str, files: impl Iterator<Item = (&'t str, &'t str)>) -> String {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    for text in [api, definition].into_iter().chain(files.flat_map(|(name, text)| [name, text])).chain([basepath, ""]) {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.finalize().iter().take(5).map(|byte| format!("{byte:02x}")).collect()
}

/// A definition's files by the names that they have in a deployment: as seen from the definition, wherever that lies.
fn named(sources: &[Arc<Source>]) -> Option<(String, BTreeMap<String, &str>)> {
    let definition = Path::new(&sources.first()?.name);
    let directory = definition.parent().unwrap_or(Path::new(""));
    let name = |source: &Source| {
        let path = Path::new(&source.name);
        path.strip_prefix(directory).unwrap_or(path).to_string_lossy().into_owned()
    };
    Some((name(sources.first()?), sources.iter().map(|source| (name(source), source.text.as_str())).collect()))
}

/// The id of the deployment that an API's files would be.
#[must_use]
pub fn files_id(api: &str, basepath: &str, sources: &[Arc<Source>]) -> String {
    let (definition, files) = named(sources).unwrap_or_default();
    content_id(api, &definition, basepath, files.iter().map(|(name, text)| (name.as_str(), *text)))
}

/// An API's files as they were read.
#[derive(Debug, Clone)]
pub struct ApiFiles {
    /// The API.
    pub rest_api_id: String,
    /// The deployment that they would be.
    pub deployment_id: String,
    /// `basepath`, as it is written.
    pub basepath: String,
    /// The definition, and what it refers to.
    pub sources: Vec<Arc<Source>>,
}

impl ApiFiles {
    /// Those of an API.
    #[must_use]
    pub fn of(api: &ApiWithStages) -> Self {
        Self {
            rest_api_id: api.id.value.clone(),
            deployment_id: api.deployment_id.clone(),
            basepath: api.basepath.clone(),
            sources: api.sources.clone(),
        }
    }
}

impl StoredDeployment {
    /// An API as its files have it.
    #[must_use]
    pub fn of(api: &ApiFiles, description: &str, now_seconds: u64) -> Self {
        let (definition, files) = named(&api.sources).unwrap_or_default();
        Self {
            id: api.deployment_id.clone(),
            rest_api_id: api.rest_api_id.clone(),
            created_date: now_seconds,
            description: description.to_owned(),
            definition,
            basepath: api.basepath.clone(),
            files: files.into_iter().map(|(name, text)| (name, text.to_owned())).collect(),
        }
    }

    fn content_id(&self) -> String {
        let files = self.files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        content_id(&self.rest_api_id, &self.definition, &self.basepath, files)
    }
}

impl State {
    /// Reads the state directory.
    pub(super) fn read(directory: &Path, problems: &mut Problems) -> Self {
        let stages = stages(directory).unwrap_or_else(|error| {
            problems.general(format!("what was set at run time cannot be read: {error}"));
            Stages::default()
        });
        Self { directory: directory.to_owned(), stages }
    }

    /// What was set for a stage.
    pub(super) fn stage(&self, api: &str, stage: &str) -> Option<&StageState> {
        self.stages.0.get(&stage_key(api, stage))
    }

    /// A deployment, compiled from what it was.
    ///
    /// # Errors
    /// When it is not there, or is no definition any more.
    pub(super) fn deployment(&self, api: &str, id: &str, options: &Options) -> Result<Arc<Deployment>, String> {
        let stored = deployment(&self.directory, id)?;
        if stored.rest_api_id != api {
            return Err(format!("the deployment {id} is one of the API `{}`", stored.rest_api_id));
        }
        read_deployment(&stored, options).map(Arc::new)
    }
}

/// The API that a deployment defines.
///
/// # Errors
/// With the first problem that stands in the way.
pub fn read_deployment(stored: &StoredDeployment, options: &Options) -> Result<Deployment, String> {
    let mut problems = Problems::default();
    let basepath = super::account::base_path_mode(&stored.basepath);
    let options = Options { base_path: basepath, ..options.clone() };
    let mut files = StoredFiles(stored);
    let root = files.open(&stored.definition, &mut problems);
    let api = root.and_then(|root| openapi::read(&root, &mut files, &options, &mut problems));
    match api {
        Some(api) if !problems.has_errors() => Ok(Deployment { id: stored.id.clone(), api }),
        _ => Err(problems.to_lines().into_iter().next().unwrap_or_else(|| format!("the deployment {} cannot be read", stored.id))),
    }
}

/// The files of a deployment in the place of those on disk.
struct StoredFiles<'s>(&'s StoredDeployment);

impl StoredFiles<'_> {
    fn open(&self, name: &str, problems: &mut Problems) -> Option<Node> {
        let text = self.0.files.get(name)?;
        parse(name, text.as_bytes(), Limits::default(), problems)
    }
}

impl openapi::Files for StoredFiles<'_> {
    fn load(&mut self, from: &Node, path: &str, problems: &mut Problems) -> Option<Node> {
        let beside = Path::new(&from.source.name).parent().unwrap_or(Path::new("")).join(path);
        let found = self.open(&beside.to_string_lossy(), problems);
        if found.is_none() {
            problems.error(from, format!("the deployment has no file {path}"));
        }
        found
    }
}
