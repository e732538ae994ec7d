//! `headgate reload`.

use super::args::Reload;
use super::{DONE, REFUSED, output};
use crate::{admin, config};

/// Asks the running gateway, waits, and tells what it said.
pub(super) fn reload(arguments: &Reload) -> u8 {
    let (loaded, problems) = config::load(&arguments.config.config);
    let Some(loaded) = loaded else {
        output::err(&problems.to_text());
        return REFUSED;
    };
    let own = loaded.process.admin;
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return REFUSED };
    match runtime.block_on(admin::ask(&own, "POST", "/reload", "")) {
        Ok(answer) if answer.status == 200 => {
            output::out(&format!("{}\n", answer.body));
            DONE
        }
        Ok(answer) => {
            output::err(&format!("reload refused, the running configuration is kept: {}\n", answer.body));
            REFUSED
        }
        Err(error) => {
            output::err(&format!("no gateway answers at {}: {error}\n", own.address));
            REFUSED
        }
    }
}
