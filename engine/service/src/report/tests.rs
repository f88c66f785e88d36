//! The pages at each stage, as a person sees them.

use insta::assert_snapshot;

use super::markdown::run_markdown;
use super::page::Style;
use super::samples::*;
use super::{Detail, run_page};
use crate::control::types::{RunView, Tone};

fn shown(run: &RunView) -> String {
    run_page(run, run.now, 96, Detail::Short).to_plain()
}

#[test]
fn a_question_says_how_bad_what_was_found_and_what_would_be_done_in_that_order() {
    let page = shown(&asked());
    assert_snapshot!(page);
    let order = [
        "HIGH",
        "Writes on this node will fail",
        "/var is 96 % full",
        "Would do",
        "before: 214 files",
        "Touches",
        "Undone",
        "Who",
        "Time left",
        "nobody checked this",
        "Completely safe!",
    ];
    let places: Vec<_> = order
        .iter()
        .map(|text| page.find(text).unwrap_or_else(|| panic!("{text}")))
        .collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn a_question_about_objects_says_what_the_host_read_what_the_server_would_do_and_how_many_are_left() {
    let page = shown(&evicting());
    assert_snapshot!(page);
    for words in [
        "before: Running, Ready since",
        "server's dry run: the server would evict it now",
        "2 targets; of 8 alike",
        "5 Ready besides these",
        "in cluster eu-b",
        "1 target at a time",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[test]
fn all_of_a_question_is_shown_on_demand() {
    let run = asked();
    let page = run_page(&run, run.now, 96, Detail::All).to_plain();
    assert!(
        page.contains("old/part-5") && page.contains("files usage scratch"),
        "{page}"
    );
    assert!(!shown(&run).contains("old/part-5"));
}

#[test]
fn a_run_that_was_healed() {
    assert_snapshot!(shown(&healed()));
}

#[test]
fn a_run_that_waits_in_recovery() {
    assert_snapshot!(shown(&recovering()));
}

#[test]
fn a_run_that_failed() {
    assert_snapshot!(shown(&failed()));
}

#[test]
fn a_run_in_doubt() {
    assert_snapshot!(shown(&in_doubt()));
}

#[test]
fn a_run_that_was_undone() {
    assert_snapshot!(shown(&undone()));
}

#[test]
fn a_run_in_shadow() {
    assert_snapshot!(shown(&shadow()));
}

#[test]
fn a_run_as_markdown() {
    assert_snapshot!(run_markdown(&healed()));
}

#[test]
fn a_narrow_terminal_loses_nothing() {
    let run = asked();
    let narrow = run_page(&run, run.now, 50, Detail::Short).to_plain();
    for word in shown(&run).split_whitespace() {
        assert!(narrow.contains(word), "{word}\n{narrow}");
    }
}

#[test]
fn colour_says_state_and_nothing_else() {
    let stages = [
        asked(),
        healed(),
        recovering(),
        failed(),
        in_doubt(),
        undone(),
        shadow(),
    ];
    for run in &stages {
        let page = run_page(run, run.now, 96, Detail::Short);
        for piece in page.lines().iter().flatten() {
            if piece.style == Style::State(Tone::Bad) {
                let states = ["HIGH", "failed", "in doubt", "refused", "firing", "escalated"];
                assert!(states.contains(&piece.text.as_str()), "{piece:?}");
            }
        }
    }
}

#[test]
fn a_view_is_read_back_from_its_json() {
    for run in [
        asked(),
        healed(),
        recovering(),
        failed(),
        in_doubt(),
        undone(),
        shadow(),
    ] {
        let text = serde_json::to_string(&run).unwrap();
        assert_eq!(serde_json::from_str::<RunView>(&text).unwrap(), run);
    }
}
