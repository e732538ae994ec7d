//! Custom domains and VPC links.

use std::path::PathBuf;

use crate::apigateway::account::{Account, BasePathMapping, DomainName, HealthCheck, VpcLink};
use crate::document::{Fields, Node, Problems, Severity, Spanned};

/// What `get-domain-names` prints and a gateway that you run has no use for.
const AWS_ONLY: [&str; 16] = [
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
        fields.ignore(&["name", "description", "targetArns", "status", "tags"]);
        fields.finish(problems);
        let Some(id) = id else { continue };
        if links.iter().any(|link| link.id == id) {
            problems.error(node, format!("two VPC links have the id `{id}`"));
        }
        links.push(VpcLink { id, targets, health_check });
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

pub(super) fn domain_names(
    fields: &mut Fields<'_>,
    account: &Account,
    beside: &dyn Fn(&Node, &str) -> PathBuf,
    problems: &mut Problems,
) -> Vec<DomainName> {
    let nodes = fields.list("domainNames", problems);
    nodes.iter().filter_map(|node| domain_name(node, account, beside, problems)).collect()
}

fn domain_name(node: &Node, account: &Account, beside: &dyn Fn(&Node, &str) -> PathBuf, problems: &mut Problems) -> Option<DomainName> {
    let mut fields = Fields::of(node, "a domain name", problems)?;
    let domain_name = fields.required_string("domainName", problems)?;
    let labels = domain_name.strip_prefix("*.").unwrap_or(&domain_name);
    let sound = labels
        .split('.')
        .all(|label| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    if !sound || domain_name.len() > 253 {
        problems.error(
            fields.node().get("domainName").unwrap_or(node),
            format!("a domain name is a host such as api.example.com, without scheme, port or path, not `{domain_name}`"),
        );
    }
    let mut file = |name, problems: &mut Problems| {
        let node = fields.take(name)?;
        let path = beside(node, node.scalar()?);
        if !path.is_file() {
            problems.error(node, format!("there is no file {}", path.display()));
        }
        Some(Spanned::at(node, path.to_string_lossy().into_owned()))
    };
    let certificate = file("certificate", problems).zip(file("privateKey", problems));
    fields.choice("securityPolicy", &[("TLS_1_0", ()), ("TLS_1_2", ()), ("TLS_1_3", ())], problems);
    if let Some(node) = fields.take("mutualTlsAuthentication") {
        problems.error(node, "mutual TLS is not served yet").help("leave it out: it is refused rather than not enforced");
    }
    let mappings = fields.list("basePathMappings", problems).iter().filter_map(|node| mapping(node, account, problems)).collect();
    fields.ignore(&AWS_ONLY);
    fields.finish(problems);
    Some(DomainName { domain_name, certificate, base_path_mappings: mappings })
}

fn mapping(node: &Node, account: &Account, problems: &mut Problems) -> Option<BasePathMapping> {
    let mut fields = Fields::of(node, "a base path mapping", problems)?;
    let base_path = fields.string("basePath", problems).unwrap_or_default();
    let api = fields.required("restApiId", problems);
    let stage = fields.take("stage");
    fields.finish(problems);
    let api = api?;
    let id = api.scalar().unwrap_or_default();
    let Some(known) = account.apis.iter().find(|known| known.id.value == id) else {
        problems.error(api, format!("there is no API with the id `{id}`"));
        return None;
    };
    if let Some(stage) = stage
        && !known.stages.iter().any(|known| Some(known.stage_name.value.as_str()) == stage.scalar())
    {
        problems.error(stage, format!("the API `{id}` has no stage `{}`", stage.scalar().unwrap_or_default()));
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
        rest_api_id: Spanned::at(api, id.to_owned()),
        stage: stage.map(|stage| Spanned::at(stage, stage.scalar().unwrap_or_default().to_owned())),
    })
}
