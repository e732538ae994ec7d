//! The Velocity Template Language, version 1.7, as its own world: it knows nothing of what its references stand for.
//!
//! One rule differs from stock Velocity, as at API Gateway: **a reference that resolves to nothing is the empty string.**

mod arithmetic;
mod ast;
mod changes;
mod collection;
mod cycle;
mod decimal;
mod document;
mod error;
mod java;
mod limits;
mod lint;
mod map;
mod methods;
mod name;
mod parse;
mod print;
mod render;
mod scope;
mod text;
mod trace;
mod value;
mod view;
mod visit;

pub use ast::Template;
pub use collection::{Collection, Elements, Members};
pub use decimal::format_decimal;
pub use document::{Branch, Builder, Mark, Texts};
pub use error::{Error, ErrorKind};
pub use java::format_double;
pub use limits::{Clock, Limits, no_clock};
pub use map::{Entries, Key, Map};
pub(crate) use methods::map::call as call_map;
pub use name::Name;
pub use print::write_json_string;
pub use render::{Evaluated, Meter};
pub use scope::{Empty, Given, Scope};
pub use text::Text;
pub use trace::Trace;
pub use value::{List, ListKind, Truth, Value};
pub use view::Shown;
