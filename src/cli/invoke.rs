//! `headgate invoke`.
use super::REFUSED;
use super::args::Invoke;

/// invoke
pub(super) fn invoke(_arguments: &Invoke) -> u8 {
    REFUSED
}
