//! `headgate completion`.

use clap::CommandFactory as _;

use super::args::{Arguments, Completion};
use super::{DONE, output};

/// Prints the script.
pub(super) fn completion(arguments: &Completion) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "headgate", &mut script);
    output::out(&String::from_utf8_lossy(&script));
    DONE
}
