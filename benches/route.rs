//! Finds a method in a tree of 10, 100, 1,000 and 10,000 of them, three quarters with path parameters, as the definition of a large API has
//! them; then what no resource matches, and a path on which the tree must go back. One thread.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use headgate::snapshot::routes::Routes;
use http::Method;

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Resources of one kind of thing: the list, one of them, a part of one, and another list beside it.
const SHAPES: [&str; 4] =
    ["/things{}/items", "/things{}/items/{itemId}", "/things{}/items/{itemId}/parts/{partId}", "/things{}/users/{user}/settings"];

fn resources(count: usize) -> Vec<String> {
    (0..count).map(|index| SHAPES[index % 4].replace("{}", &(index / 4).to_string())).collect()
}

/// Paths that lead to each of them, in an order in which neighbours are far apart.
fn paths(resources: &[String]) -> Vec<String> {
    let count = resources.len();
    (0..count)
        .map(|index| &resources[index * 617 % count])
        .map(|path| path.replace("{itemId}", "a1b2c3").replace("{partId}", "77").replace("{user}", "x%40y"))
        .collect()
}

fn find(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    group.throughput(Throughput::Elements(1));
    for count in [10, 100, 1_000, 10_000] {
        let resources = resources(count);
        let mut routes = Routes::default();
        for (index, path) in resources.iter().enumerate() {
            routes.insert(path, Some(&Method::GET), index).unwrap();
        }
        let paths = paths(&resources);
        assert!(paths.iter().all(|path| routes.find(&Method::GET, path).is_some()));
        let mut turn = paths.iter().cycle();
        group.bench_function(BenchmarkId::new("found", count), |bencher| {
            bencher.iter(|| black_box(routes.find(&Method::GET, turn.next().unwrap())));
        });
        assert!(routes.find(&Method::GET, "/things0/items/1/parts/2/3").is_none());
        group.bench_function(BenchmarkId::new("not found", count), |bencher| {
            bencher.iter(|| black_box(routes.find(&Method::GET, black_box("/things0/items/1/parts/2/3"))));
        });
    }
    let mut routes = Routes::default();
    for (path, index) in [("/a/b/c/d/e", 0), ("/a/b/c/{v}/f", 1), ("/a/{v}/c/d/g", 2), ("/{proxy+}", 3)] {
        routes.insert(path, Some(&Method::GET), index).unwrap();
    }
    assert_eq!(routes.find(&Method::GET, "/a/b/c/d/h").map(|found| *found.operation), Some(3));
    group.bench_function("backtracking", |bencher| bencher.iter(|| black_box(routes.find(&Method::GET, black_box("/a/b/c/d/h")))));
}

fn insert(criterion: &mut Criterion) {
    let resources = resources(1_000);
    let mut group = criterion.benchmark_group("route");
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("insert 1,000", |bencher| {
        bencher.iter(|| {
            let mut routes = Routes::default();
            for (index, path) in resources.iter().enumerate() {
                routes.insert(path, Some(&Method::GET), index).unwrap();
            }
            routes
        });
    });
}

criterion_group!(benches, find, insert);
criterion_main!(benches);
