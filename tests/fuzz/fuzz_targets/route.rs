//! The route tree finds what a search through the list of resources finds. Each line is a resource, with its method before it; the last
//! one is the request.
#![no_main]

use headgate::snapshot::routes::Routes;
use http::Method;
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;

/// How special a resource is for a path: static before variable before greedy, segment by segment; nothing where it does not match.
fn rank(resource: &str, path: &[&str]) -> Option<Vec<u8>> {
    let mut ranks = Vec::new();
    let segments: Vec<&str> = resource.split('/').filter(|segment| !segment.is_empty()).collect();
    for (index, segment) in segments.iter().enumerate() {
        let here = path.get(index)?;
        let braced = segment.starts_with('{') && segment.ends_with('}') && segment.len() > 1;
        if braced && segment.ends_with("+}") && segment.len() > 2 {
            ranks.push(2);
            return (!here.is_empty()).then_some(ranks);
        }
        let fits = if braced { !here.is_empty() } else { percent_decode_str(here).decode_utf8_lossy() == **segment };
        if !fits {
            return None;
        }
        ranks.push(u8::from(braced));
    }
    (segments.len() == path.len()).then_some(ranks)
}

fn method(line: &str) -> (Option<Method>, &str) {
    let (name, path) = line.split_once(' ').unwrap_or(("GET", line));
    (if name == "ANY" { None } else { name.parse().ok() }, path)
}

fuzz_target!(|text: &str| {
    let Some((resources, request)) = text.rsplit_once('\n') else { return };
    let (mut routes, mut known) = (Routes::default(), Vec::new());
    for line in resources.lines().take(50) {
        let (http_method, path) = method(line);
        if routes.insert(path, http_method.as_ref(), known.len()).is_ok() {
            known.push((http_method, path));
        }
    }
    let (Some(http_method), path) = method(request) else { return };
    let found = routes.find(&http_method, path).map(|found| *found.operation);
    if !["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD"].contains(&http_method.as_str()) {
        assert_eq!(found, None);
        return;
    }
    let path = path.trim_start_matches('/');
    let path = path.strip_suffix('/').unwrap_or(path);
    let parts: Vec<&str> = if path.is_empty() { Vec::new() } else { path.split('/').collect() };
    let fitting = known.iter().enumerate().filter(|(_, (verb, _))| verb.as_ref().is_none_or(|verb| *verb == http_method));
    let best = fitting.filter_map(|(index, (verb, resource))| Some((rank(resource, &parts)?, verb.is_none(), index))).min();
    assert_eq!(found, best.map(|(_, _, index)| index), "{known:?}");
});
