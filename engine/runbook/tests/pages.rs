//! What people read: the page of a runbook, and where its values come from.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{catalogue, source};
use serde_json::json;
use stanch_runbook::model::Mode;
use stanch_runbook::{load, render};

#[test]
fn the_page_of_the_runbook_of_the_reference() {
    let text = std::fs::read_to_string("tests/good/high-latency-cluster-b.toml").unwrap();
    let runbook = load(&source("high-latency-cluster-b", &text), &catalogue()).unwrap();
    insta::assert_snapshot!(render::page(&runbook));
}

#[test]
fn the_page_of_a_runbook_that_is_done_by_hand() {
    let text = std::fs::read_to_string("tests/good/by-hand-only.toml").unwrap();
    let runbook = load(&source("by-hand-only", &text), &catalogue()).unwrap();
    insta::assert_snapshot!(render::page(&runbook));
}

#[test]
fn each_value_says_whether_runbook_folder_or_engine_gave_it() {
    let text = r#"
name = "a"
title = "T"
owner = "o"
[impact]
severity = "low"
summary = "S"
[[mitigation]]
id = "reroute"
do = "Reroute"
uses = "traffic-reroute"
with = { route = "a", to = "b" }
approval = { quorum = 2 }
[guardrails]
cooldown = "10m"
"#;
    let mut source = source("a", text);
    source.max_mode = Mode::Ask;
    source.defaults = json!({
        "mode": "shadow",
        "approval": {"from": ["group:sre"], "quorum": 1, "expires": "20m"},
        "escalation": [{"uses": "page", "with": {"to": "oncall"}}],
        "guardrails": {"cooldown": "1h", "rate": "3/1h"},
    });
    let runbook = load(&source, &catalogue()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(runbook.mode, Mode::Shadow);
    assert_eq!(runbook.escalation.len(), 1);
    insta::assert_snapshot!(render::resolved(&runbook));
}
