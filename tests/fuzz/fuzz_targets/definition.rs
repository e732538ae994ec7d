//! Any document is read as an API definition or refused with problems that can be shown; whatever it refers to is not there.
#![no_main]

use headgate::document::{Limits, Node, Problems, parse};
use headgate::openapi::{BasePathMode, Files, Options, read};
use libfuzzer_sys::fuzz_target;

struct NoFiles;

impl Files for NoFiles {
    fn load(&mut self, from: &Node, path: &str, problems: &mut Problems) -> Option<Node> {
        problems.error(from, format!("{path} cannot be read"));
        None
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut problems = Problems::default();
    // The last byte chooses what the operator chose.
    let choice = bytes.last().copied().unwrap_or_default();
    let base_path = [BasePathMode::Ignore, BasePathMode::Prepend, BasePathMode::Split][usize::from(choice % 3)];
    let options = Options { base_path, account_id: "123456789012".to_owned(), region: "us-east-1".to_owned(), aws_limits: choice % 2 == 0 };
    let api = parse("fuzz", bytes, Limits::default(), &mut problems).and_then(|root| read(&root, &mut NoFiles, &options, &mut problems));
    assert!(api.is_some() || problems.has_errors());
    let _ = (problems.to_text(), problems.to_json());
});
