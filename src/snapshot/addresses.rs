//! Which stage serves a request: its host and its path say so.

use foldhash::HashMap;

/// Where stages are found. `S` is what serves a stage.
#[derive(Debug)]
pub struct Addresses<S> {
    domain_names: HashMap<Box<str>, Domain<S>>,
    apis: HashMap<Box<str>, Api<S>>,
    only: Option<Box<str>>,
}

#[derive(Debug)]
struct Domain<S> {
    name: Box<str>,
    mutual_tls: bool,
    mappings: Vec<Mapping<S>>,
}

#[derive(Debug)]
struct Mapping<S> {
    base_path: Box<str>,
    target: Target<S>,
}

/// What a base path stands for: one stage, or an API whose stage the path goes on to name.
#[derive(Debug)]
enum Target<S> {
    Stage(S),
    Api(Box<str>),
}

#[derive(Debug)]
struct Api<S> {
    stages: HashMap<Box<str>, S>,
    default_endpoint: bool,
}

/// A stage and what is left of the path.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'s, 'p, S> {
    /// What serves the request.
    pub stage: &'s S,
    /// The path below the stage: one leading slash, the rest as sent.
    pub resource_path: std::borrow::Cow<'p, str>,
    /// The custom domain's base path that matched; empty for `(none)`.
    pub base_path: Option<&'s str>,
    /// The custom domain, where it demands a client certificate.
    pub mutual_tls: Option<&'s str>,
}

impl<S> Default for Addresses<S> {
    fn default() -> Self {
        Self { domain_names: HashMap::default(), apis: HashMap::default(), only: None }
    }
}

impl<S> Addresses<S> {
    /// Adds an API; `default_endpoint` is false under `disableExecuteApiEndpoint`.
    pub fn add_api(&mut self, api_id: &str, default_endpoint: bool, stages: impl IntoIterator<Item = (Box<str>, S)>) {
        self.only = self.apis.is_empty().then(|| api_id.into());
        self.apis.insert(api_id.into(), Api { stages: stages.into_iter().collect(), default_endpoint });
    }

    /// Maps a base path, without slashes around it, of a custom domain to a stage.
    pub fn add_mapping(&mut self, domain_name: &str, base_path: &str, stage: S) {
        self.map(domain_name, base_path, Target::Stage(stage));
    }

    /// Maps a base path to an API: the next segment names the stage.
    pub fn add_api_mapping(&mut self, domain_name: &str, base_path: &str, api_id: &str) {
        self.map(domain_name, base_path, Target::Api(api_id.into()));
    }

    fn map(&mut self, domain_name: &str, base_path: &str, target: Target<S>) {
        let mappings = &mut self.domain(domain_name).mappings;
        mappings.push(Mapping { base_path: base_path.into(), target });
        mappings.sort_by_key(|mapping| std::cmp::Reverse(mapping.base_path.len()));
    }

    /// Makes a custom domain known that has no mapping yet: it answers for no API. `mutual_tls`: to nobody without a certificate, either.
    pub fn add_domain_name(&mut self, domain_name: &str, mutual_tls: bool) {
        self.domain(domain_name).mutual_tls = mutual_tls;
    }

    fn domain(&mut self, domain_name: &str) -> &mut Domain<S> {
        let name: Box<str> = domain_name.to_ascii_lowercase().into();
        self.domain_names.entry(name.clone()).or_insert_with(|| Domain { name, mutual_tls: false, mappings: Vec::new() })
    }

    /// The stage for a host (lower case, without port) and a path.
    ///
    /// # Errors
    /// With what is unknown, for the log; the client reads `Forbidden`.
    pub fn find<'s, 'p>(&'s self, host: &str, path: &'p str) -> Result<Found<'s, 'p, S>, &'static str> {
        let path = path.trim_start_matches('/');
        if let Some(domain) = self.domain_of(host) {
            let found = self.mapped(&domain.mappings, path)?;
            return Ok(Found { mutual_tls: domain.mutual_tls.then_some(&*domain.name), ..found });
        }
        let label = host.split('.').next().unwrap_or_default();
        let api = self.apis.get(label).or_else(|| self.only.as_ref().and_then(|id| self.apis.get(id)));
        let api = api.ok_or("no API has this host")?;
        if !api.default_endpoint {
            return Err("the API's execute-api endpoint is disabled");
        }
        in_api(api, path, None)
    }

    fn domain_of(&self, host: &str) -> Option<&Domain<S>> {
        if self.domain_names.is_empty() {
            return None;
        }
        let wildcard = || self.domain_names.get(format!("*.{}", host.split_once('.')?.1).as_str());
        self.domain_names.get(host).or_else(wildcard)
    }

    fn mapped<'s, 'p>(&'s self, mappings: &'s [Mapping<S>], path: &'p str) -> Result<Found<'s, 'p, S>, &'static str> {
        if matches!(path, "ping" | "sping") {
            return Err("/ping and /sping are reserved on a custom domain");
        }
        let matches = mappings.iter().find_map(|mapping| below(path, &mapping.base_path).map(|rest| (mapping, rest)));
        let (mapping, rest) = matches.ok_or("no base path mapping of the custom domain matches")?;
        let base_path = Some(&*mapping.base_path);
        match &mapping.target {
            Target::Stage(stage) => Ok(Found { stage, resource_path: rooted(rest), base_path, mutual_tls: None }),
            Target::Api(id) => in_api(self.apis.get(id).ok_or("no API has this id")?, rest.trim_start_matches('/'), base_path),
        }
    }
}

fn in_api<'s, 'p, S>(api: &'s Api<S>, path: &'p str, base_path: Option<&'s str>) -> Result<Found<'s, 'p, S>, &'static str> {
    let (name, rest) = path.find('/').map_or((path, ""), |end| path.split_at(end));
    let stage = api.stages.get(name).ok_or("the API has no such stage")?;
    Ok(Found { stage, resource_path: rooted(rest), base_path, mutual_tls: None })
}

/// What follows `base_path` in `path`, by whole segments; both without a leading slash.
fn below<'p>(path: &'p str, base_path: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(base_path)?;
    (base_path.is_empty() || rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// The leading run of slashes becomes one; the rest stays as it is.
fn rooted(rest: &str) -> std::borrow::Cow<'_, str> {
    let bare = rest.trim_start_matches('/');
    match rest.len() - bare.len() {
        0 => format!("/{bare}").into(),
        run => rest.get(run - 1..).unwrap_or("/").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Addresses<&'static str> {
        let mut addresses = Addresses::default();
        addresses.add_api("petstore", true, [("prod".into(), "petstore/prod")]);
        addresses.add_api("orders", false, [("dev".into(), "orders/dev")]);
        addresses.add_mapping("api.example.com", "", "petstore/prod");
        addresses.add_mapping("api.example.com", "shop/orders", "orders/dev");
        addresses.add_api_mapping("api.example.com", "all", "petstore");
        addresses.add_mapping("*.example.org", "v1", "orders/dev");
        addresses
    }

    fn find(host: &str, path: &str) -> Option<(&'static str, String)> {
        addresses().find(host, path).ok().map(|found| (*found.stage, found.resource_path.into_owned()))
    }

    #[test]
    fn the_longest_base_path_wins_by_whole_segments() {
        assert_eq!(find("api.example.com", "/shop/orders/7"), Some(("orders/dev", "/7".into())));
        assert_eq!(find("api.example.com", "/shop/ordersx"), Some(("petstore/prod", "/shop/ordersx".into())));
        assert_eq!(find("api.example.com", "/all/prod/x"), Some(("petstore/prod", "/x".into())));
        assert_eq!(find("a.example.org", "/v1"), Some(("orders/dev", "/".into())));
        assert_eq!(find("a.example.org", "/v2"), None);
        assert_eq!(find("api.example.com", "/ping"), None);
    }

    #[test]
    fn the_first_label_names_the_api() {
        assert_eq!(find("petstore.execute-api.localhost", "/prod/pets"), Some(("petstore/prod", "/pets".into())));
        assert_eq!(find("orders.execute-api.localhost", "/dev/x"), None);
        assert_eq!(find("localhost", "/prod/pets"), None);
    }

    #[test]
    fn a_custom_domain_with_mutual_tls_says_so() {
        let mut addresses = addresses();
        addresses.add_domain_name("*.Example.org", true);
        let mutual_tls = |host, path| addresses.find(host, path).unwrap().mutual_tls;
        assert_eq!(mutual_tls("a.example.org", "/v1"), Some("*.example.org"));
        assert_eq!(mutual_tls("api.example.com", "/x"), None);
    }

    #[test]
    fn a_single_api_needs_no_host() {
        let mut addresses = Addresses::default();
        addresses.add_api("a", true, [("prod".into(), ())]);
        let path = |path| addresses.find("127.0.0.1", path).map(|found| found.resource_path.into_owned());
        assert_eq!(path("//prod//hardcoded"), Ok("/hardcoded".into()));
        assert_eq!(path("/prod"), Ok("/".into()));
        assert_eq!(path("/prod/a//b/"), Ok("/a//b/".into()));
        assert!(path("/Prod/a").is_err());
    }
}
