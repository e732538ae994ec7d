//! Custom domains and VPC links.

use std::sync::Arc;

use rustls::RootCertStore;

use super::account::Known;
use super::certificates;
use super::load::Files;
use crate::apigateway::account::{BasePathMapping, DomainName, SecurityPolicy};
use crate::document::{Fields, Node, Problems, Severity, Spanned};
use crate::exchange::{HealthCheck, OutlierDetection, VpcLink};

/// What `get-domain-names` prints and a gateway that you run has no use for.
const AWS_ONLY: [&str; 17] = [
    "endpointAccessMode",
    "certificateArn",
    "certificateName",
    "certificateUploadDate",
    "distributionDomainName",
    "distributionHostedZoneId",
    "domainNameStatus",
    "domainNameStatusMessage",
    "endpointConfiguration",
    "ownershipVerificationCertificateArn",
    "regionalCertificateArn",
    "regionalCertificateName",
    "regionalDomainName",
    "regionalHostedZoneId",
    "tags",
    "domainNameId",
    "routingMode",
];

pub(super) fn vpc_links(fields: &mut Fields<'_>, problems: &mut Problems) -> Vec<VpcLink> {
    let mut links: Vec<VpcLink> = Vec::new();
    for node in fields.list("vpcLinks", problems) {
        let Some(mut fields) = Fields::of(node, "a VPC link", problems) else { continue };
        let id = fields.required_string("id", problems);
        let targets = fields.strings("targets", problems);
        if targets.is_empty() {
            problems.error(node, "a VPC link needs at least one of `targets`, written `host:port`");
        }
        for target in fields.list("targets", problems) {
            let port = target.scalar().and_then(|text| text.rsplit_once(':')).and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none() {
                problems.error(target, format!("a target is written `host:port`, not `{}`", target.scalar().unwrap_or(target.kind())));
            }
        }
        let health_check = fields.take("healthCheck").and_then(|node| health_check(node, problems));
        let outlier_detection = outlier_detection(&mut fields, problems);
        fields.ignore(&["name", "description", "targetArns", "status", "tags"]);
        fields.finish(problems);
        let Some(id) = id else { continue };
        if links.iter().any(|link| link.id == id) {
            problems.error(node, format!("two VPC links have the id `{id}`"));
        }
        links.push(VpcLink { id, targets, health_check, outlier_detection });
    }
    links
}

fn health_check(node: &Node, problems: &mut Problems) -> Option<HealthCheck> {
    let mut fields = Fields::of(node, "`healthCheck`", problems)?;
    let path = fields.string("path", problems).unwrap_or_else(|| "/".to_owned());
    let interval_seconds = fields.number("intervalSeconds", 1..=3600, problems).unwrap_or(5);
    fields.finish(problems);
    Some(HealthCheck { path, interval_seconds })
}

/// `x-headgate.outlierDetection` of a VPC link: a mapping, or `true` for what it is without one.
fn outlier_detection(link: &mut Fields<'_>, problems: &mut Problems) -> Option<OutlierDetection> {
    let mut own = Fields::of(link.take("x-headgate")?, "`x-headgate`", problems)?;
    let written = own.switch("outlierDetection", problems);
    own.finish(problems);
    let mut settings = OutlierDetection::default();
    if let Some(mut fields) = written?.and_then(|node| Fields::of(node, "`outlierDetection`", problems)) {
        settings.failures = fields.number("failures", 1..=1000, problems).unwrap_or(settings.failures);
        settings.interval = fields.seconds("intervalSeconds", problems).unwrap_or(settings.interval);
        settings.base_ejection = fields.seconds("baseEjectionSeconds", problems).unwrap_or(settings.base_ejection);
        settings.max_ejection = fields.seconds("maxEjectionSeconds", problems).unwrap_or(settings.max_ejection.max(settings.base_ejection));
        if settings.max_ejection < settings.base_ejection {
            problems.error(fields.node(), "`maxEjectionSeconds` is less than `baseEjectionSeconds`");
        }
        fields.finish(problems);
    }
    Some(settings)
}

pub(super) fn domain_names(fields: &mut Fields<'_>, known: &Known, files: &mut Files, problems: &mut Problems) -> Vec<DomainName> {
    let mut domains: Vec<DomainName> = Vec::new();
    for node in fields.list("domainNames", problems) {
        let Some(domain) = domain_name(node, known, files, problems) else { continue };
        if domains.iter().any(|other| other.domain_name == domain.domain_name) {
            problems.error(node, format!("two domain names are `{}`", domain.domain_name));
        }
        domains.push(domain);
    }
    domains
}

fn domain_name(node: &Node, known: &Known, files: &mut Files, problems: &mut Problems) -> Option<DomainName> {
    let mut fields = Fields::of(node, "a domain name", problems)?;
    let name = fields.required("domainName", problems);
    let domain_name = name.and_then(Node::scalar).unwrap_or_default().to_ascii_lowercase();
    if let Some(name) = name
        && !is_host(&domain_name)
    {
        problems.error(name, format!("a domain name is a host such as api.example.com or *.example.com, not `{domain_name}`"));
    }
    let certificate = certificates::certificate(&mut fields, files, problems);
    let security_policy = fields.take("securityPolicy").and_then(|node| security_policy(node, problems)).unwrap_or_default();
    let truststore = fields.take("mutualTlsAuthentication").and_then(|node| mutual_tls(node, files, problems));
    let mut mappings: Vec<BasePathMapping> = Vec::new();
    for node in fields.list("basePathMappings", problems) {
        let Some(mapping) = mapping(node, known, problems) else { continue };
        if mappings.iter().any(|other| other.base_path == mapping.base_path) {
            problems.error(node, format!("two mappings have the base path `{}`", mapping.base_path));
        }
        mappings.push(mapping);
    }
    fields.ignore(&AWS_ONLY);
    fields.finish(problems);
    Some(DomainName { domain_name, certificate, security_policy, truststore, base_path_mappings: mappings })
}

/// API Gateway's names: two short ones, and longer ones such as `SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09` that say the least version.
fn security_policy(node: &Node, problems: &mut Problems) -> Option<SecurityPolicy> {
    let name = node.scalar().unwrap_or_default();
    let long = name.strip_prefix("SecurityPolicy_").unwrap_or_default();
    match name {
        "TLS_1_0" | "TLS_1_2" => Some(SecurityPolicy::Tls12),
        "TLS_1_3" => Some(SecurityPolicy::Tls13),
        _ if ["TLS13_1_3_", "TLS13_2025_EDGE"].iter().any(|start| long.starts_with(start)) => Some(SecurityPolicy::Tls13),
        _ if ["TLS13_1_2_", "TLS12_"].iter().any(|start| long.starts_with(start)) => Some(SecurityPolicy::Tls12),
        _ => {
            let shown = node.scalar().unwrap_or(node.kind());
            problems.error(node, format!("`securityPolicy` is one of TLS_1_0, TLS_1_2, TLS_1_3, not `{shown}`"));
            None
        }
    }
}

/// As `get-domain-names` prints it. What S3 versions and what went wrong there has no meaning here.
fn mutual_tls(node: &Node, files: &mut Files, problems: &mut Problems) -> Option<Arc<RootCertStore>> {
    let mut fields = Fields::of(node, "`mutualTlsAuthentication`", problems)?;
    let truststore = fields.required("truststoreUri", problems).and_then(|node| certificates::truststore(node, files, problems));
    fields.ignore(&["truststoreVersion", "truststoreWarnings"]);
    fields.finish(problems);
    truststore
}

/// Labels of letters, digits and `-`; the first may be `*`.
fn is_host(name: &str) -> bool {
    let labels = name.strip_prefix("*.").unwrap_or(name).split('.');
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.len() <= 253 && labels.into_iter().all(label)
}

fn mapping(node: &Node, known: &Known, problems: &mut Problems) -> Option<BasePathMapping> {
    let mut fields = Fields::of(node, "a base path mapping", problems)?;
    let base_path = fields.string("basePath", problems).unwrap_or_default();
    let api = fields.required("restApiId", problems);
    let stage = fields.take("stage");
    fields.finish(problems);
    let api = api?;
    if let Some((at, why)) = known.missing(api, stage) {
        problems.error(at, why);
        return None;
    }
    let base_path = if base_path == "(none)" { "" } else { base_path.trim_matches('/') };
    if base_path.len() > 300 || !base_path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"$-_.+!*'()/".contains(&byte)) {
        problems.at(
            Severity::Error,
            &node.source,
            node.span,
            format!("a base path is at most 300 letters, digits and $-_.+!*'()/, not `{base_path}`"),
        );
    }
    Some(BasePathMapping {
        base_path: base_path.to_owned(),
        rest_api_id: Spanned::at(api, api.scalar().unwrap_or_default().to_owned()),
        stage: stage.map(|stage| Spanned::at(stage, stage.scalar().unwrap_or_default().to_owned())),
    })
}
