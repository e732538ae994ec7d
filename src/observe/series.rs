//! Which methods have series of their own: those that are served, up to a number, however many there were before them.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// `api`, `stage`, `resource`, `method`.
pub(super) type Labels = [String; 4];

/// Methods by the configuration that named them last.
#[derive(Debug, Default)]
pub(super) struct Series {
    known: HashMap<Labels, u64>,
    /// Which configuration is being compiled, and how many series it has so far.
    generation: u64,
    named: usize,
    /// Hashes of the labels of all that were folded, so that each is counted once.
    folded: HashSet<u64>,
}

impl Series {
    /// Another configuration is compiled. What is served keeps its series until [`Self::served`].
    pub(super) fn compiling(&mut self) {
        self.generation += 1;
        self.named = 0;
    }

    /// Whether a method of the configuration gets series of its own, and if not, whether that is new.
    pub(super) fn fits(&mut self, labels: [&str; 4], most: usize) -> (bool, bool) {
        let key = labels.map(str::to_owned);
        if self.known.get(&key) == Some(&self.generation) {
            return (true, false);
        }
        if self.named < most {
            self.named += 1;
            self.known.insert(key, self.generation);
            return (true, false);
        }
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        (false, self.folded.insert(hasher.finish()))
    }

    /// The configuration that was compiled last is served: takes out what it does not name.
    pub(super) fn served(&mut self) -> Vec<Labels> {
        let generation = self.generation;
        let gone = self.known.extract_if(|_, named| *named != generation);
        gone.map(|(labels, _)| labels).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(series: &mut Series, paths: &[&str]) -> Vec<bool> {
        series.compiling();
        paths.iter().map(|path| series.fits(["a", "s", path, "GET"], 2).0).collect()
    }

    #[test]
    fn methods_that_are_gone_make_room() {
        let mut series = Series::default();
        assert_eq!(named(&mut series, &["/1", "/2", "/3"]), [true, true, false]);
        assert!(series.served().is_empty());
        assert_eq!(named(&mut series, &["/2", "/3"]), [true, true], "what is still served takes no room from what follows it");
        assert_eq!(series.served(), [["a", "s", "/1", "GET"].map(str::to_owned)]);
    }

    #[test]
    fn what_is_folded_again_is_not_new() {
        let mut series = Series::default();
        for is_new in [true, false] {
            named(&mut series, &["/1", "/2"]);
            assert_eq!(series.fits(["a", "s", "/3", "GET"], 2), (false, is_new));
        }
    }

    #[test]
    fn a_configuration_that_was_refused_takes_nothing_away() {
        let mut series = Series::default();
        named(&mut series, &["/1"]);
        series.served();
        named(&mut series, &["/2"]);
        named(&mut series, &["/1"]);
        assert_eq!(series.served(), [["a", "s", "/2", "GET"].map(str::to_owned)]);
    }
}
