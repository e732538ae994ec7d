//! A command beside a gateway that may be running.

use std::path::Path;

use super::output;
use crate::admin;
use crate::config::{self, Loaded};

/// Loads a configuration for a command that works on what it names; its problems are shown where it cannot.
pub(super) fn loaded(path: &Path) -> Option<Loaded> {
    let (loaded, problems) = config::load(path);
    if loaded.is_none() {
        output::err(&problems.to_text());
    }
    loaded
}

/// What the running gateway answers; nothing where none listens.
///
/// # Errors
/// When it refuses, or cannot be understood.
pub(super) fn ask(loaded: &Loaded, method: &str, path: &str, body: &str) -> Result<Option<String>, String> {
    let own = &loaded.process.admin;
    let token = own.token_file.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    match runtime.block_on(admin::call(own.address, method, path, token.as_deref().map(str::trim), body)) {
        Ok(answer) if answer.status == 200 => Ok(Some(answer.body)),
        Ok(answer) => Err(format!("the gateway at {} answered {}: {}", own.address, answer.status, answer.body)),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(None),
        Err(error) => Err(format!("the gateway at {}: {error}", own.address)),
    }
}

/// Lets a running gateway take over what was changed in the state directory. Whether there is one.
///
/// # Errors
/// When it refuses.
pub(super) fn apply(loaded: &Loaded) -> Result<bool, String> {
    ask(loaded, "POST", "/reload", "").map(|answer| answer.is_some())
}

/// A text as one segment of a path, or as one value of a query.
pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
