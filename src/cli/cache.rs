//! `headgate cache`.

use super::args::{Cache, CacheCommand};
use super::{DONE, REFUSED, output, running};

/// Empties a stage's response cache.
pub(super) fn cache(arguments: &Cache) -> u8 {
    let CacheCommand::Flush { api, stage } = &arguments.command;
    let Some(loaded) = running::loaded(&arguments.config.config) else { return REFUSED };
    let path = format!("/restapis/{}/stages/{}/cache/data", running::encoded(api), running::encoded(stage));
    match running::ask(&loaded, "DELETE", &path, "") {
        Ok(Some(_)) => DONE,
        Ok(None) => {
            output::err("no gateway is running, so nothing is kept\n");
            DONE
        }
        Err(message) => {
            output::err(&format!("{message}\n"));
            REFUSED
        }
    }
}
