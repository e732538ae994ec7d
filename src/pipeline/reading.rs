//! The other readings of a path: what an endpoint may make of it that decodes more, or merges more, than the gateway does.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A path without its oddities, below its first slash: decoded, runs of slashes as one, none at its end, no `;parameters`. Nothing where
/// it has none.
pub(super) fn plain(path: &str) -> Option<String> {
    let path = path.trim_start_matches('/');
    if !path.contains(['%', ';', '\\']) && !path.contains("//") && !path.ends_with('/') {
        return None;
    }
    let decoded: Cow<'_, str> = percent_decode_str(path).decode_utf8_lossy();
    let segments = decoded.split(['/', '\\']).map(|segment| segment.split(';').next().unwrap_or_default());
    let plain = segments.filter(|segment| !segment.is_empty()).collect::<Vec<_>>().join("/");
    (plain != path).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_has_one_plain_form() {
        for path in ["/admin/x", "admin", "/a.b/c-d", "", "/"] {
            assert_eq!(plain(path), None, "{path}");
        }
        for (path, expected) in [
            ("/admin/", "admin"),
            ("/admin//x", "admin/x"),
            ("/%61dmin/x", "admin/x"),
            ("/admin%2Fx", "admin/x"),
            ("/admin%5cx", "admin/x"),
            ("/admin\\x", "admin/x"),
            ("/admin;a=b/x;c", "admin/x"),
            ("/;/admin", "admin"),
            ("/admin%3Ba/x", "admin/x"),
        ] {
            assert_eq!(plain(path).as_deref(), Some(expected), "{path}");
        }
    }
}
