//! Published versions: copies of a function's code that stay as they are.

use std::path::{Path, PathBuf};

use super::settings::{FunctionSettings, Version};

/// Beside a copy: what its code looked like when it was published.
const MANIFEST: &str = "manifest";
/// Directories in a package that are deeper are no code.
const DEPTH: usize = 32;

/// Publishes what is not yet: the settings with each version's code replaced by its copy.
///
/// A version that is published already stays as it is, whatever its `codeUri` holds now; one without a `codeUri` of its own is the function's code
/// as it was then.
pub(super) fn published(settings: &FunctionSettings, directory: &Path) -> FunctionSettings {
    let mut copies = settings.clone();
    for version in &mut copies.versions {
        let copy = directory.join(&settings.function_name).join(&version.version);
        match publish(version, &copy) {
            Ok(is_as_published) => {
                if !is_as_published && version.code != settings.code {
                    tracing::warn!(
                        "version {} of the function {} runs as it was published; {} has changed since, and wants another number",
                        version.version,
                        settings.function_name,
                        version.code.display()
                    );
                }
                version.code = copy.join("code");
            }
            Err(error) => tracing::warn!(
                "version {} of the function {} is not copied to {}, so it changes with its code: {error}",
                version.version,
                settings.function_name,
                copy.display()
            ),
        }
    }
    copies
}

/// Whether the code is still what was published.
fn publish(version: &Version, copy: &Path) -> std::io::Result<bool> {
    let now = manifest(&version.code)?;
    if let Ok(then) = std::fs::read_to_string(copy.join(MANIFEST)) {
        return Ok(then == now);
    }
    // Whole or not at all: nothing is there under the version's name before it is complete.
    let unfinished = copy.with_extension(format!("{:016x}", fastrand::u64(..)));
    std::fs::create_dir_all(&unfinished)?;
    let done = duplicate(&version.code, &unfinished.join("code"), DEPTH)
        .and_then(|()| std::fs::write(unfinished.join(MANIFEST), &now))
        .and_then(|()| std::fs::rename(&unfinished, copy));
    if done.is_err() {
        let _ = std::fs::remove_dir_all(&unfinished);
    }
    done.map(|()| true)
}

/// Names, sizes and times of all files, which tell most changes apart without reading them.
fn manifest(code: &Path) -> std::io::Result<String> {
    let mut lines = Vec::new();
    walk(code, DEPTH, &mut |path, about| {
        let name = path.strip_prefix(code).unwrap_or(path).display();
        lines.push(format!("{name} {} {:?}\n", about.len(), about.modified().ok()));
        Ok(())
    })?;
    lines.sort();
    Ok(lines.concat())
}

fn duplicate(from: &Path, to: &Path, depth: usize) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    walk(from, depth, &mut |path, about| {
        let target = to.join(path.strip_prefix(from).unwrap_or(path));
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::copy(path, &target)?;
        let mut permissions = about.permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(&target, permissions)
    })
}

/// Calls `visit` for every file; what compilers left behind is nobody's code.
fn walk(directory: &Path, depth: usize, visit: &mut dyn FnMut(&Path, &std::fs::Metadata) -> std::io::Result<()>) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    entries.sort();
    for path in entries {
        let about = std::fs::metadata(&path)?;
        let is_left_behind = path.file_name().is_some_and(|name| name == "__pycache__" || name == ".git");
        if about.is_file() {
            visit(&path, &about)?;
        } else if about.is_dir() && depth > 0 && !is_left_behind {
            walk(&path, depth - 1, visit)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::settings::tests::settings;

    #[test]
    fn what_is_published_stays_as_it_was() {
        let directory = std::env::temp_dir().join(format!("headgate-published-{:016x}", fastrand::u64(..)));
        let source = directory.join("source");
        std::fs::create_dir_all(source.join("sub")).unwrap();
        std::fs::write(source.join("app.py"), "1").unwrap();
        std::fs::write(source.join("sub/more.py"), "more").unwrap();
        let mut settings = settings();
        settings.versions = vec![Version { version: "7".into(), code: source.clone() }];
        let copies = directory.join("copies");
        let first = published(&settings, &copies);
        let copy = &first.versions[0].code;
        assert_eq!((copy, std::fs::read_to_string(copy.join("sub/more.py")).unwrap().as_str()), (&copies.join("f/7/code"), "more"));
        std::fs::write(source.join("app.py"), "22").unwrap();
        assert_eq!(published(&settings, &copies), first);
        assert_eq!(std::fs::read_to_string(copy.join("app.py")).unwrap(), "1", "another number is another copy");
        assert!(!publish(&settings.versions[0], &copies.join("f/7")).unwrap(), "it is told that the code has changed");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
