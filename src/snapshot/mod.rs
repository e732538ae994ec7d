//! What requests read: everything that files and stages decide, decided.

pub mod addresses;
pub mod endpoint_uri;
pub mod routes;
