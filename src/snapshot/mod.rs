//! What requests read: everything that files and stages decide, decided.

pub mod routes;
