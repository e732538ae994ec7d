//! From the resource path and the HTTP method to the operation.

use std::sync::Arc;

use http::Method;

use super::{Exchange, reading};
use crate::exchange::{Failure, Fields, ResponseType};
use crate::snapshot::{Access, Operation, Release};

/// Finds the method. What no resource has is answered as API Gateway does, without telling which paths there are.
pub(super) fn find(exchange: &mut Exchange) -> Result<(), Failure> {
    let Some(release) = &exchange.release else { return Err(Failure::forbidden("no stage")) };
    if let Some(http_method) = overriding(&exchange.request.request.fields)? {
        exchange.request.request.http_method = http_method;
    }
    let http_method = &exchange.request.request.http_method;
    let nothing = |detail| Failure::new(ResponseType::MissingAuthenticationToken, "Missing Authentication Token").with_detail(detail);
    let found = release.routes.find(http_method, &exchange.request.resource_path);
    let found = found.ok_or_else(|| nothing("no resource has this path and method"))?;
    let operation = release.operation(*found.operation);
    let is_exact = found.parameters.iter().next().is_none();
    if operation.is_some_and(|operation| !is_exact && passes_a_guard(release, http_method, &exchange.request.resource_path, operation)) {
        return Err(nothing("this spelling of the path reads as one of another method, which is guarded"));
    }
    exchange.operation = Some(*found.operation);
    exchange.request.path_parameters = found.parameters;
    exchange.context.resource = operation.map(|operation| Arc::clone(&operation.resource));
    Ok(())
}

/// The method that `X-HTTP-Method-Override` asks for. Two of them, or one that is no method, could mean another method to an endpoint.
fn overriding(fields: &Fields) -> Result<Option<Method>, Failure> {
    let mut all = fields.all("x-http-method-override").filter(|value| !value.is_empty());
    let Some(value) = all.next() else { return Ok(None) };
    let method = Method::from_bytes(&value.as_bytes().to_ascii_uppercase()).ok().filter(|_| all.next().is_none());
    let bad = || Failure::new(ResponseType::Default4xx, "Bad Request").with_detail("X-HTTP-Method-Override names no method, or several");
    method.map(Some).ok_or_else(bad)
}

/// Whether a variable took what, read as an endpoint may read it, is another method's path with a guard of its own.
fn passes_a_guard(release: &Release, http_method: &Method, path: &str, operation: &Operation) -> bool {
    let Some(plain) = reading::plain(path) else { return false };
    let other = release.routes.find(http_method, &plain).and_then(|found| release.operation(*found.operation));
    other.is_some_and(|other| is_guarded(other) && !guarded_alike(other, operation))
}

fn is_guarded(operation: &Operation) -> bool {
    operation.api_key_required || !matches!(operation.access, Access::Open)
}

fn guarded_alike(one: &Operation, other: &Operation) -> bool {
    let access = match (&one.access, &other.access) {
        (Access::Open, Access::Open) | (Access::Iam, Access::Iam) => true,
        (Access::Authorizer(one, scopes), Access::Authorizer(other, others)) => Arc::ptr_eq(one, other) && scopes == others,
        _ => false,
    };
    access && one.api_key_required == other.api_key_required
}
