//! A deployment: an API as it was at one time.

use super::api::Api;

/// An immutable copy of an API.
#[derive(Debug)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// What it defines.
    pub api: Api,
}
