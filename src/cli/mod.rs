//! The program's commands, one file each.

mod args;
mod cache;
mod canary;
mod check;
mod clock;
mod completion;
mod control;
mod deployment;
mod invoke;
mod measure;
mod messages;
mod notify;
mod output;
mod reload;
mod routes;
mod run;
mod running;
mod serving;
mod stages;
mod template;
mod upgrade;
mod usage;

use std::process::ExitCode;

use clap::Parser as _;

pub use args::Arguments;
use args::Command;

/// Done, refused, wrong usage: the exit codes of every command.
const DONE: u8 = 0;
const REFUSED: u8 = 1;

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let code = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Routes(arguments) => routes::routes(&arguments),
        Command::Invoke(arguments) => invoke::invoke(&arguments),
        Command::Template(arguments) => template::template(&arguments),
        Command::Deployment(arguments) => deployment::deployment(&arguments),
        Command::Canary(arguments) => canary::canary(&arguments),
        Command::Cache(arguments) => cache::cache(&arguments),
        Command::Usage(arguments) => usage::usage(&arguments),
        Command::Reload(arguments) => reload::reload(&arguments),
        Command::Version => {
            output::out(&format!("headgate {}\n", env!("CARGO_PKG_VERSION")));
            DONE
        }
        Command::Completion(arguments) => completion::completion(&arguments),
    };
    ExitCode::from(code)
}
