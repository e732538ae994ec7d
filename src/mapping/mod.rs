//! API Gateway's own little languages.

pub mod context;
pub mod expression;
pub mod json_path;
pub mod substitution;
