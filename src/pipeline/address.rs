//! From the host and the path to the stage.

use std::sync::Arc;

use crate::exchange::{Failure, Request};
use crate::snapshot::{Snapshot, Stage};

/// A stage and the path below the stage.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) stage: Arc<Stage>,
    pub(super) resource_path: Box<str>,
    pub(super) base_path: Option<Box<str>>,
}

/// Finds the stage that a request is for.
pub(super) fn select(snapshot: &Snapshot, request: &Request) -> Result<Selected, Failure> {
    let found = snapshot.addresses.find(&request.host, &request.path).map_err(Failure::forbidden)?;
    Ok(Selected { stage: Arc::clone(found.stage), resource_path: found.resource_path.into(), base_path: found.base_path.map(Into::into) })
}
