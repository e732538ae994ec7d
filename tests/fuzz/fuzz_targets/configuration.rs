//! Any bytes are a configuration that compiles, or one that is refused with problems that can be shown. The definition beside it is what
//! follows the first NUL.
#![no_main]

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use headgate::control::Gateway;
use headgate::observe::Metrics;
use headgate::store::Clock;
use libfuzzer_sys::fuzz_target;

static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = std::env::temp_dir().join(format!("headgate-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
});

/// One for all: it serves nothing of what it loads, and to make one takes longer than to load.
static GATEWAY: LazyLock<Gateway> = LazyLock::new(|| {
    let path = DIRECTORY.join("gateway.yaml");
    Gateway::new(path, Arc::new(Metrics::new()), || SystemTime::UNIX_EPOCH, Clock::new(|| Duration::ZERO))
});

fuzz_target!(|bytes: &[u8]| {
    let (configuration, definition) = bytes.split_at(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    // A state directory would make one run depend on another.
    if String::from_utf8_lossy(configuration).contains("usagePlans") {
        return;
    }
    std::fs::write(DIRECTORY.join("gateway.yaml"), configuration).unwrap();
    std::fs::write(DIRECTORY.join("api.yaml"), definition.get(1..).unwrap_or_default()).unwrap();
    if let Err(problems) = GATEWAY.load() {
        assert!(problems.has_errors());
        let _ = (problems.to_text(), problems.to_json());
    }
});
