//! Loading and reloading: whole or not at all.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::deployments;
use crate::apigateway::account::DomainName;
use crate::apigateway::tracing::TracingSettings;
use crate::backend::Backends;
use crate::config::{self, Loaded, Process};
use crate::document::{Problems, Severity};
use crate::exchange::{Answer, VpcLink};
use crate::functions::{FunctionSettings, Functions};
use crate::observe::{Metrics, Tracer};
use crate::outbound::Client;
use crate::outbound::aws::{Aws, Sts};
use crate::snapshot::{self, Authorizers, Current, Means, Snapshot};
use crate::store::{Caches, Circuits, Clock, Embedded, MemoryQuotas, MemoryRates, QuotaStore};

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
    caches: Caches<Answer>,
    circuits: Circuits,
    tracer: Mutex<Option<Arc<Tracer>>>,
    quotas: Mutex<Option<Arc<Embedded>>>,
    clock: fn() -> SystemTime,
    current: Arc<Current>,
    files: Mutex<Vec<PathBuf>>,
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
    files: Vec<PathBuf>,
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
            caches: Caches::default(),
            circuits: Circuits::default(),
            tracer: Mutex::default(),
            quotas: Mutex::default(),
            clock,
            current: Arc::new(Current::new(Snapshot::default())),
            files: Mutex::default(),
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
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        let means = Means {
            backends: &self.backends,
            metrics: &self.metrics,
            authorizers: &self.authorizers,
            rates: &self.rates,
            quotas: &*quotas,
            clock: &self.monotonic,
            caches: &self.caches,
            tracer: tracer.as_ref(),
            circuits: &self.circuits,
        };
        self.aws.roles().set_sts(Sts::new(&loaded.account.region, loaded.account.aws.endpoints.get("sts")));
        let snapshot = snapshot::compile(&loaded.account, &means, &mut problems);
        if problems.has_errors() {
            return Err(problems);
        }
        // The first configuration is the one that somebody started with; from then on each is a change.
        if !self.files().is_empty() {
            self.record(&loaded);
        }
        Ok(Reloaded {
            process: loaded.process,
            domain_names: loaded.account.domain_names,
            aws_limits: loaded.account.aws_limits,
            problems,
            snapshot,
            vpc_links: loaded.account.vpc_links,
            tracer,
            functions: loaded.account.functions,
            files: loaded.files,
        })
    }

    /// Keeps what a reload brought, so that there is a way back to it. A directory that cannot be written costs the record, not the reload.
    fn record(&self, loaded: &Loaded) {
        let now = (self.clock)().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        for api in &loaded.account.apis {
            if let Err(error) = deployments::create(&loaded.process.state_directory, api, "reload", now) {
                tracing::warn!("the reload is not recorded in {}: {error}", loaded.process.state_directory.display());
                return;
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
        let now = (self.clock)().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        match Embedded::open(&loaded.process.state_directory, now) {
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

    /// Serves what was loaded, to every request that begins from now on.
    pub fn apply(&self, reloaded: &mut Reloaded) {
        self.client.origins().set_vpc_links(&reloaded.vpc_links);
        self.client.origins().set_endpoints(reloaded.snapshot.endpoints());
        let published = reloaded.process.state_directory.join("functions");
        self.aws.functions().apply(&reloaded.functions, &published);
        let tracer = reloaded.tracer.take();
        tracer.iter().for_each(|tracer| tracer.start());
        *self.tracer.lock().unwrap_or_else(PoisonError::into_inner) = tracer;
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = std::mem::take(&mut reloaded.files);
        self.current.replace(std::mem::take(&mut reloaded.snapshot));
    }
}
