//! `gateway.yaml` and the files that it names, read into what they mean.

mod account;
mod domain_names;
mod environment;
mod load;
mod parts_not_served;
mod process;
mod stage;

pub use load::{Loaded, load};
pub use process::{Admin, Listener, Network, Process, Tls};
