//! What a function is, as `AWS::Lambda::Function` describes it.

use std::path::PathBuf;
use std::time::Duration;

/// A function.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionSettings {
    /// Its name.
    pub function_name: String,
    /// The region that it is told it runs in.
    pub region: String,
    /// What runs it.
    pub runtime: Runtime,
    /// `runtime` as it is written, such as `python3.12`.
    pub runtime_name: String,
    /// The program that runs the bootstrap of this program's own; of no meaning to `provided.*`.
    pub interpreter: PathBuf,
    /// `module.function`; nothing to `provided.*`.
    pub handler: String,
    /// The directory of its code, `$LATEST`.
    pub code: PathBuf,
    /// When that directory's content changed last, as text: another one is another function.
    pub code_fingerprint: String,
    /// `environment.variables`.
    pub environment: Vec<(String, String)>,
    /// How long a call may take.
    pub timeout: Duration,
    /// In MiB.
    pub memory_size: u32,
    /// Calls at one time; nothing: two for each processor.
    pub reserved_concurrency: Option<u32>,
    /// How long a process may take until it asks for its first event, the first time that it is started.
    pub init_timeout: Duration,
    /// How long a process is kept that nobody uses.
    pub idle_timeout: Duration,
    /// What was published.
    pub versions: Vec<Version>,
    /// Names of versions.
    pub aliases: Vec<Alias>,
}

/// A published version.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Its number.
    pub version: String,
    /// The code that is published under it, once.
    pub code: PathBuf,
}

/// A name for one version, or for two by weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Alias {
    /// The name.
    pub name: String,
    /// The version.
    pub function_version: String,
    /// Another version, and its share from 0 to 1.
    pub additional: Option<(String, f64)>,
}

/// What runs a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// Any `bootstrap` that speaks the Runtime API.
    Provided,
    /// Node.js, through a bootstrap of this program's own.
    Node,
    /// Python, likewise.
    Python,
}

/// The version that is not published: the code as it is now.
pub(super) const LATEST: &str = "$LATEST";

impl FunctionSettings {
    /// What this machine lacks to run the function; nothing: all is there.
    #[must_use]
    pub fn lacks(&self) -> Option<PathBuf> {
        let needed = match self.runtime {
            Runtime::Provided => self.code.join("bootstrap"),
            Runtime::Python | Runtime::Node => self.interpreter.clone(),
        };
        (!needed.is_file()).then_some(needed)
    }

    /// Whether this is `$LATEST`, or a version or an alias of the function.
    #[must_use]
    pub fn has_qualifier(&self, qualifier: &str) -> bool {
        self.version(Some(qualifier), 0).is_some()
    }

    /// The version that a qualifier means, by chance where an alias is weighted.
    pub(super) fn version(&self, qualifier: Option<&str>, random: u128) -> Option<Box<str>> {
        let qualifier = qualifier.unwrap_or(LATEST);
        if qualifier == LATEST || self.versions.iter().any(|version| version.version == qualifier) {
            return Some(qualifier.into());
        }
        let alias = self.aliases.iter().find(|alias| alias.name == qualifier)?;
        let share = ((random >> 11) as u64 >> 11) as f64 / (1_u64 << 53) as f64;
        Some(match &alias.additional {
            Some((version, weight)) if share < *weight => version.as_str().into(),
            _ => alias.function_version.as_str().into(),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two versions, and an alias that means the second one for a quarter of its calls.
    pub(in super::super) fn settings() -> FunctionSettings {
        FunctionSettings {
            function_name: "f".into(),
            region: "us-east-1".into(),
            runtime: Runtime::Provided,
            runtime_name: "provided".into(),
            interpreter: PathBuf::new(),
            handler: String::new(),
            code: "latest".into(),
            code_fingerprint: String::new(),
            environment: Vec::new(),
            timeout: Duration::from_secs(3),
            memory_size: 128,
            reserved_concurrency: Some(0),
            init_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
            versions: ["1", "2"].map(|version| Version { version: version.into(), code: version.into() }).to_vec(),
            aliases: vec![Alias { name: "prod".into(), function_version: "1".into(), additional: Some(("2".into(), 0.25)) }],
        }
    }

    #[test]
    fn qualifiers_mean_versions() {
        let settings = settings();
        assert_eq!(settings.version(None, 0).as_deref(), Some(LATEST));
        assert_eq!(settings.version(Some("2"), 0).as_deref(), Some("2"));
        assert_eq!(settings.version(Some("nobody"), 0), None);
        let second = (0..1000).filter(|_| settings.version(Some("prod"), fastrand::u128(..)).as_deref() == Some("2")).count();
        assert!((180..320).contains(&second), "{second} of 1000 at a weight of 0.25");
    }
}
