//! What a proxied function gets and what it must return.

mod event;
mod members;
mod result;
mod streamed;

pub use event::{AuthorizerFormat, Event, Payload, authorizer_request, payload_1, payload_2};
pub use result::{ProxyResult, result_1, result_2};
pub use streamed::{Prelude, StreamedHead};
