//! `gateway.yaml` and the files that it names, read into what they mean.

mod account;
mod api_keys;
mod aws;
mod certificates;
mod domain_names;
mod environment;
mod functions;
mod iam_principals;
mod key_file;
mod load;
mod parts_not_served;
mod process;
mod run_time;
mod stage;
pub mod state;
mod tracing;
mod usage_plans;
mod watched;

pub use certificates::Tls;
pub use load::{Loaded, Texts, Written, load, load_again};
pub use process::{Admin, Listener, Network, Process};
pub use watched::watched;
