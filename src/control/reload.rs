//! Loading and reloading: whole or not at all.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::deployments;
use crate::apigateway::account::{ApiWithStages, DomainName};
use crate::apigateway::tracing::TracingSettings;
use crate::backend::Backends;
use crate::config::state::{ApiFiles, StoredDeployment};
use crate::config::{self, Loaded, Process, Texts};
use crate::document::{Problems, Severity};
use crate::exchange::VpcLink;
use crate::functions::{FunctionSettings, Functions};
use crate::observe::{Metrics, Tracer};
use crate::outbound::Client;
use crate::outbound::aws::{Aws, Sts};
use crate::snapshot::{self, ApiKeys, Authorizers, Current, Means, ResponseCaches, Snapshot};
use crate::store::{Circuits, Clock, Embedded, MemoryQuotas, MemoryRates, QuotaStore};

/// The configuration that a gateway runs, and how it is replaced.
#[derive(Debug)]
pub struct Gateway {
    path: PathBuf,
    backends: Backends,
    metrics: Arc<Metrics>,
    client: Arc<Client>,
    aws: Arc<Aws>,
    authorizers: Authorizers,
    rates: MemoryRates,
    monotonic: Clock,
    caches: ResponseCaches,
    circuits: Circuits,
    tracer: Mutex<Option<Arc<Tracer>>>,
    quotas: Mutex<Option<Arc<Embedded>>>,
    clock: fn() -> SystemTime,
    current: Arc<Current>,
    served: Mutex<Served>,
}

/// What of the files is served.
#[derive(Debug, Default)]
struct Served {
    files: Vec<PathBuf>,
    texts: Texts,
    apis: Vec<ServedApi>,
    state_directory: PathBuf,
}

/// An API's files, and the stages that serve them as they are.
#[derive(Debug)]
struct ServedApi {
    files: ApiFiles,
    stages: Vec<String>,
}

impl ServedApi {
    fn of(api: &ApiWithStages) -> Self {
        let as_they_are = api.stages.iter().filter(|stage| stage.deployment.is_none());
        Self { files: ApiFiles::of(api), stages: as_they_are.map(|stage| stage.stage_name.value.clone()).collect() }
    }
}

/// What a successful reload hands to the server.
#[derive(Debug)]
pub struct Reloaded {
    /// The process's settings, listeners among them.
    pub process: Process,
    /// Custom domains, for their certificates.
    pub domain_names: Vec<DomainName>,
    /// Whether API Gateway's ceilings hold.
    pub aws_limits: bool,
    /// Warnings and notes.
    pub problems: Problems,
    snapshot: Snapshot,
    vpc_links: Vec<VpcLink>,
    functions: Vec<FunctionSettings>,
    tracer: Option<Arc<Tracer>>,
    served: Served,
}

/// What a reload replaced.
#[derive(Debug)]
pub struct Replaced {
    apis: Vec<Exchanged>,
    state_directory: PathBuf,
}

/// The files of an API, before and after.
#[derive(Debug)]
struct Exchanged {
    before: ApiFiles,
    after: ApiFiles,
    stages: Vec<String>,
}

/// Loads and compiles a configuration without serving it.
#[must_use]
pub fn compile(path: &Path, means: &Means<'_>) -> (Option<(Loaded, Snapshot)>, Problems) {
    let (loaded, mut problems) = config::load(path);
    let compiled = loaded.map(|loaded| {
        let snapshot = snapshot::compile(&loaded.account, means, &mut problems);
        (loaded, snapshot)
    });
    (compiled, problems)
}

impl Reloaded {
    /// The functions that run here.
    #[must_use]
    pub fn functions(&self) -> &[FunctionSettings] {
        &self.functions
    }
}

impl Gateway {
    /// A gateway that serves nothing yet.
    #[must_use]
    pub fn new(path: PathBuf, metrics: Arc<Metrics>, clock: fn() -> SystemTime, monotonic: Clock) -> Self {
        let client = Arc::new(Client::new());
        let functions = Arc::new(Functions::new());
        let aws = Arc::new(Aws::new(Arc::clone(&client), functions, clock));
        let backends = Backends::new(Arc::clone(&client), Arc::clone(&aws));
        let rates = MemoryRates::new(monotonic.clone());
        let authorizers = Authorizers::new(Arc::clone(&aws), Arc::clone(&client));
        Self {
            path,
            backends,
            metrics,
            client,
            aws,
            authorizers,
            rates,
            monotonic,
            caches: ResponseCaches::default(),
            circuits: Circuits::default(),
            tracer: Mutex::default(),
            quotas: Mutex::default(),
            clock,
            current: Arc::new(Current::new(Snapshot::default())),
            served: Mutex::default(),
        }
    }

    /// The client that calls endpoints.
    #[must_use]
    pub const fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// What signs calls of AWS's services.
    #[must_use]
    pub const fn aws(&self) -> &Arc<Aws> {
        &self.aws
    }

    /// What is served.
    #[must_use]
    pub const fn current(&self) -> &Arc<Current> {
        &self.current
    }

    /// Every file that the configuration was read from.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.served().files.clone()
    }

    /// The configuration's own file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration as it was read, with what operators have set since.
    #[must_use]
    pub fn loaded_again(&self) -> Option<Loaded> {
        let texts = self.served().texts.clone();
        config::load_again(&self.path, texts).0
    }

    fn served(&self) -> MutexGuard<'_, Served> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads everything anew. Nothing is served of it before [`Self::apply`].
    ///
    /// # Errors
    /// With all problems, if one of them is an error.
    pub fn load(&self) -> Result<Reloaded, Problems> {
        let (loaded, mut problems) = config::load(&self.path);
        let Some(loaded) = loaded else { return Err(problems) };
        let Some(quotas) = self.quotas(&loaded, &mut problems) else { return Err(problems) };
        let tracer = self.tracer(loaded.tracing.as_ref());
        self.aws.roles().set_sts(Sts::new(&loaded.account.region, loaded.account.aws.endpoints.get("sts")));
        let snapshot = snapshot::compile(&loaded.account, &self.means(&*quotas, tracer.as_ref(), None), &mut problems);
        if problems.has_errors() {
            return Err(problems);
        }
        let apis = loaded.account.apis.iter().map(ServedApi::of).collect();
        let state_directory = loaded.process.state_directory.clone();
        Ok(Reloaded {
            process: loaded.process,
            domain_names: loaded.account.domain_names,
            aws_limits: loaded.account.aws_limits,
            problems,
            snapshot,
            vpc_links: loaded.account.vpc_links,
            tracer,
            functions: loaded.account.functions,
            served: Served { files: loaded.files, texts: loaded.texts, apis, state_directory },
        })
    }

    fn means<'m>(&'m self, quotas: &'m dyn QuotaStore, tracer: Option<&'m Arc<Tracer>>, api_keys: Option<&'m Arc<ApiKeys>>) -> Means<'m> {
        Means {
            backends: &self.backends,
            metrics: &self.metrics,
            authorizers: &self.authorizers,
            rates: &self.rates,
            quotas,
            clock: &self.monotonic,
            caches: &self.caches,
            api_keys,
            tracer,
            circuits: &self.circuits,
        }
    }

    /// Serves what operators have set since, and the files as they were when they were read: whatever has become of them meanwhile, going
    /// back is possible, and nothing half-finished comes along. Whether anything cannot be served: then all stays as it is.
    ///
    /// # Errors
    /// With all problems, if one of them is an error.
    pub fn serve_what_was_set(&self) -> Result<Problems, Problems> {
        let texts = self.served().texts.clone();
        let (loaded, mut problems) = config::load_again(&self.path, texts);
        let Some(loaded) = loaded else { return Err(problems) };
        let Some(quotas) = self.quotas(&loaded, &mut problems) else { return Err(problems) };
        let api_keys = Arc::clone(&self.current.load().api_keys);
        let tracer = self.tracer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let snapshot = snapshot::compile(&loaded.account, &self.means(&*quotas, tracer.as_ref(), Some(&api_keys)), &mut problems);
        if problems.has_errors() {
            return Err(problems);
        }
        self.served().apis = loaded.account.apis.iter().map(ServedApi::of).collect();
        self.client.origins().set_endpoints(snapshot.endpoints());
        self.current.replace(snapshot);
        self.metrics.serving();
        Ok(problems)
    }

    /// Keeps what a reload brought and what it replaced, so that there is a way back. A directory that cannot be written costs the record,
    /// not the reload.
    pub fn record(&self, replaced: &Replaced) {
        let now = (self.clock)().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        for Exchanged { before, after, stages } in &replaced.apis {
            let [before, after] =
                [(before, "before a reload"), (after, "reload")].map(|(files, why)| StoredDeployment::of(files, why, now));
            if let Err(error) = deployments::reloaded(&replaced.state_directory, &before, &after, stages) {
                tracing::warn!("the reload is not recorded: {error}");
            }
        }
    }

    /// Where quotas are counted: the state directory, from the first configuration on that has usage plans.
    fn quotas(&self, loaded: &Loaded, problems: &mut Problems) -> Option<Arc<dyn QuotaStore>> {
        let Some(plan) = loaded.account.usage_plans.first() else { return Some(Arc::new(MemoryQuotas::default())) };
        let mut open = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = &*open {
            return Some(Arc::<Embedded>::clone(store));
        }
        match Embedded::open(&loaded.process.state_directory, self.clock) {
            Ok(store) => {
                let store = Arc::new(store);
                *open = Some(Arc::clone(&store));
                Some(store)
            }
            Err(error) => {
                problems.spanned(Severity::Error, &plan.id, format!("usage plans need the state directory, which cannot be used: {error}"));
                problems.help("`stateDirectory` names another");
                None
            }
        }
    }

    /// What sends traces; the one that does so already, unless its settings are others.
    fn tracer(&self, settings: Option<&TracingSettings>) -> Option<Arc<Tracer>> {
        let settings = settings?;
        let running = self.tracing().filter(|tracer| tracer.settings() == settings);
        Some(running.unwrap_or_else(|| Arc::new(Tracer::new(settings.clone(), Arc::clone(&self.client), Arc::clone(&self.metrics)))))
    }

    /// What sends traces.
    #[must_use]
    pub fn tracing(&self) -> Option<Arc<Tracer>> {
        self.tracer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The durable store, once some configuration needed it.
    #[must_use]
    pub fn durable(&self) -> Option<Arc<Embedded>> {
        self.quotas.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why what is counted cannot be written now, if it cannot.
    #[must_use]
    pub fn state_failure(&self) -> Option<String> {
        self.durable().and_then(|store| store.failure())
    }

    /// Serves what was loaded, to every request that begins from now on; what it replaced is to be recorded.
    pub fn apply(&self, reloaded: &mut Reloaded) -> Replaced {
        self.client.origins().set_vpc_links(&reloaded.vpc_links);
        self.client.origins().set_endpoints(reloaded.snapshot.endpoints());
        let published = reloaded.process.state_directory.join("functions");
        self.aws.functions().apply(&reloaded.functions, &published);
        let tracer = reloaded.tracer.take();
        tracer.iter().for_each(|tracer| tracer.start());
        *self.tracer.lock().unwrap_or_else(PoisonError::into_inner) = tracer;
        self.current.replace(std::mem::take(&mut reloaded.snapshot));
        self.metrics.serving();
        let mut served = self.served();
        let before = std::mem::replace(&mut *served, std::mem::take(&mut reloaded.served));
        let exchanged = served.apis.iter().filter_map(|api| {
            let old = before.apis.iter().find(|old| old.files.rest_api_id == api.files.rest_api_id)?;
            let is_other = old.files.deployment_id != api.files.deployment_id;
            is_other.then(|| Exchanged { before: old.files.clone(), after: api.files.clone(), stages: api.stages.clone() })
        });
        Replaced { apis: exchanged.collect(), state_directory: served.state_directory.clone() }
    }
}
