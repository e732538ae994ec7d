//! Any text parses as a template or is refused with a place that exists in it.
#![no_main]

use headgate::vtl::Template;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Template::parse(text) {
        Ok(template) => drop(template.lint()),
        Err(error) => assert!(error.line <= text.matches('\n').count() + 1 && error.column >= 1),
    }
});
