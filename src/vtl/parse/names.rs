//! The variables that a template names.

use std::collections::HashMap;

use crate::vtl::ast::Slot;

/// What every loop sets; these names have the first slots.
const LOOP: [&str; LOOP_SLOTS] = ["foreach", "velocityCount", "velocityHasNext"];
/// How many they are.
pub(in crate::vtl) const LOOP_SLOTS: usize = 3;

/// Variables by their slots.
#[derive(Debug, Clone)]
pub(in crate::vtl) struct Names {
    list: Vec<Box<str>>,
    index: HashMap<Box<str>, Slot>,
}

impl Default for Names {
    fn default() -> Self {
        let mut names = Self { list: Vec::new(), index: HashMap::new() };
        for name in LOOP {
            names.slot(name);
        }
        names
    }
}

impl Names {
    pub(in crate::vtl) fn slot(&mut self, name: &str) -> Slot {
        if let Some(slot) = self.index.get(name) {
            return *slot;
        }
        let slot = self.list.len();
        self.list.push(name.into());
        self.index.insert(name.into(), slot);
        slot
    }

    pub(in crate::vtl) fn name(&self, slot: Slot) -> Option<&str> {
        self.list.get(slot).map(|name| &**name)
    }

    pub(in crate::vtl) const fn len(&self) -> usize {
        self.list.len()
    }
}
