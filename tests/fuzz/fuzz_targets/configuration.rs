//! Any bytes are a configuration that compiles, or one that is refused with problems that can be shown. The definition beside it is one of
//! the text's own parts: what follows the first NUL.
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

fuzz_target!(|bytes: &[u8]| {
    let (configuration, definition) = bytes.split_at(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    let path = DIRECTORY.join("gateway.yaml");
    std::fs::write(&path, configuration).unwrap();
    std::fs::write(DIRECTORY.join("api.yaml"), definition.get(1..).unwrap_or_default()).unwrap();
    // A state directory would make one run depend on another.
    if String::from_utf8_lossy(configuration).contains("usagePlans") {
        return;
    }
    let gateway = Gateway::new(path, Arc::new(Metrics::new()), || SystemTime::UNIX_EPOCH, Clock::new(|| Duration::ZERO));
    if let Err(problems) = gateway.load() {
        assert!(problems.has_errors());
        let _ = (problems.to_text(), problems.to_json());
    }
});
