//! API Gateway's own little languages.

pub mod coding;
pub mod content_handling;
pub mod context;
pub mod expression;
pub mod input;
pub mod json;
pub mod json_path;
pub mod lambda_proxy;
mod scan;
pub mod substitution;
pub mod template;
mod util;
pub mod validation;
pub mod variables;
