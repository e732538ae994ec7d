//! Any bytes are read or refused, and what is said of them can be shown.
#![no_main]

use headgate::document::{Limits, Problems, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut problems = Problems::default();
    let node = parse("fuzz", bytes, Limits::default(), &mut problems);
    assert!(node.is_some() || problems.has_errors());
    let _ = (problems.to_text(), problems.to_json());
});
