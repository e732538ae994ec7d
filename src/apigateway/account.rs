//! The root of a configuration: everything that an AWS account would hold of API Gateway.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;

use super::api::Api;
use super::authorizer::IamPrincipal;
use super::aws::AwsSettings;
use super::stage::Stage;
use super::usage_plan::{ApiKey, ThrottleSettings, UsagePlan};
use crate::document::{Source, Spanned};
use crate::exchange::VpcLink;
use crate::functions::FunctionSettings;

/// Everything that is served.
#[derive(Debug, Default)]
pub struct Account {
    /// Twelve digits; what `$context.accountId` says.
    pub account_id: String,
    /// Where this gateway claims to be.
    pub region: String,
    /// Where AWS's services answer.
    pub aws: AwsSettings,
    /// Limits as API Gateway has them, rather than none.
    pub aws_limits: bool,
    /// The limit over all APIs; nothing: API Gateway's 10,000 requests a second in bursts of 5,000.
    pub throttle_settings: ThrottleSettings,
    /// The APIs with their stages.
    pub apis: Vec<ApiWithStages>,
    /// Usage plans.
    pub usage_plans: Vec<UsagePlan>,
    /// API keys.
    pub api_keys: Vec<ApiKey>,
    /// Lambda functions that run here.
    pub functions: Vec<FunctionSettings>,
    /// Who may sign requests.
    pub iam_principals: Vec<IamPrincipal>,
    /// Groups of origins.
    pub vpc_links: Vec<VpcLink>,
    /// Custom domains.
    pub domain_names: Vec<DomainName>,
}

/// An API and its stages.
#[derive(Debug)]
pub struct ApiWithStages {
    /// `restApiId`.
    pub id: Spanned<String>,
    /// What its definition says.
    pub api: Api,
    /// A fingerprint of the definition's text: the id of the deployment that serves files as they are.
    pub deployment_id: String,
    /// The definition's files, the definition first.
    pub sources: Vec<Arc<Source>>,
    /// `basepath`, as it is written.
    pub basepath: String,
    /// Where it is served.
    pub stages: Vec<Stage>,
}

/// The oldest TLS that is spoken. API Gateway's policies also name ciphers: those of TLS 1.2 with forward secrecy are offered, no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecurityPolicy {
    /// TLS 1.2; what is asked for as TLS 1.0 gets no less.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// A custom domain.
#[derive(Debug)]
pub struct DomainName {
    /// The host.
    pub domain_name: String,
    /// Its certificate chain and key, if it has its own.
    pub certificate: Option<Arc<CertifiedKey>>,
    /// The oldest TLS that it speaks.
    pub security_policy: SecurityPolicy,
    /// `mutualTlsAuthentication`: who may vouch for its clients; nothing: they need no certificate.
    pub truststore: Option<Arc<RootCertStore>>,
    /// What its paths stand for.
    pub base_path_mappings: Vec<BasePathMapping>,
}

/// One mapping of a custom domain.
#[derive(Debug)]
pub struct BasePathMapping {
    /// Without slashes around it; empty for `(none)`.
    pub base_path: String,
    /// The API.
    pub rest_api_id: Spanned<String>,
    /// The stage; nothing: the path's next segment names it.
    pub stage: Option<Spanned<String>>,
}
