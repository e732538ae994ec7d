//! The Velocity Template Language, version 1.7, as its own world: it knows nothing of what its references stand for.
//!
//! One rule differs from stock Velocity, as at API Gateway: **a reference that resolves to nothing is the empty string.**

mod arithmetic;
mod ast;
mod error;
mod eval;
mod expression;
mod java;
mod limits;
mod lint;
mod methods;
mod object;
mod parser;
mod reference;
mod trace;
mod value;

pub use ast::Template;
pub use error::{Error, ErrorKind};
pub use java::{format_double, split as java_split};
pub use limits::Limits;
pub(crate) use methods::map::call as call_map;
pub use object::Object;
pub use trace::Trace;
pub use value::{Key, List, Map, Value};
