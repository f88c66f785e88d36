//! Every broken file of the corpus, with the message that its author sees.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{catalogue, source};
use stanch_runbook::load;
use stanch_runbook::model::Mode;

#[test]
fn every_broken_file_says_what_is_wrong_and_what_would_be_right() {
    let mut paths: Vec<_> = std::fs::read_dir("tests/broken")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    assert!(
        paths.len() > 30,
        "the corpus is not where it was: {}",
        paths.len()
    );
    let catalogue = catalogue();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("broken");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let _guard = settings.bind_to_scope();
    for path in paths {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut source = source(stem, &text);
        // What the operator's file says is in comments at the top of the case.
        for line in text.lines() {
            if let Some(defaults) = line.strip_prefix("# defaults: ") {
                source.defaults = serde_json::from_str(defaults).unwrap();
            }
            if line == "# max_mode: ask" {
                source.max_mode = Mode::Ask;
            }
        }
        match load(&source, &catalogue) {
            Ok(_) => panic!("{stem} loads"),
            Err(errors) => insta::assert_snapshot!(stem, errors.render(false, 110)),
        }
    }
}
