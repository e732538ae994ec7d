//! The environment variables that Lambda sets.

use std::net::SocketAddr;
use std::path::Path;

use super::process::Start;
use super::settings::Runtime;

/// The variables that Lambda sets; a function's own cannot take their place.
pub(super) fn variables(start: &Start<'_>, api: SocketAddr, code: &Path, directory: &Path) -> Vec<(&'static str, String)> {
    let settings = start.settings;
    let name = &settings.function_name;
    let temporary = directory.join("tmp").display().to_string();
    let mut variables = vec![
        ("AWS_LAMBDA_RUNTIME_API", api.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", start.version.to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", settings.memory_size.to_string()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", format!("local/[{}]{:032x}", start.version, fastrand::u128(..))),
        ("AWS_REGION", settings.region.clone()),
        ("AWS_DEFAULT_REGION", settings.region.clone()),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".to_owned()),
        ("LAMBDA_TASK_ROOT", code.display().to_string()),
        ("LAMBDA_RUNTIME_DIR", directory.display().to_string()),
        ("TMPDIR", temporary.clone()),
        ("HOME", temporary),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("_HANDLER", settings.handler.clone()),
    ];
    if settings.runtime != Runtime::Provided {
        variables.push(("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", settings.runtime_name)));
    }
    variables
}
