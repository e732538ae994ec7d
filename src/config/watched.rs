//! What a watched path holds, as far as it takes to see that it is something else now.

use std::path::{Path, PathBuf};

/// Files of one directory that are looked at.
const FILES: usize = 10_000;

/// A file's content, or the names, sizes and times of all files of a directory; nothing where there is neither.
///
/// By content, since a mounted `ConfigMap` changes by a link that is swapped. What compilers leave behind, and what is installed beside code, is
/// not looked at: it is large, and changes with a file that is.
#[must_use]
pub fn watched(path: &Path) -> Option<Vec<u8>> {
    if path.is_dir() { Some(content_of(path).into_bytes()) } else { std::fs::read(path).ok() }
}

/// Names, sizes and times of a directory's files.
pub(super) fn content_of(directory: &Path) -> String {
    let mut text = String::new();
    let mut pending = vec![directory.to_owned()];
    let mut seen = 0;
    while let Some(place) = pending.pop() {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(&place).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for path in entries {
            let Ok(about) = std::fs::metadata(&path) else { continue };
            if about.is_dir() {
                let name = path.file_name().unwrap_or_default();
                let is_link = std::fs::symlink_metadata(&path).is_ok_and(|about| about.is_symlink());
                if !is_link && !["__pycache__", ".git", "node_modules"].iter().any(|other| name == *other) {
                    pending.push(path);
                }
                continue;
            }
            seen += 1;
            if seen > FILES {
                return text;
            }
            text.push_str(&format!("{} {} {:?}\n", path.display(), about.len(), about.modified().ok()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_seen_to_change() {
        let directory = std::env::temp_dir().join(format!("headgate-watched-{:016x}", fastrand::u64(..)));
        std::fs::create_dir_all(directory.join("sub/__pycache__")).unwrap();
        let empty = watched(&directory);
        assert_eq!(empty.as_deref(), Some(&b""[..]));
        std::fs::write(directory.join("sub/__pycache__/x.pyc"), "x").unwrap();
        assert_eq!(watched(&directory), empty, "what a compiler left behind is no code");
        std::fs::write(directory.join("sub/app.py"), "1").unwrap();
        let first = watched(&directory);
        assert_ne!(first, empty);
        std::fs::write(directory.join("sub/app.py"), "22").unwrap();
        assert_ne!(watched(&directory), first);
        assert_eq!(watched(&directory.join("sub/app.py")).as_deref(), Some(&b"22"[..]));
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(watched(&directory), None);
    }
}
