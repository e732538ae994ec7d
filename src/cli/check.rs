//! `headgate check`.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::args::{Check, Format};
use super::{DONE, REFUSED, clock, output};
use crate::backend::Backends;
use crate::config::Loaded;
use crate::control;
use crate::document::{Problems, Severity};
use crate::functions::Functions;
use crate::observe::Metrics;
use crate::outbound::Client;
use crate::outbound::aws::{Aws, Sts};
use crate::snapshot::{Authorizers, Means, ResponseCaches, Snapshot};
use crate::store::{Circuits, MemoryQuotas, MemoryRates};

/// Loads, compiles, and shows what was found.
pub(super) fn check(arguments: &Check) -> u8 {
    let (compiled, problems, _) = load(&arguments.config.config);
    let refused = problems.has_errors() || compiled.is_none();
    match arguments.format {
        Format::Text => {
            output::err(&problems.to_text());
            output::err(&format!("{}: {}\n", arguments.config.config.display(), summary(&problems)));
        }
        Format::Json => output::out(&format!("{:#}\n", json!({ "ok": !refused, "problems": problems.to_json() }))),
    }
    if refused { REFUSED } else { DONE }
}

/// Loads and compiles a configuration for a command that serves nothing.
pub(super) fn load(path: &Path) -> (Option<(Loaded, Snapshot)>, Problems, Arc<Aws>) {
    let client = Arc::new(Client::new());
    let functions = Arc::new(Functions::new());
    let aws = Arc::new(Aws::new(Arc::clone(&client), functions, clock::now));
    let backends = Backends::new(Arc::clone(&client), Arc::clone(&aws));
    let monotonic = clock::monotonic();
    let (rates, quotas, metrics) = (MemoryRates::new(monotonic.clone()), MemoryQuotas::default(), Metrics::new());
    let authorizers = Authorizers::new(Arc::clone(&aws), Arc::clone(&client));
    let means = Means {
        backends: &backends,
        metrics: &metrics,
        authorizers: &authorizers,
        rates: &rates,
        quotas: &quotas,
        clock: &monotonic,
        caches: &ResponseCaches::default(),
        api_keys: None,
        tracer: None,
        circuits: &Circuits::default(),
    };
    let (compiled, problems) = control::compile(path, &means);
    if let Some((loaded, _)) = &compiled {
        client.origins().set_vpc_links(&loaded.account.vpc_links);
        aws.roles().set_sts(Sts::new(&loaded.account.region, loaded.account.aws.endpoints.get("sts")));
    }
    (compiled, problems, aws)
}

/// `2 errors, 1 warning, 3 notes`, or that all is well.
pub(super) fn summary(problems: &Problems) -> String {
    let parts: Vec<String> = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")]
        .into_iter()
        .map(|(severity, name)| (problems.count(severity), name))
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}{}", if count == 1 { "" } else { "s" }))
        .collect();
    if parts.is_empty() { "no problems".to_owned() } else { parts.join(", ") }
}
