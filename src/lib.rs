//! Amazon API Gateway that you run yourself.
//!
//! `docs/ARCHITECTURE.md` explains how these modules stand to each other; `tests/architecture.rs` holds them to it.

pub mod admin; // the admin address
pub mod apigateway; // the nouns of `aws apigateway`
pub mod authorizer; // who may call
pub mod backend; // who answers an integration request
pub mod cli; // the commands
pub mod config; // gateway.yaml and the files that it names
pub mod control; // the operator's verbs
pub mod document; // text into a tree that remembers where every value was written
pub mod exchange; // the nouns of one request
pub mod functions; // Lambda functions that run here
pub mod http1; // HTTP/1.1 messages on a byte stream
pub mod mapping; // API Gateway's own little languages
pub mod observe; // what happened, told
pub mod openapi; // definitions into APIs
pub mod outbound; // the one HTTP client
pub mod pipeline; // the life of a request
pub mod server; // the edge
pub mod snapshot; // what requests read
pub mod store; // what requests count
pub mod vtl; // the Velocity Template Language
