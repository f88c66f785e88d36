//! The pages that promise something promise nothing that no test shows.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops there")]

use std::collections::BTreeSet;
use std::path::Path;

/// The names of all functions in the sources of the workspace that are tests, as far as text tells.
fn tests(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // What is built at the root is no source; `http/target` is.
            if path != stanch_test_support::root().join("target") && !path.ends_with(".git") {
                tests(&path, names);
            }
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                let name = line
                    .strip_prefix("async fn ")
                    .or_else(|| line.strip_prefix("fn "))
                    .and_then(|rest| rest.split_once('('));
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    is_test = true;
                } else if let Some((name, _)) = name
                    && std::mem::take(&mut is_test)
                {
                    names.insert(name.to_owned());
                }
            }
        }
    }
}

/// Each sentence of the page names tests that are there; how many sentences that are.
fn shown(page: &str) -> usize {
    let root = stanch_test_support::root();
    let mut names = BTreeSet::new();
    tests(&root, &mut names);
    let text = std::fs::read_to_string(root.join(page)).unwrap();
    let mut sentences = 0;
    for row in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [sentence, shown] = cells[..] else {
            continue;
        };
        if sentence.is_empty() {
            continue;
        }
        let shown: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        assert!(!shown.is_empty(), "nothing shows: {sentence}");
        for name in shown {
            assert!(names.contains(name), "no test is called `{name}`: {sentence}");
        }
        sentences += 1;
    }
    sentences
}

#[test]
fn each_sentence_of_the_threat_model_names_a_test_that_is_there() {
    assert!(shown("docs/threat-model.md") > 35);
}

#[test]
fn each_promise_names_a_test_that_is_there() {
    assert!(shown("docs/promises.md") > 60);
}
