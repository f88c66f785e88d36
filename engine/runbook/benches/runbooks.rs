//! Load of 10,000 runbooks on two threads, of one edited file, and matching among 10,000 by equality and by pattern.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a bench is no interface, and fails by panicking"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;
use std::sync::Arc;

use common::{alert, catalogue, source};
use criterion::{Criterion, criterion_group, criterion_main};
use stanch_runbook::{Catalogue, Index, Loader, Runbook, RunbookSource};

const MANY: usize = 10_000;

/// The runbook of the reference, each with its own alert name and pattern.
fn sources(by_pattern: bool) -> Vec<RunbookSource> {
    let text = std::fs::read_to_string("tests/good/high-latency-cluster-b.toml").unwrap();
    (0..MANY)
        .map(|i| {
            let name = format!("high-latency-{i}");
            let mut text = text.replace("name = \"high-latency-cluster-b\"", &format!("name = \"{name}\""));
            text = if by_pattern {
                let text = text.replace("alert = \"HighLatency_Cluster_B\"\n", "");
                text.replace(
                    "'env=\"prod\"', 'region=~\"eu-.*\"'",
                    &format!("'pod=~\"web-{i}-.*\"'"),
                )
            } else {
                text.replace("HighLatency_Cluster_B", &format!("HighLatency_{i}"))
                    .replace("eu-.*", &format!("eu-{i}-.*"))
            };
            source(&name, &text)
        })
        .collect()
}

fn load_all(sources: &[RunbookSource], catalogue: &Catalogue) -> Vec<Arc<Runbook>> {
    let loader = Loader::new(catalogue);
    std::thread::scope(|scope| {
        let threads: Vec<_> = sources
            .chunks(sources.len().div_ceil(2))
            .map(|part| {
                let loader = &loader;
                scope.spawn(move || -> Vec<Arc<Runbook>> {
                    part.iter()
                        .map(|source| Arc::new(loader.load(source).unwrap()))
                        .collect()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

fn loading(c: &mut Criterion) {
    let catalogue = catalogue();
    let mut group = c.benchmark_group("load");
    group.sample_size(10);
    for (name, by_pattern) in [
        ("10,000 runbooks by equality", false),
        ("10,000 runbooks by pattern", true),
    ] {
        let sources = sources(by_pattern);
        group.bench_function(name, |b| b.iter(|| Index::new(load_all(&sources, &catalogue))));
    }
    let sources = sources(true);
    let index = Index::new(load_all(&sources, &catalogue));
    let loader = Loader::new(&catalogue);
    let mut edited = sources.first().unwrap().clone();
    edited.text = edited.text.replace("web-0-", "web-edited-");
    group.sample_size(50);
    group.bench_function("one edited file among 10,000", |b| {
        b.iter(|| {
            // A snapshot is swapped as a whole: the copy belongs to the price.
            let mut next = index.clone();
            next.replace(Arc::new(loader.load(&edited).unwrap()));
            next
        });
    });
    group.finish();
}

fn matching(c: &mut Criterion) {
    let catalogue = catalogue();
    let mut group = c.benchmark_group("match");
    for (name, by_pattern) in [
        ("among 10,000 by equality", false),
        ("among 10,000 by pattern", true),
    ] {
        let index = Index::new(load_all(&sources(by_pattern), &catalogue));
        let labels = [
            ("env", "prod"),
            ("region", "eu-4242-1"),
            ("pod", "web-4242-xyz"),
            ("cluster", "b"),
        ];
        let hit = alert("HighLatency_4242", &labels, &[("p99_seconds", "2.5")]);
        assert_eq!(index.candidates(&hit).len(), 1);
        group.bench_function(name, |b| {
            b.iter(|| black_box(index.candidates(black_box(&hit)).len()))
        });
        let miss = alert("Other", &[("pod", "db-1")], &[]);
        group.bench_function(format!("{name}, none fits"), |b| {
            b.iter(|| black_box(index.candidates(black_box(&miss)).len()));
        });
    }
    group.finish();
}

criterion_group!(benches, loading, matching);
criterion_main!(benches);
