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
    if let Some(domain_name) = found.mutual_tls {
        // The client chooses both the name of its handshake and `Host`: only a certificate that was asked for in this domain's name counts.
        let verified = request.peer.client_certificate.as_ref().and_then(|certificate| certificate.domain_name.as_deref());
        if verified != Some(domain_name) {
            return Err(Failure::forbidden("the custom domain demands a client certificate, and the connection was made without it"));
        }
    }
    Ok(Selected { stage: Arc::clone(found.stage), resource_path: found.resource_path.into(), base_path: found.base_path.map(Into::into) })
}
