//! Whatever text is given, the loader answers with a runbook or with what is wrong; it never panics, and what it says
//! about a place is within the text.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::{catalogue, source};
use proptest::prelude::*;
use stanch_runbook::load;
use stanch_runbook::testfile::RunbookTest;

fn survives(text: &str) {
    let source = source("a", text);
    if let Err(errors) = load(&source, &catalogue()) {
        assert!(!errors.problems().is_empty());
        let lines = text.split('\n').count();
        for problem in errors.problems() {
            assert!(
                problem.line().is_none_or(|line| (1..=lines).contains(&line)),
                "{problem:?}"
            );
        }
        errors.render(false, 100);
        assert!(!errors.to_string().is_empty());
    }
}

/// Pieces that mean something to the loader, so that the noise gets past the first line.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "name = \"a\"\n",
        "title = ",
        "\"T\"\n",
        "owner = \"o\"\n",
        "[impact]\n",
        "severity = \"low\"\n",
        "[[diagnosis]]\n",
        "id = \"x\"\n",
        "ask = \"?\"\n",
        "uses = \"prometheus-eu\"\n",
        "with = { query = \"",
        "\" }\n",
        "${",
        "}",
        "$${",
        "alert.labels.x",
        "diagnosis.x.yes",
        "text(",
        "raw(",
        ")",
        "||",
        "[[mitigation]]\n",
        "do = \"D\"\n",
        "when = \"",
        "\"\n",
        "undo = [\"on-failure\"]\n",
        "[trigger]\n",
        "match = ['a=~\"",
        "\"']\n",
        "[recovery]\n",
        "\u{202e}",
        "\\u0000",
        "'",
        "\"\"\"",
        "\n",
        " ",
        "é",
        "[0]",
        "has(",
        ".all(a, ",
        "1e999",
        "-",
        "{a: 1}",
        "[[test]]\n",
        "[test.expect]\n",
    ];
    prop_oneof![3 => prop::sample::select(pieces.map(str::to_owned).to_vec()), 1 => ".{0,12}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in ".{0,200}") {
        survives(&text);
    }

    #[test]
    fn any_pieces_are_answered(pieces in prop::collection::vec(piece(), 0..40)) {
        survives(&pieces.concat());
    }

    #[test]
    fn any_expression_is_answered(expression in prop::collection::vec(piece(), 0..12)) {
        let expression = expression.concat().replace(['\n', '\''], " ");
        for value in [format!("'{expression}'"), format!("'${{{expression}}}'")] {
            survives(&format!(
                "name = \"a\"\ntitle = \"T\"\nowner = \"o\"\n[impact]\nseverity = \"low\"\nsummary = \"S\"\n[[diagnosis]]\nid = \"x\"\n\
                 ask = \"?\"\nuses = \"http-probe\"\nwith = {{ url = {value}, body = {value}, sent = {value} }}\n\
                 [[mitigation]]\nid = \"y\"\ndo = \"D\"\nwhen = {value}\n[trigger]\nalert = \"A\"\nmatch = [{value}]\nwhen = {value}\n"
            ));
        }
    }

    #[test]
    fn a_damaged_file_is_answered(from in 0_usize..4_000, length in 0_usize..60, with in ".{0,6}") {
        let text = std::fs::read_to_string("tests/good/high-latency-cluster-b.toml").unwrap();
        let floor = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (floor(from), floor(from + length));
        survives(&format!("{}{with}{}", &text[..start], &text[end..]));
    }

    #[test]
    fn any_test_file_is_answered(pieces in prop::collection::vec(piece(), 0..20)) {
        let text = std::fs::read_to_string("tests/good/by-hand-only.toml").unwrap();
        let runbook = load(&source("by-hand-only", &text), &catalogue()).unwrap();
        let _ = RunbookTest::read("a.test.toml", &pieces.concat(), &runbook);
    }
}

#[test]
fn a_deep_file_is_answered_on_a_small_stack() {
    let head = "name = \"a\"\ntitle = \"T\"\nowner = \"o\"\n";
    let files = [
        format!("{head}x = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("{head}x = {}", "{ a = ".repeat(50_000)),
        format!("{head}{}a = 1", "a.".repeat(100_000)),
        format!("{head}[{}a]", "a.".repeat(100_000)),
        format!("{head}[[{}a]]", "a.".repeat(30)),
        format!("{head}x = {}{}", "[".repeat(79), "]".repeat(79)),
    ];
    for file in files {
        let start = file[head.len()..].chars().take(20).collect::<String>();
        let thread = std::thread::Builder::new()
            .stack_size(2 << 20)
            .spawn(move || survives(&file));
        assert!(thread.unwrap().join().is_ok(), "{start}");
    }
}
