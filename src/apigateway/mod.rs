//! The nouns of `aws apigateway`: plain, immutable, fully parsed; no I/O.

pub mod account;
pub mod api;
pub mod arn;
pub mod authorizer;
pub mod aws;
pub mod deployment;
pub mod gateway_response;
pub mod integration;
pub mod policy;
pub mod service_action;
pub mod stage;
pub mod tracing;
pub mod usage_plan;
