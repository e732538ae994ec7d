//! `headgate template render`.
use super::REFUSED;
use super::args::Template;

/// template
pub(super) fn template(_arguments: &Template) -> u8 {
    REFUSED
}
